"""The server in memory: everything but sockets, threads and other servers is the real thing."""

from __future__ import annotations

import json as json_
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct, json
from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers
from twisted.web.resource import Resource

from mxisd.config import Config
from mxisd.config.invite import Invite, Rule
from mxisd.config.invite import Policy as InviteRules
from mxisd.config.lookup import Lookup, Recursive
from mxisd.config.matrix import Account, Matrix, Policies, TermsPolicy
from mxisd.config.rate_limit import RateLimit
from mxisd.config.server import Server
from mxisd.config.session import Bind, OnTokenSubmit, Session, SessionPages, SessionPolicy, View
from mxisd.matrix.error import MatrixError
from mxisd.notify import Message, SendFailed
from mxisd.notify.notifier import HandingOver, unnoticed
from mxisd.outbox.members import Members
from mxisd.outbox.worker import OutboxWorker
from mxisd.server import build_parts
from mxisd.web.build import endpoints
from mxisd.web.client import Clients
from mxisd.web.site import tree
from tests.ends import MemoryCore
from tests.make import clock_at
from tests.web.client import Treq

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
        self.held: Deferred[None] | None = None

    async def send(self, message: Message, handing_over: HandingOver = unnoticed) -> None:
        if self.held is not None:
            await self.held
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
        rate_limit: RateLimit,
        *,
        asking_first: bool = True,
        sections: Mapping[str, Any] | None = None,
    ) -> None:
        """``sections`` are further ones of the configuration, by their names."""
        self.clock = clock_at()
        self.mailbox = Mailbox()
        self.homeservers = Homeservers()
        config = Config(
            matrix=Matrix(domain=DOMAIN),
            server=Server(public_url=PUBLIC_URL),
            account=Account(allow_only_trust_domains=False),
            session=Session(policy=session_policy),
            policy=Policies(policies=policies),
            invite=Invite(policy=InviteRules(rules=(Rule(action="deny", address=("*@forbidden.example",)),))),
            rate_limit=rate_limit,
            lookup=Lookup(recursive=Recursive(enabled=False)),
            view=View(session=SessionPages(on_token_submit=OnTokenSubmit(confirm=asking_first))),
            **(sections or {}),
        )
        core = MemoryCore(config, self.clock)
        core.use(self.homeservers)
        self.storage, self.signer = core.storage, core.signer
        parts = build_parts(core, self.mailbox)
        self.parts = parts
        self.members = Members(self.storage.cooldowns, self.clock, told=False)
        self.proofs, self.stores, self.services = parts.policies.proofs, parts.stores, core.services
        self.endpoints = endpoints(
            core, parts, Clients(config.server.trusted_proxies), RequestTraversalAgent(Resource())
        )
        self.client: Any = Treq(tree(self.endpoints))


class AppTestCase(SynchronousTestCase):
    """Talks to an :class:`App`."""

    policies: Mapping[str, TermsPolicy] = {}
    session_policy = SessionPolicy(bind=Bind(domains=(DOMAIN,)))
    rate_limit = RateLimit()
    asking_first = True
    sections: Mapping[str, Any] = {}

    def setUp(self) -> None:
        self.app = App(
            self.policies,
            self.session_policy,
            self.rate_limit,
            asking_first=self.asking_first,
            sections=self.sections,
        )
        self.deliveries = Bell()
        self.patch(OutboxWorker, "wake", lambda _: self.deliveries.wake())

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

    def assert_error(self, response: Response, status: int, errcode: str, origin: str | None = "*") -> None:
        """It is the standard error body, with CORS headers."""
        self.assertEqual((response.status, response.json.get("errcode")), (status, errcode), response.body)
        self.assertIsInstance(response.json["error"], str)
        self.assertEqual(response.header("Content-Type"), "application/json")
        self.assertEqual(response.header("Access-Control-Allow-Origin"), origin)

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
