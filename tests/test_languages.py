"""The built-in texts in other languages."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from babel.messages.extract import extract_from_dir
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mxisd import languages
from mxisd.languages import ENGLISH, LANGUAGES, LOCALE, catalogue, rendered
from mxisd.languages import _wrapped as wrapped

PACKAGE = Path(languages.__file__).parent
PLACEHOLDER = re.compile(r"%[A-Z_]+%|\{\w+\}")
METHODS = [
    ("**/templates/**.eml", "jinja2"),
    ("**/templates/**.txt", "jinja2"),
    ("**/templates/**.html", "jinja2"),
    ("**.py", "python"),
]


def sentences() -> set[str]:
    """All that is to be translated."""
    found = extract_from_dir(str(PACKAGE), METHODS, options_map={}, keywords={"_": None})
    return {str(message) for _, _, message, _, _ in found}


class CatalogueTests(SynchronousTestCase):
    def test_the_languages_that_there_are(self) -> None:
        self.assertEqual(set(LANGUAGES), {"en", "de", "fr", "es", "it", "nl", "pl", "pt"})

    def test_each_sentence_is_there_with_its_values_and_no_markup(self) -> None:
        wanted = sentences()
        self.assertGreater(len(wanted), 50)
        for language in LANGUAGES:
            if language == ENGLISH:
                continue
            say = catalogue(language).gettext
            for sentence in wanted:
                said = say(sentence)
                if len(sentence) > 15:
                    self.assertNotEqual(said, sentence, language)
                values, expected = (Counter(PLACEHOLDER.findall(text)) for text in (said, sentence))
                self.assertEqual(values, expected, (language, said))
                self.assertNotRegex(said, r"[<>&\n]")

    def test_what_is_not_translated_is_in_english(self) -> None:
        self.assertEqual(catalogue("de").gettext("Not in any catalogue"), "Not in any catalogue")
        self.assertEqual(catalogue("tlh").gettext("Hello,"), "Hello,")

    def test_catalogues_are_the_folders_of_gettext(self) -> None:
        self.assertEqual({path.name for path in LOCALE.rglob("*.po")}, {"mxisd.po"})


class TemplateTests(SynchronousTestCase):
    def test_right_to_left(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        page = folder / "page.html"
        page.write_text('<html lang="{{ language }}" dir="{{ direction }}">{{ _("Hello, %NAME%")|isolated }}')
        self.assertEqual(rendered(page, "en"), '<html lang="en" dir="ltr">Hello, <bdi>%NAME%</bdi>')
        self.assertIn('<html lang="ar" dir="rtl">', rendered(page, "ar"))

    def test_what_a_translation_says_is_text(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "page.html").write_text('{{ _("a < b & c")|isolated }}')
        self.assertEqual(rendered(folder / "page.html", "en"), "a &lt; b &amp; c")

    @given(st.lists(st.text("ab%N_", min_size=1, max_size=90), max_size=30))
    def test_wrapped_lines_have_the_same_words(self, words: list[str]) -> None:
        text = " ".join(words)
        lines = wrapped(text).split("\n")
        self.assertEqual(" ".join(lines).split(), text.split())
        self.assertTrue(all(len(line) <= 72 or " " not in line for line in lines))
