"""
Emails made of templates.

A template is itself a message, an ``.eml`` file.  It is parsed when it is read, and each message is built from its
parts: so no value can end a header or a part, whatever is in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.headerregistry import Address, AddressHeader
from email.message import EmailMessage, MIMEPart
from html import escape
from pathlib import Path
from typing import Protocol

from .template import TemplateError, Warn, fill, logged, tell_unknown

# Lines end as SMTP requires, and what is not ASCII is encoded, so that every server can pass it on.
POLICY = policy.SMTP.clone(cte_type="7bit")

# Headers that we set ourselves, or that a template must not set.
_NOT_FROM_TEMPLATES = {"auto-submitted", "bcc", "cc", "date", "from", "message-id", "received", "return-path", "to"}

Values = Mapping[str, str]


class MailTemplate:
    """The template of an email: headers, and a body of any structure; all texts may contain placeholders."""

    def __init__(self, headers: Sequence[_Header], body: _Body) -> None:
        self._headers = headers
        self._body = body

    @classmethod
    def parse(cls, path: Path, source: str, names: Collection[str], warn: Warn = logged) -> MailTemplate:
        """Take the text of an ``.eml`` file, in which the named values may occur.  Raises :class:`TemplateError`."""
        message = message_from_bytes(source.encode(), policy=policy.default)
        headers = [_header(name, _unfolded(value)) for name, value in message.raw_items() if _is_free(name)]
        subjects = sum(header.name.lower() == "subject" for header in headers)
        if subjects > 1:
            raise TemplateError(f"{path}: expected one Subject header, found {subjects}")
        if not subjects:
            warn(f"{path}: has no Subject header, and neither will the emails have a subject")
        template = cls(headers, _body(path, message))
        for text in template.texts():
            tell_unknown(path, source, text, names, warn)
        return template

    @classmethod
    def of(cls, subject: str, text: str, html: str) -> MailTemplate:
        """A template of a text, of HTML or, if neither is empty, of both."""
        texts = [_Text(subtype, body) for subtype, body in (("plain", text), ("html", html)) if body]
        return cls(
            [_Unstructured("Subject", subject)], texts[0] if len(texts) == 1 else _Multipart("alternative", texts)
        )

    def texts(self) -> Iterator[str]:
        """All texts that may contain placeholders."""
        for header in self._headers:
            yield from header.texts()
        yield from self._body.texts()

    def render(self, values: Values) -> EmailMessage:
        """The message, without what :func:`address` adds."""
        message = EmailMessage(POLICY)
        for header in self._headers:
            header.render(values, message)
        self._body.render(values, message)
        if "MIME-Version" not in message:
            message["MIME-Version"] = "1.0"
        return message


def address(message: EmailMessage, sender: Address, recipient: str, now: float, reference: str) -> None:
    """Add sender, recipient, date (``now``, in epoch seconds) and an ID to a message, made of ``reference``."""
    message["From"] = sender
    mailbox, _, domain = recipient.rpartition("@")
    # Given as addr_spec, it would have to be ASCII.
    message["To"] = Address(username=mailbox, domain=domain)
    message["Date"] = datetime.fromtimestamp(now, UTC)
    message["Message-ID"] = f"<{reference}@{sender.domain}>"
    # RFC 3834: tells vacation programs not to reply.
    message["Auto-Submitted"] = "auto-generated"


class _Header(Protocol):
    name: str

    def texts(self) -> Iterator[str]: ...

    def render(self, values: Values, message: EmailMessage) -> None: ...


class _Unstructured:
    """A header that is a text, like the subject."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._text = text

    def texts(self) -> Iterator[str]:
        yield self._text

    def render(self, values: Values, message: EmailMessage) -> None:
        # The email package, and mail programs, would decode an encoded word in a value.
        message[self.name] = fill(self._text, values).replace("=?", "= ?")


class _Addresses:
    """A header that is a list of addresses, like ``Reply-To``."""

    def __init__(self, name: str, addresses: Sequence[tuple[str, str]]) -> None:
        """``addresses`` are pairs of a display name and an address."""
        self.name = name
        self._addresses = addresses

    def texts(self) -> Iterator[str]:
        for pair in self._addresses:
            yield from pair

    def render(self, values: Values, message: EmailMessage) -> None:
        # There is no address if no sender is configured.
        with suppress(ValueError, IndexError, HeaderParseError):
            message[self.name] = [
                Address(fill(display_name, values).replace("=?", "= ?"), addr_spec=fill(address, values))
                for display_name, address in self._addresses
            ]


def _header(name: str, text: str) -> _Header:
    parsed = policy.default.header_factory(name, text)
    if isinstance(parsed, AddressHeader):
        return _Addresses(name, [(address.display_name, address.addr_spec) for address in parsed.addresses])
    return _Unstructured(name, str(parsed))


def _is_free(name: str) -> bool:
    name = name.lower()
    return name not in _NOT_FROM_TEMPLATES and not name.startswith(("content-", "mime-", "resent-"))


def _unfolded(value: str) -> str:
    # The email package keeps bytes that are not ASCII as surrogates.
    text = value.encode("ascii", "surrogateescape").decode()
    return "".join(text.splitlines())


class _Body(Protocol):
    def texts(self) -> Iterator[str]: ...

    def render(self, values: Values, part: MIMEPart) -> MIMEPart:
        """Fill an empty part and return it, or return another part instead."""
        ...


class _Text:
    def __init__(self, subtype: str, text: str) -> None:
        self._subtype = subtype
        self._text = text
        self._escape = escape if subtype == "html" else str

    def texts(self) -> Iterator[str]:
        yield self._text

    def render(self, values: Values, part: MIMEPart) -> MIMEPart:
        part.set_content(fill(self._text, values, self._escape), subtype=self._subtype, cte="quoted-printable")
        return part


class _Multipart:
    def __init__(self, subtype: str, parts: Sequence[_Body], parameters: Values | None = None) -> None:
        self._type = f"multipart/{subtype}"
        self._parts = parts
        self._parameters = parameters or {}

    def texts(self) -> Iterator[str]:
        for part in self._parts:
            yield from part.texts()

    def render(self, values: Values, part: MIMEPart) -> MIMEPart:
        part["Content-Type"] = self._type
        for name, value in self._parameters.items():
            part.set_param(name, value)
        for child in self._parts:
            part.attach(child.render(values, MIMEPart(POLICY)))
        return part


class _Attachment:
    """A part that is sent unchanged, such as a picture."""

    def __init__(self, part: MIMEPart) -> None:
        self._part = part

    def texts(self) -> Iterator[str]:
        return iter(())

    def render(self, values: Values, part: MIMEPart) -> MIMEPart:
        return deepcopy(self._part)


def _body(path: Path, part: MIMEPart) -> _Body:
    main, sub = part.get_content_maintype(), part.get_content_subtype()
    if main == "multipart":
        if not part.is_multipart():
            raise TemplateError(f"{path}: the parts of {part.get_content_type()} are not where its boundary says")
        parameters = {name: value for name, value in part["Content-Type"].params.items() if name != "boundary"}
        return _Multipart(sub, [_body(path, child) for child in part.iter_parts()], parameters)
    if main == "text" and not part.is_attachment():
        return _Text(sub, _decoded(path, part))
    return _Attachment(part)


def _decoded(path: Path, part: MIMEPart) -> str:
    charset = part.get_content_charset("utf-8")
    content = part.get_payload(decode=True)
    try:
        return (content if isinstance(content, bytes) else b"").decode(charset).replace("\r\n", "\n")
    except (UnicodeDecodeError, LookupError):
        raise TemplateError(f"{path}: its {part.get_content_type()} is not {charset}, as it says") from None
