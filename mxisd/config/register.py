"""``register``: who may register at the homeserver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from ..patterns import Expression, UnusableExpression
from .engine.section import Section, Unfit, Value


def expression(text: str) -> str:
    try:
        Expression(text)
    except UnusableExpression as error:
        raise Unfit(f"a regular expression of RE2's syntax ({error})") from None
    return text


Pattern = Annotated[str, Value(expression)]


class Patterns(Section):
    whitelist: tuple[Pattern, ...] = ()
    blacklist: tuple[Pattern, ...] = ()


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
