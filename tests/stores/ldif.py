"""The people under test as entries of a directory server."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable

from mxisd.matrix.threepid import EMAIL, fold
from tests.servers.slapd import ROOT
from tests.stores.people import CAROL, PEOPLE, Person


def ldif(people: Iterable[Person] = PEOPLE) -> str:
    """Entries in LDIF: Carol below ``ou=guests``, all others below ``ou=people``."""
    return "\n".join(_entry(number, person) for number, person in enumerate(people))


def _entry(number: int, person: Person) -> str:
    unit = "guests" if person is CAROL else "people"
    lines = [
        ("dn", f"cn={number},ou={unit},{ROOT}"),
        ("objectClass", "inetOrgPerson"),
        ("cn", str(number)),
        ("sn", "-"),
        ("uid", person.name),
        ("userPassword", person.password),
    ]
    if person.display_name is not None:
        lines.append(("displayName", person.display_name))
    for medium, address in person.typed:
        # The syntax of "mail" is IA5String, which is ASCII.
        lines.append(("mail", fold(EMAIL, address).address) if medium == EMAIL else ("telephoneNumber", address))
    lines += [("employeeType", role) for role in person.roles]
    return "".join(f"{name}:: {b64encode(value.encode()).decode()}\n" for name, value in lines)
