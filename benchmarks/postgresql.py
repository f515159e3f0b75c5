"""
PostgreSQL beside SQLite: requests a second and the processor time of each, with one worker and with two, in turns.

``wrk`` and PostgreSQL want processors too, which SQLite leaves to us: where there are few, the rate falls behind by
what PostgreSQL takes, which is shown as well.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks.identity import PEPPER, ROUNDS, TOKEN, Case, address, cases, configuration
from benchmarks.identity import mxisd as on_sqlite
from benchmarks.load import TWISTD, Server, measure
from mxisd.accounts.accounts import digest as token_digest
from tests.integration.process import free_port
from tests.servers.postgresql import postgresql

# As :mod:`benchmarks.identity` fills SQLite.
FILL = f"""
    INSERT INTO mxisd_peppers (pepper, made_at, in_use) VALUES ('{PEPPER}', extract(epoch FROM now()) * 1000, true);
    INSERT INTO mxisd_listings (pepper, source) SELECT id, '' FROM mxisd_peppers WHERE pepper = '{PEPPER}';
    INSERT INTO mxisd_bindings (medium, address, user_id, bound_at, signed, spellings)
        SELECT 'email', address, '@person' || n || ':example.org', 0, convert_to('{{signed}}', 'UTF8'), ARRAY[address]
        FROM (SELECT n, replace('{address(0)}', '0', n::text) AS address FROM generate_series(0, {{bindings}} - 1) AS n)
            AS people;
    INSERT INTO mxisd_hashes (listing, digest, user_id)
        SELECT (SELECT max(id) FROM mxisd_listings), translate(rtrim(encode(sha256(convert_to(
            address || ' email {PEPPER}', 'UTF8')), 'base64'), '='), '+/', '-_') AS digest, user_id
        FROM mxisd_bindings ORDER BY digest;
    INSERT INTO mxisd_access_tokens VALUES ('{token_digest(TOKEN)}', '@person0:example.org', 0);
    ANALYZE"""
SIGNED = json.dumps({"signatures": {"example.org": {"ed25519:0": "A" * 86}}, "address": "x" * 100})


def mxisd(folder: Path, workers: int) -> Server:
    port, path = free_port(), folder / f"{workers}.yaml"
    provider = {"postgresql": {"database": f"//postgres@127.0.0.1:{postgresql().port}/postgres", "timeout": 10_000}}
    path.write_text(
        json.dumps(configuration(port, folder) | {"storage": {"backend": "postgresql", "provider": provider}})
    )
    command = [*TWISTD, "mxisd", "--workers", str(workers), "--config", str(path)]
    return Server(command, port, folder / f"{workers}.log")


def server_seconds() -> float:
    """What all processes of PostgreSQL have computed that are there now."""
    pids = [pid for (pid,) in postgresql().execute("SELECT pid FROM pg_stat_activity")]
    return sum(map(_seconds, pids))


def _seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(bindings: int = 10_000, only: str = "") -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sqlite = stack.enter_context(on_sqlite(folder, bindings))
        servers = [sqlite]
        for workers in (1, 2):
            servers.append(mxisd(folder, workers))
            stack.callback(servers[-1].stop)
            time.sleep(3)  # until the tables are there, and the second worker
            if workers == 1:
                postgresql().execute(FILL.format(bindings=bindings, signed=SIGNED))
        print(f"\nPostgreSQL, {bindings:,} bindings, {os.cpu_count()} processors")
        print(f"{'':28}{'SQLite':>15}{'PostgreSQL':>15}{'its own':>8}{'2 workers':>15}{'ratio to':>9}{'to one':>8}")
        print(f"{'':28}{'/s':>8}{'µs':>7}{'/s':>8}{'µs':>7}{'µs':>8}{'/s':>8}{'µs':>7}{'SQLite':>9}{'worker':>8}")
        for case in cases(bindings):
            if only in case.name:
                print(row(case, servers), flush=True)


def row(case: Case, servers: list[Server]) -> str:
    measure(servers[1], case.requests)
    measure(servers[2], case.requests)
    rounds, own = [], []
    for _ in range(ROUNDS):
        figures = [measure(servers[0], case.requests)]
        before = server_seconds()
        figures.append(measure(servers[1], case.requests))
        own.append((server_seconds() - before) / (figures[1].rate * 2) * 1e6)
        figures.append(measure(servers[2], case.requests))
        rounds.append(figures)
    columns = [
        f"{median(each[n].rate for each in rounds):8,.0f}{median(each[n].processor for each in rounds):7.0f}"
        for n in range(3)
    ]
    to_sqlite = median(one.rate / sqlite.rate for sqlite, one, _ in rounds)
    to_one = median(two.rate / one.rate for _, one, two in rounds)
    return f"{case.name:28}{columns[0]}{columns[1]}{median(own):8.0f}{columns[2]}{to_sqlite:9.2f}{to_one:8.2f}"


if __name__ == "__main__":
    run(*(int(argument) for argument in sys.argv[1:2]), *sys.argv[2:])
