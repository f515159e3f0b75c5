"""``auth``: logins, by what the identity stores know."""

from __future__ import annotations

from ipaddress import ip_network

from .engine.section import Section
from .engine.values import Cidr, Text
from .lookup import PRIVATE
from .register import Pattern


class Rule(Section):
    """A user name that the expression matches, as a whole and in any case, is an address of the medium."""

    regex: Pattern
    medium: Text


class User(Section):
    rules: tuple[Rule, ...] = ()


class Rewrite(Section):
    user: User = User()


class CheckCredentials(Section):
    """Whom mxisd tells whether a password is right."""

    allowed_cidr: tuple[Cidr, ...] = (*PRIVATE, ip_network("fc00::/7"))


class Auth(Section):
    rewrite: Rewrite = Rewrite()
    check_credentials: CheckCredentials = CheckCredentials()
