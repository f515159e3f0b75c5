"""``versions``: every release of the specification, by the list of its changelogs."""

from __future__ import annotations

from tests.web.app import AppTestCase

# The identity service API by itself, and since November 2021 the specification as a whole; v1.19 is of July 2026.
RELEASES = ["r0.1.0", "r0.2.0", "r0.2.1", "r0.3.0", *(f"v1.{minor}" for minor in range(1, 20))]


class VersionsTests(AppTestCase):
    def test_every_release_is_listed(self) -> None:
        self.assertEqual(self.get("/_matrix/identity/versions").json, {"versions": RELEASES})
