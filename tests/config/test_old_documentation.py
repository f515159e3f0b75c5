"""Configurations that the documentation of mxisd and ma1sd shows."""

from __future__ import annotations

from textwrap import dedent

from tests.config.case import ConfigCase
from tests.config.old_documentation import DOCUMENTATION


class OldDocumentationTests(ConfigCase):
    maxDiff = None

    def test_all_of_it_is_read_and_means_the_same(self) -> None:
        self.write("own.eml", "Subject: x\n\nHello")
        for page, text, says, told in DOCUMENTATION:
            text = dedent(text)
            config = self.whole(text) if text.lstrip().startswith("matrix:") else self.config(text)
            for path, expected in says.items():
                self.assertEqual(self.value(config, path), expected, f"{page}: {path}")
            keys = {said.partition(": ")[0] for said in config.warnings}
            self.assertEqual(set(told) - keys, set(), page)

    def test_what_has_no_effect_is_known_to_have_none(self) -> None:
        for page, text, _, told in DOCUMENTATION:
            text = dedent(text)
            config = self.whole(text) if text.lstrip().startswith("matrix:") else self.config(text)
            strays = {said.partition(": ")[0] for said in config.warnings if ": has no effect, as in mxisd" in said}
            self.assertEqual(strays - set(told), set(), page)

    def value(self, found: object, path: str) -> object:
        """What is at a path of attributes, indexes and names."""
        for part in path.split("."):
            if isinstance(found, tuple):
                found = found[int(part)]
            elif isinstance(found, dict):
                found = found[part]
            else:
                found = getattr(found, part)
        return found
