"""The people whom every store under test knows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from mxisd.matrix.threepid import EMAIL, MSISDN, ThreePid, fold
from mxisd.stores.localpart import mapped

DOMAIN = "example.org"


class Person(Struct, frozen=True):
    """``name`` is what the store calls them; ``typed`` are their addresses as someone typed them into it."""

    name: str
    display_name: str | None = None
    typed: tuple[tuple[str, str], ...] = ()
    roles: tuple[str, ...] = ()
    password: str = "secret"

    @property
    def user_id(self) -> str:
        return f"@{mapped(self.name)}:{DOMAIN}"

    @property
    def threepids(self) -> set[ThreePid]:
        """As they are looked up."""
        return {fold(medium, address) for medium, address in self.typed}


ALICE = Person(
    "alice",
    "Alice Arnold",
    ((EMAIL, "alice@example.org"), (EMAIL, "a.arnold@example.com"), (MSISDN, "+4915112345678")),
    ("staff", "moderators"),
    "correct horse",
)
BOB = Person("Bob Müller", "Bob Müller", ((EMAIL, "bob@example.org"),), ("staff",), "pässword")
CAROL = Person("carol", "O'Carol (Ann) \\ 100%", ((MSISDN, "+15550001111"),))
# At a domain that has two spellings, of which stores have either.
DORA = Person("dora", "Dora", ((EMAIL, "dora@straße.example"), (EMAIL, "d.d@xn--bcher-kva.example")))
# More than fit into one filter, or one page.
CROWD = tuple(
    Person(f"user{number}", f"User {number}", ((EMAIL, f"user{number}@crowd.example"),)) for number in range(700)
)
PEOPLE = (ALICE, BOB, CAROL, DORA, *CROWD)


def as_data(people: Iterable[Person] = PEOPLE) -> list[dict[str, Any]]:
    """The same as JSON has it, for those that do not know our types."""
    return [
        {
            "name": person.name,
            "user_id": person.user_id,
            "display_name": person.display_name,
            "threepids": [list(threepid) for threepid in person.threepids],
            "threepids_as_objects": [{"medium": medium, "address": address} for medium, address in person.typed],
            "roles": list(person.roles),
            "password": person.password,
        }
        for person in people
    ]


# Localparts that anybody can register, and that a lax reader takes for "alice" or "carol".
LOOKALIKES = (
    "=61lice",
    "alic=65",
    "=61=6c=69=63=65",
    "=41lice",
    "ALICE",
    "Alice",
    "alice=20",
    "=20alice",
    "alice=0a",
    "alice=00",
    "=c3=a1lice",
    "=ef=bd=81lice",
    "car=c3=b6l",
    "=63arol",
)

# What would find somebody if it were read as a part of a query.
HOSTILE = (
    "*",
    "*@example.org",
    "a*",
    "alice*",
    "*)(uid=*",
    "a)(uid=*",
    "alice)(|(uid=*",
    "alice@example.org)(cn=*",
    "*)(objectClass=*))(|(a=",
    "alice@example.org)",
    "(alice@example.org",
    "\\2a",
    "\\",
    "alice\\@example.org",
    "alice@example.org\\",
    "\x00",
    "alice@example.org\x00",
    "alice@example.org\n",
    "alice@example.org' OR '1'='1",
    "' OR 1=1 --",
    '" OR ""="',
    "x' UNION SELECT localpart FROM people --",
    "alice@example.org'; DROP TABLE people; --",
    "\\' OR 1=1 #",
    "¿' OR 1=1 /*",
    "1 OR 1=1",
    "?",
    "%s",
    "%(medium)s",
    "{address}",
    "$(echo alice@example.org)",
    "`echo alice@example.org`",
    "alice@example.org; echo",
    "--help",
    '","medium":"email","address":"alice@example.org',
    "%",
    "_lice@example.org",
    "alice@exampl_.org",
    "x" * 10_000,
    "𝒂𝒍𝒊𝒄𝒆@example.org",
)
