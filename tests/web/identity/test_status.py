"""``versions``: every release of the specification, by the list of its changelogs."""

from __future__ import annotations

from tests.web.app import AppTestCase

# The identity service API by itself, and since November 2021 the specification as a whole; v1.19 is of July 2026.
RELEASES = [
    "r0.1.0",
    "r0.2.0",
    "r0.2.1",
    "r0.3.0",
    "v1.1",
    "v1.2",
    "v1.3",
    "v1.4",
    "v1.5",
    "v1.6",
    "v1.7",
    "v1.8",
    "v1.9",
    "v1.10",
    "v1.11",
    "v1.12",
    "v1.13",
    "v1.14",
    "v1.15",
    "v1.16",
    "v1.17",
    "v1.18",
    "v1.19",
]


class VersionsTests(AppTestCase):
    def test_every_release_is_listed(self) -> None:
        self.assertEqual(self.get("/_matrix/identity/versions").json, {"versions": RELEASES})
