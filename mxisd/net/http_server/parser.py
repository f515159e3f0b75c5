"""
Requests, as llhttp reads them off a connection, and refused where two readers could understand two things.

llhttp (through httptools) is strict about header fields and bodies.  What it is lenient about is looked at here before,
and what it leaves to its caller, after: the request line, ``Host``, ``Transfer-Encoding``, and ``Upgrade``.
"""

from __future__ import annotations

import re

from httptools import HttpParserError, HttpParserInvalidMethodError, HttpParserUpgrade, HttpRequestParser
from msgspec import Struct

from .limits import Limits

HEAD_END = b"\r\n\r\n"

Field = tuple[bytes, bytes]

# RFC 9112, 3.2: the target is a path.  The section wants whole URLs to be understood as well, which is what proxies are
# sent, and "OPTIONS *".  No client sends either to an identity server, and servers read them in different ways.
_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (/[!\"$-~]*) HTTP/1\.([01])\r\n")
_OTHER_VERSION = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [!-~]+ HTTP/[0-9]\.[0-9]\r\n")
_THIS_VERSION = re.compile(rb"[^\r\n]* HTTP/1\.[01]\r\n")
_HOST = re.compile(rb"(?:[A-Za-z0-9._~%!$&'()*+,;=-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
# We never upgrade, and a client that offers to goes on in HTTP/1.1 then (RFC 9110, 7.8); llhttp would end the request.
_UPGRADE = re.compile(rb"\r\nupgrade:[\t\x20-\x7e\x80-\xff]*(?=\r\n)", re.IGNORECASE)

# Chunks have sizes, extensions and trailers around the content: more than so many bytes, and so many times as much as
# the content, say nothing.
_FRAMING = 64 * 1024
_FRAMING_RATIO = 8


class Refusal(Exception):
    """A request that is not answered by a resource, but with this status."""

    def __init__(self, status: int, reason: str, limit: str = "") -> None:
        """``limit`` names the field of :class:`Limits` that was reached, if one was."""
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.limit = limit


class Head(Struct, frozen=True):
    """What a request says before its body."""

    method: bytes
    target: bytes
    fields: list[Field]
    """Header fields in their order, with names in lower case."""
    values: dict[bytes, bytes]
    """The last value of each field."""
    length: int | None
    """Of the body in bytes; ``None`` if it comes in chunks."""
    keep_alive: bool
    """Whether the connection is for further requests."""
    http_1_0: bool
    awaits_continue: bool
    """Whether the client waits for a word before it sends the body."""


class Parser:
    """One request after the other.  What is fed to it must not go beyond the end of one."""

    def __init__(self) -> None:
        self._llhttp = HttpRequestParser(self)
        self._fields: list[Field] = []
        self._pieces: list[bytes] = []
        self._left: int | None = 0
        self._known = b""
        self._framing = 0
        self.complete = True
        """Whether the request has been read to its end."""

    def read_head(self, data: bytes, limits: Limits) -> Head:
        """Read a head, up to and with the empty line.  Raises :class:`Refusal`."""
        line = _LINE.match(data)
        if line is None:
            raise _unread(data)
        method, target, minor = line.groups()
        if line.end() > limits.request_line:
            raise Refusal(414, "The path and query are too long", "request_line")
        fields: list[Field] = []
        self._fields = fields
        self._framing, self.complete = _FRAMING, False
        self._feed(_UPGRADE.sub(b"", data) if b"\r\nupgrade:" in data.lower() else data)
        # Of trailers, which nobody looks at.
        self._fields = []
        if len(fields) > limits.header_fields:
            raise Refusal(431, "There are too many header fields", "header_fields")
        head = _head(method, target, fields, http_1_0=minor == b"0")
        self._left, self._known = head.length, b""
        return head

    def read_body(self, data: bytes) -> tuple[bytes, bytes]:
        """Read on in a body: its content, and what of ``data`` is behind its end.  Raises :class:`Refusal`."""
        self._pieces = []
        if self._left is None:
            rest = self._feed_chunks(data)
        else:
            part, rest = data[: self._left], data[self._left :]
            self._left -= len(part)
            self._feed(part)
        content = b"".join(self._pieces)
        self._framing += _FRAMING_RATIO * len(content) - (len(data) - len(rest))
        if self._framing < 0:
            raise Refusal(400, "The body has much around its chunks")
        return content, rest

    def _feed_chunks(self, data: bytes) -> bytes:
        """Feed chunks up to the end of the last one; returns what is behind that."""
        # They end with an empty line.  There may be others within: then more steps are taken than are needed.
        known, start = self._known + data, len(self._known)
        view = memoryview(known)
        while start < len(known) and not self.complete:
            found = known.find(HEAD_END, max(start - len(HEAD_END) + 1, 0))
            end = len(known) if found < 0 else found + len(HEAD_END)
            self._feed(view[start:end])
            start = end
        self._known = known[max(start - len(HEAD_END) + 1, 0) : start]
        return known[start:]

    def _feed(self, data: bytes | memoryview) -> None:
        try:
            self._llhttp.feed_data(data)
        except HttpParserInvalidMethodError:
            raise Refusal(405, "This method is not known") from None
        except (HttpParserError, HttpParserUpgrade) as error:
            raise Refusal(400, f"This is not HTTP: {error}") from None

    # What llhttp calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name.lower(), value.strip(b" \t")))

    def on_body(self, content: bytes) -> None:
        self._pieces.append(content)

    def on_message_complete(self) -> None:
        self.complete = True


def _unread(data: bytes) -> Refusal:
    if _OTHER_VERSION.match(data) and not _THIS_VERSION.match(data):
        return Refusal(505, "This version of HTTP is not known")
    return Refusal(400, "The request line is not that of HTTP/1.1, or its target not a path")


def _head(method: bytes, target: bytes, fields: list[Field], *, http_1_0: bool) -> Head:
    values = dict(fields)
    _check_host(fields, values, needed=not http_1_0)
    coding, expectation, connection = (values.get(name) for name in (b"transfer-encoding", b"expect", b"connection"))
    if coding is not None:
        # RFC 9112, 6.1: before 1.1 nobody knew of it, so that it might have passed somebody unseen.
        if http_1_0:
            raise Refusal(400, "Transfer-Encoding does not go with HTTP/1.0")
        if coding.lower() != b"chunked":
            raise Refusal(501, "This Transfer-Encoding is not known")
    if expectation is not None and expectation.lower() != b"100-continue":
        raise Refusal(417, "This expectation is not known")
    return Head(
        method,
        target,
        fields,
        values,
        length=None if coding is not None else int(values.get(b"content-length", 0)),
        keep_alive=not http_1_0 and (connection is None or not _says_close(fields)),
        http_1_0=http_1_0,
        awaits_continue=expectation is not None and not http_1_0,
    )


def _check_host(fields: list[Field], values: dict[bytes, bytes], *, needed: bool) -> None:
    host = values.get(b"host")
    several = len(fields) != len(values) and sum(name == b"host" for name, _ in fields) > 1
    if several or (host is None and needed) or (host is not None and _HOST.fullmatch(host) is None):
        raise Refusal(400, "The request needs one Host header")


def _says_close(fields: list[Field]) -> bool:
    options = (value.lower() for name, value in fields if name == b"connection")
    return any(option.strip(b" \t") == b"close" for value in options for option in value.split(b","))
