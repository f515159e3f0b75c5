"""
Templates: files in which ``%NAME%`` stands for a value.

Templates of the Java mxisd can be used.  As in some of them, ``%%`` is a single ``%``; as there, what has no value
stays as it is.  A template may exist in several languages: next to ``invite.eml``, ``invite.de.eml`` is the German one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path
from typing import Generic, Protocol, TypeAlias, TypeVar

from ..errors import StartError
from ..languages import ENGLISH, LANGUAGES, rendered
from ..log import Logger

log = Logger()

T = TypeVar("T")
C_co = TypeVar("C_co", covariant=True)

Warn: TypeAlias = Callable[[str], object]
"""Takes what the administrator should know at start."""

# At least three letters and no digits, so that neither %E4%B8 in an encoded URL nor 100% in CSS looks like one.
_LOOKS_LIKE_ONE = re.compile("%(?P<name>[A-Z][A-Z_]+[A-Z])%")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def logged(text: str) -> None:
    """Tells in the log what the administrator should know."""
    log.warn("{caution}", caution=text)


class TemplateError(StartError):
    """A template that cannot be used; the message names the file and, where there is one, the line."""


class Template(Protocol[C_co]):
    """A text with placeholders, into which values are put."""

    def render(self, values: Mapping[str, str]) -> C_co: ...

    def texts(self) -> Iterable[str]:
        """All texts that may contain placeholders."""
        ...


class TextTemplate:
    """The template of a text message: the whole file is the text."""

    def __init__(self, text: str) -> None:
        self._text = text.strip()

    @classmethod
    def parse(cls, path: Path, text: str, names: Collection[str], warn: Warn = logged) -> TextTemplate:
        """Take the text of a file, in which the named values may occur."""
        tell_unknown(path, text, text, names, warn)
        return cls(text)

    def texts(self) -> Iterable[str]:
        return (self._text,)

    def render(self, values: Mapping[str, str]) -> str:
        return fill(self._text, values)


class LinkByOldName(Generic[C_co]):
    """A template of a validation message in which the link is called ``NEXT_URL``, as it was in mxisd too."""

    def __init__(self, template: Template[C_co]) -> None:
        self._template = template

    def texts(self) -> Iterable[str]:
        return self._template.texts()

    def render(self, values: Mapping[str, str]) -> C_co:
        return self._template.render({**values, "NEXT_URL": values["VALIDATION_LINK"]})


class Translations(Generic[T]):
    """A template in several languages."""

    def __init__(self, default: T, others: Mapping[str, Callable[[], T]] | None = None) -> None:
        """
        ``others`` are by language tag (RFC 5646), and called when they are wanted.

        If none of them is English, the default is taken as English.
        """
        self._default = default
        self._by_language = {"en": _given(default)} | {tag.lower(): other for tag, other in (others or {}).items()}

    @classmethod
    def load(cls, path: Path, language: str | None, load: Callable[[Path, str, str], T]) -> Translations[T]:
        """
        Read a file, and those next to it for other languages.

        ``load`` takes the path, the text and the language of each.  Those who ask for none of them get it in
        ``language`` or, without one, the file that names none.  Raises :class:`TemplateError`.
        """
        others = {}
        for sibling in sorted(path.parent.glob(f"{_literally(path.stem)}.*{_literally(path.suffix)}")):
            tag = sibling.name.removeprefix(f"{path.stem}.").removesuffix(path.suffix)
            if _LANGUAGE.fullmatch(tag):
                others[tag] = _given(load(sibling, read(sibling), tag))
        default = load(path, read(path), language or ENGLISH)
        found = cls(default, others)
        return cls(found.best(language), others) if language else found

    def best(self, accept_language: str) -> T:
        """The one that an ``Accept-Language`` header (RFC 9110, 12.5.4) prefers."""
        for language in preferred(accept_language):
            parts = language.split("-")
            for length in range(len(parts), 0, -1):
                found = self._by_language.get("-".join(parts[:length]))
                if found is not None:
                    return found()
        return self._default


def _given(value: T) -> Callable[[], T]:
    return lambda: value


class BuiltIn(Translations[T]):
    """A template of ours, which is put into a language when somebody first asks for it."""

    def __init__(self, path: Path, language: str | None, load: Callable[[Path, str, str], T], **known: object) -> None:
        """Those who ask for no language that we have get ``language``; for ``known`` see :func:`rendered`."""
        self._in = cache(lambda tag: load(path, rendered(path, tag, **known), tag))
        self._fallback = _ours(language or ENGLISH) or ENGLISH

    def best(self, accept_language: str) -> T:
        return self._in(next(filter(None, map(_ours, preferred(accept_language))), self._fallback))


def _ours(tag: str) -> str | None:
    """The one of our languages that a tag is of, if any: ``pt-BR`` is Portuguese."""
    language = tag.partition("-")[0].lower()
    return language if language in LANGUAGES else None


def preferred(accept_language: str) -> list[str]:
    """The languages of an ``Accept-Language`` header in lower case, the preferred ones first."""
    weighed = []
    for entry in accept_language[:1000].split(","):
        language, _, parameter = entry.strip().lower().partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if weight > 0 and _LANGUAGE.fullmatch(language.strip()):
            weighed.append((-weight, language.strip()))
    return [language for _, language in sorted(weighed, key=lambda entry: entry[0])]


def read(path: Path) -> str:
    """The text of a template file.  Raises :class:`TemplateError`."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise TemplateError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise TemplateError(f"{path}: is not UTF-8") from None


def check(path: Path | str, source: str, text: str, names: Collection[str]) -> None:
    """Refuse what :func:`unknown_placeholders` finds.  Raises :class:`TemplateError`."""
    for unknown in unknown_placeholders(path, source, text, names):
        raise TemplateError(f"{unknown}; there are {', '.join(sorted(names))}")


def tell_unknown(path: Path | str, source: str, text: str, names: Collection[str], warn: Warn) -> None:
    """Warn of what :func:`unknown_placeholders` finds."""
    for unknown in unknown_placeholders(path, source, text, names):
        near = get_close_matches(unknown.rpartition(" ")[2], [f"%{name}%" for name in names], n=1)
        warn(f"{unknown}, which is sent as it is" + (f"; did you mean {near[0]}?" if near else ""))


def unknown_placeholders(path: Path | str, source: str, text: str, names: Collection[str]) -> Iterator[str]:
    """
    A message for each placeholder in a text for which there is no value: ``names`` are those that have one.

    ``source`` is the whole file, to find the line number.  The message ends with the placeholder.
    """
    for name in dict.fromkeys(placeholders(text)):
        if name not in names:
            before, found, _ = source.partition(f"%{name}%")
            where = f"{path}, line {before.count(chr(10)) + 1}" if found else str(path)
            yield f"{where}: unknown placeholder %{name}%"


def placeholders(text: str) -> Iterator[str]:
    """The names of what looks like a placeholder in a text."""
    return (match["name"] for match in _LOOKS_LIKE_ONE.finditer(text))


def fill(text: str, values: Mapping[str, str], escape: Callable[[str], str] = str) -> str:
    """
    Replace placeholders by their values, passed through ``escape``.

    Placeholders inside values stay as they are, and so do those without a value.
    """
    return _of(tuple(values)).sub(lambda match: escape(values[match["name"]]) if match["name"] else "%", text)


@lru_cache
def _of(names: tuple[str, ...]) -> re.Pattern[str]:
    """Finds the placeholders of these names, and ``%%`` where it begins none."""
    known = "|".join(map(re.escape, names)) or "(?!)"
    return re.compile(f"%(?P<name>{known})%|%%(?!(?:{known})%)")


def _literally(text: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", text)
