"""A homeserver that keeps a log of what it is told to do with invites, and what may be in such a log."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple

ONBIND = "/_matrix/federation/v1/3pid/onbind"

# Seconds that a claim lasts: what was under way so long before or after an interruption may have suffered from it.
CLAIM = 30.0


class Arrival(NamedTuple):
    """An ``onbind`` request with one invite in it."""

    at: float
    token: str
    room: str


class Interruption(NamedTuple):
    """From when to when a process did nothing; for one that was killed, its end is its beginning."""

    since: float
    until: float


class Outcome(NamedTuple):
    """What mxisd has recorded: the final state, and how many attempts had no outcome."""

    state: str
    lost: int


class OnbindLog:
    """
    Listens on 127.0.0.1 at ``port``, and takes ``pause`` seconds for each answer.

    It keeps all ``arrivals``, and the ``bodies`` of the requests.
    """

    def __init__(self, pause: float) -> None:
        self.arrivals: list[Arrival] = []
        self.bodies: list[Any] = []
        log = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path == ONBIND:
                    log.bodies.append(body)
                    now = time.monotonic()
                    log.arrivals += [Arrival(now, each["signed"]["token"], each["room_id"]) for each in body["invites"]]
                time.sleep(pause)
                with suppress(ConnectionError):  # whoever asked may have been killed
                    self.send_response(200)
                    self.send_header("Content-Length", "2")
                    self.end_headers()
                    self.wfile.write(b"{}")

            def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002  # as inherited

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def faults(
    rooms: Mapping[str, str],
    arrivals: Sequence[Arrival],
    outcomes: Mapping[str, Outcome],
    interruptions: Sequence[Interruption],
    at_once: int,
) -> list[str]:
    """
    What should not have happened; ``rooms`` are those of all invites that were acknowledged, by their tokens.

    Each has to arrive, in its room.  It may arrive a second time, and never a third, if the outcome of an attempt was
    lost: mxisd has recorded that, something was interrupted while the first request was claimed, and each
    interruption has that effect on no more than ``at_once``.
    """
    by_token = defaultdict(list)
    for arrival in sorted(arrivals):
        by_token[arrival.token].append(arrival)
    found = []
    for token, room in rooms.items():
        times = [arrival.at for arrival in by_token[token]]
        outcome = outcomes[token]
        if not times:
            found.append(f"{token} has not arrived")
        if len(times) > 2:
            found.append(f"{token} has arrived {len(times)} times")
        if any(arrival.room != room for arrival in by_token[token]):
            found.append(f"{token} has arrived in another room")
        if outcome.state != "done" and not (outcome.state == "unknown" and outcome.lost > 1):
            found.append(f"{token} has ended as {outcome.state}")
        if len(times) > 1 and not outcome.lost:
            found.append(f"{token} was repeated although no outcome was lost")
        if len(times) > 1 and not any(each.since - CLAIM <= times[0] <= each.until + CLAIM for each in interruptions):
            found.append(f"{token} was repeated although nothing was interrupted")
    repeated = sum(len(by_token[token]) > 1 for token in rooms)
    if repeated > at_once * len(interruptions):
        found.append(f"{repeated} were repeated, with {len(interruptions)} interruptions")
    found += [f"{token} was never acknowledged" for token in by_token.keys() - rooms.keys()]
    return found
