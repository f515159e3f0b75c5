"""Every path of the identity service API, and what answers there."""

from __future__ import annotations

from msgspec import Struct

from ..endpoint import Endpoint
from .account import AccountEndpoints
from .invite import InviteEndpoints
from .lookup import LookupEndpoints
from .pubkey import PubkeyEndpoints
from .status import health, status, version, versions
from .threepid import ThreePidEndpoints
from .validate import CONFIRM, ValidateEndpoints

V1 = "/_matrix/identity/api/v1"
V2 = "/_matrix/identity/v2"

# Of a body with many addresses, in bytes.
MANY = 1024 * 1024


class IdentityEndpoints(Struct, frozen=True):
    """The handlers that both versions of the API share."""

    account: AccountEndpoints
    lookup: LookupEndpoints
    validate: ValidateEndpoints
    threepid: ThreePidEndpoints
    pubkey: PubkeyEndpoints
    invite: InviteEndpoints


def common(on: IdentityEndpoints) -> dict[str, Endpoint]:
    """The paths that belong to no version of the API."""
    return {
        "/_matrix/identity/versions": Endpoint(GET=versions),
        "/status": Endpoint(GET=health),
        "/version": Endpoint(GET=version),
        f"{CONFIRM}/email": Endpoint(GET=on.validate.ask, POST=on.validate.confirm("email")),
        f"{CONFIRM}/msisdn": Endpoint(GET=on.validate.ask, POST=on.validate.confirm("msisdn")),
    }


def v1(on: IdentityEndpoints) -> dict[str, Endpoint]:
    """r0.2.0: nothing asks for a token."""
    validate = on.validate
    return {
        V1: Endpoint(GET=status),
        f"{V1}/": Endpoint(GET=status),
        f"{V1}/lookup": Endpoint(GET=on.lookup.single),
        f"{V1}/bulk_lookup": Endpoint(POST=on.lookup.bulk, body_limit=MANY),
        f"{V1}/validate/email/requestToken": Endpoint(POST=validate.request_email_token),
        f"{V1}/validate/email/submitToken": Endpoint(
            GET=validate.submit_page("email"), HEAD=validate.look_at_page, POST=validate.submit("email")
        ),
        f"{V1}/3pid/bind": Endpoint(POST=on.threepid.bind),
        f"{V1}/3pid/unbind": Endpoint(POST=on.threepid.unbind),
        f"{V1}/store-invite": Endpoint(POST=on.invite.store_v1),
        **v1_for_homeservers(on),
    }


def v1_for_homeservers(on: IdentityEndpoints) -> dict[str, Endpoint]:
    """
    What is served of v1 even where it is switched off: nobody can be looked up, invited or bound by it.

    Synapse asks by it for the proof of a session, and has phone numbers validated (``account_threepid_delegates``).
    The events of invites name the URLs by which keys are checked, and mails the one to accept an invite by.
    """
    validate = on.validate
    return {
        f"{V1}/validate/msisdn/requestToken": Endpoint(POST=validate.request_phone_token),
        f"{V1}/validate/msisdn/submitToken": Endpoint(
            GET=validate.submit_page("msisdn"), HEAD=validate.look_at_page, POST=validate.submit("msisdn")
        ),
        f"{V1}/3pid/getValidated3pid": Endpoint(GET=validate.get_validated),
        f"{V1}/pubkey/isvalid": Endpoint(GET=on.pubkey.is_valid),
        f"{V1}/pubkey/ephemeral/isvalid": Endpoint(GET=on.pubkey.is_valid_ephemeral),
        f"{V1}/pubkey/{{keyId}}": Endpoint(GET=on.pubkey.key),
        f"{V1}/sign-ed25519": Endpoint(POST=on.invite.sign),
    }


def v2(on: IdentityEndpoints) -> dict[str, Endpoint]:
    """The current API: most of it asks for a token, and then for accepted terms."""
    validate, token, terms = on.validate, on.account.with_token, on.account.with_terms
    return {
        V2: Endpoint(GET=status),
        f"{V2}/account": Endpoint(GET=terms(on.account.account)),
        f"{V2}/account/register": Endpoint(POST=on.account.register),
        f"{V2}/account/logout": Endpoint(POST=token(on.account.logout)),
        f"{V2}/terms": Endpoint(GET=on.account.terms, POST=token(on.account.accept_terms)),
        f"{V2}/hash_details": Endpoint(GET=terms(on.lookup.hash_details)),
        f"{V2}/lookup": Endpoint(POST=terms(on.lookup.hashed), body_limit=MANY),
        f"{V2}/validate/email/requestToken": Endpoint(POST=terms(validate.request_email_token)),
        f"{V2}/validate/msisdn/requestToken": Endpoint(POST=terms(validate.request_phone_token)),
        # Links are opened by browsers, which have no token.
        f"{V2}/validate/email/submitToken": Endpoint(
            GET=validate.submit_page("email"), HEAD=validate.look_at_page, POST=terms(validate.submit("email"))
        ),
        f"{V2}/validate/msisdn/submitToken": Endpoint(
            GET=validate.submit_page("msisdn"), HEAD=validate.look_at_page, POST=terms(validate.submit("msisdn"))
        ),
        f"{V2}/3pid/getValidated3pid": Endpoint(GET=terms(validate.get_validated)),
        f"{V2}/3pid/bind": Endpoint(POST=terms(on.threepid.bind)),
        # Proves itself by its session, or by the signature of a homeserver.
        f"{V2}/3pid/unbind": Endpoint(POST=on.threepid.unbind),
        f"{V2}/pubkey/isvalid": Endpoint(GET=on.pubkey.is_valid),
        f"{V2}/pubkey/ephemeral/isvalid": Endpoint(GET=on.pubkey.is_valid_ephemeral),
        f"{V2}/pubkey/{{keyId}}": Endpoint(GET=on.pubkey.key),
        f"{V2}/store-invite": Endpoint(POST=terms(on.invite.store_v2)),
        f"{V2}/sign-ed25519": Endpoint(POST=terms(on.invite.sign)),
    }
