"""The server in memory: everything but sockets, threads and other servers is the real thing."""

from __future__ import annotations

import json as json_
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct, json
from treq.testing import StubTreq
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from mxisd.accounts.accounts import Accounts
from mxisd.accounts.terms import Terms
from mxisd.config.interception import RegisterPolicy
from mxisd.config.invite import Policy as InviteRules
from mxisd.config.invite import Rule
from mxisd.config.matrix import TermsPolicy
from mxisd.config.session import Bind, SessionPolicy
from mxisd.invites.invites import Invites
from mxisd.lookup.chain import Lookup
from mxisd.lookup.hashed import HashedLookup
from mxisd.lookup.index import HashIndex
from mxisd.lookup.recursion import Recursion
from mxisd.matrix.error import MatrixError
from mxisd.notify import Message, SendFailed
from mxisd.policies.invite import InvitePolicy
from mxisd.policies.newcomers import Newcomers
from mxisd.policies.proofs import Proofs
from mxisd.policies.registration import RegistrationPolicy
from mxisd.stores.stores import Stores
from mxisd.threepids.binding import Bindings
from mxisd.threepids.unbind_notices import UnbindNotices
from mxisd.threepids.validation import ValidationSessions
from mxisd.web.client import Clients
from mxisd.web.identity.account import AccountEndpoints
from mxisd.web.identity.api import IdentityEndpoints, common, v1, v2
from mxisd.web.identity.invite import InviteEndpoints
from mxisd.web.identity.lookup import LookupEndpoints
from mxisd.web.identity.pubkey import PubkeyEndpoints
from mxisd.web.identity.threepid import ThreePidEndpoints
from mxisd.web.identity.validate import ValidateEndpoints
from mxisd.web.pages import Pages
from mxisd.web.site import tree
from tests.make import clock_at, seeded, signer_for
from tests.storage.inline import at_once, storage_in_memory

V1 = "/_matrix/identity/api/v1"
V2 = "/_matrix/identity/v2"
DOMAIN = "example.org"
PUBLIC_URL = "https://id.example.org"


class Response(Struct):
    status: int
    headers: Headers
    body: bytes

    @property
    def json(self) -> Any:
        return json.decode(self.body)

    def header(self, name: str) -> str | None:
        values = self.headers.getRawHeaders(name)
        return values[0] if values else None


class Mailbox:
    """Takes messages instead of a mail server."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.failure: SendFailed | None = None

    async def send(self, message: Message) -> None:
        if self.failure is not None:
            raise self.failure
        self.messages.append(message)


class Homeservers:
    """Says whose OpenID token is whose, and who signed a request."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.users = {"alices": "@alice:example.org", "bobs": "@bob:example.org", "eves": "@eve:evil.example"}

    async def userinfo(self, server_name: str, openid_token: str) -> str:
        self.asked.append((server_name, openid_token))
        if openid_token not in self.users:
            raise MatrixError(401, "M_UNAUTHORIZED", "not a token of this server")
        return self.users[openid_token]

    async def authenticate(self, header: str, method: str, uri: str, content: object, origin: str) -> None:
        if header != f"X-Matrix {origin}":
            raise MatrixError(403, "M_FORBIDDEN", "no signature")


class Bell:
    """Counts how often the deliveries were woken."""

    def __init__(self) -> None:
        self.rung = 0

    def wake(self) -> None:
        self.rung += 1


class App:
    """One server, with a clock to turn."""

    def __init__(
        self,
        policies: Mapping[str, TermsPolicy],
        session_policy: SessionPolicy,
        registrations: RegisterPolicy | None = None,
    ) -> None:
        self.clock = clock_at()
        random = seeded()
        self.storage = storage = storage_in_memory()
        self.mailbox = Mailbox()
        self.homeservers = Homeservers()
        self.deliveries = Bell()
        self.policy = InvitePolicy(
            InviteRules(rules=(Rule(action="deny", address=("*@forbidden.example",)),)), Stores([])
        )
        self.signer = signer = signer_for(DOMAIN)
        lookup = Lookup(storage.bindings, [], signer, self.clock)
        recursion = Recursion(lookup, lookup, ())
        self.proofs = Proofs(storage.cooldowns, self.clock)
        newcomers = None
        if registrations is not None:
            registration_policy = RegistrationPolicy(registrations, storage.invites, DOMAIN)
            newcomers = Newcomers(registration_policy, self.proofs, DOMAIN)
        index = HashIndex(storage.hashes, storage.cooldowns, [], at_once, self.clock, random, 20, timedelta(minutes=10))
        sessions = ValidationSessions(storage.sessions, self.mailbox, self.clock, random, PUBLIC_URL)
        invites = Invites(
            storage.invites,
            self.policy,
            self.proofs,
            recursion,
            self.deliveries,
            signer,
            self.clock,
            random,
            DOMAIN,
        )
        accounts = Accounts(storage.accounts, self.homeservers, self.clock, random, only_domain=None)
        notices = UnbindNotices(session_policy.unbind, storage.bindings, storage.cooldowns, self.mailbox, self.clock)
        publication = Bindings(storage.bindings, sessions, self.deliveries, notices, signer, self.clock, session_policy)
        endpoints = IdentityEndpoints(
            account=AccountEndpoints(accounts, Terms(policies, storage.accounts, self.clock)),
            lookup=LookupEndpoints(recursion, HashedLookup(storage.hashes, index), Clients(()), bulk=True),
            validate=ValidateEndpoints(sessions, Pages.built_in(), session_policy.validation, newcomers),
            threepid=ThreePidEndpoints(publication, self.homeservers.authenticate),
            pubkey=PubkeyEndpoints(signer, invites),
            invite=InviteEndpoints(invites, Clients(()), signer, PUBLIC_URL),
        )
        self.endpoints = common() | v1(endpoints) | v2(endpoints)
        self.client: Any = StubTreq(tree(self.endpoints))


class AppTestCase(SynchronousTestCase):
    """Talks to an :class:`App`."""

    policies: Mapping[str, TermsPolicy] = {}
    session_policy = SessionPolicy(bind=Bind(domains=(DOMAIN,)))
    registrations: RegisterPolicy | None = None

    def setUp(self) -> None:
        self.app = App(self.policies, self.session_policy, self.registrations)

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        form: Mapping[str, str] | None = None,
        data: bytes | None = None,
        query: Mapping[str, str] | None = None,
        token: str | None = None,
        headers: Mapping[str, str | bytes] | None = None,
    ) -> Response:
        """One request, and what came back."""
        all_headers = dict(headers or {})
        if json is not None:
            data, all_headers["Content-Type"] = json_.dumps(json).encode(), "application/json"
        if form is not None:
            data = urlencode(form).encode()
            all_headers["Content-Type"] = "application/x-www-form-urlencoded"
        if token is not None:
            all_headers["Authorization"] = f"Bearer {token}"
        url = f"{PUBLIC_URL}{path}" + (f"?{urlencode(query)}" if query else "")
        client = self.app.client
        pending = client.request(method, url, data=data, headers=all_headers, allow_redirects=False)
        client.flush()
        response = self.successResultOf(pending)
        body = self.successResultOf(response.content())
        return Response(response.code, response.headers, body)

    def get(self, path: str, **arguments: Any) -> Response:
        return self.request("GET", path, **arguments)

    def post(self, path: str, **arguments: Any) -> Response:
        return self.request("POST", path, **arguments)

    def assert_error(self, response: Response, status: int, errcode: str) -> None:
        """It is the standard error body, with CORS headers."""
        self.assertEqual((response.status, response.json.get("errcode")), (status, errcode), response.body)
        self.assertIsInstance(response.json["error"], str)
        self.assertEqual(response.header("Content-Type"), "application/json")
        self.assertEqual(response.header("Access-Control-Allow-Origin"), "*")

    # The ways that most tests begin with.

    def register(self, openid_token: str = "alices") -> str:
        """A new access token."""
        answer = self.post(
            f"{V2}/account/register",
            json={
                "access_token": openid_token,
                "token_type": "Bearer",
                "matrix_server_name": DOMAIN,
                "expires_in": 3600,
            },
        )
        self.assertEqual(answer.status, 200, answer.body)
        return str(answer.json["token"])

    def open_session(self, email: str = "alice@example.com", secret: str = "secret", attempt: int = 1) -> str:
        """Ask for a token by v1; the session's ID."""
        answer = self.post(
            f"{V1}/validate/email/requestToken",
            json={"client_secret": secret, "email": email, "send_attempt": attempt},
        )
        self.assertEqual(answer.status, 200, answer.body)
        return str(answer.json["sid"])

    def submit(self, sid: str, secret: str = "secret", token: str | None = None) -> Response:
        """Submit the token that was mailed last, or another."""
        token = self.app.mailbox.messages[-1].token if token is None else token
        return self.post(f"{V1}/validate/email/submitToken", json={"sid": sid, "client_secret": secret, "token": token})

    def validate(self, email: str = "alice@example.com", secret: str = "secret") -> str:
        """A session in which an address is validated."""
        sid = self.open_session(email, secret)
        self.assertEqual(self.submit(sid, secret).json, {"success": True})
        return sid

    def bind(
        self, email: str = "alice@example.com", user_id: str = "@alice:example.org", secret: str = "secret"
    ) -> Any:
        """Validate and bind an address; the association."""
        sid = self.validate(email, secret)
        answer = self.post(f"{V1}/3pid/bind", json={"sid": sid, "client_secret": secret, "mxid": user_id})
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def invite(self, email: str = "bob@example.com", room: str = "!room:example.org", **more: str) -> Response:
        """Store an invite by v1."""
        return self.post(
            f"{V1}/store-invite",
            json={"medium": "email", "address": email, "room_id": room, "sender": "@alice:example.org", **more},
        )
