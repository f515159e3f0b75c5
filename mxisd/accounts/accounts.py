"""Access tokens (specification: identity service API, "Authentication")."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IReactorTime

from ..cache import OldestOut
from ..clock import DAY, Random, now, token
from ..limits.limits import RateLimits, Requester
from ..log import audit
from ..matrix.error import MatrixError
from ..matrix.ids import InvalidIdentifier, split_server_name
from ..storage.contract import AccountStorage as Store
from ..storage.records import Account, sha256_of
from ..waiting import background

# Of one user, who has as many clients as that at most; those that were used longest ago go.
MAX_TOKENS = 100
UNUSED_FOR = 365 * DAY
# Tokens whose use was noted today.
REMEMBERED = 100_000


class OpenID(Protocol):
    """Asks a homeserver whose an OpenID token is."""

    async def userinfo(self, server_name: str, openid_token: str) -> str:
        """A user ID of that server.  Raises :class:`MatrixError`."""
        ...


class Accounts:
    """Gives out access tokens and knows whose they are."""

    def __init__(
        self,
        store: Store,
        openid: OpenID,
        clock: IReactorTime,
        random: Random,
        only_domain: str | None,
        limits: RateLimits,
    ) -> None:
        self._store = store
        self._openid = openid
        self._clock = clock
        self._random = random
        self._only_domain = only_domain
        self._limits = limits
        self._noted: OldestOut[str, int] = OldestOut(REMEMBERED)
        """When the use of a token was noted last."""

    async def register(self, server_name: str, openid_token: str, by: Requester) -> str:
        """
        Exchange an OpenID token of a homeserver for an access token.

        Raises :class:`MatrixError`: ``M_INVALID_PARAM`` for what is no server name, before anything is asked of
        it, ``M_FORBIDDEN`` for servers that are not served here, ``M_LIMIT_EXCEEDED``, and what the homeserver's
        answer leads to.
        """
        try:
            split_server_name(server_name)
        except InvalidIdentifier as error:
            raise MatrixError(400, "M_INVALID_PARAM", f"matrix_server_name: {error}") from None
        if self._only_domain is not None and server_name != self._only_domain:
            raise MatrixError(403, "M_FORBIDDEN", f"Only users of {self._only_domain} have accounts here")
        await self._limits.register(server_name, by)
        user_id = await self._openid.userinfo(server_name, openid_token)
        access_token = token(self._random)
        await self._store.register(digest(access_token), user_id, now(self._clock), MAX_TOKENS)
        audit.info("gave an access token to {user_id}", user_id=user_id)
        return access_token

    async def authenticate(self, access_token: str | None) -> Account:
        """Whom an access token belongs to.  Raises :class:`MatrixError` ``M_UNAUTHORIZED``."""
        token_hash = digest(access_token) if access_token else ""
        account = await self._store.account_of(token_hash) if token_hash else None
        if account is None:
            raise MatrixError(401, "M_UNAUTHORIZED", "The access token is missing or not known")
        self._note_use(token_hash)
        return account

    async def purge(self) -> int:
        """Forget tokens that nobody uses."""
        return await self._store.purge(now(self._clock) - UNUSED_FOR)

    def _note_use(self, token_hash: str) -> None:
        current = now(self._clock)
        if self._noted.get(token_hash, 0) + DAY <= current:
            self._noted[token_hash] = current
            background("the use of an access token", self._store.renew(token_hash, current, current - 30 * DAY))

    async def logout(self, access_token: str) -> None:
        """End one access token; others of the same user stay.  Raises :class:`MatrixError` ``M_UNAUTHORIZED``."""
        if not await self._store.logout(digest(access_token)):
            raise MatrixError(401, "M_UNAUTHORIZED", "The access token is not known")


def digest(access_token: str) -> str:
    """What an access token is known by in the store."""
    # A token has 256 bits of randomness: a plain hash is as good as a slow one.
    return sha256_of(access_token)
