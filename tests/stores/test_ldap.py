"""The ``ldap`` store, on an OpenLDAP."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Iterator
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import skipUnless

from msgspec.structs import replace
from twisted.logger import LogLevel, capturedLogs, formatEvent

from mxisd.cli.ldap import entries
from mxisd.cli.output import TextOutput
from mxisd.config.engine.section import Secret
from mxisd.config.ldap import Attribute, Auth, Connection, Directory, DirectoryAttribute, Identity, Ldap, Uid
from mxisd.matrix.threepid import EMAIL, MSISDN, ThreePid
from mxisd.reactor import installed_reactor
from mxisd.stores.ldap.build import ldap_store
from mxisd.stores.ldap.search import SearchRefused
from mxisd.stores.ldap.server import ServerFailed
from mxisd.stores.ldap.store import Check, Match
from mxisd.stores.store import Store
from tests.cli.command import mxisd
from tests.net.servers import Authority
from tests.servers.folder import folder
from tests.servers.slapd import ROOT, Slapd, available
from tests.stores import contract
from tests.stores.ldif import ldif
from tests.stores.people import ALICE, BOB, CAROL, CROWD, DOMAIN, Person

reactor = installed_reactor()

INSTALLED = skipUnless(available(), "OpenLDAP is not installed")


@cache
def authority() -> Authority:
    return Authority(folder("authority") / "authority.pem")


@cache
def slapd() -> Slapd:
    """The one that all tests read from."""
    certificate = folder("certificate") / "server.pem"
    certificate.write_bytes(authority().pem("127.0.0.1"))
    return Slapd(ldif(), certificate)


class LdapCase(contract.StoreCase):
    """A store on :func:`slapd`."""

    connection = Connection(
        host="127.0.0.1",
        bind_dn=f"cn=reader,{ROOT}",
        bind_password=Secret("reader"),
        base_dn=f"ou=guests,{ROOT}",
        base_dns=(f"ou=people,{ROOT}",),
    )
    config = Ldap(
        enabled=True,
        lookup=True,
        attribute=Attribute(
            uid=Uid(value="uid"),
            threepid={"email": ("otherMailbox", "mail"), "msisdn": ("mobile", "telephoneNumber"), "none": ()},
            role=("employeeType",),
        ),
    )

    async def build(self) -> Store:
        connection = replace(self.connection, port=slapd().tls_port if self.connection.tls else slapd().port)
        config = replace(self.config, connection=connection)
        store, self.ldap, threads = ldap_store("ldap", config, Path(authority().path), reactor, self.user_ids)
        return self.started(store, threads)


@INSTALLED
class LdapTests(
    LdapCase,
    contract.SourceContract,
    contract.ProfilesContract,
    contract.DirectoryContract,
    contract.ListingContract,
    contract.AuthenticationContract,
):
    async def test_shows_how_a_lookup_comes_out(self) -> None:
        self.assertEqual(
            await self.ldap.check(ThreePid(EMAIL, "alice@example.org")),
            Check(
                "(|(otherMailbox=alice@example.org)(mail=alice@example.org))",
                (Match(f"cn=0,ou=people,{ROOT}", ALICE.user_id),),
            ),
        )
        self.assertEqual(
            await self.ldap.check(ThreePid(MSISDN, "*)")),
            Check(r"(|(mobile=+\2a\29)(telephoneNumber=+\2a\29)(mobile=\2a\29)(telephoneNumber=\2a\29))", ()),
        )
        self.assertIsNone(await self.ldap.check(ThreePid("none", "1")))

    async def test_can_be_tried_out(self) -> None:
        out = StringIO()
        output = TextOutput(out, out)
        found = await entries(self.ldap, ThreePid(EMAIL, "alice@example.org"), output)
        self.assertEqual(found, [("ldap", f"cn=0,ou=people,{ROOT}", ALICE.user_id)])
        self.assertEqual(await entries(self.ldap, ThreePid(EMAIL, "nobody@example.org"), output), [])
        self.assertEqual(await entries(self.ldap, ThreePid("badge", "1"), output), [])
        self.assertEqual(
            out.getvalue().splitlines(),
            [
                "ldap: (|(otherMailbox=alice@example.org)(mail=alice@example.org))",
                "ldap: (|(otherMailbox=nobody@example.org)(mail=nobody@example.org))",
                "ldap: no entry",
                "ldap: neither attribute.threepid nor identity.medium has the medium badge",
            ],
        )

    def test_the_command_shows_a_table(self) -> None:
        """The first of two servers is there, the second is not."""
        there, away = (
            {"enabled": True, "connection": {"host": "127.0.0.1", "port": port, "baseDNs": [f"ou=people,{ROOT}"]}}
            for port in (slapd().port, 1)
        )
        there["connection"] |= {"bindDn": self.connection.bind_dn, "bindPassword": "reader"}  # type: ignore[operator]
        there["attribute"] = {"uid": {"type": "uid", "value": "uid"}, "threepid": {"email": ["otherMailbox", "mail"]}}
        place = Path(self.mktemp())
        place.mkdir()
        (place / "one.yaml").write_text(json.dumps({"matrix": {"domain": DOMAIN}, "ldap": there}))
        (place / "two.yaml").write_text(json.dumps({"matrix": {"domain": DOMAIN}, "ldap": [there, away]}))
        done = mxisd("ldap", "check", "alice@example.org", "--config", "one.yaml", folder=place)
        self.assertEqual((done.code, done.err), (0, ""))
        _, headers, row, last = done.out.splitlines()
        self.assertEqual(headers.split(), ["SERVER", "ENTRY", "USER", "ID"])
        self.assertEqual(row.split(), ["ldap", f"cn=0,ou=people,{ROOT}", ALICE.user_id])
        self.assertEqual(last, "a user ID was found")
        self.assertEqual(mxisd("ldap", "check", "nobody@a.b", "--config", "one.yaml", folder=place).code, 1)
        done = mxisd("ldap", "check", "alice@example.org", "--config", "two.yaml", "--json", folder=place)
        self.assertEqual(done.code, 2)
        content = json.loads(done.out)
        entry = {"server": "ldap[0]", "entry": f"cn=0,ou=people,{ROOT}", "user_id": ALICE.user_id}
        self.assertEqual(content["entries"], [entry])
        self.assertIn("ldap[1]: ldap://127.0.0.1:1: ", content["errors"][0])

    async def test_finds_by_what_the_server_takes_for_the_same(self) -> None:
        # Spaces at the ends and in a row do not count to caseIgnoreMatch.
        asked = [ThreePid(EMAIL, " alice@example.org"), ThreePid(EMAIL, "bob@example.org")]
        self.assertEqual(await self.source.lookup(asked[:1]), {asked[0]: ALICE.user_id})
        self.assertEqual(await self.source.lookup(asked), dict(zip(asked, (ALICE.user_id, BOB.user_id), strict=True)))

    async def test_takes_nobody_for_a_user_whose_name_the_server_takes_for_the_same(self) -> None:
        user_id = f"@bob=20=20m=c3=bcller:{DOMAIN}"
        self.assertIsNone(await self.profiles.display_name(user_id))
        self.assertIsNone(await self.authentication.authenticate(user_id, BOB.password))


class OtherServerCase(LdapCase):
    """A store on a server of its own."""

    base_dns = LdapCase.connection.base_dns

    def server(self) -> Slapd:
        raise NotImplementedError

    async def build(self) -> Store:
        connection = replace(self.connection, port=self.server().port, base_dns=self.base_dns)
        config = replace(self.config, connection=connection)
        store, self.ldap, threads = ldap_store("ldap", config, None, reactor, self.user_ids)
        return self.started(store, threads)

    def questions(self) -> Iterator[Awaitable[object]]:
        """All that entries are searched for."""
        assert self.store.source and self.store.directory
        emails = [ThreePid(EMAIL, name) for name in ("alice@example.org", "bob@example.org")]
        yield self.store.source.lookup(emails[:1])
        yield self.store.source.lookup(emails)
        yield self.store.directory.search_by_name("alice", 5)
        yield self.listed()

    async def listed(self) -> tuple[dict[ThreePid, str], list[str]]:
        """Everybody, and what the log says."""
        assert self.store.listing
        found: list[tuple[ThreePid, str]] = []
        with capturedLogs() as events:
            async for batch in self.store.listing.batches():
                found += batch
        self.assertEqual(len(found), len(set(found)))
        lines = [formatEvent(event) or "" for event in events if event["log_level"] >= LogLevel.warn]
        return dict(found), lines


MANY = (ALICE, BOB, *CROWD[:200], Person("Ünal", typed=((EMAIL, "uenal@example.org"),)))


@INSTALLED
class SizeLimitTests(OtherServerCase):
    """A server that gives some entries only, whether or not by pages."""

    sizelimit = "size.soft=50 size.hard=50 size.prtotal=50"

    def server(self) -> Slapd:
        return Slapd(ldif(MANY), sizelimit=self.sizelimit)

    async def test_everybody_is_listed(self) -> None:
        found, lines = await self.listed()
        emails = {(threepid, person.user_id) for person in MANY for threepid in person.threepids}
        self.assertEqual(set(found.items()), emails)
        (line,) = lines
        self.assertRegex(line, f"stops at 50 entries below ou=people,{ROOT}: .*{len(MANY)} were read, which are all")

    async def test_many_are_found_at_once(self) -> None:
        assert self.store.source
        found = {threepid: person.user_id for person in MANY for threepid in person.threepids}
        self.assertEqual(await self.store.source.lookup(list(found)), found)


@INSTALLED
class NoPagesTests(SizeLimitTests):
    sizelimit = "size.soft=50 size.hard=50 size.prtotal=disabled"


@INSTALLED
class TooManyTests(OtherServerCase):
    """More than can be told apart by what their names begin with."""

    people = tuple(Person(f"é{number}", typed=((EMAIL, f"{number}@example.org"),)) for number in range(60))

    def server(self) -> Slapd:
        return Slapd(ldif(self.people), sizelimit="size.soft=50 size.hard=50 size.prtotal=50")

    async def test_what_came_is_kept(self) -> None:
        found, (line,) = await self.listed()
        self.assertGreaterEqual(len(found), 50)
        self.assertIn("some are missing; raise its size limit", line)


@INSTALLED
class NothingGivenTests(OtherServerCase):
    def server(self) -> Slapd:
        return Slapd(ldif(MANY), sizelimit="size.unchecked=disabled")

    async def test_is_not_taken_for_nobody(self) -> None:
        for asked in self.questions():
            with self.assertRaises(SearchRefused):
                await asked


@INSTALLED
class BaseTests(OtherServerCase):
    """One of several entries to search below is not there."""

    base_dns = (f"ou=gone,{ROOT}", "nonsense", f"ou=people,{ROOT}")

    def server(self) -> Slapd:
        return slapd()

    async def test_the_others_are_searched(self) -> None:
        store = self.store
        assert store.source and store.profiles and store.directory and store.authentication
        emails = [ThreePid(EMAIL, name) for name in ("alice@example.org", "bob@example.org")]
        found = {emails[0]: ALICE.user_id, emails[1]: BOB.user_id}
        with capturedLogs() as events:
            for _ in range(2):
                self.assertEqual(await store.source.lookup(emails[:1]), {emails[0]: ALICE.user_id})
                self.assertEqual(await store.source.lookup(emails), found)
        lines = [formatEvent(event) or "" for event in events if event["log_level"] >= LogLevel.warn]
        self.assertEqual(len([line for line in lines if "ou=gone" in line and "No such object" in line]), 1)
        self.assertIsNotNone(await store.authentication.authenticate(ALICE.user_id, ALICE.password))
        self.assertEqual(len(await store.directory.search_by_name("alice", 5)), 1)
        everybody, _ = await self.listed()
        self.assertGreater(len(everybody), len(CROWD))


@INSTALLED
class NoBaseTests(OtherServerCase):
    connection = replace(LdapCase.connection, base_dn=None)
    base_dns = (f"ou=gone,{ROOT}",)

    def server(self) -> Slapd:
        return slapd()

    async def test_an_entry_that_is_gone_concerns_the_question(self) -> None:
        for asked in self.questions():
            with self.assertRaisesRegex(SearchRefused, "ou=gone.*No such object"):
                await asked


@INSTALLED
class SeveralNamesTests(OtherServerCase):
    def server(self) -> Slapd:
        return Slapd(ldif((ALICE,)).replace("userPassword", "uid: arnold\nuserPassword"))

    async def test_each_is_a_name(self) -> None:
        store = self.store
        assert store.source and store.profiles and store.authentication
        for name in ("alice", "arnold"):
            user_id = f"@{name}:{DOMAIN}"
            self.assertEqual(await store.profiles.display_name(user_id), ALICE.display_name)
            profile = await store.authentication.authenticate(user_id, ALICE.password)
            self.assertEqual(profile and profile.user_id, user_id)
            self.assertIsNone(await store.authentication.authenticate(user_id, "other"))


@INSTALLED
class TlsTests(LdapCase, contract.SourceContract):
    """TLS from the first byte."""

    connection = replace(LdapCase.connection, tls=True)


@INSTALLED
class StartTlsTests(LdapCase, contract.SourceContract, contract.AuthenticationContract):
    """TLS after a while."""

    connection = replace(LdapCase.connection, start_tls=True)


@INSTALLED
class CertificateTests(LdapCase):
    """Servers that may be others are told nothing."""

    def stores(self, **changes: Any) -> Iterator[Store]:
        for tls in ({"tls": True, "port": slapd().tls_port}, {"start_tls": True, "port": slapd().port}):
            connection = replace(self.connection, **{**tls, **changes})
            config = replace(self.config, connection=connection)
            store, _, threads = ldap_store("ldap", config, Path(authority().path), reactor, self.user_ids)
            yield self.started(store, threads)

    async def refused(self, reason: str = "is its certificate for", **changes: Any) -> None:
        for store in self.stores(**changes):
            assert store.source and store.authentication
            with self.assertRaisesRegex(ServerFailed, reason):
                await store.source.lookup([ThreePid(EMAIL, "alice@example.org")])
            with self.assertRaisesRegex(ServerFailed, reason):
                await store.authentication.authenticate(ALICE.user_id, ALICE.password)

    async def taken(self, **changes: Any) -> None:
        threepid = ThreePid(EMAIL, "alice@example.org")
        for store in self.stores(**changes):
            assert store.source and store.authentication
            self.assertEqual(await store.source.lookup([threepid]), {threepid: ALICE.user_id})
            self.assertIsNotNone(await store.authentication.authenticate(ALICE.user_id, ALICE.password))

    async def test_of_an_unknown_authority(self) -> None:
        other = Authority(folder("authority") / "other.pem")
        await self.refused(ca_file=Path(other.path))

    async def test_for_another_name(self) -> None:
        await self.refused(host="localhost")

    async def test_what_is_refused_says_which_keys_are_about_it(self) -> None:
        await self.refused("connection.caFile and connection.tlsVerify", host="localhost")

    async def test_for_another_name_where_only_the_authority_counts(self) -> None:
        await self.taken(host="localhost", tls_verify="chain")
        other = Authority(folder("authority") / "other.pem")
        reason = r"the authority that signed it is not known.*connection\.caFile and connection\.tlsVerify"
        await self.refused(reason, ca_file=Path(other.path), tls_verify="chain")

    async def test_any_where_nothing_counts(self) -> None:
        other = Authority(folder("authority") / "other.pem")
        await self.taken(host="localhost", ca_file=Path(other.path), tls_verify="none")


@INSTALLED
class OwnFiltersTests(LdapCase):
    config = replace(
        LdapCase.config,
        # Without parentheses, as some write it.
        filter="  employeeType=staff\n",
        identity=Identity(medium={"email": " (|(mail=%3pid)(cn=%3pid))\n", "org.example.number": "(cn=%3pid)"}),
        directory=Directory(attribute=DirectoryAttribute(other=("cn",)), filter=" (objectClass=*) "),
        auth=Auth(filter="(employeeType=moderators)"),
    )

    async def test_are_used(self) -> None:
        store = self.store
        assert store.source and store.profiles and store.directory and store.authentication
        asked = [
            ThreePid(EMAIL, "alice@example.org"),
            ThreePid(EMAIL, "1"),
            ThreePid("org.example.number", "0"),
            ThreePid("org.example.number", "*"),
            ThreePid(EMAIL, "user1@crowd.example"),
            ThreePid(MSISDN, "15550001111"),
        ]
        found = await store.source.lookup(asked)
        self.assertEqual(found, dict(zip(asked, (ALICE.user_id, BOB.user_id, ALICE.user_id), strict=False)))
        self.assertEqual(await store.profiles.display_name(BOB.user_id), BOB.display_name)
        self.assertIsNone(await store.profiles.display_name(CAROL.user_id))
        self.assertEqual(len(await store.directory.search_by_name("2", 10)), 10)
        self.assertIsNotNone(await store.authentication.authenticate(ALICE.user_id, ALICE.password))
        self.assertIsNone(await store.authentication.authenticate(BOB.user_id, BOB.password))


@cache
def two_domains() -> Slapd:
    """Active Directory's way to name users."""
    people = (
        Person("Alice@a.example", "Alice of A", ((EMAIL, "alice@a.example"),)),
        Person("alice@b.example", "Alice of B", ((EMAIL, "alice@b.example"),), password="other"),
        Person("alice", "Alice without", ((EMAIL, "alice@nowhere.example"),), password="third"),
        Person("jane", "Jane", ((EMAIL, "jane@a.example"),)),
        Person("jane/b.example", "Nobody", ((EMAIL, "nobody@b.example"),)),
        Person("jane@", "Nobody", ((EMAIL, "none@b.example"),)),
    )
    return Slapd(ldif(people))


@INSTALLED
class ActiveDirectoryTests(LdapCase):
    config = replace(LdapCase.config, active_directory=True, default_domain="A.example")

    async def build(self) -> Store:
        config = replace(self.config, connection=replace(self.connection, port=two_domains().port))
        store, self.ldap, threads = ldap_store("ldap", config, None, reactor, self.user_ids)
        return self.started(store, threads)

    async def test_only_users_of_other_domains_have_the_domain_in_their_name(self) -> None:
        store = self.store
        assert store.source and store.profiles and store.authentication
        asked = [ThreePid(EMAIL, f"{name}.example") for name in ("alice@a", "alice@b", "nobody@b", "none@b")]
        at_a, at_b = f"@alice:{DOMAIN}", f"@alice/b.example:{DOMAIN}"
        self.assertEqual(await store.source.lookup(asked), dict(zip(asked, (at_a, at_b), strict=False)))
        self.assertEqual(await store.profiles.display_name(at_a), "Alice of A")
        self.assertEqual(await store.profiles.display_name(at_b), "Alice of B")
        self.assertIsNotNone(await store.authentication.authenticate(at_b, "other"))
        self.assertIsNone(await store.authentication.authenticate(at_a, "other"))

    async def test_a_name_without_a_domain_is_one_of_the_default_domain(self) -> None:
        store = self.store
        assert store.source and store.profiles and store.authentication
        jane, jane_at_b = f"@jane:{DOMAIN}", f"@jane/b.example:{DOMAIN}"
        threepid = ThreePid(EMAIL, "jane@a.example")
        self.assertEqual(await store.source.lookup([threepid]), {threepid: jane})
        self.assertEqual(await store.profiles.display_name(jane), "Jane")
        self.assertIsNotNone(await store.authentication.authenticate(jane, "secret"))
        self.assertIsNone(await store.authentication.authenticate(jane_at_b, "secret"))
        # Of two, the one whose domain is known counts, and the log names the other.
        with capturedLogs() as events:
            self.assertIsNone(await store.authentication.authenticate(f"@alice:{DOMAIN}", "third"))
        lines = [formatEvent(event) or "" for event in events if event["log_level"] >= LogLevel.warn]
        self.assertEqual(lines, [f"ldap: 2 entries have the name of @alice:{DOMAIN}"])


@INSTALLED
class FullUserIdsTests(LdapCase):
    config = replace(LdapCase.config, attribute=replace(LdapCase.config.attribute, uid=Uid(type="mxid", value="sn")))

    async def build(self) -> Store:
        entries = ldif((ALICE,)).replace("sn:: LQ==", f"sn: {ALICE.user_id.upper()}")
        config = replace(self.config, connection=replace(self.connection, port=Slapd(entries).port))
        store, self.ldap, threads = ldap_store("ldap", config, None, reactor, self.user_ids)
        return self.started(store, threads)

    async def test_are_taken_in_lower_case(self) -> None:
        assert self.store.source and self.store.profiles
        threepid = ThreePid(EMAIL, "alice@example.org")
        self.assertEqual(await self.store.source.lookup([threepid]), {threepid: ALICE.user_id})
        self.assertEqual(await self.store.profiles.display_name(ALICE.user_id), ALICE.display_name)


@INSTALLED
class RestartTests(LdapCase):
    async def build(self) -> Store:
        self.server = Slapd(ldif((ALICE,)))
        config = replace(self.config, connection=replace(self.connection, port=self.server.port))
        store, self.ldap, threads = ldap_store("ldap", config, None, reactor, self.user_ids)
        return self.started(store, threads)

    async def test_goes_on_after_the_server_was_away(self) -> None:
        assert self.store.source
        source = self.store.source
        threepid = ThreePid(EMAIL, "alice@example.org")
        await contract.together(source.lookup([threepid]) for _ in range(20))
        self.server.stop()
        with self.assertRaisesRegex(ServerFailed, "Can't contact"):
            await source.lookup([threepid])
        self.server.start()
        found = await contract.together(source.lookup([threepid]) for _ in range(20))
        self.assertEqual(found, [{threepid: ALICE.user_id}] * 20)
