"""Environment variables in values: ``${NAME}``, and ``$${`` for a literal ``${``."""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}")
# As the whole value, and as variables are called: nobody means a text.
_ALONE = re.compile(r"\$\{(?P<name>[A-Z_][A-Z0-9_]*)\}")


class BadReference(ValueError):
    """A value that is a variable which is not set; the message says which."""


def substitute(text: str, environ: Mapping[str, str]) -> str:
    """
    Put in the variables that a text refers to.  What they bring is not looked at again.

    As mxisd had no references, ``${`` stays as it is where there is no such variable.  Raises :class:`BadReference` for
    a text that is nothing but the name of one.
    """
    alone = _ALONE.fullmatch(text)
    if alone and alone["name"] not in environ:
        raise BadReference(f"the environment variable {alone['name']} is not set")
    return _REFERENCE.sub(lambda match: "${" if match["name"] is None else environ.get(match["name"], match[0]), text)


def leaves_some(text: str, environ: Mapping[str, str]) -> bool:
    """Whether some ``${`` in a text stays as it is."""
    return "${" in _REFERENCE.sub(lambda match: "" if match["name"] in {None, *environ} else match[0], text)
