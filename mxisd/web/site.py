"""The tree of paths, and what the HTTP server answers where there is no endpoint to do it."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.web.resource import Resource

from ..matrix.error import MatrixError
from ..net.http_server import HttpRequest, Refusal
from .client import NO_PROXIES, Clients
from .endpoint import CORS, TRY_AGAIN, Endpoint, NotFound, error_answer


class _Branch(NotFound):
    """A segment of a path, with an endpoint of its own or only with what is below."""

    isLeaf = False

    def __init__(self) -> None:
        super().__init__()
        self.endpoint: Endpoint | None = None
        self.any: _Branch | None = None

    def getChildWithDefault(self, path: bytes, request: HttpRequest) -> Resource:
        child = self.children.get(path)
        if child is None:
            return self.getChild(path, request)
        # A word of the API has one spelling.  With percent signs in it, proxies and patterns that look at the path as
        # it was sent would take it for something else than what it leads to.
        return child if b"%" not in request.path or _as_sent(request) == path else NotFound()

    def getChild(self, path: bytes, request: HttpRequest) -> Resource:
        # An empty segment is a doubled or a trailing slash, not a value.
        return self.any if self.any is not None and path else NotFound()

    def takes(self, request: HttpRequest, usual: int) -> int | None:
        return usual if self.endpoint is None else self.endpoint.takes(request, usual)

    def render(self, request: HttpRequest) -> int:
        return super().render(request) if self.endpoint is None else self.endpoint.render(request)


def _as_sent(request: HttpRequest) -> bytes:
    """The segment of the path that was decoded last, before that."""
    return request.path.split(b"/")[len(request.prepath)]


def tree(endpoints: Mapping[str, Endpoint], clients: Clients = NO_PROXIES) -> Resource:
    """
    Make the resource tree for absolute paths.

    ``{name}`` stands for any one segment that no other path names.  Only such a segment may be percent-encoded.
    """
    for path, endpoint in endpoints.items():
        endpoint.observe(path, clients)
    root = _Branch()
    for path, endpoint in endpoints.items():
        branch = root
        for segment in path.removeprefix("/").split("/"):
            branch = _below(branch, segment)
        branch.endpoint = endpoint
    return root


def _below(branch: _Branch, segment: str) -> _Branch:
    if segment.startswith("{"):
        branch.any = branch.any or _Branch()
        return branch.any
    child = branch.children.get(segment.encode())
    if child is None:
        child = _Branch()
        branch.putChild(segment.encode(), child)
    return child


_ERRCODES = {405: "M_UNRECOGNIZED", 413: "M_TOO_LARGE", 414: "M_TOO_LARGE", 431: "M_TOO_LARGE"}


def error_page(refusal: Refusal) -> tuple[Mapping[bytes, bytes], bytes]:
    """The header fields and the body of an answer that no endpoint gives."""
    error = MatrixError(refusal.status, _ERRCODES.get(refusal.status, "M_UNKNOWN"), refusal.reason)
    answer = error_answer(error, TRY_AGAIN if refusal.status == 503 else {})
    return {**CORS, **answer.headers}, answer.body
