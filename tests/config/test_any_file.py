"""Whatever a file says, it is read or refused, with the same words each time."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mxisd.config import ConfigError, Sections
from mxisd.config.engine.shape import known_keys
from tests.config.case import ConfigCase

KEYS = st.sampled_from([key.replace("*", "x") for key in known_keys(Sections)])
WORDS = (
    "x true 5s 010 10:00 https://a.example %SERVER_NAME% classpath:/x ${A} ${ 10.0.0.1/8 :memory: <a@b.c>"
    " localhost:1 é * ( a++a sqlite smtp //h/d?a=b"
)
TEXTS = st.sampled_from([*WORDS.split(" "), "", "a b", "5s 2m"])
SINGLE = st.none() | st.booleans() | st.integers(-9, 99) | TEXTS
VALUES = st.recursive(
    SINGLE, lambda one: st.lists(one, max_size=2) | st.dictionaries(TEXTS, one, max_size=2), max_leaves=4
)


def nested(values: dict[str, Any]) -> dict[str, Any]:
    """What a file has for values by the paths of their keys; what does not fit together is left out."""
    found: dict[str, Any] = {"matrix": {"domain": "example.org"}}
    for path, value in values.items():
        *sections, key = path.split(".")
        section: Any = found
        for name in sections:
            section = section.setdefault(name, {}) if isinstance(section, dict) else None
        if isinstance(section, dict):
            section[key] = value
    return found


class AnyFileTests(ConfigCase):
    @settings(max_examples=100)
    @given(st.dictionaries(KEYS, VALUES, max_size=6))
    def test_is_read_or_refused(self, values: dict[str, Any]) -> None:
        text = yaml.safe_dump(nested(values), allow_unicode=True)
        said = []
        for _ in range(2):
            try:
                said.append((True, self.whole(text, B="x").warnings))
            except ConfigError as error:
                said.append((False, error.problems))
        self.assertEqual(said[0], said[1])
        for line in said[0][1]:
            self.assertRegex(line, r"\A\S.*: \S")
