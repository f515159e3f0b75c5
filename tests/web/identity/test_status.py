"""``versions``: every release of the specification, by the list of its changelogs."""

from __future__ import annotations

from tests.web.app import AppTestCase

# The identity service API by itself, and since November 2021 the specification as a whole.  With the dates of release.
RELEASES = {
    "r0.1.0": "2018-08-27",
    "r0.2.0": "2019-06-06",
    "r0.2.1": "2019-06-12",
    "r0.3.0": "2019-12-10",
    "v1.1": "2021-11-09",
    "v1.2": "2022-02-02",
    "v1.3": "2022-06-15",
    "v1.4": "2022-09-29",
    "v1.5": "2022-11-17",
    "v1.6": "2023-02-14",
    "v1.7": "2023-05-25",
    "v1.8": "2023-08-23",
    "v1.9": "2023-11-29",
    "v1.10": "2024-03-22",
    "v1.11": "2024-06-20",
    "v1.12": "2024-10-07",
    "v1.13": "2024-12-19",
    "v1.14": "2025-03-27",
    "v1.15": "2025-06-26",
    "v1.16": "2025-09-17",
    "v1.17": "2025-12-18",
    "v1.18": "2026-03-25",
    "v1.19": "2026-07-08",
}


class VersionsTests(AppTestCase):
    def test_every_release_is_listed(self) -> None:
        self.assertEqual(self.get("/_matrix/identity/versions").json, {"versions": list(RELEASES)})
