"""Every path of the client-server API that is intercepted; ``conf/`` has the rules that lead them here."""

from __future__ import annotations

from msgspec import Struct

from ..endpoint import Endpoint, PassingOn
from .directory import DirectoryInterception
from .invite import InviteInterception
from .login import LoginInterception
from .profile import ProfileInterception
from .register import RegistrationInterception

# All under which Synapse serves, or did, any of the paths.
VERSIONS = ("api/v1", "r0", "v1", "v3", "unstable")


class InterceptionEndpoints(Struct, frozen=True):
    """
    The handlers that all versions of the API share.

    ``None`` stands for a feature that is off: its requests are sent on as they came.
    """

    invite: InviteInterception
    register: RegistrationInterception
    directory: DirectoryInterception | None
    login: LoginInterception | None
    profile: ProfileInterception | None


def interceptions(on: InterceptionEndpoints) -> dict[str, Endpoint]:
    """The endpoints by path."""
    forward = PassingOn(on.invite.forward)
    search = Endpoint(POST=on.directory.search if on.directory else forward)
    login = Endpoint(GET=forward, POST=on.login.log_in if on.login else forward)
    profile = Endpoint(GET=on.profile.profile if on.profile else forward, HEAD=forward)
    endpoints: dict[str, Endpoint] = {}
    for version in VERSIONS:
        client = f"/_matrix/client/{version}"
        room = f"{client}/rooms/{{roomId}}"
        event, longer = on.invite.event(room=-3), on.invite.event(room=-4)
        endpoints |= {
            f"{room}/invite": Endpoint(POST=on.invite.invite(room=-2)),
            f"{room}/invite/{{txnId}}": Endpoint(PUT=on.invite.invite(room=-3)),
            f"{client}/createRoom": Endpoint(POST=on.invite.create_room),
            f"{client}/createRoom/{{txnId}}": Endpoint(PUT=on.invite.create_room),
            f"{room}/state/{{eventType}}": Endpoint(GET=forward, PUT=event),
            # The empty state key, written out.
            f"{room}/state/{{eventType}}/": Endpoint(GET=forward, PUT=longer),
            f"{room}/state/{{eventType}}/{{stateKey}}": Endpoint(GET=forward, PUT=longer),
            f"{room}/send/{{eventType}}": Endpoint(POST=event),
            f"{room}/send/{{eventType}}/{{txnId}}": Endpoint(PUT=longer),
            f"{client}/register/{{medium}}/requestToken": Endpoint(POST=on.register.request_token),
            f"{client}/user_directory/search": search,
            f"{client}/login": login,
            f"{client}/profile/{{userId}}": profile,
            f"{client}/account/3pid/{{medium}}/requestToken": Endpoint(POST=on.register.request_token_for_account),
        }
    return endpoints
