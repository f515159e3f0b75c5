"""``register``: who may register at the homeserver."""

from __future__ import annotations

from collections.abc import Mapping

from .section import Section
from .values import Expression


class Patterns(Section):
    whitelist: tuple[Expression, ...] = ()
    blacklist: tuple[Expression, ...] = ()


class Domains(Section):
    """``example.org`` that domain, ``.example.org`` those below it, ``*example.org`` both."""

    whitelist: tuple[str, ...] = ()
    blacklist: tuple[str, ...] = ()


class Medium(Section):
    pattern: Patterns = Patterns()
    domain: Domains = Domains()


class Policy(Section):
    allowed: bool = False
    invite: bool = True
    threepid: Mapping[str, Medium] = {}


class Register(Section):
    policy: Policy = Policy()
