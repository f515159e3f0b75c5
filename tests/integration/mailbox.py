"""A real mail server, which keeps what it gets."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections import defaultdict
from email import message_from_bytes, policy
from email.message import EmailMessage
from queue import Queue
from typing import Any, Literal

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

from tests.integration.process import TIMEOUT, free_port

OK = "250 OK"

# It warns of what it uses itself.
logging.getLogger("mail.log").setLevel(logging.ERROR)


class Mailbox:
    """
    Listens on ``host`` at ``port``.

    With ``tls``, ``context`` has the certificate, and the other way is refused; with ``login``, so are those that do
    not log in.  ``answer`` is what each recipient gets, and may be changed at any time: empty, there is none.
    """

    def __init__(
        self,
        tls: Literal["none", "starttls", "implicit"] = "none",
        context: ssl.SSLContext | None = None,
        login: tuple[str, str] | None = None,
        host: str = "127.0.0.1",
        port: int | None = None,
    ) -> None:
        self.answer = OK
        self._login = login
        self._received: defaultdict[str, Queue[EmailMessage]] = defaultdict(Queue)
        self.port = free_port() if port is None else port
        self._controller = Controller(
            self,
            hostname=host,
            port=self.port,
            ready_timeout=TIMEOUT,
            ssl_context=context if tls == "implicit" else None,
            tls_context=context if tls == "starttls" else None,
            require_starttls=tls == "starttls",
            authenticator=self._authenticate,
            auth_required=login is not None,
            auth_require_tls=tls == "starttls",
        )
        self._controller.start()

    def next_to(self, address: str) -> EmailMessage:
        """The mail that came first to an address, or will come; each is given out once."""
        return self._received[address].get(timeout=TIMEOUT)

    def next_link_to(self, address: str) -> str:
        """The first link in the text of that mail."""
        found = re.search(r"https?://\S+", text_of(self.next_to(address)))
        assert found is not None
        return found[0]

    def is_empty(self, address: str) -> bool:
        """Whether no mail to an address is there."""
        return self._received[address].empty()

    def stop(self) -> None:
        self._controller.stop()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Envelope, address: str, options: Any) -> str:
        if not self.answer:
            await asyncio.Event().wait()
        if self.answer == OK:
            envelope.rcpt_tos.append(address)
        return self.answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        message = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        assert isinstance(message, EmailMessage)
        for address in envelope.rcpt_tos:
            self._received[address].put(message)
        return OK

    def _authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given == self._login, handled=False)


def text_of(message: EmailMessage) -> str:
    """What mail programs without HTML show."""
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())
