"""What other packages call to send messages."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from ..metrics import MESSAGES
from .messages import Kind, Message, MessageContext, values
from .template import Template, Translations

C = TypeVar("C")
C_contra = TypeVar("C_contra", contravariant=True)
M_contra = TypeVar("M_contra", contravariant=True)


class SendFailed(Exception):
    """
    A message could not be sent; the reason is for the administrator, and does not hold the address.

    ``permanent``: the address or the message was refused, and would be at any other time.  ``handed_over``: the whole
    message was passed on, but nobody said whether it was accepted, so that a second attempt may make a second copy.
    """

    def __init__(self, permanent: bool, reason: str, *, handed_over: bool = False) -> None:
        super().__init__(reason)
        self.permanent = permanent
        self.reason = reason
        self.handed_over = handed_over


HandingOver: TypeAlias = Callable[[], Awaitable[object]]
"""Called before a message is passed on for good: from then on it may arrive, whatever becomes of us."""


async def unnoticed() -> None:
    """For messages of which nobody has to know that."""


class Connector(Protocol[C_contra]):
    """Passes finished messages on to a server or provider: ``EmailMessage`` for email, ``str`` for SMS."""

    async def deliver(
        self, address: str, content: C_contra, reference: str = "", handing_over: HandingOver = unnoticed
    ) -> None:
        """
        Returns when the message was accepted.  Raises :class:`SendFailed`.

        ``reference`` is the same for each attempt at one message, so that a second copy can be told; empty if there is
        one attempt only.
        """
        ...


class MessageSender(Protocol[M_contra]):
    """What sends messages: a :class:`Notifier`, or what a test uses instead."""

    async def send(self, message: M_contra, handing_over: HandingOver = unnoticed) -> None:
        """Returns when the message was accepted to be delivered.  Raises :class:`SendFailed`."""
        ...


class Wording(NamedTuple, Generic[C]):
    """A template, and the language that it is in."""

    template: Template[C]
    language: str


class Channel(Generic[C]):
    """How to reach the addresses of one medium: a template for each kind of message, and a connector."""

    def __init__(
        self, site: MessageContext, templates: Mapping[Kind, Translations[Wording[C]]], connector: Connector[C]
    ) -> None:
        self._site = site
        self._templates = templates
        self._connector = connector

    async def send(self, message: Message, handing_over: HandingOver = unnoticed) -> None:
        """See :meth:`Notifier.send`."""
        address = message.threepid.address
        try:
            content = worded(message, self._site, self._templates)
            await self._connector.deliver(address, content, message.reference, handing_over)
        except SendFailed as error:
            # Servers often quote the address, and reasons are logged.
            reason = re.sub(re.escape(address), "(the address)", error.reason, flags=re.IGNORECASE)
            raise SendFailed(error.permanent, reason, handed_over=error.handed_over) from error


def worded(message: Message, site: MessageContext, templates: Mapping[Kind, Translations[Wording[C]]]) -> C:
    """A message in the language of its reader.  Raises :class:`SendFailed`."""
    template, language = templates[message.kind].best(message.accept_language)
    return template.render(values(message, site, language))


class Notifier:
    """Sends each message over the channel for the medium of its address."""

    def __init__(self, channels: Mapping[str, Channel[Any]]) -> None:
        """``channels`` are by medium; nothing can be sent to other media."""
        self._channels = channels

    async def send(self, message: Message, handing_over: HandingOver = unnoticed) -> None:
        """Returns when the message was accepted to be delivered.  Raises :class:`SendFailed`."""
        medium = message.threepid.medium
        if medium not in self._channels:
            # Not permanent: what waits is sent when a connector has been configured.
            raise SendFailed(permanent=False, reason=f"no connector is configured for the medium {medium}")
        try:
            await self._channels[medium].send(message, handing_over)
        except SendFailed as error:
            outcome = "unknown" if error.handed_over else "refused" if error.permanent else "failed"
            MESSAGES.labels(medium, outcome).inc()
            raise
        MESSAGES.labels(medium, "sent").inc()
