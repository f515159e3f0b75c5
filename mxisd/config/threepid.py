"""``threepid``, ``notification``: how messages to addresses are made, and what sends them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from msgspec import field
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, SUPPORTED_REGIONS

from .engine.hosts import Host, Port, SecretUrl
from .engine.section import Alias, Finding, Secret, Section, Unfit, Value
from .engine.strays import slip
from .engine.values import EmailAddress, Replacement, TlsVerify


def _placeholder(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_]+", text):
        raise Unfit("a name of letters, digits and _, such as REGISTER_URL")
    return text


Placeholder = Annotated[str, Value(_placeholder)]


class Sender(Section):
    from_: EmailAddress | None = field(default=None, name="from")
    name: str | None = None


class Identity(Sender):
    """``contact`` is where people who get a mail find help."""

    contact: str | None = None


class Smtp(Section):
    """``tls``: 0 none, 1 STARTTLS if offered, 2 STARTTLS always, 3 from the first byte."""

    host: Host = ""
    port: Port = 587
    tls: Literal[0, 1, 2, 3] = 1
    tls_verify: TlsVerify = "full"
    login: str | None = None
    password: Secret | None = None

    def cautions(self) -> Iterable[Finding]:
        if self.tls_verify == "none":
            yield Finding("tlsVerify", "the mail server's certificate is not verified")
        if self.tls_verify == "chain":
            yield Finding("tlsVerify", "the mail server's certificate may be that of another host")
        if self.tls == 0 and self.password:
            yield Finding("tls", "the password is sent to the mail server without encryption")


class EmailConnectors(Section):
    smtp: Smtp = Smtp()


class UnbindTemplates(Section):
    fraudulent: Replacement = None
    validation: Replacement = None
    notification: Replacement = None


class SessionTemplates(Section):
    validation: Replacement = None
    unbind: UnbindTemplates = UnbindTemplates()


class GenericTemplates(Section):
    matrix_id: Replacement = None


class Templates(Section):
    """Files to use instead of the built-in templates; ``placeholder`` are values that they can ask for."""

    invite: Replacement = None
    reminder: Replacement = None
    session: SessionTemplates = SessionTemplates()
    generic: GenericTemplates = GenericTemplates()
    placeholder: Mapping[Placeholder, str] = {}


class Generators(Section):
    template: Templates = Templates()


class Email(Section):
    identity: Identity = Identity()
    connector: Literal["smtp", "log", "none"] = "smtp"
    generator: Literal["template"] = "template"
    connectors: EmailConnectors = EmailConnectors()
    generators: Generators = Generators()

    def unused(self) -> Iterable[str]:
        return () if self.connector == "smtp" else ("connectors.smtp",)

    def cautions(self) -> Iterable[Finding]:
        if self.connector == "smtp" and self.connectors.smtp.host and not self.identity.from_:
            yield Finding("identity.from", "not set: no email can be sent; write an address such as mxisd@example.org")
        if self.connector == "log":
            yield Finding("connector", "emails are not sent but written to the log, with their tokens")


class Twilio(Section):
    account_sid: Annotated[str, Alias("accountSid")] = field(default="", name="account_sid")
    auth_token: Annotated[Secret | None, Alias("authToken")] = field(default=None, name="auth_token")
    number: str | None = None

    @property
    def complete(self) -> bool:
        """Whether text messages can be sent."""
        return bool(self.account_sid and self.auth_token and self.number)

    def cautions(self) -> Iterable[Finding]:
        unset = "not set: no text message can be sent; write"
        if self.account_sid and not self.auth_token:
            yield Finding("auth_token", f"{unset} the token of the account")
        if self.account_sid and not self.number:
            yield Finding("number", f"{unset} the number to send from, such as +15551234567")


class HttpGateway(Section):
    """Any SMS gateway that takes a message by a request; ``%RECIPIENT_ADDRESS%`` and ``%TEXT%`` are put in."""

    url: SecretUrl | None = None
    method: Literal["POST", "PUT", "GET"] = "POST"
    headers: Mapping[str, Secret] = {}
    body: str | None = None


class MsisdnConnectors(Section):
    twilio: Twilio = Twilio()
    http: HttpGateway = HttpGateway()


def country(text: str) -> str:
    code = text.removeprefix("+")
    if code.isascii() and code.isdecimal() and int(code) in COUNTRY_CODE_TO_REGION_CODE:
        return f"+{int(code)}"
    if text.upper() in SUPPORTED_REGIONS:
        return text.upper()
    raise Unfit("a country such as DE, or a calling code such as +49")


Country = Annotated[str, Value(country)]


class Msisdn(Section):
    """``allow_countries``: if there are any, these and no others."""

    connector: Literal["twilio", "http", "log", "none"] = "twilio"
    generator: Literal["template"] = "template"
    connectors: MsisdnConnectors = MsisdnConnectors()
    generators: Generators = Generators()
    allow_countries: tuple[Country, ...] = ()
    deny_countries: tuple[Country, ...] = ()

    def unused(self) -> Iterable[str]:
        return (f"connectors.{name}" for name in ("twilio", "http") if name != self.connector)

    def mistakes(self) -> Iterable[Finding]:
        if self.connector == "http" and not self.connectors.http.url:
            yield Finding("connectors.http.url", "required: expected a URL such as https://sms.example.org/send")

    def cautions(self) -> Iterable[Finding]:
        if self.connector == "log":
            yield Finding("connector", "text messages are not sent but written to the log, with their tokens")


class Medium(Section):
    email: Email = Email()
    msisdn: Msisdn = Msisdn()


class ThreePid(Section):
    """``threepid``: how messages to addresses are made and sent."""

    medium: Medium = Medium()


class SendGridApi(Section):
    key: Secret | None = None


class SendGridBody(Section):
    text: Replacement = None
    html: Replacement = None


class SendGridMessage(Section):
    subject: str | None = None
    body: SendGridBody = SendGridBody()


class UnbindMessages(Section):
    fraudulent: SendGridMessage = SendGridMessage()
    notification: SendGridMessage = SendGridMessage()


class SessionMessages(Section):
    validation: SendGridMessage = SendGridMessage()
    unbind: UnbindMessages = UnbindMessages()


class GenericMessages(Section):
    matrix_id: SendGridMessage = SendGridMessage()


class SendGridMessages(Section):
    invite: SendGridMessage = SendGridMessage()
    session: SessionMessages = SessionMessages()
    generic: GenericMessages = GenericMessages()


class SendGrid(Section):
    api: SendGridApi = SendGridApi()
    identity: Sender = Sender()
    templates: SendGridMessages = SendGridMessages()


class Handlers(Section):
    sendgrid: SendGrid = SendGrid()


HANDLERS: Mapping[str, tuple[str, ...]] = {"email": ("raw", "sendgrid"), "msisdn": ("raw",)}
"""By medium, what can send its messages."""


def _raw() -> dict[str, str]:
    return {"email": "raw", "msisdn": "raw"}


class Notification(Section):
    """
    ``notification``: what sends the messages of each medium.

    A medium without a handler, or with one that there is not, has none of its messages sent, as in mxisd.
    """

    handler: Mapping[str, str] = field(default_factory=_raw)
    handlers: Handlers = Handlers()

    def sends(self, medium: str) -> str | None:
        """The handler of a medium; ``None`` if there is none."""
        handler = self.handler.get(medium)
        return handler if handler in HANDLERS.get(medium, ()) else None

    def unused(self) -> Iterable[str]:
        return () if self.sends("email") == "sendgrid" else ("handlers.sendgrid",)

    def mistakes(self) -> Iterable[Finding]:
        for medium, name in self.handler.items():
            names = HANDLERS.get(medium, ())
            if name not in names and slip(name, names):
                yield Finding(f"handler.{medium}", f"expected one of {', '.join(names)}, found {name!r}")

    def cautions(self) -> Iterable[Finding]:
        for medium, name in self.handler.items():
            if not self.sends(medium):
                yield Finding(f"handler.{medium}", f"{name!r} is no handler here, and no such messages are sent")
        if self.sends("email") == "sendgrid":
            sendgrid = self.handlers.sendgrid
            unset = "not set: no email can be sent; write"
            if not sendgrid.api.key:
                yield Finding("handlers.sendgrid.api.key", f"{unset} an API key of SendGrid")
            if not sendgrid.identity.from_:
                yield Finding("handlers.sendgrid.identity.from", f"{unset} an address such as mxisd@example.org")
