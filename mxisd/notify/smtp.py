"""Email by a mail server (RFC 5321)."""

from __future__ import annotations

import re
from collections.abc import Callable
from email.headerregistry import Address
from email.message import EmailMessage
from io import BytesIO
from typing import Any, Literal

from email_validator import EmailNotValidError, validate_email
from msgspec import Struct
from OpenSSL import SSL
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import wrapClientTLS
from twisted.internet.interfaces import IDelayedCall, IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.ssl import VerificationError
from twisted.mail.smtp import SUCCESS, CramMD5ClientAuthenticator, ESMTPClient, LOGINAuthenticator, PLAINAuthenticator
from twisted.mail.smtp import Address as Path
from twisted.python.failure import Failure

from ..clock import Random
from ..log import Logger
from ..net.connection import host_endpoint
from ..reactor import IReactor
from .mail import POLICY, address
from .notifier import SendFailed

log = Logger()

# Whoever asked for the message waits for it.  Seconds.
CONNECT_TIMEOUT = 10.0
ANSWER_TIMEOUT = 20.0
TOTAL_TIMEOUT = 60.0
# All is said: a server that does not hang up must not keep us.
GOODBYE_TIMEOUT = 2.0

# Refusals that are about us, not the message: "authentication required" and its kin (RFC 4954).
_ABOUT_US = (530, 534, 535, 538)

_NEWLINE = re.compile(rb"\r\n|\r|\n")
_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)

Trace = Callable[[str], None]


class MailServer(Struct, frozen=True, kw_only=True):
    """Which mail server, and how to speak with it."""

    host: str
    port: int
    tls: Literal[0, 1, 2, 3]
    """0 none, 1 STARTTLS if offered, 2 STARTTLS always, 3 from the first byte."""
    login: str | None = None
    password: str | None = None
    own_name: str = "localhost"
    """How we introduce ourselves: a host name, or an address literal."""


def debug(line: str) -> None:
    """The trace of those who want none."""
    log.debug("{line}", line=line)


class SmtpConnector:
    """
    Hands emails to a mail server.

    Wherever TLS is used, a certificate that ``tls`` does not accept fails the delivery.
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
        """``trace`` hears each line of a conversation, but for the message itself and the credentials."""
        self._reactor = reactor
        self._server = server
        self._tls = tls
        self._sender = sender
        self._random = random
        self._trace = trace

    async def deliver(self, recipient: str, content: EmailMessage) -> None:
        """See :class:`~mxisd.notify.notifier.Connector`."""
        recipient, is_ascii = mailable(recipient)
        address(content, self._sender, recipient, self._reactor.seconds(), self._random)
        data = content.as_bytes(policy=POLICY.clone(utf8=not is_ascii))
        letter = _Letter(sender=self._sender.addr_spec, recipient=recipient, data=data, is_ascii=is_ascii)
        conversation = _Conversation(self._reactor, self._server, self._tls, letter, self._trace)
        exchange = Deferred.fromCoroutine(self._exchange(conversation))
        await exchange.addTimeout(TOTAL_TIMEOUT, self._reactor, _expired)

    async def _exchange(self, conversation: _Conversation) -> None:
        host, port = self._server.host, self._server.port
        endpoint = host_endpoint(self._reactor, host, port, CONNECT_TIMEOUT)
        if self._server.tls == 3:
            endpoint = wrapClientTLS(self._tls, endpoint)
        self._trace(f"connecting to {host}, port {port}")
        try:
            await endpoint.connect(Factory.forProtocol(lambda: conversation))
        except CancelledError:
            raise
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise SendFailed(permanent=False, reason=f"cannot reach the mail server: {reason}") from error
        await conversation.done


def mailable(email: str) -> tuple[str, bool]:
    """
    An address as it is written in an envelope, and whether it is ASCII, as most servers want it.

    A domain always can be.  Raises :class:`SendFailed`.
    """
    try:
        parts = validate_email(email, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise SendFailed(permanent=True, reason=f"no mail can be sent to this address: {error}") from None
    return f"{parts.local_part}@{parts.ascii_domain}", parts.ascii_email is not None


class _Letter(Struct, frozen=True, kw_only=True):
    sender: str
    recipient: str
    data: bytes
    is_ascii: bool


class _Path(Path):
    """An address for an envelope, taken as it is: twisted.mail would parse it, and knows ASCII only."""

    def __init__(self, addr_spec: str) -> None:
        self._addr_spec = addr_spec

    def __bytes__(self) -> bytes:
        return self._addr_spec.encode()


class _Plain(PLAINAuthenticator):
    user: bytes

    def challengeResponse(self, secret: bytes, chal: int = 1) -> bytes:
        return b"\0" + self.user + b"\0" + secret


class _Conversation(ESMTPClient):
    """One connection, over which one letter is sent; ``done`` fires when it is closed."""

    debug = False  # twisted.mail's own transcript has the credentials in it
    timeout: float = ANSWER_TIMEOUT  # type: ignore[assignment]  # its base knows of none
    transport: Any

    def __init__(
        self,
        reactor: IReactor,
        server: MailServer,
        tls: IOpenSSLClientConnectionCreator,
        letter: _Letter,
        trace: Trace,
    ) -> None:
        secret = (server.password or "").encode() if server.login else None
        super().__init__(secret, tls if server.tls in (1, 2) else None, server.own_name)
        self.heloFallback = True
        self.requireTransportSecurity = server.tls == 2
        self.requireAuthentication = server.login is not None
        self._reactor = reactor
        self.done: Deferred[None] = Deferred(lambda _: self._abort())
        self._server = server
        self._letter = letter
        self._trace = trace
        self._extensions: dict[bytes, bytes | None] = {}
        self._over = False
        self._failure: SendFailed | None = None

    def callLater(self, period: float, func: Callable[[], None]) -> IDelayedCall:
        delayed: IDelayedCall = self._reactor.callLater(period, func)
        return delayed

    def connectionMade(self) -> None:
        super().connectionMade()
        self._tlsMode = self._server.tls == 3

    def sendLine(self, line: bytes) -> None:
        self._trace(f"> {_shown(line)}")
        super().sendLine(line)

    def lineReceived(self, line: bytes) -> None:
        self._trace(f"< {line.decode('utf-8', 'replace')}")
        super().lineReceived(line)

    def esmtpState_starttls(self, code: int, resp: bytes) -> None:
        # Whatever came along with the answer was not sent by whom we are about to verify.
        self.clearLineBuffer()
        self.transport.startTLS(self.context)
        self._tlsMode = True
        self.esmtpState_ehlo(code, resp)

    def tryTLS(self, code: int, resp: bytes, items: dict[bytes, bytes | None]) -> None:
        # twisted.mail knows the extensions in upper case only, and would take a "starttls" for none.
        super().tryTLS(code, resp, {name.upper(): value for name, value in items.items()})

    def authenticate(self, code: int, resp: bytes, items: dict[bytes, bytes | None]) -> None:
        self._extensions = items
        user = (self._server.login or "").encode()
        # Every server that offers PLAIN can do it; CRAM-MD5 hides the password from who listens.
        plain = [_Plain(user), LOGINAuthenticator(user)]
        digest = [CramMD5ClientAuthenticator(user)]
        self.authenticators = plain + digest if self._tlsMode else digest + plain
        super().authenticate(code, resp, items)

    def _esmtpState_plainAuth(self, code: int, resp: bytes) -> None:
        # twisted.mail would now try in the form of RFC 4616, which is our first.
        self.esmtpAUTHDeclined(code, resp)

    def smtpState_from(self, code: int, resp: bytes) -> None:
        if not self._letter.is_ascii and b"SMTPUTF8" not in self._extensions:
            self._end(SendFailed(permanent=True, reason="the mail server takes no address that is not ASCII"))
            return
        self._expected = [250]
        self._okresponse = self.smtpState_to
        self._failresponse = self.smtpTransferFailed
        extension = b"" if self._letter.is_ascii else b" SMTPUTF8"
        self.sendLine(b"MAIL FROM:<" + self._letter.sender.encode() + b">" + extension)

    def getMailTo(self) -> list[_Path]:
        return [_Path(self._letter.recipient)]

    def getMailData(self) -> BytesIO:
        return BytesIO(_LEADING_DOT.sub(b"..", _NEWLINE.sub(b"\r\n", self._letter.data)))

    def transformChunk(self, chunk: bytes) -> bytes:
        # Done in getMailData: here, a dot at the beginning of a chunk would be overlooked, and could end the message.
        self.resetTimeout()
        return chunk

    def smtpState_msgSent(self, code: int, resp: bytes | str) -> None:
        if self.toAddressesResult and not self.successAddresses:
            (_, code, resp) = self.toAddressesResult[-1]
        if code in SUCCESS:
            self._end(None)
        else:
            permanent = 500 <= code < 600 and code not in _ABOUT_US
            self._end(SendFailed(permanent, f"the mail server refused the message: {_said(code, resp)}"))

    def sendError(self, exc: Any) -> None:
        # All that twisted.mail calls an error comes before the message: another time it may be different.
        answer = _said(getattr(exc, "code", -1), getattr(exc, "resp", str(exc)))
        self._end(SendFailed(permanent=False, reason=f"the mail server cannot be used: {answer}"))

    def timeoutConnection(self) -> None:
        if not self._over:
            self._failure = SendFailed(permanent=False, reason=f"no answer within {ANSWER_TIMEOUT:g} seconds")
            self._over = True
        self._abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        if not self._over:
            self._failure = SendFailed(permanent=False, reason=f"the connection was lost: {_why(reason.value)}")
        if self.done.called:
            return
        if self._failure is None:
            self.done.callback(None)
        else:
            self.done.errback(self._failure)

    def _end(self, failure: SendFailed | None) -> None:
        if self._over:
            return
        self._over = True
        self._failure = failure
        self._disconnectFromServer()
        self._failresponse = self.smtpState_disconnect
        self.setTimeout(GOODBYE_TIMEOUT)

    def _abort(self) -> None:
        self.transport.abortConnection()


_VERBS = {b"EHLO", b"HELO", b"STARTTLS", b"MAIL", b"RCPT", b"DATA", b".", b"QUIT"}


def _shown(line: bytes) -> str:
    words = line.split(b" ")
    if words[0] == b"AUTH":
        return b" ".join(words[:2]).decode()
    return line.decode("utf-8", "replace") if words[0] in _VERBS else "(credentials)"


def _said(code: int, resp: bytes | str) -> str:
    text = resp.decode("utf-8", "replace") if isinstance(resp, bytes) else resp
    return " ".join([str(code), *text.split()]) if code > 0 else text


def _why(error: BaseException | None) -> str:
    if isinstance(error, VerificationError):
        return "the server's certificate is for another host"
    if isinstance(error, SSL.Error) and error.args and isinstance(error.args[0], list):
        return "; ".join(str(detail[-1]) for detail in error.args[0]) or "TLS failed"
    return str(error)


def _expired(result: Any, seconds: float) -> Any:
    if isinstance(result, Failure) and result.check(CancelledError):
        return Failure(SendFailed(permanent=False, reason=f"not done within {seconds:g} seconds"))
    return result
