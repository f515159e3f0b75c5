"""
The identity API under load, beside a bare twisted.web resource in the same run.

Each case is a file of requests that ``wrk`` sends over 16 connections, to the bare resource and to mxisd in turn.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import quote
from urllib.request import Request, urlopen

from mxisd.accounts.accounts import digest as token_digest
from mxisd.keys.file import load_or_create
from mxisd.matrix.association import association
from mxisd.matrix.hashing import digest
from mxisd.matrix.signing import Signer
from mxisd.matrix.threepid import ThreePid
from mxisd.storage.sqlite.schema import open_connection, upgrade

HERE = Path(__file__).parent
BARE, SERVER = "http://127.0.0.1:18098", "http://127.0.0.1:18099"
CONNECTIONS = 16
SECONDS = 3
ROUNDS = 3
PEPPER = "benchmark"
TOKEN = "benchmark-access-token"
V1, V2 = "/_matrix/identity/api/v1", "/_matrix/identity/v2"


@dataclass
class Case:
    name: str
    aim: float | None
    method: str
    requests: list[tuple[str, str]]


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
    db.execute("INSERT INTO peppers VALUES (1, ?, ?, 1)", (PEPPER, int(time.time() * 1000)))
    db.execute("INSERT INTO listings VALUES (1, 1, '')")
    # One signature for all: making a million would take minutes and change nothing.
    signed = json.dumps(association(signer, ThreePid("email", address(0)), "@person0:example.org", 0)).encode()
    db.executemany("INSERT INTO bindings VALUES ('email', ?, ?, 0, ?)", _bindings(bindings, signed))
    db.executemany("INSERT INTO hashes VALUES (1, ?, ?)", _hashes(bindings))
    db.execute("INSERT INTO access_tokens VALUES (?, '@person0:example.org', 0)", (token_digest(TOKEN),))
    db.execute("COMMIT")
    db.close()


def _bindings(number: int, signed: bytes) -> Iterator[tuple[str, str, bytes]]:
    for n in range(number):
        yield address(n), f"@person{n}:example.org", signed


def _hashes(number: int) -> Iterator[tuple[str, str]]:
    pairs = ((digest(ThreePid("email", address(n)), PEPPER), f"@person{n}:example.org") for n in range(number))
    return iter(sorted(pairs))


@contextmanager
def running(command: list[str], url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that answers at a URL, ended at the end."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                urlopen(url).read()
                break
            except OSError:
                time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait()


def cases(bindings: int) -> list[Case]:
    chosen = random.Random(1)

    def known() -> str:
        return address(chosen.randrange(bindings))

    def one(path: str, some: list[str]) -> list[tuple[str, str]]:
        return [(f"{path}?medium=email&address={quote(who)}", "") for who in some]

    hits = one(f"{V1}/lookup", [known() for _ in range(2000)])
    misses = one(f"{V1}/lookup", [f"nobody{n}@example.com" for n in range(2000)])
    bulk = [
        (f"{V1}/bulk_lookup", json.dumps({"threepids": [["email", known()] for _ in range(100)]})) for _ in range(200)
    ]
    hashed = [
        (
            f"{V2}/lookup",
            json.dumps(
                {
                    "algorithm": "sha256",
                    "pepper": PEPPER,
                    "addresses": [digest(ThreePid("email", known()), PEPPER) for _ in range(100)],
                }
            ),
        )
        for _ in range(200)
    ]
    invites = [
        (
            f"{V1}/store-invite",
            json.dumps(
                {
                    "medium": "email",
                    "address": f"invited{bindings}-{n}@example.net",
                    "room_id": f"!{n}:example.org",
                    "sender": "@person0:example.org",
                    "room_name": "A room",
                }
            ),
        )
        for n in range(60_000)
    ]
    key = urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()
    return [
        Case("v1 lookup, known", 0.7, "GET", hits),
        Case("v1 lookup, unknown", 0.75, "GET", misses),
        Case("v1 bulk_lookup of 100", 0.5, "POST", bulk),
        Case("v2 account", 0.75, "GET", [(f"{V2}/account", "")]),
        Case("v2 lookup of 100 hashes", 0.5, "POST", hashed),
        Case("v2 pubkey/isvalid", 0.9, "GET", [(f"{V2}/pubkey/isvalid?public_key={key}", "")]),
        Case("v1 store-invite", 0.1, "POST", invites),
    ]


def measure(url: str, case: Case, path_prefix: str | None, folder: Path) -> tuple[float, float, float]:
    """Requests a second, and the median and 99th percentile of latency in ms."""
    lines = folder / "requests"
    lines.write_text("".join(f"{path_prefix or path} {body}\n" for path, body in case.requests))
    load = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}", "-s", str(HERE / "load.lua"), url]
    arguments = [case.method, TOKEN if "v2" in case.name else "-", str(lines)]
    output = subprocess.run([*load, "--", *arguments], capture_output=True, text=True, check=True).stdout
    figures = next(line for line in output.splitlines() if line.startswith("FIGURES"))
    number, duration, p50, p99, failed = map(int, figures.split()[1:])
    if failed:
        raise SystemExit(f"{case.name}: {failed} of {number} requests failed")
    return number / duration * 1e6, p50 / 1000, p99 / 1000


def answer_size(case: Case) -> int:
    path, body = case.requests[0]
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    data = body.encode() or None
    return len(urlopen(Request(SERVER + path, data, headers, method=case.method)).read())


def resident_mebibytes(process: subprocess.Popen[bytes]) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def run(bindings: int) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        make_database(folder, bindings)
        config = folder / "mxisd.yaml"
        config.write_text(
            json.dumps(
                {
                    "matrix": {"domain": "example.org"},
                    "server": {"bind": ["tcp:18099:interface=127.0.0.1:backlog=1024"]},
                    "threepid": {"medium": {"email": {"connector": "none"}}},
                    # What is measured is this server, not the name servers of unknown addresses.
                    "lookup": {"recursive": {"enabled": False, "federation": {"enabled": False}}},
                }
            )
        )
        twistd = [str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "-l", str(folder / "log")]
        server = stack.enter_context(running([*twistd, "mxisd", "--config", str(config)], f"{SERVER}{V2}"))
        stack.enter_context(
            running([sys.executable, "-m", "benchmarks.bare", "tcp:18098:interface=127.0.0.1"], f"{BARE}/1")
        )
        print(f"\n{bindings:,} bindings; resident memory {resident_mebibytes(server):.0f} MiB")
        print(f"{'':26}{'bare/s':>9}{'mxisd/s':>9}{'ratio':>7}{'aim':>6}{'p50 ms':>8}{'p99 ms':>8}")
        for case in cases(bindings):
            print(row(case, folder), flush=True)
        print(f"resident memory at the end {resident_mebibytes(server):.0f} MiB")


def row(case: Case, folder: Path) -> str:
    size = answer_size(case)
    rounds = [(measure(BARE, case, f"/{size}", folder), measure(SERVER, case, None, folder)) for _ in range(ROUNDS)]
    bare, ours = median(bare[0] for bare, _ in rounds), median(ours[0] for _, ours in rounds)
    ratio = median(ours[0] / bare[0] for bare, ours in rounds)
    p50, p99 = median(ours[1] for _, ours in rounds), median(ours[2] for _, ours in rounds)
    return f"{case.name:26}{bare:9,.0f}{ours:9,.0f}{ratio:7.2f}{case.aim or '':>6}{p50:8.2f}{p99:8.2f}"


if __name__ == "__main__":
    for number in [int(argument) for argument in sys.argv[1:]] or [10_000, 1_000_000]:
        run(number)
