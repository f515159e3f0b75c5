"""``register``, ``auth``, ``directory``, ``profile``: what mxisd decides and answers in front of the homeserver."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_network

from .engine.hosts import Cidr
from .engine.section import Finding, Section
from .engine.values import Expression, Text
from .lookup import PRIVATE


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


class RegisterPolicy(Section):
    allowed: bool = False
    invite: bool = True
    threepid: Mapping[str, Medium] = {}


class Register(Section):
    """``register``: who may register at the homeserver."""

    policy: RegisterPolicy = RegisterPolicy()


class AuthRule(Section):
    """A user name that the expression matches, as a whole and in any case, is an address of the medium."""

    regex: Expression
    medium: Text


class AuthUser(Section):
    rules: tuple[AuthRule, ...] = ()


class Rewrite(Section):
    user: AuthUser = AuthUser()


class CheckCredentials(Section):
    """Whom mxisd tells whether a password is right."""

    allowed_cidr: tuple[Cidr, ...] = (*PRIVATE, ip_network("fc00::/7"))


class Login(Section):
    """``enabled``: whether addresses in logins become user IDs; ``None`` as with :class:`Directory`."""

    enabled: bool | None = None


class Auth(Section):
    """``auth``: logins, by what the identity stores know."""

    login: Login = Login()
    rewrite: Rewrite = Rewrite()
    check_credentials: CheckCredentials = CheckCredentials()


class Exclude(Section):
    homeserver: bool = False
    threepid: bool = False


class Directory(Section):
    """
    ``directory``: searches of the user directory.

    ``enabled``: whether identity stores add to them; ``None`` where something of the section, or
    ``dns.overwrite.homeserver.client``, by which mxisd switched it on, is set.
    """

    enabled: bool | None = None
    exclude: Exclude = Exclude()


class Profile(Section):
    """
    ``profile``: what the identity stores know of a user, in profiles.

    ``enabled`` as in :class:`Directory`.  ``public`` shows addresses and roles to everybody, as mxisd did, and not only
    to users.
    """

    enabled: bool | None = None
    public: bool = False

    def cautions(self) -> Iterable[Finding]:
        if self.public:
            yield Finding("public", "the addresses and roles of all users are shown to anybody who asks")
