"""Terms of service (specification: identity service API, "Terms of service")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from twisted.internet.interfaces import IReactorTime

from ..clock import now
from ..config.matrix import TermsPolicy
from ..matrix.error import MatrixError
from ..patterns import Expression
from ..storage.contract import AccountStorage as Store
from ..storage.records import Account


class Terms:
    """The policies of this server, and who has accepted them."""

    def __init__(self, policies: Mapping[str, TermsPolicy], store: Store, clock: IReactorTime) -> None:
        self._store = store
        self._clock = clock
        self.offered = {
            name: {"version": policy.version}
            | {language: {"name": term.name, "url": term.url} for language, term in policy.terms.items()}
            for name, policy in policies.items()
        }
        self._policies = [
            (
                frozenset(term.url for term in policy.terms.values()),
                [Expression(f"(?-i){path}") for path in policy.regexp],
            )
            for policy in policies.values()
        ]
        self._urls = frozenset[str]().union(*(urls for urls, _ in self._policies))

    async def accept(self, user_id: str, urls: Iterable[str]) -> None:
        """Add to what a user has accepted; URLs that are none of ours are of no use and are not kept."""
        await self._store.accept_terms(user_id, self._urls.intersection(urls), now(self._clock))

    def require(self, account: Account, path: str) -> None:
        """
        Raise :class:`MatrixError` ``M_TERMS_NOT_SIGNED`` unless a user has accepted what a path asks for.

        That is every policy, in any one of its languages, except those with patterns for other paths only.
        """
        needed = [
            urls for urls, paths in self._policies if not paths or any(pattern.matches(path) for pattern in paths)
        ]
        if not all(account.accepted_terms & urls for urls in needed):
            raise MatrixError(403, "M_TERMS_NOT_SIGNED", "The terms of service have to be accepted first")
