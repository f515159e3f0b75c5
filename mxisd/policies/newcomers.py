"""Who may have an address validated here, where the homeserver takes the session for a registration."""

from __future__ import annotations

from ..matrix.ids import is_user_of
from ..matrix.threepid import ThreePid
from .proofs import Proofs
from .registration import RegistrationPolicy


class Newcomers:
    """Users of ``domain`` may have any address validated, and whoever may have no account yet those of the policy."""

    def __init__(self, policy: RegistrationPolicy, proofs: Proofs, domain: str) -> None:
        self._policy = policy
        self._proofs = proofs
        self._domain = domain

    async def require(self, threepid: ThreePid, account: str | None) -> None:
        """
        Let a request with the access token of this account, if any, pass.

        Raises :class:`MatrixError` ``M_THREEPID_DENIED`` if the address may not be used.
        """
        if account is not None and is_user_of(account, self._domain):
            return
        if not await self._proofs.take_validation(threepid):
            await self._policy.require(threepid)
