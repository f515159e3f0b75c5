"""mxisd between a client that sends any bytes it likes and a homeserver that tells what it was sent."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable, Mapping
from email.message import Message
from functools import cached_property
from http.client import HTTPResponse
from typing import Any, cast

from msgspec import Struct
from treq.testing import RequestTraversalAgent
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Request

from mxisd.config import Config
from mxisd.config.interception import Auth, AuthRule, AuthUser, Directory, Exclude, Login, Profile, Register, Rewrite
from mxisd.config.interception import RegisterPolicy as RegistrationPolicyConfiguration
from mxisd.config.invite import IfSender, Invite
from mxisd.config.invite import Policy as InvitePolicyConfiguration
from mxisd.config.matrix import Account, Matrix
from mxisd.config.server import Dns, DnsEntry, DnsOverwrite, HomeserverOverwrites
from mxisd.core import Core
from mxisd.matrix.threepid import ThreePid
from mxisd.policies.build import build as build_policies
from mxisd.server import build_parts
from mxisd.stores.stores import Stores
from mxisd.web.build import Served, endpoints
from mxisd.web.client import Clients
from mxisd.web.site import error_page, tree
from tests.ends import MemoryCore
from tests.net.http_server.memory import Server
from tests.web.app import Homeservers, Mailbox

ONLY_STAFF = InvitePolicyConfiguration(if_sender=IfSender(has_role=("staff",)))
WHOAMI = "/_matrix/client/v3/account/whoami"


class Seen(Struct):
    """A request as it reached the homeserver."""

    method: str
    uri: str
    headers: dict[str, list[str]]
    body: bytes


class Homeserver(Resource):
    """Knows the users by their tokens, and says ``{"ok": true}`` to everything else."""

    isLeaf = True
    users: Mapping[str, str] = {
        "alices": "@alice:example.org",
        "staffs": "@staff:example.org",
        "guests": "@guest:example.org",
    }

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Seen] = []
        self.answer: Callable[[Request], bytes | int] = ok

    def render(self, request: Request) -> bytes | int:
        headers = {
            name.decode().lower(): [value.decode("latin-1") for value in values]
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        uri = request.uri.decode()
        content = request.content.read() if request.content is not None else b""
        self.requests.append(Seen(request.method.decode(), uri, headers, content))
        if uri.startswith(WHOAMI):
            token = headers.get("authorization", [""])[0].removeprefix("Bearer ")
            user = self.users.get(token or (request.args.get(b"access_token") or [b""])[0].decode())
            if user is None:
                request.setResponseCode(401)
                request.setHeader(b"X-Homeserver", b"itself")
                return b'{"errcode":"M_UNKNOWN_TOKEN","error":"no such token"}'
            user_id = (request.args.get(b"user_id") or [user.encode()])[0].decode()
            return json.dumps({"user_id": user_id, "is_guest": user_id.startswith("@guest:")}).encode()
        return self.answer(request)

    def judged(self) -> list[Seen]:
        """The requests that were forwarded."""
        return [seen for seen in self.requests if not seen.uri.startswith(WHOAMI)]


def ok(request: Request) -> bytes | int:
    request.setHeader(b"Content-Type", b"application/json")
    return b'{"ok":true}'


class Response(Struct):
    status: int
    reason: str
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Profiles:
    async def roles(self, user_id: str) -> frozenset[str]:
        return frozenset({"staff"} if user_id == "@staff:example.org" else ())


class Addresses:
    """Whom addresses belong to."""

    def __init__(self, users: Mapping[tuple[str, str], str]) -> None:
        self.users = users

    async def find(self, threepid: ThreePid) -> str | None:
        return self.users.get(threepid)


class _Bytes:
    """What ``HTTPResponse`` takes for a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


class InterceptionTestCase(SynchronousTestCase):
    invites = ONLY_STAFF
    registrations = RegistrationPolicyConfiguration()
    stores = Stores([])
    exclude = Exclude()
    addresses = Addresses({})
    rules: tuple[AuthRule, ...] = ()
    public_profiles = False
    features = True

    def setUp(self) -> None:
        self.clock = Clock()
        self.mailbox = Mailbox()
        self.homeserver = Homeserver()
        self.agent = RequestTraversalAgent(self.homeserver)

    @cached_property
    def server(self) -> Server:
        clients = Clients(self.core.config.server.trusted_proxies)
        return Server(tree(endpoints(self.core, self.parts, clients, self.agent), clients), error_page=error_page)

    @cached_property
    def core(self) -> Core:
        homeserver = DnsEntry(name="matrix.example.org", value="http://homeserver:8008")
        config = Config(
            matrix=Matrix(domain="example.org"),
            account=Account(allow_only_trust_domains=False),
            dns=Dns(overwrite=DnsOverwrite(homeserver=HomeserverOverwrites(client=(homeserver,)))),
            invite=Invite(policy=self.invites),
            register=Register(policy=self.registrations),
            auth=Auth(login=Login(enabled=self.features), rewrite=Rewrite(user=AuthUser(rules=self.rules))),
            directory=Directory(enabled=self.features, exclude=self.exclude),
            profile=Profile(enabled=self.features, public=self.public_profiles),
        )
        core = MemoryCore(config, self.clock)
        core.use(Homeservers())
        return core

    @cached_property
    def parts(self) -> Served:
        built: Any = build_parts(self.core, self.mailbox)
        return cast(
            "Served",
            built._replace(
                stores=self.stores,
                policies=build_policies(self.core, Profiles(), built.limits),
                lookups=built.lookups._replace(private=self.addresses),
            ),
        )

    def connect(self, peer: str = "127.0.0.1") -> tuple[Any, StringTransport]:
        """A connection to mxisd, and what it writes there."""
        return self.server.connect(peer)

    def raw(self, data: bytes, peer: str = "127.0.0.1") -> Response:
        """Send these bytes, and nothing else."""
        channel, transport = self.connect(peer)
        channel.dataReceived(data)
        for _ in range(3):
            self.server.turn()
            self.agent.flush()
        channel.connectionLost()
        parsed = HTTPResponse(cast("socket.socket", _Bytes(transport.value())), method=data.partition(b" ")[0].decode())
        parsed.begin()
        return Response(parsed.status, parsed.reason, parsed.headers, parsed.read())

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        token: str | None = "alices",
        headers: Mapping[str, str] | None = None,
        peer: str = "127.0.0.1",
    ) -> Response:
        """Send a request whose body is JSON, or these very bytes."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        fields = {"Host": "matrix.example.org", "Content-Length": str(len(content))}
        if token is not None:
            fields["Authorization"] = f"Bearer {token}"
        fields |= headers or {}
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return self.raw(head.encode("latin-1") + b"\r\n" + content, peer)
