"""Which of our users an identifier of a login stands for (specification: client-server API, "Identifier types")."""

from __future__ import annotations

from collections.abc import Sequence

from ..config.interception import AuthRule
from ..matrix.ids import is_user_of
from ..matrix.threepid import ThreePid, fold
from ..patterns import Expression
from .source import AddressLookup


class Identifiers:
    """Finds the users of one homeserver."""

    def __init__(self, lookup: AddressLookup, rules: Sequence[AuthRule], domain: str) -> None:
        """``lookup`` asks nobody else: an address that somebody wants to log in with is not for others to know."""
        self._lookup = lookup
        self._rules = [(Expression(rule.regex), rule.medium) for rule in rules]
        self._domain = domain

    async def of_threepid(self, threepid: ThreePid) -> str | None:
        """The user ID behind an address; ``None`` if it is not known, or of a user of another homeserver."""
        user_id = await self._lookup.find(threepid)
        return user_id if user_id is not None and is_user_of(user_id, self._domain) else None

    async def of_name(self, name: str) -> str | None:
        """The same for a user name, which is an address of the medium of the first rule that it matches."""
        for expression, medium in self._rules:
            if expression.matches(name):
                return await self.of_threepid(fold(medium, name))
        return None
