"""What is limited, and what counts as one and the same somebody."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import NamedTuple, NoReturn

from twisted.internet.interfaces import IReactorTime

from ..cache import OldestOut
from ..clock import MINUTE, milliseconds, now
from ..config.rate_limit import Limit
from ..log import Logger, audit
from ..matrix.error import MatrixError
from ..matrix.threepid import EMAIL, ThreePid, country
from ..metrics import RATE_LIMITED
from ..net.networks import Network, is_within, network_of_client
from ..storage.buckets import BucketStorage, Charge
from .ahead import Ahead

log = Logger()

# Addresses of which it is known where they belong, and buckets of which it was told that they are empty.
_REMEMBERED = 10_000


class Requester(NamedTuple):
    """Who asks: a user, known by an access token, or else whoever is at an IP address."""

    account: str | None
    address: str


class RateLimits:
    """
    Each method counts one request against all limits that it touches, before anything else is done about it.

    All raise :class:`MatrixError` ``M_LIMIT_EXCEEDED``, with nothing counted, if one of the limits is reached, and
    :class:`~mxisd.storage.contract.StorageUnavailable`: whoever cannot be counted is not let through.
    """

    def __init__(
        self,
        limits: Mapping[str, Limit],
        buckets: BucketStorage,
        clock: IReactorTime,
        exempt: Collection[Network],
        domain: str,
    ) -> None:
        """``limits`` by their names, as in the configuration; ``domain`` is that of our users."""
        self._limits = {name: (milliseconds(limit.per), limit.burst) for name, limit in limits.items()}
        self._buckets = buckets
        self._ahead = Ahead(buckets)
        self._clock = clock
        self._domain = domain
        self._place = lru_cache(_REMEMBERED)(
            lambda address: None if is_within(address, exempt) else network_of_client(address)
        )
        self._told: OldestOut[str, int] = OldestOut(_REMEMBERED)

    async def validation(self, to: ThreePid, by: Requester) -> None:
        """A token is to be sent to an address."""
        if to.medium == EMAIL:
            touched = {"mailPerAddress": mailbox(to), **self._each("mailPerClient", by), **_mail(to)}
        else:
            touched = {
                "smsPerNumber": to.address,
                "smsPerCountry": country(to),
                **self._each("smsPerClient", by),
                "smsTotal": "",
            }
        await self._take(touched, self._name(by))

    async def invite(self, to: ThreePid, sender: str, by: Requester) -> None:
        """
        An address is to be invited.

        Without an access token anybody may claim to be the sender: that must not keep the real one from inviting, nor
        let a client invite as one sender after the other.
        """
        touched = {"invitePerAddress": mailbox(to), **_mail(to)}
        if by.account is not None:
            await self._take({"invitePerSender": sender, **touched}, sender)
        else:
            unproven = {"invitePerSender": f"unproven {sender}", "invitePerSender from": self._client(by)}
            await self._take({**unproven, **touched}, f"{sender}, without a token, from {by.address}")

    async def told_of_invite(self, to: ThreePid, sender: str) -> None:
        """A local user, invited by a user ID, is to be told of it by mail."""
        await self._take({"invitePerSender": sender, "mailPerAddress": mailbox(to), **_mail(to)}, sender)

    async def lookup(self, addresses: int, by: Requester) -> None:
        """So many addresses are to be looked up; more than there may be at once are ``M_INVALID_PARAM``."""
        limit = self._limits.get("lookup")
        if limit is None or not addresses:
            return
        per, burst = limit
        if addresses > burst:
            raise MatrixError(400, "M_INVALID_PARAM", f"At most {burst} addresses can be looked up at once")
        current, cost = now(self._clock), addresses * per
        for name, of in self._each("lookup", by).items():
            bucket = f"{name} {of}"
            if of is None or self._ahead.has_left(bucket, cost, current):
                continue
            if wait := await self._ahead.take(Charge(bucket, cost, burst * per), current):
                self._refuse("lookup", bucket, self._name(by), wait, current)

    async def register(self, server_name: str, by: Requester) -> None:
        """
        An access token is to be given out to a user of a homeserver, which is asked who that is.

        Our own is not limited: by that, any one client could keep all our users away.
        """
        server = None if server_name == self._domain else server_name
        await self._take({"register": self._client(by), "register at": server}, self._name(by))

    async def submit_token(self, threepid: ThreePid) -> None:
        """A token that was sent to an address is to be judged, in whichever session."""
        await self._take({"submitToken": f"{threepid.medium} {threepid.address}"}, "a client")

    def _each(self, name: str, by: Requester) -> dict[str, str | None]:
        """The buckets of a limit by client: anybody has as many accounts of other servers as they like."""
        touched = {name: self._client(by)}
        if by.account is not None and not by.account.endswith(f":{self._domain}"):
            touched[f"{name} at"] = self._place(by.address)
        return touched

    def _client(self, by: Requester) -> str | None:
        return by.account or self._place(by.address)

    def _name(self, by: Requester) -> str:
        return by.account or by.address or "a client of a Unix socket"

    async def _take(self, touched: Mapping[str, str | None], who: str) -> None:
        """Count against limits, by name and what each is kept apart by; ``None`` is not limited."""
        charges: list[tuple[str, Charge]] = []
        for bucket, of in touched.items():
            name = bucket.partition(" ")[0]
            if of is not None and name in self._limits:
                per, burst = self._limits[name]
                charges.append((name, Charge(f"{bucket} {of}", per, burst * per)))
        if not charges:
            return
        current = now(self._clock)
        waits = await self._buckets.take([charge for _, charge in charges], current)
        wait, (name, charge) = max(zip(waits, charges, strict=True), key=lambda found: found[0])
        if wait:
            self._refuse(name, charge.bucket, who, wait, current)

    def _refuse(self, name: str, bucket: str, who: str, wait: int, current: int) -> NoReturn:
        RATE_LIMITED.labels(name).inc()
        # Once a minute: a flood must not go on in the log.
        if self._told.get(bucket, 0) + MINUTE <= current:
            self._told[bucket] = current
            audit.warn("rateLimit.{limit} is reached: {who} is refused", limit=name, who=who)
            log.debug("it is the limit of {bucket}", bucket=bucket)
        raise MatrixError(429, "M_LIMIT_EXCEEDED", f"Too many requests ({name})", retry_after_ms=wait)


def _mail(to: ThreePid) -> dict[str, str]:
    return {"mailPerDomain": to.address.rpartition("@")[2], "mailTotal": ""}


def mailbox(threepid: ThreePid) -> str:
    """
    What is the same for most spellings of an address that lead to one mailbox: without dots, and what follows a plus.

    Where they are different mailboxes, it does no harm that two of them share a limit.
    """
    local, _, domain = threepid.address.rpartition("@")
    return f"{local.partition('+')[0].replace('.', '')}@{domain}"
