"""
A path of an API: its methods are coroutine functions from a :class:`Call` to what is answered.

The answer is a JSON-able object, an :class:`Answer` for what is not JSON, or a :class:`Streamed` one.  A raised
:class:`~mxisd.matrix.error.MatrixError` becomes the standard error body; anything else that is raised
is logged under a reference, and the reference is all that the client learns.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from functools import cache, partial
from typing import Any, TypeAlias, TypeVar

import msgspec
from msgspec import Struct
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from ..log import Logger, audit, origin
from ..matrix.error import MatrixError
from ..metrics import REQUEST_SECONDS, REQUESTS
from ..net.http_server import HttpRequest, IncomingBody
from ..storage.contract import StorageUnavailable
from ..waiting import background
from .body import from_form, from_json, from_strings
from .client import NO_PROXIES, Clients, RequestOrigin

log = Logger()

T = TypeVar("T")

CORS = {
    b"Access-Control-Allow-Origin": b"*",
    b"Access-Control-Allow-Methods": b"GET, HEAD, POST, PUT, DELETE, OPTIONS",
    # "*" would not cover Authorization.
    b"Access-Control-Allow-Headers": b"Origin, X-Requested-With, Content-Type, Accept, Authorization",
}
JSON = {b"Content-Type": b"application/json"}
TRY_AGAIN = {b"Retry-After": b"5"}
FORM = b"application/x-www-form-urlencoded"

# What clients put into the body who have put all into the query.
_NO_BODY = (b"", b"null", b"{}")


class Answer(Struct, frozen=True):
    """An answer in full."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


class Streamed(ABC):
    """An answer that comes from elsewhere, and is nobody's but its sender's."""

    @abstractmethod
    def send(self, request: HttpRequest) -> None:
        """Begin to send it, or drop it if the client has gone; the request is finished when it ends."""


class Call:
    """A request, as handlers see it."""

    __slots__ = ("raw_body", "request", "user_id")

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.raw_body = request.body
        """The body as it came."""
        self.user_id: str | None = None
        """Whose access token came with it; ``None`` where none is asked for."""

    @property
    def passed_body(self) -> bytes | IncomingBody:
        """The body for somebody else: while it still comes where the handler is :class:`PassingOn`."""
        return self.raw_body if self.request.incoming is None else self.request.incoming

    def owner(self) -> str:
        """The user whose access token came with it, for handlers that are reached with one only."""
        if self.user_id is None:
            raise RuntimeError("this endpoint was served without asking for an access token")
        return self.user_id

    def body(self, type_: type[T]) -> T:
        """
        The parameters of a POST: JSON, or form-encoded, or, as old clients do, in the query, with nothing in the body.

        A form cannot begin with a brace: then it is JSON that a simple client sent as what it sends everything.

        Raises :class:`~mxisd.matrix.error.MatrixError`.
        """
        body = self.raw_body
        if body.strip() in _NO_BODY and self.request.args:
            return self.query(type_)
        if self._content_type() == FORM and not body.lstrip().startswith(b"{"):
            return from_form(body, type_)
        return from_json(body, type_)

    def query(self, type_: type[T]) -> T:
        """The parameters of the query string; of one given twice, the first counts.  Raises ``MatrixError``."""
        try:
            values = {name.decode(): values[0].decode() for name, values in self.request.args.items()}
        except UnicodeDecodeError:
            raise MatrixError(400, "M_INVALID_PARAM", "The query is not UTF-8") from None
        return from_strings(values, type_)

    def path(self) -> str:
        """The path, as the client wrote it."""
        return self.request.path.decode("utf-8", "replace")

    def segment(self, index: int = -1) -> str:
        """The last segment of the path, or another one, decoded."""
        return self.request.prepath[index].decode("utf-8", "replace")

    def access_token(self) -> str | None:
        """The token of an ``Authorization: Bearer`` header or, as Synapse still sends it, of the query."""
        header = self.request.getHeader(b"authorization")
        if header is not None:
            scheme, _, token = header.partition(b" ")
            return token.strip().decode("ascii", "replace") if scheme.lower() == b"bearer" else None
        in_query = self.request.args.get(b"access_token")
        return in_query[0].decode("ascii", "replace") if in_query else None

    def accept_language(self) -> str:
        """The languages that the user reads, as the client put it."""
        return (self.request.getHeader(b"accept-language") or b"").decode("ascii", "replace")

    def is_prefetch(self) -> bool:
        """Whether a browser asks on suspicion, before its user does (header ``Sec-Purpose``, and its predecessors)."""
        purposes = (
            self.request.getHeader(name) or b"" for name in (b"sec-purpose", b"purpose", b"x-purpose", b"x-moz")
        )
        return any(purpose.lower().startswith((b"prefetch", b"preview")) for purpose in purposes)

    def _content_type(self) -> bytes:
        header = self.request.getHeader(b"content-type")
        return header.partition(b";")[0].strip().lower() if header else b""


Handler: TypeAlias = Callable[[Call], Awaitable[object]]


class PassingOn:
    """A handler that does not read the bodies of requests, but passes them on while they come."""

    def __init__(self, handler: Handler, *, unless: Callable[[Call], bool] = lambda _: False) -> None:
        """``unless`` tells by all but the body which requests are read after all."""
        self._handler = handler
        self._unless = unless

    def __call__(self, call: Call) -> Awaitable[object]:
        return self._handler(call)

    def passes(self, call: Call) -> bool:
        """Whether it passes the body of this request on."""
        return not self._unless(call)


class Endpoint(Resource):
    """Answers at one path.  A HEAD is a GET without the body, unless it has a handler of its own."""

    for_pages: Mapping[bytes, bytes] = CORS
    """What lets pages of any origin read the answers."""

    def __init__(self, *, body_limit: int = 0, **methods: Handler) -> None:
        """``body_limit`` is in bytes, where more may be sent than usually."""
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted's resources predate annotations
        self.handlers = {name.encode(): handler for name, handler in methods.items()}
        self._body_limit = body_limit
        if b"GET" in self.handlers:
            self.handlers.setdefault(b"HEAD", self.handlers[b"GET"])
        self.observe("other", NO_PROXIES)

    def observe(self, path: str, clients: Clients) -> None:
        """Count its requests as those of a path, and have the log tell where they come from."""
        self._path = path
        self._clients = clients
        self._seconds = REQUEST_SECONDS.labels(path)
        # To find the counter takes longer than to count.
        self._counter = cache(partial(REQUESTS.labels, path))

    def getChild(self, path: bytes, request: HttpRequest) -> Resource:
        return NotFound()

    def takes(self, request: HttpRequest, usual: int) -> int | None:
        """How large a body may be, or ``None`` for one that is passed on while it comes."""
        handler = self.handlers.get(request.method)
        if isinstance(handler, PassingOn) and handler.passes(Call(request)):
            return None
        return max(usual, self._body_limit)

    def render(self, request: HttpRequest) -> int:
        background("an answer", self._respond(request))
        return NOT_DONE_YET

    async def _respond(self, request: HttpRequest) -> None:
        origin.set(RequestOrigin(request, self._clients))
        with self._seconds.time():
            result = await self._result(request)
        self._count(request, result)
        try:
            send(request, result, self.for_pages)
        except Exception:
            log.failure("{method} {path}: no answer can be made", **_named(request))
            # Nobody shall wait for it, nor count it as one that is being made.
            request.abort()

    async def _result(self, request: HttpRequest) -> object:
        """What is to be sent, in place of an error too."""
        try:
            return await self._handler(request)(Call(request))
        except MatrixError as error:
            if error.status == 403:
                named = {**_named(request), "path": self._path}
                audit.info("refused {method} {path}: {error}", **named, error=error.message)
            return error_answer(error)
        except StorageUnavailable as error:
            log.error("{method} {path}: {error}", **_named(request), error=error)
            unavailable = MatrixError(503, "M_UNKNOWN", "The storage is not available at the moment; please try again")
            return error_answer(unavailable, TRY_AGAIN)
        except Exception:
            reference = secrets.token_hex(4)
            log.failure("{method} {path} failed, reference {reference}", **_named(request), reference=reference)
            return error_answer(MatrixError(500, "M_UNKNOWN", f"Internal error, reference {reference}"))

    def _count(self, request: HttpRequest, result: object) -> None:
        # Anybody can make up methods.
        method = request.method.decode() if request.method in self.handlers else "other"
        status = result.status if isinstance(result, Answer) else "streamed" if isinstance(result, Streamed) else 200
        self._counter(method, status).inc()

    def _handler(self, request: HttpRequest) -> Handler:
        method = request.method
        if method == b"OPTIONS":
            return preflight
        handler = self.handlers.get(method)
        if handler is None:
            raise MatrixError(405, "M_UNRECOGNIZED", "This path does not know this method")
        return handler


def _named(request: HttpRequest) -> dict[str, Any]:
    """What the log calls a request."""
    return {"method": request.method.decode("utf-8", "replace"), "path": request.path.decode("utf-8", "replace")}


async def preflight(call: Call) -> object:
    """What a browser asks before it sends a request of another origin: the CORS headers are the answer."""
    return {}


async def unrecognized(call: Call) -> object:
    """There is nothing at this path."""
    raise MatrixError(404, "M_UNRECOGNIZED", "There is nothing at this path")


class ProgramEndpoint(Endpoint):
    """
    For programs that are told by their addresses, or by a secret.

    A page that somebody beside them has open is at the same address, and must not read what it answers.
    """

    for_pages: Mapping[bytes, bytes] = {}


class NotFound(Endpoint):
    """There is nothing here, nor at any path below that is not named."""

    isLeaf = True  # a path may have thousands of segments

    def _handler(self, request: HttpRequest) -> Handler:
        return preflight if request.method == b"OPTIONS" else unrecognized


def error_answer(error: MatrixError, headers: Mapping[bytes, bytes] | None = None) -> Answer:
    """The standard error body."""
    return Answer(error.status, {**JSON, **retry_header(error), **(headers or {})}, msgspec.json.encode(error.body()))


def retry_header(error: MatrixError) -> dict[bytes, bytes]:
    """The header that says when to try again, in whole seconds, if the error says so."""
    wait = error.fields.get("retry_after_ms")
    return {b"Retry-After": b"%d" % -(-wait // 1000)} if isinstance(wait, int) else {}


def send(request: HttpRequest, result: object, for_pages: Mapping[bytes, bytes] = CORS) -> None:
    """Send what a handler returned, unless the client has gone; ``for_pages`` are headers for browsers."""
    if isinstance(result, Streamed):
        result.send(request)
        return
    answer = result if isinstance(result, Answer) else Answer(200, JSON, msgspec.json.encode(result))
    request.answer(answer.status, {**for_pages, **answer.headers}, answer.body)
