"""Third-party identifiers: what an address is, and the one form in which it is kept and compared."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from unicodedata import normalize

import idna
import phonenumbers
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

EMAIL = "email"
MSISDN = "msisdn"

# Long enough for any mailbox (RFC 5321 allows 254), short enough to index.
MAX_ADDRESS = 500

# DNS has no longer names (RFC 1035, 2.3.4).
_MAX_DOMAIN = 253

# The library's documented switch: intranets have mail at .local, .internal and localhost.
SPECIAL_USE_DOMAIN_NAMES.clear()


class InvalidAddress(ValueError):
    """A string that is no address of its medium; the message says why."""


class ThreePid(NamedTuple):
    """
    A third-party identifier in its canonical form.

    Of an email address that is the local part in folded case (NFC), and the domain in lower case and A-labels (RFC
    5890); of a phone number its E.164 digits.
    """

    medium: str
    address: str


def email(address: str) -> ThreePid:
    """
    Read an email address as a user typed it.

    Full Unicode case folding makes ``Strauß@Example.org`` and ``strauss@example.org`` one address.  Domains are not
    folded, since ``straße.example`` and ``strasse.example`` are two: see :func:`a_labels`.  Mail goes to the result
    only: what was validated is what was mailed.  Domains without a dot are accepted, since intranets use them.  Raises
    :class:`InvalidAddress`.
    """
    if len(address) > MAX_ADDRESS:
        raise InvalidAddress("the address is too long")
    threepid = fold(EMAIL, address)
    if len(threepid.address) > MAX_ADDRESS:
        raise InvalidAddress("the address is too long")
    try:
        # Whether a domain can be delivered to is for the mail server to find out, not for us to guess.
        parts = validate_email(threepid.address, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise InvalidAddress(str(error)) from None
    if threepid.address.rpartition("@")[2] != parts.ascii_domain:
        raise InvalidAddress("the domain is none that IDNA 2008 allows")
    return threepid


def a_labels(domain: str) -> str:
    """
    Bring a domain to the form in which domains are compared: lower case, and A-labels (``xn--bcher-kva.example``).

    That is IDNA 2008 after the mapping of UTS 46, non-transitional: ``straße`` stays different from ``strasse``.  What
    it does not allow stays as it is, and is no domain of anybody's.
    """
    # Of ASCII, IDNA changes the case only.
    if domain.isascii():
        return domain.lower()
    return _encoded(domain) if len(domain) <= _MAX_DOMAIN else domain


def u_labels(domain: str) -> str:
    """The form that people read, as ``bücher.example``, of what :func:`a_labels` returned."""
    return _decoded(domain) if "xn--" in domain and len(domain) <= _MAX_DOMAIN else domain


# Identity stores list thousands of addresses of a few domains.
@lru_cache(1000)
def _encoded(domain: str) -> str:
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except UnicodeError:
        return domain


@lru_cache(1000)
def _decoded(domain: str) -> str:
    try:
        return idna.decode(domain)
    except UnicodeError:
        return domain


def folded(text: str) -> str:
    """Fold the case of what is no domain, as the part before the ``@``, and compose its characters (NFC)."""
    # Folding may take a composed character apart, and folds an iota below others only where it is composed.
    return text.lower() if text.isascii() else normalize("NFC", normalize("NFC", text).casefold())


# ITU E.164: at most 15 digits; the shortest subscriber numbers with a country code have 7.
_E164_DIGITS = re.compile(r"[1-9][0-9]{6,14}")
# What comes along when a number is copied from a page or a document: marks of the direction of text, and no width.
_INVISIBLE = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_TEL = re.compile(r"tel:", re.IGNORECASE)
# RFC 3966, section 3: what a number begins with that is not written in full, and a subaddress.
_CONTEXT = re.compile(r"(?P<number>[^;]*);phone-context=(?P<code>\+[0-9().-]+)(?=;|\Z)", re.IGNORECASE)
_SUBADDRESS = re.compile(r";isub=[^;]*", re.IGNORECASE)
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
    # Before anything else: what follows takes time by the square of the length.
    if len(number) > MAX_ADDRESS:
        raise InvalidAddress("the phone number is too long")
    text = "".join(" " if character.isspace() else character for character in _INVISIBLE.sub("", number)).strip()
    if _TEL.match(text):
        text = _CONTEXT.sub(r"\g<code>\g<number>", _SUBADDRESS.sub("", text[4:]))
    text = _EXTENSION.sub("", text)
    if any(map(str.isalpha, text)):
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


def country(threepid: ThreePid) -> str:
    """Where a phone number is from (ISO 3166-1 alpha-2), or its calling code, as ``+881``, if that is no country's."""
    parsed = phonenumbers.parse(f"+{threepid.address}")
    # Numbers that are given out to nobody, for tests, are at least of a country.
    code = parsed.country_code or 0
    region = phonenumbers.region_code_for_number(parsed) or phonenumbers.region_code_for_country_code(code)
    return f"+{code}" if region == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY else region


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
    if medium == EMAIL and address.isascii():
        return ThreePid(medium, address.lower())
    if medium == MSISDN:
        # A plus sign that was not encoded in a query arrives as a space.
        return ThreePid(medium, address.lstrip("+ "))
    if medium != EMAIL:
        return ThreePid(medium, address.casefold())
    local, at, domain = address.rpartition("@")
    return ThreePid(medium, f"{folded(local)}@{a_labels(domain)}" if at else folded(address))


def spellings(threepid: ThreePid) -> tuple[ThreePid, ...]:
    """
    All forms of one address that others may know it by, the canonical one first.

    The domain of an email address has two if it is internationalised: ``xn--bcher-kva.example``, ``bücher.example``.
    """
    if threepid.medium != EMAIL or "xn--" not in threepid.address:
        return (threepid,)
    local, at, domain = threepid.address.rpartition("@")
    other = ThreePid(EMAIL, f"{local}{at}{u_labels(domain)}")
    return (threepid,) if other == threepid else (threepid, other)


def readable(threepid: ThreePid) -> str:
    """The form of an address that people read."""
    return spellings(threepid)[-1].address


def redacted(threepid: ThreePid) -> str:
    """
    A form of an address to show to a room: enough to recognise it by, too little to write to it.

    Both sides of an email's ``@`` keep their first characters, at most half of each, and a phone number its last two.
    """
    if threepid.medium == MSISDN:
        return f"…{threepid.address[-2:]}"
    local, _, domain = readable(threepid).rpartition("@")
    return f"{_beginning(local)}@{_beginning(domain)}"


def _beginning(text: str) -> str:
    return text[: min(3, len(text) // 2)] + "…"
