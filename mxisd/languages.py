"""
The built-in texts, in the languages that people read.

They are Jinja templates in English, whose sentences stand in ``_("…")``; the catalogues in ``locale/`` have these in
other languages.  A template is rendered once for each language, when somebody first reads that: what is left are the
``%NAME%`` that every message or page fills, as in templates of the administrator's.
"""

from __future__ import annotations

import gettext
import re
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

# Jinja and Babel are imported by those who read a built-in text: that takes time, and memory for good.
if TYPE_CHECKING:
    from jinja2 import Environment

LOCALE = Path(__file__).parent / "locale"

ENGLISH = "en"
LANGUAGES = (ENGLISH, *sorted(path.name for path in LOCALE.iterdir() if path.is_dir()))
"""Language tags (RFC 5646), English first."""

_PLACEHOLDER = re.compile("%[A-Z][A-Z_]+[A-Z]%")
# The widest line of a text in a mail (RFC 5322, 2.1.1 asks for 78 at most).
_WIDTH = 72


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """The sentences of a language, by the English ones; what is missing there is in English."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    path = LOCALE / language / "LC_MESSAGES" / "mxisd.po"
    if not path.exists():
        return gettext.NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as source:
        write_mo(compiled, read_po(source, language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def rendered(template: Path, language: str, **known: object) -> str:
    """
    A built-in template in a language.

    ``known`` are values that it uses.  It may extend and import templates beside it; beyond their names it knows
    ``language`` and ``direction``, for the attributes ``lang`` and ``dir``.
    """
    from babel import Locale

    say, direction = catalogue(language).gettext, Locale.parse(language).text_direction
    found = _environment(template.parent).get_template(template.name)
    text: str = found.render(known, _=say, language=language, direction=direction)
    return text


@cache
def _environment(folder: Path) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"wrapped": _wrapped, "isolated": _isolated}
    return environment


def _wrapped(text: str) -> str:
    """A paragraph in lines, none of which begins or ends within a placeholder."""
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > _WIDTH:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return "\n".join([*lines, line])


def _isolated(text: str) -> Markup:
    """As HTML, in which values do not change the direction of what stands around them."""
    return Markup(_PLACEHOLDER.sub(lambda found: f"<bdi>{found[0]}</bdi>", escape(text)))  # noqa: S704  # it is escaped
