"""Where messages are handed in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Generic, Protocol, TypeVar

from .messages import Kind, Message, MessageContext, values
from .template import Template, Translations

C = TypeVar("C")
C_contra = TypeVar("C_contra", contravariant=True)
M_contra = TypeVar("M_contra", contravariant=True)


class SendFailed(Exception):
    """
    A message could not be sent, for a reason to be told to the administrator; the address is not in it.

    ``permanent``: it never will be, since the address or the message was refused; else it may be at another time.
    """

    def __init__(self, permanent: bool, reason: str) -> None:
        super().__init__(reason)
        self.permanent = permanent
        self.reason = reason


class Connector(Protocol[C_contra]):
    """Brings what is ready to be sent to whoever takes it on: ``EmailMessage`` for email, ``str`` for SMS."""

    async def deliver(self, address: str, content: C_contra) -> None:
        """Returns when it was accepted.  Raises :class:`SendFailed`."""
        ...


class MessageSender(Protocol[M_contra]):
    """Where messages are handed in: a :class:`Notifier`, or what a test puts in its place."""

    async def send(self, message: M_contra) -> None:
        """Returns when the message was accepted to be delivered.  Raises :class:`SendFailed`."""
        ...


class Channel(Generic[C]):
    """The way to the addresses of one medium: words for each kind of message, and what carries them."""

    def __init__(
        self, site: MessageContext, templates: Mapping[Kind, Translations[Template[C]]], connector: Connector[C]
    ) -> None:
        self._site = site
        self._templates = templates
        self._connector = connector

    async def send(self, message: Message) -> None:
        """See :meth:`Notifier.send`."""
        template = self._templates[message.kind].best(message.accept_language)
        address = message.threepid.address
        try:
            await self._connector.deliver(address, template.render(values(message, self._site)))
        except SendFailed as error:
            # Servers like to quote it, and reasons are logged.
            reason = re.sub(re.escape(address), "(the address)", error.reason, flags=re.IGNORECASE)
            raise SendFailed(error.permanent, reason) from error


class Notifier:
    """Sends messages over the channel of their address's medium."""

    def __init__(self, channels: Mapping[str, Channel[Any]]) -> None:
        """``channels`` are by medium; to others nothing can be sent."""
        self._channels = channels

    def supports(self, medium: str) -> bool:
        """Whether messages can be sent to addresses of a medium."""
        return medium in self._channels

    async def send(self, message: Message) -> None:
        """Returns when the message was accepted to be delivered.  Raises :class:`SendFailed`."""
        medium = message.threepid.medium
        if medium not in self._channels:
            # Not permanent: it is only not configured, and what waits is sent once it is.
            raise SendFailed(permanent=False, reason=f"no connector is configured for the medium {medium}")
        await self._channels[medium].send(message)
