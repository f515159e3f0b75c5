"""
Lookups a second in identity stores, beside queries by the same client library in the same run.

Direct queries are sent one after the other on one connection, and what they find is put into a dictionary.  A store is
asked for one lookup at a time (``alone``), and for sixteen at a time (``busy``), as when many clients ask.  Each number
is the median of several rounds, in which all take turns.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import ldap
import psycopg
from msgspec.structs import replace
from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react

from mxisd.config.engine.section import Secret
from mxisd.config.exec import Exec, Format, Identity, Lookup, Process
from mxisd.config.ldap import Attribute, Connection, Ldap, Uid
from mxisd.config.sql import Sql
from mxisd.config.stores import Rest
from mxisd.matrix.threepid import EMAIL, ThreePid
from mxisd.net.dns import Resolver
from mxisd.net.http_client import HttpClient
from mxisd.net.networks import ANYWHERE
from mxisd.net.tls import Trust
from mxisd.stores.exec.program import Programs
from mxisd.stores.exec.store import ExecStore
from mxisd.stores.ldap.build import ldap_store
from mxisd.stores.localpart import UserIds
from mxisd.stores.rest import RestStore
from mxisd.stores.sql.build import sql_store
from mxisd.stores.store import Store
from tests.integration.process import Process as Child
from tests.integration.process import free_port, listens
from tests.servers.folder import folder
from tests.servers.postgresql import postgresql
from tests.servers.slapd import ROOT, Slapd
from tests.stores import api, databases
from tests.stores.ldif import ldif
from tests.stores.people import DOMAIN, Person, as_data

USERS = 10_000
BULK = 100
BUSY = 16
SECONDS = 1.0
ROUNDS = 3
AIM = 0.8  # of the direct query, for many at once

PEOPLE = [
    Person(f"user{number}", f"User {number}", ((EMAIL, f"user{number}@crowd.example"),)) for number in range(USERS)
]
SINGLE = "SELECT name AS uid FROM addresses WHERE medium = ? AND address = ?"

# Looks up some addresses, by whichever way.
Find = Callable[[Sequence[str]], Awaitable[object]]


@dataclass
class Subject:
    name: str
    store: Store
    direct: Find
    threads: Service | None = None


def addresses() -> Iterator[str]:
    """Every third is nobody's."""
    number = 0
    while True:
        number += 7919
        yield f"user{number % (USERS * 3 // 2)}@crowd.example"


async def rate(find: Find, size: int, at_once: int) -> float:
    """Lookups a second, each of so many addresses."""
    source, began, done = addresses(), time.perf_counter(), 0

    async def one_after_the_other() -> None:
        nonlocal done
        while time.perf_counter() - began < SECONDS:
            await find([next(source) for _ in range(size)])
            done += 1

    await gatherResults([Deferred.fromCoroutine(one_after_the_other()) for _ in range(at_once)])
    return done / (time.perf_counter() - began)


def of_store(store: Store) -> Find:
    source = store.source
    assert source is not None
    return lambda some: source.lookup([ThreePid(EMAIL, address) for address in some])


def blocking(query: Callable[[Sequence[str]], object]) -> Find:
    async def find(some: Sequence[str]) -> object:
        return query(some)

    return find


def in_sql(name: str, where: tuple[str, str], connection: Any, mark: str, reactor: Any) -> Subject:
    """With an index, as anybody would have it."""
    type_, location = where
    identity = replace(databases.with_bulk(Sql()).identity, type="uid", query=SINGLE)
    config = Sql(enabled=True, type=type_, connection=Secret(location), identity=identity)  # type: ignore[arg-type]
    store, threads = sql_store(name, config, reactor, UserIds(DOMAIN), print)
    single, bulk = SINGLE.replace("?", mark), databases.BULK.replace("?", mark)
    cursor = connection.cursor()

    def query(some: Sequence[str]) -> object:
        if len(some) == 1:
            cursor.execute(single, (EMAIL, *some))
        else:
            cursor.execute(bulk.replace(f"({mark})", f"({', '.join([mark] * len(some))})"), (EMAIL, *some))
            return {address: f"@{user}:{DOMAIN}" for user, address in cursor.fetchall()}
        return [f"@{user}:{DOMAIN}" for (user,) in cursor.fetchall()]

    return Subject(name, store, blocking(query), threads)


def in_directory(reactor: Any) -> Subject:
    server = Slapd(ldif(PEOPLE))
    reader = f"cn=reader,{ROOT}"
    password = Secret("reader")
    place = Connection(host="127.0.0.1", port=server.port, base_dn=ROOT, bind_dn=reader, bind_password=password)
    attribute = Attribute(uid=Uid(value="uid"), threepid={"email": ("mail",)})
    config = Ldap(enabled=True, connection=place, attribute=attribute)
    store, _, threads = ldap_store("ldap", config, None, reactor, UserIds(DOMAIN))
    client = ldap.initialize(f"ldap://127.0.0.1:{server.port}")
    client.simple_bind_s(reader, password)

    def query(some: Sequence[str]) -> object:
        filters = "".join(f"(mail={address})" for address in some)
        found = client.search_ext_s(ROOT, ldap.SCOPE_SUBTREE, f"(|{filters})", ["uid", "mail"])
        return {entry["mail"][0].decode(): f"@{entry['uid'][0].decode()}:{DOMAIN}" for _, entry in found}

    return Subject("ldap", store, blocking(query), threads)


def behind_http(reactor: Any, people: str) -> Subject:
    port = free_port()
    server = Child([sys.executable, "-m", "benchmarks.rest_api", str(port), people], folder("rest") / "log")
    server.wait_until(lambda: listens(port))
    http = HttpClient(reactor, Resolver(reactor, [("127.0.0.1", 9)]), Trust(), ANYWHERE)
    config = Rest(enabled=True, host=f"http://127.0.0.1:{port}")
    urls = {key: f"{config.host}{path}" for key, path in config.endpoints.given}

    async def query(some: Sequence[str]) -> object:
        asked = [{"medium": EMAIL, "address": address} for address in some]
        if len(some) == 1:
            return (await http.request("POST", urls["identity.single"], json={"lookup": asked[0]})).json()
        return (await http.request("POST", urls["identity.bulk"], json={"lookup": asked})).json()

    return Subject("rest", RestStore(config, http, UserIds(DOMAIN)).offered(), query)


def behind_a_program(reactor: Any, people: str) -> Subject:
    command = [sys.executable, "-I", "-S", api.__file__, people]

    def process(question: str) -> Process:
        format_ = Format(type="json")
        return Process(command=command[0], args=(*command[1:], question), input=format_, output=format_)

    lookup = Lookup(single=process("single"), bulk=process("bulk"))
    config = Exec(enabled=True, identity=Identity(lookup=lookup))
    store = ExecStore(config, Programs(reactor, config.timeout), os.environ, UserIds(DOMAIN))

    def query(some: Sequence[str]) -> object:
        asked = [{"medium": EMAIL, "address": address} for address in some]
        single = len(some) == 1
        body = asked[0] if single else {"lookup": asked}
        question = "single" if single else "bulk"
        return subprocess.run([*command, question], input=json.dumps(body).encode(), capture_output=True).stdout

    return Subject("exec", store.offered(), blocking(query))


def subjects(reactor: Any) -> Iterator[Subject]:
    people = folder("people") / "people.json"
    people.write_text(json.dumps(as_data(PEOPLE)))
    path = str(people.with_suffix(".db"))
    where = databases.in_sqlite(path, PEOPLE)
    yield in_sql("sqlite", where, sqlite3.connect(path), "?", reactor)
    where = databases.in_postgresql(PEOPLE)
    database = where[1].partition("?")[0].rpartition("/")[2]
    connection = psycopg.connect(host="127.0.0.1", port=postgresql().port, user="postgres", dbname=database)
    connection.autocommit = True
    # As the server does by itself, after a while.
    connection.execute("ANALYZE")
    yield in_sql("postgresql", where, connection, "%s", reactor)
    where = databases.in_mariadb(PEOPLE)
    admin = databases.mariadb_admin()
    admin.select_db(where[1].partition("?")[0].rpartition("/")[2])
    yield in_sql("mariadb", where, admin, "%s", reactor)
    yield in_directory(reactor)
    yield behind_http(reactor, str(people))
    yield behind_a_program(reactor, str(people))


async def compare(reactor: Any) -> None:
    print(f"Lookups a second, {USERS:,} users; in brackets, the part of the direct query\n")
    print(f"{'':12} {'':>5} {'direct':>8} {'alone':>16} {'busy':>16}")
    for subject in subjects(reactor):
        if subject.threads:
            subject.threads.startService()
        for size in (1, BULK):
            await measure(subject, size)
        if subject.threads:
            await subject.threads.stopService()


async def measure(subject: Subject, size: int) -> None:
    store = of_store(subject.store)
    rounds = [
        (await rate(subject.direct, size, 1), await rate(store, size, 1), await rate(store, size, BUSY))
        for _ in range(ROUNDS)
    ]
    direct, alone, busy = (median(each) * size for each in zip(*rounds, strict=True))
    missed = size == BULK and busy < AIM * direct
    print(
        f"{subject.name:12} {size:>5} {direct:8,.0f} {alone:9,.0f} ({alone / direct:.2f})"
        f" {busy:9,.0f} ({busy / direct:.2f}){f'  aim: {AIM}' if missed else ''}",
        flush=True,
    )


def run() -> None:
    """All of it, in a process of its own, since a reactor runs only once."""
    subprocess.run([sys.executable, "-m", "benchmarks.stores"], check=True)


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(compare(reactor)))
