"""Environment variables in values: ``${NAME}``, and ``$${`` for a literal ``${``."""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}|\$\{")


class BadReference(ValueError):
    """A reference to a variable that is not set, or no reference at all; the message says which."""


def substitute(text: str, environ: Mapping[str, str]) -> str:
    """
    Put in the variables that a text refers to.  What they bring is not looked at again.

    Raises :class:`BadReference`.
    """

    def replacement(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        name = match["name"]
        if name is None:
            raise BadReference("expected the name of an environment variable between ${ and }; $${ stands for ${")
        if name not in environ:
            raise BadReference(f"the environment variable {name} is not set")
        return environ[name]

    return _REFERENCE.sub(replacement, text)
