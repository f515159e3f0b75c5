"""What the keys about peppers come to."""

from tests.config.case import ConfigCase

DAY = 24 * 3600


class HashingTests(ConfigCase):
    def peppers(self, text: str) -> tuple[float | None, int | None, float]:
        """After how many seconds, and lookups, there is a new pepper; and after how many seconds to look."""
        hashing = self.config(f"hashing: {{{text}}}").hashing
        time = hashing.time_per_pepper
        seconds = None if time is None else time.total_seconds()
        return seconds, hashing.lookups_per_pepper, hashing.interval.total_seconds()

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
