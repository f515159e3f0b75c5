"""
The identity API under load, beside a bare twisted.web resource in the same run.

What counts is the processor time of a request as a ratio, that of the bare resource divided by ours: above 1, we are
faster.  The rate is noisier, since the load wants processors too.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

from benchmarks.load import TWISTD, Figures, Requests, Server, bare, measure
from mxisd.accounts.accounts import digest as token_digest
from mxisd.keys.file import load_or_create
from mxisd.matrix.association import association
from mxisd.matrix.hashing import digest
from mxisd.matrix.signing import Signer
from mxisd.matrix.threepid import ThreePid
from mxisd.storage.sqlite.schema import open_connection, upgrade
from tests.integration.process import Process, free_port, installed, listens

ROUNDS = 5
PEPPER = "benchmark"
TOKEN = "benchmark-access-token"
V1, V2 = "/_matrix/identity/api/v1", "/_matrix/identity/v2"


@dataclass(frozen=True)
class Case:
    name: str
    aim: float
    """In processor time of the bare resource; of the one that waits for the disk, in its rate."""
    requests: Requests
    by_rate: bool = False


def address(number: int) -> str:
    return f"person{number}@example.com"


def make_database(folder: Path, bindings: int) -> None:
    """A store as the server would have filled it."""
    signer = Signer("example.org", load_or_create(folder / "mxisd.signing.key"))
    path = folder / "mxisd.db"
    upgrade(path)
    db = open_connection(path)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("BEGIN")
    now = int(time.time() * 1000)
    db.execute("INSERT INTO peppers VALUES (1, ?, ?, 1)", (PEPPER, now))
    db.execute("INSERT INTO listings VALUES (1, 1, '')")
    # One signature for all: making a million would take minutes and change nothing.
    signed = json.dumps(association(signer, ThreePid("email", address(0)), "@person0:example.org", 0)).encode()
    db.executemany("INSERT INTO bindings VALUES ('email', ?, ?, 0, ?)", _bindings(bindings, signed))
    db.executemany("INSERT INTO hashes VALUES (1, ?, ?)", _hashes(bindings))
    db.execute("INSERT INTO access_tokens VALUES (?, '@person0:example.org', ?)", (token_digest(TOKEN), now))
    db.execute("COMMIT")
    db.close()


def _bindings(number: int, signed: bytes) -> Iterator[tuple[str, str, bytes]]:
    for n in range(number):
        yield address(n), f"@person{n}:example.org", signed


def _hashes(number: int) -> Iterator[tuple[str, str]]:
    pairs = ((digest(ThreePid("email", address(n)), PEPPER), f"@person{n}:example.org") for n in range(number))
    return iter(sorted(pairs))


def cases(bindings: int) -> list[Case]:
    chosen = random.Random(1)

    def known() -> str:
        return address(chosen.randrange(bindings))

    def single(some: list[str]) -> Requests:
        return Requests("GET", [(f"{V1}/lookup?medium=email&address={quote(who)}", "") for who in some])

    def posted(path: str, bodies: Iterator[object], token: str | None = None) -> Requests:
        return Requests("POST", [(path, json.dumps(body)) for body in bodies], token)

    def hundred() -> Iterator[str]:
        """Of two, one is known."""
        return (known() if n % 2 else f"nobody{chosen.random()}@example.com" for n in range(100))

    bulk = ({"threepids": [("email", who) for who in hundred()]} for _ in range(200))
    hashes = ([digest(ThreePid("email", who), PEPPER) for who in hundred()] for _ in range(200))
    hashed = ({"algorithm": "sha256", "pepper": PEPPER, "addresses": some} for some in hashes)
    key = urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()
    return [
        Case("v1 lookup, known", 1.0, single([known() for _ in range(2000)])),
        Case("v1 lookup, unknown", 1.1, single([f"nobody{n}@example.com" for n in range(2000)])),
        Case("v1 bulk_lookup of 100", 0.75, posted(f"{V1}/bulk_lookup", bulk)),
        Case("v2 account", 1.1, Requests("GET", [(f"{V2}/account", "")], TOKEN)),
        Case("v2 lookup of 100 hashes", 0.9, posted(f"{V2}/lookup", hashed, TOKEN)),
        Case("v2 pubkey/isvalid", 1.4, Requests("GET", [(f"{V2}/pubkey/isvalid?public_key={key}", "")])),
        Case("v1 store-invite, with mail", 0.3, posted(f"{V1}/store-invite", map(invite, range(60_000))), by_rate=True),
    ]


def invite(number: int) -> object:
    return {
        "medium": "email",
        "address": f"invited{number}@example.net",
        "room_id": f"!{number}:example.org",
        "sender": "@person0:example.org",
        "room_name": "A room",
    }


def configuration(port: int, folder: Path) -> dict[str, Any]:
    """With a mail server that takes everything."""
    smtp = free_port()
    sink = Process([installed("smtp-sink"), "-u", getuser(), f"127.0.0.1:{smtp}", "1000"], folder / "smtp-sink.log")
    sink.wait_until(lambda: listens(smtp))
    connectors = {"smtp": {"host": "127.0.0.1", "port": smtp, "tls": 0}}
    return {
        "matrix": {"domain": "example.org"},
        "server": {"bind": [f"tcp:{port}:interface=127.0.0.1:backlog=1024"]},
        "threepid": {"medium": {"email": {"identity": {"from": "mxisd@example.org"}, "connectors": connectors}}},
        # One client is to have as much as it can take.
        "rateLimit": {"enabled": False},
        # What is measured is this server, not the name servers of unknown addresses.
        "lookup": {"recursive": {"enabled": False, "federation": {"enabled": False}}},
    }


@contextmanager
def mxisd(folder: Path, bindings: int) -> Iterator[Server]:
    """A server with so many bindings."""
    make_database(folder, bindings)
    port, path = free_port(), folder / "mxisd.yaml"
    path.write_text(json.dumps(configuration(port, folder)))
    server = Server([*TWISTD, "mxisd", "--config", str(path)], port, folder / "mxisd.log")
    yield server
    server.stop()


def answer_size(server: Server, requests: Requests) -> int:
    path, body = requests.lines[0]
    headers = {"Authorization": f"Bearer {requests.token}", "Content-Type": "application/json"}
    return len(urlopen(Request(server.url + path, body.encode() or None, headers, method=requests.method)).read())


def run(bindings: int, only: str = "") -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours, measure_ = stack.enter_context(mxisd(folder, bindings)), stack.enter_context(bare(folder))
        print(f"\n{bindings:,} bindings; resident memory {ours.mebibytes:.0f} MiB")
        print(f"{'':28}{'bare':>15}{'mxisd':>15}{'ratio':>12}{'aim':>10}{'p50 ms':>8}{'p99 ms':>8}")
        print(f"{'':28}{'/s':>8}{'µs':>7}{'/s':>8}{'µs':>7}{'rate':>6}{'µs':>6}")
        for case in cases(bindings):
            if only in case.name:
                print(row(case, measure_, ours), flush=True)
        print(f"resident memory at the end {ours.mebibytes:.0f} MiB")


def row(case: Case, bare_: Server, ours: Server) -> str:
    size = answer_size(ours, case.requests)
    constant = Requests(
        case.requests.method, [(f"/{size}", body) for _, body in case.requests.lines], case.requests.token
    )
    rounds = [(measure(bare_, constant), measure(ours, case.requests)) for _ in range(ROUNDS)]

    def columns(figures: list[Figures]) -> str:
        return f"{median(each.rate for each in figures):8,.0f}{median(each.processor for each in figures):7.0f}"

    rate = median(mine.rate / bare.rate for bare, mine in rounds)
    processor = median(bare.processor / mine.processor for bare, mine in rounds)
    aim = f"{case.aim} rate" if case.by_rate else f"{case.aim}"
    p50, p99 = median(mine.p50 for _, mine in rounds), median(mine.p99 for _, mine in rounds)
    bares, mines = columns([bare for bare, _ in rounds]), columns([mine for _, mine in rounds])
    return f"{case.name:28}{bares}{mines}{rate:6.2f}{processor:6.2f}{aim:>10}{p50:8.2f}{p99:8.2f}"


if __name__ == "__main__":
    for number in [int(argument) for argument in sys.argv[1:2]] or [10_000, 1_000_000]:
        run(number, *sys.argv[2:])
