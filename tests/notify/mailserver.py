"""A mail server whose every answer is the test's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineReceiver


class Mail(NamedTuple):
    """What was accepted: the arguments of MAIL and RCPT, and the message."""

    sender: str
    recipient: str
    data: bytes


class MailServer(Factory):
    """
    Speaks ESMTP, and says yes to everything but what ``answers`` has another answer for, by verb.

    The verbs are those of SMTP, ``CONNECT`` before the first and ``.`` after the message.  An empty answer is none.
    """

    noisy = False

    def __init__(self, answers: Mapping[str, str] | None = None, *, extensions: str = "", tls: Any = None) -> None:
        self.answers = dict(answers or {})
        self.extensions = extensions.split(",") if extensions else []
        self.tls = tls
        self.mails: list[Mail] = []
        self.lines: list[str] = []
        self.sessions: list[_Session] = []

    def buildProtocol(self, addr: object) -> _Session:
        self.sessions.append(_Session(self))
        return self.sessions[-1]

    def take(self, session: _Session) -> None:
        """Called with each line of a message."""


CHALLENGES = {"PLAIN": [], "LOGIN": ["VXNlcm5hbWU6", "UGFzc3dvcmQ6"], "CRAM-MD5": ["PDFAbWFpbC5leGFtcGxlLm9yZz4="]}


class _Session(LineReceiver):
    transport: Any
    MAX_LENGTH = 1000  # RFC 5321, 4.5.3.1.6

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._secure = False
        self._arguments: dict[str, str] = {}
        self._challenges: list[str] | None = None
        self._data: list[bytes] | None = None

    def connectionMade(self) -> None:
        self._answer("CONNECT", "220 mail.example.org")

    def lineReceived(self, line: bytes) -> None:
        if self._data is not None:
            self._take(self._data, line)
            return
        text = line.decode()
        self._server.lines.append(text)
        if self._challenges is not None:
            self._challenge(self._challenges)
            return
        verb, _, argument = text.partition(" ")
        self._arguments[verb] = argument
        if verb == "AUTH" and "AUTH" not in self._server.answers:
            self._challenge(CHALLENGES[argument.split()[0]].copy())
            return
        answer = self._answer(verb, self._usual(verb))
        if answer.startswith("354"):
            self._data = []
        if verb == "STARTTLS" and answer.startswith("220"):
            self.transport.startTLS(self._server.tls)
            self._secure = True

    def _usual(self, verb: str) -> str:
        if verb == "EHLO":
            offered = [*self._server.extensions, *(["STARTTLS"] if self._server.tls and not self._secure else [])]
            return "\r\n".join(["250-mail.example.org", *(f"250-{each}" for each in offered), "250 8BITMIME"])
        return {"DATA": "354 go on", "STARTTLS": "220 go on", "QUIT": "221 bye"}.get(verb, "250 ok")

    def _challenge(self, challenges: list[str]) -> None:
        if challenges:
            self.sendLine(f"334 {challenges[0]}".encode())
            self._challenges = challenges[1:]
        else:
            self.sendLine(b"235 welcome")
            self._challenges = None

    def _take(self, data: list[bytes], line: bytes) -> None:
        self._server.take(self)
        if line != b".":
            data.append(line.removeprefix(b"."))
            return
        self._data = None
        if self._answer(".", "250 queued").startswith("250"):
            self._server.mails.append(Mail(self._arguments["MAIL"], self._arguments["RCPT"], b"\r\n".join(data)))

    def _answer(self, verb: str, usual: str) -> str:
        answer = self._server.answers.get(verb, usual)
        if answer and answer != "HANG UP":
            self.sendLine(answer.encode())
        if answer == "HANG UP" or (verb == "QUIT" and answer):
            self.transport.loseConnection()
        return answer
