"""What the keys about peppers come to."""

from mxisd.config.lookup import DAY
from tests.config.case import ConfigCase


class HashingTests(ConfigCase):
    def peppers(self, text: str) -> tuple[int | None, int | None, int]:
        """After how many seconds, and lookups, there is a new pepper; and how often to look."""
        hashing = self.config(f"hashing: {{{text}}}").hashing
        return hashing.seconds_per_pepper, hashing.lookups_per_pepper, hashing.interval

    def test_peppers(self) -> None:
        for text, expected in [
            ("", (DAY, None, 600)),
            ("rotation: 2h, refresh: 1m", (7200, None, 60)),
            ("rotation: 1m", (60, None, 60)),
            ("rotation: 0s", (None, None, 600)),
            ("rotationPolicy: per_seconds", (10, None, 10)),
            ("rotationPolicy: per_seconds, delay: 2d 1s", (2 * DAY + 1, None, 600)),
            ("rotationPolicy: per_requests, requests: 7", (None, 7, 600)),
            ("rotationPolicy: per_requests, rotation: 1h", (3600, None, 600)),
            ("delay: 1s, requests: 1", (DAY, None, 600)),
        ]:
            self.assertEqual(self.peppers(text), expected, text)

    def test_algorithms(self) -> None:
        for text, expected in [
            ("", ("sha256", "none")),
            ("algorithms: sha256", ("sha256",)),
            ("algorithms: [none, sha256]", ("none", "sha256")),
            ("enabled: false, algorithms: sha256", ("none",)),
        ]:
            self.assertEqual(self.config(f"hashing: {{{text}}}").hashing.understood, expected)
