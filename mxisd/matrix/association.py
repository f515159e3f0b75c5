"""The signed statement that an address belongs to a user ID (specification: identity service API, ``3pid/bind``)."""

from __future__ import annotations

from ..clock import DAY
from .signing import Signer
from .threepid import ThreePid

# Associations do not end by themselves: a hundred years.
LIFE = 100 * 365 * DAY


def association(signer: Signer, threepid: ThreePid, user_id: str, ts: int) -> dict[str, object]:
    """The association, known to be valid from ``ts`` (epoch milliseconds) on."""
    return signer.sign(
        {
            "medium": threepid.medium,
            "address": threepid.address,
            "mxid": user_id,
            "ts": ts,
            "not_before": ts,
            "not_after": ts + LIFE,
        }
    )
