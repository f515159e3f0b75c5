"""Third-party identifiers: what an address is, and the one form in which it is kept and compared."""

from __future__ import annotations

import re
from typing import NamedTuple

import phonenumbers
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

EMAIL = "email"
MSISDN = "msisdn"

# Long enough for any mailbox (RFC 5321 allows 254), short enough to index.
MAX_ADDRESS = 500

# The library's documented switch: intranets have mail at .local, .internal and localhost.
SPECIAL_USE_DOMAIN_NAMES.clear()


class InvalidAddress(ValueError):
    """A string that is no address of its medium; the message says why."""


class ThreePid(NamedTuple):
    """A third-party identifier in its canonical form: case-folded email address or E.164 digits."""

    medium: str
    address: str


def email(address: str) -> ThreePid:
    """
    Read an email address as a user typed it.

    Full Unicode case folding makes ``Strauß@Example.org`` and ``strauss@example.org`` one address, and mail goes
    to the folded form only: what was validated is what was mailed.  Domains without a dot are accepted,
    since intranets use them.  Raises :class:`InvalidAddress`.
    """
    folded = address.casefold()
    if len(folded) > MAX_ADDRESS:
        raise InvalidAddress("the address is too long")
    try:
        # Whether a domain can be delivered to is for the mail server to find out, not for us to guess.
        validate_email(folded, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise InvalidAddress(str(error)) from None
    return ThreePid(EMAIL, folded)


_NATIONAL = re.compile(r"[0-9 ()./+-]+")
# ITU E.164: at most 15 digits; the shortest subscriber numbers with a country code have 7.
_E164_DIGITS = re.compile(r"[1-9][0-9]{6,14}")


def phone(number: str, country: str) -> ThreePid:
    """
    Read a phone number as dialled from a country (ISO 3166-1 alpha-2).

    Raises :class:`InvalidAddress`; letters are refused, since ``phonenumbers`` would read them as vanity numbers.
    """
    if country not in phonenumbers.SUPPORTED_REGIONS:
        raise InvalidAddress(f"{country!r} is not an ISO 3166-1 alpha-2 country code")
    if not _NATIONAL.fullmatch(number):
        raise InvalidAddress("a phone number consists of digits")
    try:
        parsed = phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException as error:
        raise InvalidAddress(str(error)) from None
    # Not is_valid_number: it knows only the ranges of its own release, and refuses the ones reserved for tests.
    if phonenumbers.is_possible_number_with_reason(parsed) != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise InvalidAddress("the phone number is too short, too long, or not assigned to any country")
    return ThreePid(MSISDN, phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)[1:])


def canonical(medium: str, address: str) -> ThreePid:
    """
    Read an address of any medium, as it stands in lookups, invites and unbinds.

    Phone numbers are in international form here, with or without ``+``.  Raises :class:`InvalidAddress`.
    """
    if medium == EMAIL:
        return email(address)
    if medium == MSISDN:
        digits = address.removeprefix("+")
        if not _E164_DIGITS.fullmatch(digits):
            raise InvalidAddress("a phone number is given in international form, in digits")
        return ThreePid(MSISDN, digits)
    raise InvalidAddress(f"the medium {medium!r} is not supported")


def fold(medium: str, address: str) -> ThreePid:
    """
    Bring an address to the form in which it is compared, without judging whether it is one.

    For lookups: what is no address matches nothing, and thousands of them must cost little.
    """
    # A plus sign that was not encoded in a query arrives as a space.
    return ThreePid(medium, address.lstrip("+ ") if medium == MSISDN else address.casefold())


def spellings(threepid: ThreePid) -> frozenset[str]:
    """
    All forms of one address that a pattern may have been written for.

    The domain of an email address has two if it is internationalised (``bücher.example``, ``xn--bcher-kva.example``).
    """
    only = frozenset({threepid.address})
    local, _, domain = threepid.address.rpartition("@")
    if threepid.medium != EMAIL or (domain.isascii() and "xn--" not in domain):
        return only
    try:
        parts = validate_email(threepid.address, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        return only
    return only | {f"{local}@{domain}" for domain in (parts.domain, parts.ascii_domain) if domain}


def redacted(threepid: ThreePid) -> str:
    """
    A form of an address to show to a room: enough to recognise it by, too little to write to it.

    Both sides of an email's ``@`` keep their first characters, at most half of each, and a phone number its last two.
    """
    if threepid.medium == MSISDN:
        return f"…{threepid.address[-2:]}"
    local, _, domain = threepid.address.rpartition("@")
    return f"{_beginning(local)}@{_beginning(domain)}"


def _beginning(text: str) -> str:
    return text[: min(3, len(text) // 2)] + "…"
