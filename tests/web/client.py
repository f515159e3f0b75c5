"""A client of a resource tree, by way of our HTTP server and a connection in memory."""

from __future__ import annotations

from typing import Any

from treq.testing import StubTreq
from twisted.web.resource import Resource

from mxisd.web.site import error_page
from tests.net.http_server.memory import Server


class Treq(StubTreq):
    """treq, for a resource tree; ``flush`` lets go on what does not end at once."""

    def __init__(self, resource: Resource) -> None:
        super().__init__(resource)
        server = Server(resource, error_page=error_page)
        agent: Any = self._agent
        agent._serverFactory = server.http
        deliver = agent.flush

        def flush() -> None:
            server.turn()
            deliver()

        self.flush = flush
