"""A client's side of SMTP (RFC 5321): commands, answers, and the message."""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from contextlib import suppress
from io import BytesIO
from typing import Any

from msgspec import Struct
from OpenSSL import SSL
from twisted.internet.defer import CancelledError, DeferredQueue
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.internet.ssl import VerificationError
from twisted.protocols.basic import FileSender, LineReceiver
from twisted.python.failure import Failure

from ..net.tls import UntrustedCertificate
from ..waiting import within
from .notifier import SendFailed

# Seconds.
ANSWER_TIMEOUT = 20.0
# RFC 5321, 4.5.3.2.6: a client that gives up earlier sends the message again, and the recipient gets it twice.
OUTCOME_TIMEOUT = 600.0
# The outcome is known: a server that does not close the connection must not keep us.
GOODBYE_TIMEOUT = 2.0

# Bytes.  So that an answer without an end cannot fill the memory.
MAX_ANSWER = 256 * 1024

SUCCESS = range(200, 300)
# Refusals that are about us, not the message: "authentication required" and similar codes (RFC 4954).
_ABOUT_US = (530, 534, 535, 538)

_ANSWER = re.compile("([0-9]{3})(-?)(.*)", re.DOTALL)
_NEWLINE = re.compile(rb"\r\n|\r|\n")
_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)

Trace = Callable[[str], None]


class SmtpAnswer(Struct, frozen=True):
    """What the server said: a code, and text."""

    code: int
    lines: list[str]

    def __str__(self) -> str:
        return " ".join([str(self.code), *" ".join(self.lines).split()])

    @property
    def extensions(self) -> dict[str, str]:
        """The extensions that an answer to EHLO offers, in upper case, with their parameters."""
        pairs = (line.partition(" ") for line in self.lines[1:])
        return {name.upper(): parameters for name, _, parameters in pairs}


class Refused(SendFailed):
    """The server said no, and listens to what we say next."""


class SmtpConnection(LineReceiver):
    """
    Sends one command, waits for its answer, and only then sends the next; ``trace`` is called with each line.

    What waits for an answer raises :class:`SendFailed` if none comes.
    """

    transport: Any

    def __init__(self, clock: IReactorTime, trace: Trace, *, is_encrypted: bool) -> None:
        self.is_encrypted = is_encrypted
        self._clock = clock
        self._trace = trace
        # None stands for the end of the connection.
        self._lines: DeferredQueue[bytes | None] = DeferredQueue()
        self._why_lost = ""

    def lineReceived(self, line: bytes) -> None:
        self._lines.put(line)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._why_lost = _explained(reason.value)
        self._lines.put(None)

    def start_tls(self, tls: IOpenSSLClientConnectionCreator) -> None:
        """Encrypt from here on.  Lines that came before are dropped: anybody could have inserted them."""
        self.clearLineBuffer()  # type: ignore[no-untyped-call]  # Twisted's LineReceiver predates annotations
        self._lines = DeferredQueue()
        self.transport.startTLS(tls)
        self.is_encrypted = True

    async def ask(self, command: str, *, shown: str | None = None) -> SmtpAnswer:
        """Send a command, and return the answer.  If the command is secret, the trace gets ``shown`` instead."""
        self._trace(f"> {shown or command}")
        self.transport.write(command.encode() + b"\r\n")
        return await self.answer()

    async def answer(self, timeout: float = ANSWER_TIMEOUT) -> SmtpAnswer:
        """The next answer; the server has ``timeout`` seconds for each line of it."""
        lines: list[str] = []
        size = 0
        while size <= MAX_ANSWER:
            line = await self._line(timeout)
            size += len(line)
            self._trace(f"< {line}")
            match = _ANSWER.fullmatch(line)
            if match is None:
                raise SendFailed(permanent=False, reason=f"the mail server does not speak SMTP: {line[:200]!r}")
            lines.append(match[3].strip())
            if not match[2]:
                return SmtpAnswer(int(match[1]), lines)
        raise SendFailed(permanent=False, reason="the mail server's answer is too long")

    async def send(self, data: bytes) -> None:
        """After the answer to DATA: send a message, but for the dot that ends it."""
        data = _LEADING_DOT.sub(b"..", _NEWLINE.sub(b"\r\n", data)).removesuffix(b"\r\n")
        try:
            # Fires when the transport has sent it all, so that the dot is not said too early.
            await FileSender().beginFileTransfer(BytesIO(data), self.transport)
        except CancelledError:
            raise
        except Exception:
            # The connection is lost.  Perhaps the server said why.
            accepted(await self.answer(), expected=())

    async def outcome(self) -> None:
        """End the message; return when the server took it.  Raises :class:`SendFailed`, perhaps ``handed_over``."""
        self._trace("> .")
        self.transport.write(b"\r\n.\r\n")
        late = SendFailed(permanent=False, reason=f"no answer within {OUTCOME_TIMEOUT:g} seconds")
        try:
            answer = await within(OUTCOME_TIMEOUT, self._clock, self.answer(OUTCOME_TIMEOUT), late)
        except (CancelledError, SendFailed) as error:
            raise _unknown(str(error) or "cancelled") from error
        if answer.code // 100 not in (2, 4, 5):
            raise _unknown(str(answer))
        accepted(answer)

    async def quit(self) -> None:
        """Say goodbye.  All is settled before, so that nothing that goes wrong here matters."""
        late = SendFailed(permanent=False, reason="no goodbye")
        with suppress(CancelledError, SendFailed):
            await within(GOODBYE_TIMEOUT, self._clock, self._goodbye(), late)

    async def _goodbye(self) -> None:
        await self.ask("QUIT")
        self.transport.loseConnection()
        await self._line(GOODBYE_TIMEOUT)

    def abort(self) -> None:
        """Close the connection at once, if it is open."""
        if self.transport is not None:
            self.transport.abortConnection()

    async def _line(self, timeout: float) -> str:
        try:
            line = await self._lines.get().addTimeout(timeout, self._clock)
        except TookTooLong:
            raise SendFailed(permanent=False, reason=f"no answer within {timeout:g} seconds") from None
        if line is None:
            raise SendFailed(permanent=False, reason=f"the connection was lost: {self._why_lost}")
        return line.decode("utf-8", "replace")


def usable(answer: SmtpAnswer, expected: Container[int] = SUCCESS) -> SmtpAnswer:
    """An answer about the connection.  Raises :class:`Refused` for another one than those expected, never for good."""
    if answer.code not in expected:
        raise unusable(str(answer))
    return answer


def unusable(reason: str) -> Refused:
    """Why no message can be sent now: the administrator, of this server or that one, can put it right."""
    return Refused(permanent=False, reason=f"the mail server cannot be used: {reason}")


def accepted(answer: SmtpAnswer, expected: Container[int] = SUCCESS) -> None:
    """Check an answer about the message.  Raises :class:`Refused`."""
    if answer.code not in expected:
        permanent = 500 <= answer.code < 600 and answer.code not in _ABOUT_US
        raise Refused(permanent, f"the mail server refused the message: {answer}")


def _unknown(reason: str) -> SendFailed:
    return SendFailed(
        permanent=False,
        reason=f"the message was handed over, but the mail server did not say whether it took it: {reason}",
        handed_over=True,
    )


def _explained(error: BaseException | None) -> str:
    if isinstance(error, VerificationError):
        return (
            "the server's certificate is for another host, not for the name in smtp.host;"
            " smtp.tlsVerify: chain takes it, if its authority is known, or in outbound.caFile"
        )
    if isinstance(error, UntrustedCertificate):
        known = "to trust another authority, name its certificate in outbound.caFile; "
        cure = known if error.is_unknown_authority else ""
        return f"{error}; {cure}smtp.tlsVerify: none takes any certificate"
    if isinstance(error, SSL.Error) and error.args and isinstance(error.args[0], list):
        return "; ".join(str(detail[-1]) for detail in error.args[0]) or "TLS failed"
    return str(error)
