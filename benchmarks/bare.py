"""The measure: a twisted.web resource that does nothing but answer a constant body of the size that its path names."""

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


if __name__ == "__main__":
    endpoints.serverFromString(reactor, sys.argv[1]).listen(Site(Constant()))
    reactor.run()
