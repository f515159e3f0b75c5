"""The messages to the owner of an address about an unbind, or about an attempt at one."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from ..clock import DAY, now
from ..config.session import Unbind
from ..log import Logger
from ..matrix.threepid import ThreePid
from ..notify import MessageSender, SendFailed, UnbindNotice, UnbindWarning
from ..storage.contract import BindingStorage
from ..storage.once import CooldownStorage
from ..waiting import background

log = Logger()

# Whoever tries again and again must not fill a mailbox.
WARNING_PERIOD = DAY


class UnbindNotices:
    """Tells owners of addresses about unbinds, as the policy has it; nobody waits for the mail server."""

    def __init__(
        self,
        policy: Unbind,
        bindings: BindingStorage,
        cooldowns: CooldownStorage,
        messages: MessageSender[UnbindNotice | UnbindWarning],
        clock: IReactorTime,
    ) -> None:
        self._policy = policy
        self._bindings = bindings
        self._cooldowns = cooldowns
        self._messages = messages
        self._clock = clock

    def unbound(self, threepid: ThreePid) -> None:
        """A homeserver has had the address unbound."""
        if self._policy.notifications:
            background("the notice of an unbind", self._send(UnbindNotice(threepid=threepid)))

    async def refused(self, threepid: ThreePid, user_id: str) -> None:
        """Somebody without a proof wanted the address unbound; only owners of what is bound here hear of it."""
        if not self._policy.fraudulent.send_warning or (await self._bindings.users_of([threepid])) != {
            threepid: user_id
        }:
            return
        cooldown = f"unbind warning {threepid.medium} {threepid.address}"
        if await self._cooldowns.take(cooldown, now(self._clock), WARNING_PERIOD):
            background("the warning of an unbind", self._send(UnbindWarning(threepid=threepid)))

    async def _send(self, message: UnbindNotice | UnbindWarning) -> None:
        try:
            await self._messages.send(message)
        except SendFailed as error:
            log.warn("a message about an unbind could not be sent: {reason}", reason=error)
