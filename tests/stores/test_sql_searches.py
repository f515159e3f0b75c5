"""Whom searches find, by the shape of the administrator's query."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from twisted.trial.unittest import SynchronousTestCase

from mxisd.stores.sql.query import Dialect
from mxisd.stores.sql.search import search, search_of_parts

NAMES = ("ann", "Annabel", "Joann", "50% off", "50 cents", "a_b", "acb", "x*y", "xzy", "back\\slash", "100!")
_ANN = ("ann", "Annabel")
_ALL_ANN = ("ann", "Annabel", "Joann")

# What stands after WHERE, the term, and who is found.
SHAPES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    # The term as it is.
    ("name = ?", "ann", ("ann",)),
    ("name = ?", "a_b", ("a_b",)),
    ("name = ?", "50% off", ("50% off",)),
    ("name IN (?)", "Joann", ("Joann",)),
    ("instr(lower(name), lower(?))", "ANN", _ALL_ANN),
    ("instr(lower(name), lower(?))", "%", ("50% off",)),
    ("instr(name, ?) > 0 AND name NOT LIKE 'j%'", "ann", ("ann",)),
    ("substr(name, 1, length(?)) = ?", "Ann", ("Annabel",)),
    ("length(?) >= 3 AND name LIKE ?", "%_", ()),
    ("length(?) >= 3 AND name LIKE ?", "ann", _ALL_ANN),
    ("? LIKE name", "ANN", ("ann",)),
    ("? LIKE '%' || name || '%'", "my ann", ("ann",)),
    # Patterns.
    ("name LIKE ? || '%'", "ann", _ANN),
    ("name LIKE ? || '%'", "nn", ()),
    ("name LIKE ? || '%'", "%nn", ()),
    ("name LIKE ? || '%'", "_", ()),
    ("name LIKE ? || '%'", "%", ()),
    ("name LIKE ? || '%'", "a_", ("a_b",)),
    ("name LIKE ? || '%'", "back\\", ("back\\slash",)),
    ("name LIKE 'back\\' || ?", "slash", ("back\\slash",)),
    ("(name LIKE ?||'%') AND 1", "50%", ("50% off",)),
    ("name LIKE '%' || ? || '%'", "ann", _ALL_ANN),
    ("name LIKE '%' || ? || '%' ORDER BY name", "0%", ("50% off",)),
    ("name LIKE '%' || ? || '%' ESCAPE '!'", "0!", ("100!",)),
    ("lower(name) LIKE lower(?) COLLATE NOCASE", "%", ("50% off",)),
    ("name LIKE (SELECT ? || '%') LIMIT 9", "ann", _ANN),
    ("name LIKE CASE WHEN 1 THEN ? END || '%' AND 1", "ann", _ANN),
    ("name LIKE replace(replace(?, '!', '!!'), '_', '!_') || '%' ESCAPE '!'", "a_", ("a_b",)),
    ("like(? || '%', name)", "ann", _ANN),
    ("NOT like(?, name) AND name LIKE '%nn%'", "Ann", ("Annabel", "Joann")),
    ("name GLOB '*'||?||'*'", "nn", _ALL_ANN),
    ("name GLOB '*'||?||'*'", "ANN", ()),
    ("name GLOB ?||'*'", "*n", ()),
    ("name GLOB ?||'*'", "x*", ("x*y",)),
    ("name GLOB ?||'*'", "[a-z]", ()),
    # Parts of names.
    ("name LIKE ?", "nn", _ALL_ANN),
    ("name LIKE ?", "0%", ("50% off",)),
    ("lower(name) LIKE lower(?)", "NN", _ALL_ANN),
    ("lower(name) LIKE (LOWER( (?) )) OR name = ?", "0%", ("50% off",)),
    ("(upper(name) LIKE upper(?))", "a_", ("a_b",)),
    ("lower(name) LIKE lower(?) || '%'", "nn", ()),
    ("name LIKE ?", "a_", ("a_b",)),
    ("name LIKE ? OR lower(name) LIKE ?", "nab", ("Annabel",)),
    ("name LIKE ? OR name = ?", "nab", ("Annabel",)),
    ("(name like\n  ?)", "nab", ("Annabel",)),
    ("name LIKE ?-- where is ?", "nab", ("Annabel",)),
    ("name LIKE ? /* ? || '%' */ AND name <> '?'", "nab", ("Annabel",)),
    ("name LIKE ? ESCAPE '!'", "0!", ("100!",)),
    ("name LIKE ? ESCAPE '\\'", "k\\s", ("back\\slash",)),
    ("name LIKE ? COLLATE NOCASE;", "nab", ("Annabel",)),
    ("name LIKE ? GROUP BY name", "nab", ("Annabel",)),
    ("name NOT LIKE ? AND name LIKE '%nn%'", "Jo", _ANN),
    ("CASE WHEN name LIKE ? THEN 1 ELSE 0 END", "nab", ("Annabel",)),
    ("name IN (SELECT p.name FROM people p JOIN people q ON p.name LIKE ? LEFT JOIN people r ON 0)",
     "nab", ("Annabel",)),
)  # fmt: skip


class SearchTests(SynchronousTestCase):
    def test_finds_those_whom_the_query_shows_and_nobody_else(self) -> None:
        with closing(sqlite3.connect(":memory:")) as database:
            database.execute("CREATE TABLE people (name TEXT)")
            database.executemany("INSERT INTO people VALUES (?)", [(name,) for name in NAMES])
            for where, term, expected in SHAPES:
                query = search(f"SELECT name FROM people WHERE {where}", "sqlite", None)  # noqa: S608 - written here
                found = database.execute(query.query.sql, query.values(term)).fetchall()
                self.assertEqual(sorted(name for (name,) in found), sorted(expected), f"{where}: {term}")

    def test_wildcards_are_escaped_as_each_database_reads_them(self) -> None:
        shapes: tuple[tuple[Dialect, str, list[str]], ...] = (
            ("mysql", "a LIKE CONCAT('%', ?, '%') OR b = ?", ["5\\%", "5%"]),
            ("mysql", "a LIKE CONCAT(?, '%') ESCAPE '\\\\'", ["5\\%"]),
            ("mysql", "a LIKE CONCAT(?, '%') ESCAPE '!' && b LIKE ?", ["5!%", "%5\\%%"]),
            ("mysql", "a LIKE ? COLLATE utf8mb4_general_ci", ["%5\\%%"]),
            ("postgresql", "a ILIKE ? || '%' AND position(? in b) > 0", ["5\\%", "5%"]),
            ("postgresql", "a ILIKE lower(left(?, 20)) || '%' OR c->>'?' ILIKE ? OR d ?? ?", ["5\\%", "%5\\%%", "5%"]),
            ("postgresql", "a ~~* ? OR b !~~ (? || '%') AND c ~ ?", ["%5\\%%", "5\\%", "5%"]),
            ("mysql", "a & ~~? = 5", ["5%"]),
            ("postgresql", "a NOT ilike ?", ["%5\\%%"]),
            ("postgresql", "a LIKE left(?, 20) || c->>'b' || ?", ["5\\%", "5\\%"]),
            ("postgresql", "a LIKE replace(?, '%', '\\%') || '%'", ["5%"]),
            ("postgresql", "a LIKE ? ESCAPE ''", ["%5%%"]),
        )
        for dialect, where, values in shapes:
            query = search(f"SELECT a FROM b WHERE {where}", dialect, None)  # noqa: S608 - written here
            self.assertEqual(query.values("5%"), values, where)

    def test_where_parts_are_meant_every_value_is_one(self) -> None:
        query = search_of_parts("SELECT a FROM b WHERE lower(a) LIKE lower(?) OR c = ?", "mysql", None)
        self.assertEqual(query.values("5%"), ["%5\\%%", "%5%%"])

    def test_it_is_told_where_parts_of_names_are_found(self) -> None:
        for where, parts in (("a LIKE ?", True), ("a LIKE ? || '%'", False), ("a = ?", False)):
            self.assertEqual(search(f"SELECT a FROM b WHERE {where}", "sqlite", None).finds_parts, parts)  # noqa: S608
