"""Templates of texts, and the choice between languages."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from mxisd.notify.template import TemplateError, TextTemplate, Translations, preferred, read


class TextTemplateTests(SynchronousTestCase):
    def load(self, text: str) -> TextTemplate:
        self.told: list[str] = []
        return TextTemplate.parse(Path("own.txt"), text, {"CODE", "NAME"}, self.told.append)

    def test_values_are_put_in_as_they_are(self) -> None:
        template = self.load("%CODE% is the code of %NAME%: 100%% & %.\n")
        shown = template.render({"CODE": "<1>", "NAME": "%CODE% %% &"})
        self.assertEqual(shown, "<1> is the code of %CODE% %% &: 100% & %.")

    def test_unknown_placeholder(self) -> None:
        template = self.load("Hello %NAME%,\n\n%KODE% %%NAME%")
        self.assertIn(
            ", line 3: unknown placeholder %KODE%, which is sent as it is; did you mean %CODE%?", self.told[0]
        )
        self.assertEqual(template.render({"CODE": "1", "NAME": "Jane"}), "Hello Jane,\n\n%KODE% %Jane")

    def test_names_of_any_letters(self) -> None:
        shown = self.load("%my_name2% %E4%B8%my_name2%").render({"my_name2": "Jane"})
        self.assertEqual(shown, "Jane %E4%B8Jane")

    def test_what_cannot_be_read(self) -> None:
        path = Path(self.mktemp())
        with self.assertRaises(TemplateError) as raised:
            read(path)
        self.assertIn(f"{path}: cannot be read: No such file", str(raised.exception))
        path.write_bytes(b"Gr\xfc\xdfe")
        with self.assertRaises(TemplateError) as raised:
            read(path)
        self.assertIn("is not UTF-8", str(raised.exception))


class LanguageTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        for name in (
            "in[vite].eml",
            "in[vite].de.eml",
            "in[vite].pt-BR.eml",
            "in[vite].eml.orig",
            "in[vite].old_1.eml",
        ):
            (folder / name).write_text(name)
        (folder / "inv.fr.eml").write_text("another")
        self.translations = Translations.load(folder / "in[vite].eml", None, lambda path, text, language: text)

    def test_best(self) -> None:
        for header, file in (
            ("", "in[vite].eml"),
            ("de", "in[vite].de.eml"),
            ("DE-AT, en;q=0.5", "in[vite].de.eml"),
            ("fr, de;q=0.5", "in[vite].de.eml"),
            ("fr", "in[vite].eml"),
            ("pt-br", "in[vite].pt-BR.eml"),
            ("pt", "in[vite].eml"),
            ("de;q=0.1, pt-BR;q=0.9", "in[vite].pt-BR.eml"),
            ("de;q=0", "in[vite].eml"),
            ("*", "in[vite].eml"),
            ("old_1", "in[vite].eml"),
        ):
            self.assertEqual(self.translations.best(header), file, header)

    def test_default_language_stands_where_it_is_preferred(self) -> None:
        self.assertEqual(self.translations.best("en, de;q=0.5"), "in[vite].eml")

    def test_nonsense(self) -> None:
        for header in (";;;", "de;q=x", "q=1", ",,", "\0", "a" * 70000, "de;q=nan"):
            self.assertIsInstance(preferred(header), list)
