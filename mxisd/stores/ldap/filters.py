"""Search filters (RFC 4515): values are escaped, and only what the administrator wrote is used as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ...matrix.threepid import MSISDN, ThreePid, spellings

# RFC 4515, section 3: what has a meaning in a filter.
_SPECIAL = re.compile(r"[\\*()\x00]")


def escaped(value: str) -> str:
    """A value that stands for nothing but itself."""
    return _SPECIAL.sub(lambda match: f"\\{ord(match[0]):02x}", value)


def equal(attribute: str, value: str) -> str:
    return f"({attribute}={escaped(value)})"


def contains(attribute: str, part: str) -> str:
    return f"({attribute}=*{escaped(part)}*)"


def begins(attribute: str, part: str) -> str:
    return f"({attribute}={escaped(part)}*)"


def any_of(filters: Iterable[str]) -> str:
    found = list(filters)
    return found[0] if len(found) == 1 else f"(|{''.join(found)})"


def restricted(base: str, extra: str | None) -> str:
    """What also fits a filter of the administrator's, who may have left its parentheses out."""
    extra = extra.strip() if extra else ""
    if not extra:
        return base
    return f"(&{extra if extra.startswith('(') else f'({extra})'}{base})"


def of_address(threepid: ThreePid, attributes: Sequence[str]) -> str:
    """Finds who has an address in one of the attributes, in any spelling: phone numbers with ``+``, and without."""
    values = [spelling.address for spelling in spellings(threepid)]
    if threepid.medium == MSISDN:
        values.insert(0, f"+{threepid.address}")
    return any_of(equal(attribute, value) for value in values for attribute in attributes)


def filled(template: str, token: str, threepid: ThreePid) -> str:
    """A filter of the administrator's, with the address in place of the token, in any spelling."""
    template = template.strip()
    return any_of(template.replace(token, escaped(spelling.address)) for spelling in spellings(threepid))
