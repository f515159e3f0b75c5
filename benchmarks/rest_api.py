"""An HTTP API that knows people, for the ``rest`` store: ``python -m benchmarks.rest_api PORT PEOPLE.json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from twisted.internet import endpoints, reactor
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from tests.stores.api import Api


class Lookups(Resource):
    isLeaf = True

    def __init__(self, api: Api) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted's Resource predates annotations
        self._api = api

    def render_POST(self, request: Request) -> bytes:
        assert request.content is not None
        question = request.path.rpartition(b"/")[2].decode()
        return json.dumps(self._api.answer(question, json.load(request.content))).encode()


if __name__ == "__main__":
    port, people = sys.argv[1:]
    site = Site(Lookups(Api(json.loads(Path(people).read_text()))))
    endpoints.serverFromString(reactor, f"tcp:{port}:interface=127.0.0.1").listen(site)
    reactor.run()
