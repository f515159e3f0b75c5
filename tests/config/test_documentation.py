import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from mxisd.config import NOT_BUILT, Sections
from mxisd.config.engine.shape import known_keys

TEXT = (Path(__file__).parents[2] / "docs/configuration.md").read_text(encoding="utf-8")
BUILT, NOT_YET = (
    re.findall(r"^\| `([^`]+)`", part, re.MULTILINE) for part in TEXT.split("## Accepted, but not built yet")
)
KEYS = [key.replace("*", "<name>") for key in known_keys(Sections)]


def covers(entries: list[str], key: str) -> bool:
    """Whether a key, or a section that it is in, is one of the entries."""
    return any(key == entry or key.startswith(f"{entry}.") for entry in entries)


class DocumentationTests(SynchronousTestCase):
    """``docs/configuration.md`` speaks of every key, and of nothing else."""

    def test_keys_exist(self) -> None:
        self.assertEqual([key for key in BUILT if key not in KEYS], [])

    def test_what_is_built_is_described(self) -> None:
        sections = {key.rpartition(".")[0] for key in KEYS}
        values = [key for key in KEYS if key not in sections]
        self.assertEqual([key for key in values if not covers(BUILT, key) and not covers(NOT_YET, key)], [])

    def test_what_is_not_built_is_listed(self) -> None:
        self.assertEqual(NOT_YET, [key for key, _ in NOT_BUILT])
