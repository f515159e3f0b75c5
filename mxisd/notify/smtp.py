"""Email by a mail server (RFC 5321).  Why this client is our own: ``docs/decisions/0001-smtp.md``."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Literal

from email_validator import EmailNotValidError, validate_email
from msgspec import Struct
from twisted.internet.defer import CancelledError
from twisted.internet.endpoints import wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Factory

from ..clock import Random, token
from ..log import Logger
from ..net.connection import host_endpoint
from ..reactor import IReactor
from ..waiting import within
from .mail import POLICY, address
from .notifier import HandingOver, SendFailed, unnoticed
from .smtp_connection import SUCCESS, Refused, SmtpConnection, Trace, accepted, unusable, usable

log = Logger()

# Seconds.  The total is for all that comes before the final dot, since somebody may wait for it.
CONNECT_TIMEOUT = 10.0
TOTAL_TIMEOUT = 60.0


class MailServer(Struct, frozen=True, kw_only=True):
    """Which mail server, and how to speak with it."""

    host: str
    port: int
    tls: Literal[0, 1, 2, 3]
    """0 no TLS, 1 STARTTLS if the server offers it, 2 STARTTLS always, 3 TLS from the first byte."""
    login: str | None = None
    password: str | None = None
    own_name: str = "localhost"
    """Our name in EHLO: a host name, or an address literal such as ``[192.0.2.1]``."""


def debug(line: str) -> None:
    """The trace if no other is given: the log, at debug level."""
    log.debug("{line}", line=line)


class SmtpConnector:
    """
    Hands emails over to a mail server, each on a connection of its own.

    Wherever TLS is used, a certificate that ``tls`` does not accept makes the delivery fail.
    """

    def __init__(
        self,
        reactor: IReactor,
        server: MailServer,
        tls: IOpenSSLClientConnectionCreator,
        sender: Address,
        random: Random,
        trace: Trace = debug,
    ) -> None:
        """``trace`` is called with each line sent and received, except the message and the credentials."""
        self._reactor = reactor
        self._server = server
        self._tls = tls
        self._sender = sender
        self._random = random
        self._trace = trace

    async def deliver(
        self, recipient: str, content: EmailMessage, reference: str = "", handing_over: HandingOver = unnoticed
    ) -> None:
        """
        See :class:`~mxisd.notify.notifier.Connector`.

        After :data:`TOTAL_TIMEOUT` at most, the message is handed over; then the server has :data:`OUTCOME_TIMEOUT
        <mxisd.notify.smtp_connection.OUTCOME_TIMEOUT>` to say whether it takes it.  If this wait is cancelled, the
        error is a :class:`SendFailed` with ``handed_over``.
        """
        recipient, is_ascii = mailable(recipient)
        address(content, self._sender, recipient, self._reactor.seconds(), reference or token(self._random, 16))
        data = content.as_bytes(policy=POLICY.clone(utf8=not is_ascii))
        connection = SmtpConnection(self._reactor, self._trace, is_encrypted=self._server.tls == 3)
        late = SendFailed(permanent=False, reason=f"not done within {TOTAL_TIMEOUT:g} seconds")
        try:
            sending = self._send(connection, recipient, is_ascii, data, handing_over)
            await within(TOTAL_TIMEOUT, self._reactor, sending, late)
            await connection.outcome()
        except Refused:
            await connection.quit()
            raise
        else:
            await connection.quit()
        finally:
            connection.abort()

    async def _send(
        self, connection: SmtpConnection, recipient: str, is_ascii: bool, data: bytes, handing_over: HandingOver
    ) -> None:
        await self._connect(connection)
        extensions = await self._greet(connection)
        if self._server.login is not None:
            await self._log_in(connection, extensions, self._server.login, self._server.password or "")
        if not is_ascii and "SMTPUTF8" not in extensions:
            raise Refused(permanent=True, reason="the mail server takes no address that is not ASCII")
        parameters = "" if is_ascii else " SMTPUTF8"
        accepted(await connection.ask(f"MAIL FROM:<{self._sender.addr_spec}>{parameters}"))
        accepted(await connection.ask(f"RCPT TO:<{recipient}>"))
        accepted(await connection.ask("DATA"), [354])
        await connection.send(data)
        await handing_over()

    async def _connect(self, connection: SmtpConnection) -> None:
        host, port = self._server.host, self._server.port
        endpoint = host_endpoint(self._reactor, host, port, CONNECT_TIMEOUT)
        if self._server.tls == 3:
            endpoint = wrapClientTLS(self._tls, endpoint)
        self._trace(f"connecting to {host}, port {port}")
        try:
            await endpoint.connect(Factory.forProtocol(lambda: connection))
        except CancelledError:
            raise
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise SendFailed(permanent=False, reason=f"cannot reach the mail server: {reason}") from error
        usable(await connection.answer(), [220])

    async def _greet(self, connection: SmtpConnection) -> Mapping[str, str]:
        """Say who we are, and start TLS as configured; return the extensions that the server offers then."""
        tls = self._server.tls
        hello = f"EHLO {self._server.own_name}"
        answer = await connection.ask(hello)
        if answer.code not in SUCCESS and tls != 2 and self._server.login is None:
            # A server without extensions (RFC 5321, 3.2).
            usable(await connection.ask(f"HELO {self._server.own_name}"))
            return {}
        extensions = usable(answer).extensions
        if tls in (1, 2) and "STARTTLS" in extensions:
            usable(await connection.ask("STARTTLS"), [220])
            connection.start_tls(self._tls)
            # What was offered before may not have come from the server (RFC 3207, 4.2).
            return usable(await connection.ask(hello)).extensions
        if tls == 2:
            raise unusable("it offers no STARTTLS, which tls: 2 requires")
        return extensions

    async def _log_in(
        self, connection: SmtpConnection, extensions: Mapping[str, str], user: str, password: str
    ) -> None:
        # Every server that offers PLAIN can do it.  CRAM-MD5 hides the password where others could read it.
        known = ("PLAIN", "LOGIN", "CRAM-MD5") if connection.is_encrypted else ("CRAM-MD5", "PLAIN", "LOGIN")
        offered = extensions.get("AUTH", "").upper().split()
        mechanism = next((each for each in known if each in offered), None)
        if mechanism is None and not offered and "STARTTLS" in extensions:
            raise unusable("it offers no authentication before STARTTLS; set tls to 1 or 2")
        if mechanism is None:
            raise unusable(f"it offers authentication by {' '.join(offered) or 'nothing'}, not by {', '.join(known)}")
        if mechanism == "PLAIN":
            plain = _base64(f"\0{user}\0{password}")
            usable(await connection.ask(f"AUTH PLAIN {plain}", shown="AUTH PLAIN"), [235])
            return
        answer = usable(await connection.ask(f"AUTH {mechanism}"), [334])
        if mechanism == "LOGIN":
            usable(await connection.ask(_base64(user), shown="(user name)"), [334])
            response = password
        else:
            response = f"{user} {_digest(str(answer).partition(' ')[2], password)}"
        usable(await connection.ask(_base64(response), shown="(credentials)"), [235])


def mailable(email: str) -> tuple[str, bool]:
    """
    An address as it is written in an envelope, and whether it is ASCII, which every server accepts.

    A domain can always be written in ASCII.  Raises :class:`SendFailed`.
    """
    try:
        parts = validate_email(email, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise SendFailed(permanent=True, reason=f"no mail can be sent to this address: {error}") from None
    return f"{parts.local_part}@{parts.ascii_domain}", parts.ascii_email is not None


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def _digest(challenge: str, password: str) -> str:
    """What answers a challenge of CRAM-MD5 (RFC 2195)."""
    try:
        return hmac.new(password.encode(), b64decode(challenge, validate=True), "md5").hexdigest()
    except ValueError:
        raise unusable("its challenge for CRAM-MD5 is not Base64") from None
