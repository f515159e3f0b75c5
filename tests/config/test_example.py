import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from msgspec.structs import replace

from mxisd.config import Config, Sections
from mxisd.config.engine.shape import known_keys
from tests.config.case import ConfigCase

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "conf/mxisd.example.yaml").read_text(encoding="utf-8")
# The marks that an administrator removes: # in front of a key with its default, ## in front of an example.
WITH_DEFAULTS = re.sub(r"^( *)#(?=[^ #\n])", r"\1", EXAMPLE, flags=re.MULTILINE)
WITH_EXAMPLES = re.sub(r"^( *)##", r"\1", EXAMPLE, flags=re.MULTILINE)


class ExampleTests(ConfigCase):
    """``conf/mxisd.example.yaml`` names every key, with its default."""

    def test_as_it_comes(self) -> None:
        self.assertEqual(self.whole(EXAMPLE), self.config())

    def test_its_values_are_the_defaults(self) -> None:
        def quiet(config: Config) -> Config:
            return replace(config, warnings=())

        self.assertEqual(quiet(self.whole(WITH_DEFAULTS)), quiet(self.config()))

    def test_its_examples_are_good(self) -> None:
        config = self.whole(WITH_EXAMPLES, JANE_PASSWORD="s3cret", SMS_TOKEN="s3cret")
        self.assertEqual(config.policy.policies["privacy"].terms["en"].name, "Privacy policy")
        self.assertEqual(config.memory.identities[0].password, "s3cret")

    def test_it_names_every_key(self) -> None:
        named = {*_keys(yaml.safe_load(WITH_DEFAULTS)), *_keys(yaml.safe_load(WITH_EXAMPLES))}
        for key in known_keys(Sections):
            pattern = re.escape(key).replace(r"\*", r"[^.]+")
            self.assertTrue(any(re.fullmatch(pattern, name) for name in named), f"{key} is not in the example")

    def test_every_key_has_a_comment(self) -> None:
        bare = [line for line in EXAMPLE.splitlines() if re.match(r" *#[^ #]", line) and "  # " not in line]
        self.assertEqual(bare, [])


def _keys(value: object, path: str = "") -> Iterator[str]:
    """The paths of all keys in what YAML makes of a file."""
    if isinstance(value, dict):
        for key, below in value.items():
            name = f"{path}.{key}" if path else key
            yield name
            yield from _keys(below, name)
    elif isinstance(value, list):
        for below in value:
            yield from _keys(below, path)
