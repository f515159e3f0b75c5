"""
The measure: a twisted.web resource that does nothing but answer a constant body of the size that its path names.

It writes no access log, as mxisd does not: formatting the line takes longer than all else together.
"""

from __future__ import annotations

import sys

from twisted.internet import endpoints, reactor
from twisted.web.resource import Resource
from twisted.web.server import Request, Site


class Constant(Resource):
    isLeaf = True

    def render(self, request: Request) -> bytes:
        request.setHeader(b"Content-Type", b"application/json")
        return b"x" * int(request.path[1:])


class Silent(Site):
    def log(self, request: object) -> None:
        """No access log."""


if __name__ == "__main__":
    endpoints.serverFromString(reactor, sys.argv[1]).listen(Silent(Constant()))
    reactor.run()
