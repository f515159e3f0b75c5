"""Queries and connections as administrators write them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mxisd.databases.location import BadLocation, Location, parse
from mxisd.stores.sql.query import Dialect, Query, skeleton

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


class QueryTests(SynchronousTestCase):
    def test_only_bare_question_marks_are_placeholders(self) -> None:
        for text in (
            "SELECT '?', ?",
            "SELECT 'it''s ?', ?",
            'SELECT "a?" FROM b WHERE c = ?',
            "SELECT `a?` FROM b WHERE c = ?",
            "SELECT ? -- really?",
            "SELECT ? /* who's\n this? */",
            "SELECT ? /* ? */ -- it's",
            "SELECT $$a?$$, ?",
            "SELECT $tag$ $$ ? $tag$, ?",
            "SELECT a ?? 'key', ?",
        ):
            self.assertEqual(Query(text, "postgresql").parameters, 1, text)

    def test_is_written_as_the_client_library_wants_it(self) -> None:
        text = "SELECT a FROM b WHERE c LIKE '50%?' AND d = ? AND e ?? 'f'"
        self.assertEqual(Query(text, "sqlite").sql, "SELECT a FROM b WHERE c LIKE '50%?' AND d = ? AND e ? 'f'")
        self.assertEqual(Query(text, "postgresql").sql, "SELECT a FROM b WHERE c LIKE '50%%?' AND d = %s AND e ? 'f'")

    def test_backslashes_quote_in_mysql_only(self) -> None:
        self.assertEqual(Query(r"SELECT 'it\'s ?', ?", "mysql").parameters, 1)
        self.assertEqual(Query(r"SELECT '\', ?", "postgresql").parameters, 1)

    def test_the_last_placeholder_becomes_a_list(self) -> None:
        query = Query("SELECT a FROM b WHERE c = ? AND d IN (?) ORDER BY a", "mysql")
        self.assertEqual(query.spread(3), "SELECT a FROM b WHERE c = %s AND d IN (%s, %s, %s) ORDER BY a")

    @settings(deadline=None)
    @given(st.text(st.sampled_from("?'\"`-/*$\\\n a")))
    def test_what_is_left_without_quotes_has_the_same_placeholders(self, text: str) -> None:
        dialects: tuple[Dialect, ...] = ("sqlite", "postgresql", "mysql")
        for dialect in dialects:
            bare = skeleton(text, dialect)
            self.assertEqual(len(bare), len(text))
            self.assertEqual(bare.count("?"), Query(text, dialect).parameters)

    @settings(deadline=None)
    @given(st.lists(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))))
    def test_strings_are_left_alone(self, values: list[str]) -> None:
        literals = ["'{}'".format(value.replace("'", "''")) for value in values]
        query = Query(f"SELECT ?{''.join(f', {literal}' for literal in literals)}", "sqlite")
        with closing(sqlite3.connect(":memory:")) as database:
            self.assertEqual(list(database.execute(query.sql, ["bound"]).fetchone()), ["bound", *values])


class LocationTests(SynchronousTestCase):
    def test_reads_the_form_of_mxisd(self) -> None:
        self.assertEqual(
            parse("//db.example.org:5433/people?user=mxisd&password=s%26cret+&sslMode=require", "postgresql"),
            Location([("db.example.org", 5433)], "people", "mxisd", "s&cret+", {"sslmode": "require"}, "s&cret "),
        )
        self.assertEqual(parse("//[::1]/people", "mysql"), Location([("::1", None)], "people", None, None, {}))

    def test_reads_urls(self) -> None:
        expected = Location([("localhost", 3306)], "people", "me", "p@ss", {})
        self.assertEqual(parse("mysql://me:p%40ss@localhost:3306/people", "mysql"), expected)
        self.assertEqual(parse("jdbc:mariadb://localhost:3306/people?user=me&password=p@ss", "mysql"), expected)
        self.assertEqual(parse("postgres:///people", "postgresql").hosts, [("localhost", None)])

    @given(
        st.lists(st.tuples(st.sampled_from(["db", "db.example.org", "192.0.2.1"]), st.none() | st.integers(1, 65535))),
        WORDS,
        WORDS,
        WORDS,
        st.dictionaries(st.from_regex("option[a-z]{3}", fullmatch=True), WORDS, max_size=4),
        st.sampled_from(["", "postgresql:", "jdbc:postgresql:"]),
    )
    def test_reads_what_was_encoded(
        self,
        hosts: list[tuple[str, int | None]],
        database: str,
        user: str,
        password: str,
        options: dict[str, str],
        scheme: str,
    ) -> None:
        where = ",".join(host if port is None else f"{host}:{port}" for host, port in hosts)
        given = {**options, "user": user, "password": password}
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in given.items())
        read = parse(f"{scheme}//{where}/{quote(database, safe='')}?{query}", "postgresql")
        self.assertEqual(list(read.hosts), hosts or [("localhost", None)])
        self.assertEqual((read.database, read.user, read.password, read.options), (database, user, password, options))

    @given(st.text())
    def test_is_read_or_refused(self, text: str) -> None:
        try:
            parse(text, "mysql")
        except BadLocation as refused:
            self.assertIn("expected", str(refused))

    def test_refuses_everything_else_without_repeating_it(self) -> None:
        for text in ("", "people", "//host", "//host/", "//ho st:x/people?password=hidden", "oracle://host/hidden"):
            with self.assertRaises(BadLocation) as raised:
                parse(text, "postgresql")
            self.assertNotIn("hidden", str(raised.exception))
