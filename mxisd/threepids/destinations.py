"""Where text messages may go: whoever is paid for them must not be able to have them sent."""

from __future__ import annotations

from collections.abc import Collection

import phonenumbers
from phonenumbers import PhoneNumberType

from ..matrix.error import MatrixError
from ..matrix.threepid import ThreePid, country

# Whoever writes there pays more than the operator, and personal numbers are as dear in some countries.
_PREMIUM = frozenset({PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST, PhoneNumberType.PERSONAL_NUMBER})
# Satellites and networks at sea (ITU-T E.164.1): a message costs more than anywhere on land.
_SATELLITE = frozenset({"+870", "+881", "+882", "+883"})


class Destinations:
    """
    Judges phone numbers by their countries, each an ISO 3166-1 code or a calling code such as ``+49``.

    If none are allowed by name, all are that are not denied.  Satellite networks have to be allowed by name, and
    nothing is ever sent to a premium-rate number.
    """

    def __init__(self, allowed: Collection[str] = (), denied: Collection[str] = ()) -> None:
        self._allowed = frozenset(allowed)
        self._denied = frozenset(denied)

    def check(self, number: ThreePid) -> None:
        """Raise :class:`MatrixError` ``M_DESTINATION_REJECTED`` for a number that nothing is sent to."""
        parsed = phonenumbers.parse(f"+{number.address}")
        names = {country(number), f"+{parsed.country_code}"}
        if phonenumbers.number_type(parsed) in _PREMIUM:
            raise _rejected("premium-rate numbers")
        if not names.isdisjoint(self._denied) or (self._allowed and names.isdisjoint(self._allowed)):
            raise _rejected("this country")
        if not names.isdisjoint(_SATELLITE) and names.isdisjoint(self._allowed):
            raise _rejected("satellite networks")


def _rejected(where: str) -> MatrixError:
    return MatrixError(400, "M_DESTINATION_REJECTED", f"No messages are sent to {where} from here")
