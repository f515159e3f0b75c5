"""The ``wordpress`` store: a MariaDB with the tables of a site, and what its JWT plugin answers."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import timedelta
from unittest import skipUnless
from uuid import uuid4

from twisted.internet.task import Clock
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from mxisd.config.engine.section import Secret
from mxisd.config.sql import Wordpress, WordpressRest, WordpressSql
from mxisd.lookup.circuit_breaker import CircuitBreaker
from mxisd.matrix.threepid import EMAIL, MSISDN, ThreePid
from mxisd.net.dns import Resolver
from mxisd.net.http_client import HttpClient
from mxisd.net.networks import ANYWHERE
from mxisd.net.tls import Trust
from mxisd.reactor import installed_reactor
from mxisd.stores.localpart import mapped
from mxisd.stores.store import Store
from mxisd.stores.wordpress import WordpressFailed, wordpress_store
from tests.net.servers import Server
from tests.servers import mariadb
from tests.stores import contract, databases
from tests.stores.people import ALICE, BOB, CAROL, DOMAIN, PEOPLE

reactor = installed_reactor()

# As WordPress makes them, as far as they are read.
USERS = """CREATE TABLE blog_users (
    ID BIGINT UNSIGNED PRIMARY KEY, user_login VARCHAR(60) NOT NULL, user_email VARCHAR(100) NOT NULL,
    display_name VARCHAR(250) NOT NULL, KEY (user_login), KEY (user_email))"""
META = """CREATE TABLE blog_usermeta (
    umeta_id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT, user_id BIGINT UNSIGNED NOT NULL,
    meta_key VARCHAR(255), meta_value LONGTEXT)"""


class Login(Resource):
    """Users log in by their name or by their address; the site is broken if ``status`` is set."""

    isLeaf = True
    status: int | None = None

    def render_POST(self, request: Request) -> bytes:
        assert request.content is not None and request.path == b"/blog/wp-json/jwt-auth/v1/token"
        given = json.load(request.content)
        for person in PEOPLE:
            email = next((address for medium, address in person.typed if medium == EMAIL), "")
            if given["username"] in {person.name.lower(), email} and given["password"] == person.password:
                request.setResponseCode(self.status or 200)
                return json.dumps(
                    {"token": "…", "user_email": email, "user_display_name": person.display_name}
                ).encode()
        request.setResponseCode(self.status or 403)
        return b'{"code": "[jwt_auth] incorrect_password", "data": {"status": 403}}'


def database() -> str:
    """The connection of a new database."""
    server, name = mariadb.mariadb(), f"wordpress_{uuid4().hex}"
    with closing(databases.mariadb_admin()) as admin, closing(admin.cursor()) as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci")
        admin.select_db(name)
        for statement in (USERS, META):
            cursor.execute(statement)
        for number, person in enumerate(PEOPLE):
            email = next((address for medium, address in person.typed if medium == EMAIL), "")
            row = (number, person.name, email, person.display_name or "")
            cursor.execute("INSERT INTO blog_users VALUES (%s, %s, %s, %s)", row)
        cursor.execute(
            "INSERT INTO blog_usermeta (user_id, meta_key, meta_value) VALUES (0, 'nickname', 'Wonder'), (1, 'x', 'y')"
        )
    return f"//127.0.0.1:{server.port}/{name}?user={server.user}&password=se%25cr%26t?"


@skipUnless(mariadb.available(), "MariaDB is not installed")
class WordpressTests(contract.StoreCase):
    async def build(self) -> Store:
        self.login = Login()
        server = Server(reactor, Site(self.login))
        self.addCleanup(server.stop)
        config = Wordpress(
            enabled=True,
            rest=WordpressRest(base=f"http://127.0.0.1:{server.port}/blog"),
            sql=WordpressSql(connection=Secret(database()), table_prefix="blog_"),
        )
        http = HttpClient(reactor, Resolver(reactor, [("127.0.0.1", 9)]), Trust(), ANYWHERE)
        return self.started(*wordpress_store(config, reactor, http, self.user_ids, self.warnings.append))

    async def test_finds_users_by_their_address(self) -> None:
        assert self.store.source
        expected = {
            ThreePid(EMAIL, "alice@example.org"): ALICE.user_id,
            ThreePid(EMAIL, "bob@example.org"): BOB.user_id,
        }
        strangers = [ThreePid(EMAIL, "x@example.org"), ThreePid(MSISDN, "4915112345678"), ThreePid(EMAIL, "")]
        self.assertEqual(await self.store.source.lookup([*strangers, *expected]), expected)
        # The collation of the database takes these for the same.
        guarded = CircuitBreaker(self.store.source, Clock(), timedelta(seconds=1))
        self.assertEqual(await guarded.lookup([ThreePid(EMAIL, "álice@example.org")]), {})

    async def test_finds_users_by_all_of_their_names(self) -> None:
        assert self.store.directory
        for term in ("arnold", "wonder"):
            found = await self.store.directory.search_by_name(term, 10)
            self.assertEqual([entry.user_id for entry in found], [ALICE.user_id], term)
        found = await self.store.directory.search_by_threepid("bob@", 10)
        self.assertEqual([(entry.user_id, entry.display_name) for entry in found], [(BOB.user_id, BOB.display_name)])
        self.assertEqual(
            [entry.user_id for entry in await self.store.directory.search_by_name("%", 10)], [CAROL.user_id]
        )

    async def test_lists_addresses(self) -> None:
        assert self.store.listing
        listed = [pair async for batch in self.store.listing.batches() for pair in batch]
        self.assertIn((ThreePid(EMAIL, "alice@example.org"), ALICE.user_id), listed)
        self.assertEqual(len(listed), len(PEOPLE) - 1)

    async def test_lets_users_in_as_themselves_only(self) -> None:
        assert self.store.authentication
        authenticate = self.store.authentication.authenticate
        profile = await authenticate(BOB.user_id, BOB.password)
        assert profile
        self.assertEqual((profile.user_id, profile.display_name), (BOB.user_id, BOB.display_name))
        self.assertEqual(profile.threepids, (ThreePid(EMAIL, "bob@example.org"),))
        self.assertIsNone(await authenticate(BOB.user_id, "wrong"))
        self.assertIsNone(await authenticate("@alice:elsewhere.example", ALICE.password))
        by_address = f"@{mapped('bob@example.org')}:{DOMAIN}"
        self.assertIsNone(await authenticate(by_address, BOB.password))

    async def test_a_broken_site_says_nothing_of_passwords(self) -> None:
        assert self.store.authentication
        self.login.status = 500
        with self.assertRaises(WordpressFailed):
            await self.store.authentication.authenticate(BOB.user_id, BOB.password)
