"""Regular expressions of Java, in the syntax of RE2."""

from __future__ import annotations

import re

from hypothesis import assume, example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mxisd.java_expressions import Untranslatable, translated
from mxisd.patterns import Expression, UnusableExpression

ATOMS = st.sampled_from(["a", "b", "[ab]", "[^a]", ".", r"\w", r"\d", "@", r"\.", "[a-z0-9]", "é", "(?:ab)"])
QUANTIFIERS = st.sampled_from(["", "?", "*", "+", "{1,2}", "?+", "*+", "++", "{1,2}+", "*?"])
PARTS = st.lists(st.tuples(ATOMS, QUANTIFIERS).map("".join), min_size=1, max_size=5)
TEXTS = st.text(st.sampled_from("ab0@.é"), max_size=8)


class TranslationTests(SynchronousTestCase):
    @given(PARTS, st.sampled_from(["{}", "({})", "{}|b", "a{}b", "(?:{})*"]), TEXTS)
    @example(["a++", "a"], "{}", "aa")
    @example([".*+", r"\."], "{}", "a.")
    def test_possessive_quantifiers_mean_the_same(self, parts: list[str], around: str, text: str) -> None:
        """Python has them too."""
        pattern = around.format("".join(parts))
        try:
            expression = Expression(pattern)
        except UnusableExpression:
            assume(False)
        self.assertEqual(expression.matches(text), re.fullmatch(pattern, text, re.ASCII) is not None, pattern)

    @given(PARTS)
    def test_what_is_not_possessive_stays(self, parts: list[str]) -> None:
        pattern = "".join(parts)
        assume("++" not in pattern and "*+" not in pattern and "?+" not in pattern and "}+" not in pattern)
        self.assertEqual(translated(pattern), pattern)

    @given(st.text(max_size=20))
    def test_quoted_text_is_itself(self, text: str) -> None:
        assume(r"\E" not in text and "\ud800" not in text)
        expression = Expression(rf"(?-i)\Q{text}\E")
        self.assertTrue(expression.matches(text))
        self.assertFalse(expression.matches(f"{text}x"))

    @given(st.text())
    def test_is_translated_or_refused(self, pattern: str) -> None:
        try:
            translated(pattern)
        except Untranslatable as error:
            self.assertTrue(str(error))

    def test_classes_of_java(self) -> None:
        for pattern, good, bad in (
            (r"\p{Lower}", "aß"[0], "1"),
            (r"\P{Digit}", "a", "1"),
            (r"[\p{Alpha}_]", "_", "1"),
            (r"[^\p{Punct}]", "a", "!"),
            (r"\p{XDigit}", "f", "g"),
            (r"\pL", "é", "1"),
            (r"\h", "\t", "\n"),
            (r"\v", "\n", "\t"),
            (r"[\h.]", ".", "a"),
            (r"\0101", "A", "1"),
            (r"\cA", "\x01", "A"),
        ):
            expression = Expression(pattern)
            self.assertEqual((expression.matches(good), expression.matches(bad)), (True, False), pattern)

    def test_what_is_refused_is_named(self) -> None:
        for pattern, name in (
            ("(?=a)b", "looking ahead or behind, (?=…)"),
            ("(?<!a)b", "looking ahead or behind, (?<!…)"),
            ("(?>a)", "atomic groups, (?>…)"),
            (r"(a)\1", r"what refers back to a group, \1"),
            (r"(?<x>a)\k<x>", r"what refers back to a group, \k<x>"),
            ("a++a", "possessive quantifier ++: without it, it would match more"),
            ("[a-z&&[^b]]", "[…] within […]"),
            ("[a&&b]", "&& within […]"),
            ("(?x)a", "the flag x"),
            (r"\R", r"\R"),
            (r"\0", r"\0"),
            (r"\xg", r"\x"),
        ):
            with self.assertRaises(UnusableExpression) as raised:
                Expression(pattern)
            self.assertEqual(str(raised.exception), f"RE2 has no {name}")
