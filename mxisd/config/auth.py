"""``auth``: how the identifier of a login becomes a user ID."""

from __future__ import annotations

from .section import Section
from .values import Expression, Text


class Rule(Section):
    """A user name that the expression matches is an address of the medium."""

    regex: Expression
    medium: Text


class User(Section):
    rules: tuple[Rule, ...] = ()


class Rewrite(Section):
    user: User = User()


class Auth(Section):
    rewrite: Rewrite = Rewrite()
