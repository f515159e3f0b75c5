"""Which addresses may be used to register: ``register.policy`` of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeAlias

from ..config.interception import Medium, RegisterPolicy
from ..log import Logger
from ..matrix.error import MatrixError
from ..matrix.ids import is_user_of
from ..matrix.threepid import ThreePid, a_labels, spellings
from ..patterns import Expression
from ..storage.records import Invite

log = Logger()

Test: TypeAlias = Callable[[str], bool]


class PendingInvites(Protocol):
    async def pending(self, threepid: ThreePid) -> list[Invite]: ...


class RegistrationPolicy:
    """
    An address may be used if it was invited or is on a whitelist; for the others there is a default.

    Invites count that are proven to come from users of ``domain``: strangers must not let each other in.
    """

    def __init__(self, policy: RegisterPolicy, invites: PendingInvites, domain: str) -> None:
        self._allowed = policy.allowed
        self._invited = policy.invite
        self._lists = {medium: _Lists(lists) for medium, lists in policy.threepid.items()}
        self._invites = invites
        self._domain = domain

    async def require(self, threepid: ThreePid) -> None:
        """Raise :class:`MatrixError` ``M_THREEPID_DENIED`` unless an address may be used."""
        if not await self.allows(threepid):
            log.info("an address of the medium {medium} may not be used to register", medium=threepid.medium)
            raise MatrixError(403, "M_THREEPID_DENIED", "This address may not be used to register here")

    async def allows(self, threepid: ThreePid) -> bool:
        """Whether an address may be used: the blacklist counts first, then an invite, then the whitelist."""
        lists = self._lists.get(threepid.medium)
        listed = lists.judge(threepid) if lists is not None else None
        if listed is None and not self._allowed:
            return self._invited and await self._is_invited(threepid)
        return listed is not False

    async def _is_invited(self, threepid: ThreePid) -> bool:
        pending = await self._invites.pending(threepid)
        return any(invite.proven and is_user_of(invite.sender, self._domain) for invite in pending)


class _Lists:
    """The lists of a medium."""

    def __init__(self, lists: Medium) -> None:
        self._black = _tests(lists.pattern.blacklist, lists.domain.blacklist)
        self._white = _tests(lists.pattern.whitelist, lists.domain.whitelist)

    def judge(self, threepid: ThreePid) -> bool | None:
        """``None`` for an address that is on neither list."""
        addresses = [spelling.address for spelling in spellings(threepid)]
        if _any(self._black, addresses):
            return False
        return True if _any(self._white, addresses) else None


def _any(tests: Iterable[Test], addresses: Iterable[str]) -> bool:
    return any(test(address) for test in tests for address in addresses)


def _tests(patterns: Iterable[str], domains: Iterable[str]) -> list[Test]:
    return [*(Expression(pattern).matches for pattern in patterns), *map(domain, domains)]


def domain(pattern: str) -> Test:
    """
    A test for the domain of an email address.

    ``*example.org`` is the domain and those below it, ``.example.org`` only those below, ``example.org`` only itself.
    """
    name = a_labels(pattern.removeprefix("*").removeprefix("."))
    itself, below = not pattern.startswith("."), pattern.startswith(("*", "."))

    def matches(address: str) -> bool:
        of = address.rpartition("@")[2]
        return (itself and of == name) or (below and of.endswith("." + name))

    return matches
