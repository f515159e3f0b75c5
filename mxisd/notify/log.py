"""Connectors that send nothing: for development, and to switch a medium off."""

from __future__ import annotations

from email.message import EmailMessage

from ..log import Logger
from .notifier import HandingOver, unnoticed

log = Logger()


class LogConnector:
    """Writes messages to the log, including their tokens, instead of sending them."""

    async def deliver(
        self, address: str, content: EmailMessage | str, reference: str = "", handing_over: HandingOver = unnoticed
    ) -> None:
        """See :class:`~mxisd.notify.notifier.Connector`."""
        log.info("to {address}: {text}", address=address, text=content if isinstance(content, str) else _shown(content))


class NoConnector:
    """Accepts messages and drops them."""

    async def deliver(
        self, address: str, content: EmailMessage | str, reference: str = "", handing_over: HandingOver = unnoticed
    ) -> None:
        """See :class:`~mxisd.notify.notifier.Connector`."""
        log.debug("dropped a message to {address}", address=address)


def _shown(message: EmailMessage) -> str:
    text = message.get_body(("plain", "html"))
    return f"{message['Subject']}\n\n{text.get_content() if text else ''}"
