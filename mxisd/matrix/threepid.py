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


# ITU E.164: at most 15 digits; the shortest subscriber numbers with a country code have 7.
_E164_DIGITS = re.compile(r"[1-9][0-9]{6,14}")
# What comes along when a number is copied from a page or a document: marks of the direction of text, and no width.
_INVISIBLE = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_TEL = re.compile(r"tel:", re.IGNORECASE)
_EXTENSION = re.compile(r"[\s,;]*(?:;ext=|extn?\.?|x)[\s:.]*[0-9]{1,7}\Z", re.IGNORECASE)
# Places without a plan of their own, by the one whose numbers they have; clients offer them in their lists.
_PLAN_OF = {"AQ": "NF", "BV": "NO", "GS": "FK", "HM": "AU", "PN": "NZ", "TF": "RE", "UM": "US"}
# Ranges that are reserved for tests and films: North America, the United Kingdom, France, Ireland.
_FOR_TESTS = re.compile(
    r"1555[0-9]{7} | 1[2-9][0-9]{2}55501[0-9]{2} | 447700900[0-9]{3} | 441632960[0-9]{3} | 4411[3-8]4960[0-9]{3}"
    r"| 3363998[0-9]{4} | 3532091[0-9]{5}",
    re.VERBOSE,
)


def phone(number: str, country: str | None = None) -> ThreePid:
    """
    Read a phone number, as typed or pasted, as dialled from a country (ISO 3166-1 alpha-2).

    One that begins with ``+`` needs no country.  Whatever libphonenumber reads is taken: other digits and dashes,
    ``tel:``, ``(0)``, an extension, which is dropped.  Raises :class:`InvalidAddress`; letters are refused, since
    libphonenumber would read them as vanity numbers.
    """
    text = "".join(" " if character.isspace() else character for character in _INVISIBLE.sub("", number)).strip()
    text = _EXTENSION.sub("", text[4:] if _TEL.match(text) else text)
    if len(text) > MAX_ADDRESS or any(map(str.isalpha, text)):
        raise InvalidAddress("a phone number consists of digits")
    try:
        parsed = phonenumbers.parse(text, _region(country, needed=not text.startswith(("+", "\uff0b"))))
    except phonenumbers.NumberParseException as error:
        raise InvalidAddress(str(error)) from None
    digits = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)[1:]
    if not phonenumbers.is_valid_number(parsed) and not _FOR_TESTS.fullmatch(digits):
        raise InvalidAddress("the phone number is too short, too long, or not one that its country gives out")
    return ThreePid(MSISDN, digits)


def _region(country: str | None, *, needed: bool) -> str | None:
    region = (country or "").upper()
    region = _PLAN_OF.get(region, region)
    if region in phonenumbers.SUPPORTED_REGIONS:
        return region
    if needed:
        raise InvalidAddress(
            f"{country!r} is not an ISO 3166-1 alpha-2 country code, and the number does not begin with +"
        )
    return None


def international(threepid: ThreePid) -> str:
    """A phone number as it is shown to people: ``+49 1512 3456789``."""
    parsed = phonenumbers.parse(f"+{threepid.address}")
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


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
    forms = {threepid.address}
    if threepid.medium == EMAIL:
        local = threepid.address.rpartition("@")[0]
        try:
            parts = validate_email(threepid.address, check_deliverability=False, globally_deliverable=False)
        except EmailNotValidError:
            return frozenset(forms)
        forms |= {f"{local}@{domain}" for domain in (parts.domain, parts.ascii_domain) if domain}
    return frozenset(forms)


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
