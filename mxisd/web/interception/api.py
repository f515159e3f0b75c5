"""Every path of the client-server API that is intercepted; ``conf/`` has the rules that lead them here."""

from __future__ import annotations

from ..endpoint import Endpoint
from .invite import InviteInterception
from .register import RegistrationInterception

# All under which Synapse serves, or did, any of the paths.
GENERATIONS = ("api/v1", "r0", "v1", "v3", "unstable")


def interceptions(on_invite: InviteInterception, on_register: RegistrationInterception) -> dict[str, Endpoint]:
    """The endpoints by path."""
    endpoints: dict[str, Endpoint] = {}
    for generation in GENERATIONS:
        client = f"/_matrix/client/{generation}"
        room = f"{client}/rooms/{{roomId}}"
        event, longer = on_invite.event(room=-3), on_invite.event(room=-4)
        endpoints |= {
            f"{room}/invite": Endpoint(POST=on_invite.invite(room=-2)),
            f"{room}/invite/{{txnId}}": Endpoint(PUT=on_invite.invite(room=-3)),
            f"{client}/createRoom": Endpoint(POST=on_invite.create_room),
            f"{client}/createRoom/{{txnId}}": Endpoint(PUT=on_invite.create_room),
            f"{room}/state/{{eventType}}": Endpoint(GET=on_invite.forward, PUT=event),
            # The empty state key, written out.
            f"{room}/state/{{eventType}}/": Endpoint(GET=on_invite.forward, PUT=longer),
            f"{room}/state/{{eventType}}/{{stateKey}}": Endpoint(GET=on_invite.forward, PUT=longer),
            f"{room}/send/{{eventType}}": Endpoint(POST=event),
            f"{room}/send/{{eventType}}/{{txnId}}": Endpoint(PUT=longer),
            f"{client}/register/{{medium}}/requestToken": Endpoint(POST=on_register.request_token),
        }
    return endpoints
