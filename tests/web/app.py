"""The server in memory: everything but sockets, threads and other servers is the real thing."""

from __future__ import annotations

import json as json_
import random
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

from msgspec import Struct, json
from signedjson.key import decode_signing_key_base64
from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from mxisd.accounts.accounts import Accounts
from mxisd.accounts.terms import Terms
from mxisd.config.invite import Policy as InviteRules
from mxisd.config.invite import Rule
from mxisd.config.policy import Policy
from mxisd.config.session import Bind
from mxisd.config.session import Policy as SessionPolicy
from mxisd.invites.invites import Invites
from mxisd.lookup.chain import Lookup
from mxisd.lookup.hashed import HashedLookup
from mxisd.lookup.index import HashIndex
from mxisd.lookup.recursion import Recursion
from mxisd.matrix.error import MatrixError
from mxisd.matrix.signing import Signer
from mxisd.notify import Message, SendFailed
from mxisd.policies.invite import InvitePolicy
from mxisd.stores.stores import Stores
from mxisd.threepids.binding import Bindings
from mxisd.threepids.next_link import NextLinks
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
from tests.storage.inline import at_once, storage_in_memory

T = TypeVar("T")

V1 = "/_matrix/identity/api/v1"
V2 = "/_matrix/identity/v2"
DOMAIN = "example.org"
PUBLIC_URL = "https://id.example.org"
SIGNING_KEY = decode_signing_key_base64("ed25519", "0", "noJr1vCokOpHynOOtIwU7FNnbaQ/npkZh42XL5pFHaE")


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
        self.held: Deferred[None] | None = None

    async def send(self, message: Message) -> None:
        if self.held is not None:
            await self.held
        if self.failure is not None:
            raise self.failure
        self.messages.append(message)


class Homeservers:
    """Says whose OpenID token is whose, and who signed a request."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.users = {"alices": "@alice:example.org", "bobs": "@bob:example.org"}

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
        self, policies: Mapping[str, Policy], session_policy: SessionPolicy, *, asking_first: bool = True
    ) -> None:
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        source = random.Random(0)
        self.storage = storage = storage_in_memory()
        self.mailbox = Mailbox()
        self.homeservers = Homeservers()
        self.deliveries = Bell()
        self.policy = InvitePolicy(
            InviteRules(rules=(Rule(action="deny", address=("*@forbidden.example",)),)), Stores([])
        )
        self.signer = signer = Signer(DOMAIN, [SIGNING_KEY])
        lookup = Lookup(storage.bindings, [], signer, self.clock)
        index = HashIndex(storage.hashes, storage.cooldowns, [], at_once, self.clock, source.randbytes, 20, 600)
        next_links = NextLinks(session_policy.next_link.allowed)
        sessions = ValidationSessions(
            storage.sessions, self.mailbox, self.clock, source.randbytes, PUBLIC_URL, next_links
        )
        invites = Invites(storage.invites, self.policy, lookup, self.deliveries, signer, self.clock, source.randbytes)
        accounts = Accounts(storage.accounts, self.homeservers, self.clock, source.randbytes, only_domain=None)
        notices = UnbindNotices(session_policy.unbind, storage.bindings, storage.cooldowns, self.mailbox, self.clock)
        publication = Bindings(storage.bindings, sessions, self.deliveries, notices, signer, self.clock, session_policy)
        endpoints = IdentityEndpoints(
            account=AccountEndpoints(accounts, Terms(policies, storage.accounts, self.clock)),
            lookup=LookupEndpoints(
                Recursion(lookup, lookup, ()), HashedLookup(storage.hashes, index), Clients(()), bulk=True
            ),
            validate=ValidateEndpoints(
                sessions, Pages.built_in(), session_policy.validation, asking_first=asking_first
            ),
            threepid=ThreePidEndpoints(publication, self.homeservers.authenticate),
            pubkey=PubkeyEndpoints(signer, invites),
            invite=InviteEndpoints(invites, signer, PUBLIC_URL),
        )
        self.endpoints = common(endpoints) | v1(endpoints) | v2(endpoints)
        self.client: Any = StubTreq(tree(self.endpoints))

    def now(self) -> int:
        return int(self.clock.seconds() * 1000)


class AppTestCase(SynchronousTestCase):
    """Talks to an :class:`App`."""

    policies: Mapping[str, Policy] = {}
    session_policy = SessionPolicy(bind=Bind(domains=(DOMAIN,)))
    asking_first = True

    def setUp(self) -> None:
        self.app = App(self.policies, self.session_policy, asking_first=self.asking_first)

    def request(self, method: str, path: str, **arguments: Any) -> Response:
        """One request, and what came back; see :meth:`begin`."""
        return self.response(self.begin(method, path, **arguments))

    def begin(
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
    ) -> Deferred[Any]:
        """Send a request."""
        all_headers = dict(headers or {})
        if json is not None:
            data, all_headers["Content-Type"] = json_.dumps(json).encode(), "application/json"
        if form is not None:
            data = urlencode(form).encode()
            all_headers["Content-Type"] = "application/x-www-form-urlencoded"
        if token is not None:
            all_headers["Authorization"] = f"Bearer {token}"
        url = f"{PUBLIC_URL}{path}" + (f"?{urlencode(query)}" if query else "")
        pending: Deferred[Any] = self.app.client.request(
            method, url, data=data, headers=all_headers, allow_redirects=False
        )
        self.app.client.flush()
        return pending

    def response(self, pending: Deferred[Any]) -> Response:
        """What came back."""
        self.app.client.flush()
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

    def result_of(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What a coroutine returns that has nothing to wait for."""
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

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
