"""Where text messages go, and where they do not."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.trial.unittest import SynchronousTestCase

from mxisd.matrix.error import MatrixError
from mxisd.matrix.threepid import ThreePid
from mxisd.threepids.destinations import Destinations

GERMANY, BRITAIN, CANADA, USA, JAMAICA = "4915123456789", "447912345678", "15062345678", "12125551234", "18762345678"
SATELLITES = ("881612345678", "870773111632", "8821612345678", "883510012345678")


def reached(destinations: Destinations, numbers: Iterable[str]) -> list[str]:
    found = []
    for number in numbers:
        try:
            destinations.check(ThreePid("msisdn", number))
        except MatrixError as error:
            assert (error.status, error.errcode) == (400, "M_DESTINATION_REJECTED")
        else:
            found.append(number)
    return found


class DestinationTests(SynchronousTestCase):
    def test_any_country_if_none_is_named(self) -> None:
        everywhere = (GERMANY, BRITAIN, CANADA, USA, JAMAICA, "447700900001", "15551234567")
        self.assertEqual(reached(Destinations(), everywhere), list(everywhere))

    def test_no_satellite_and_nothing_premium(self) -> None:
        self.assertEqual(reached(Destinations(), (*SATELLITES, "19005550123", "979123456789", "4918012345678")), [])

    def test_a_personal_number_costs_as_much(self) -> None:
        self.assertEqual(reached(Destinations(), ("447012345678",)), [])

    def test_a_satellite_that_is_named(self) -> None:
        self.assertEqual(reached(Destinations(["DE", "+881"]), (*SATELLITES, GERMANY)), ["881612345678", GERMANY])

    def test_nothing_allows_premium_numbers(self) -> None:
        self.assertEqual(reached(Destinations(["+979", "US", "+1"]), ("979123456789", "19005550123")), [])

    def test_only_what_is_allowed(self) -> None:
        self.assertEqual(reached(Destinations(["CA"]), (CANADA, USA, JAMAICA, GERMANY)), [CANADA])
        self.assertEqual(reached(Destinations(["+1"]), (CANADA, USA, JAMAICA, GERMANY)), [CANADA, USA, JAMAICA])

    def test_all_but_what_is_denied(self) -> None:
        self.assertEqual(reached(Destinations((), ["JM", "+49"]), (CANADA, USA, JAMAICA, GERMANY)), [CANADA, USA])
        self.assertEqual(reached(Destinations(["+1"], ["JM"]), (CANADA, USA, JAMAICA, GERMANY)), [CANADA, USA])

    def test_reserved_numbers_are_of_their_country(self) -> None:
        self.assertEqual(reached(Destinations(["GB"]), ("447700900001", "15551234567")), ["447700900001"])
