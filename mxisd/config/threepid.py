"""``threepid``, ``notification``: how messages to addresses are made, and what sends them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from msgspec import field
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, SUPPORTED_REGIONS

from .engine.hosts import Host, Port, SecretUrl
from .engine.section import Alias, Finding, Secret, Section, Unfit, Value
from .engine.values import EmailAddress, ExistingFile


def _placeholder(text: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z_]+[A-Z]", text):
        raise Unfit("a name in capital letters, such as REGISTER_URL")
    return text


Placeholder = Annotated[str, Value(_placeholder)]


class Sender(Section):
    from_: EmailAddress | None = field(default=None, name="from")
    name: str | None = None


class Smtp(Section):
    """``tls``: 0 none, 1 STARTTLS if offered, 2 STARTTLS always, 3 from the first byte."""

    host: Host = ""
    port: Port = 587
    tls: Literal[0, 1, 2, 3] = 1
    tls_verify: bool = True
    login: str | None = None
    password: Secret | None = None

    def cautions(self) -> Iterable[Finding]:
        if not self.tls_verify:
            yield Finding("tlsVerify", "the mail server's certificate is not verified")
        if self.tls == 0 and self.password:
            yield Finding("tls", "the password is sent to the mail server without encryption")


class EmailConnectors(Section):
    smtp: Smtp = Smtp()


class UnbindTemplates(Section):
    fraudulent: ExistingFile | None = None
    validation: ExistingFile | None = None
    notification: ExistingFile | None = None


class SessionTemplates(Section):
    validation: ExistingFile | None = None
    unbind: UnbindTemplates = UnbindTemplates()


class GenericTemplates(Section):
    matrix_id: ExistingFile | None = None


class Templates(Section):
    """Files to use instead of the built-in templates; ``placeholder`` are values that they can ask for."""

    invite: ExistingFile | None = None
    reminder: ExistingFile | None = None
    session: SessionTemplates = SessionTemplates()
    generic: GenericTemplates = GenericTemplates()
    placeholder: Mapping[Placeholder, str] = {}


class Generators(Section):
    template: Templates = Templates()


class Email(Section):
    identity: Sender = Sender()
    connector: Literal["smtp", "log", "none"] = "smtp"
    generator: Literal["template"] = "template"
    connectors: EmailConnectors = EmailConnectors()
    generators: Generators = Generators()

    def mistakes(self) -> Iterable[Finding]:
        if self.connector == "smtp" and self.connectors.smtp.host and not self.identity.from_:
            yield Finding("identity.from", "required: expected an email address such as mxisd@example.org")

    def cautions(self) -> Iterable[Finding]:
        if self.connector == "log":
            yield Finding("connector", "emails are not sent but written to the log, with their tokens")


class Twilio(Section):
    account_sid: Annotated[str, Alias("accountSid")] = field(default="", name="account_sid")
    auth_token: Annotated[Secret | None, Alias("authToken")] = field(default=None, name="auth_token")
    number: str | None = None

    def mistakes(self) -> Iterable[Finding]:
        if self.account_sid and not self.auth_token:
            yield Finding("auth_token", "required: expected the token of the account")
        if self.account_sid and not self.number:
            yield Finding("number", "required: expected the number to send from, such as +15551234567")


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


class Handler(Section):
    email: Literal["raw", "sendgrid"] = "raw"
    msisdn: Literal["raw"] = "raw"


class SendGridApi(Section):
    key: Secret | None = None


class SendGridBody(Section):
    text: ExistingFile | None = None
    html: ExistingFile | None = None


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


class Notification(Section):
    """``notification``: what sends the messages of each medium."""

    handler: Handler = Handler()
    handlers: Handlers = Handlers()

    def mistakes(self) -> Iterable[Finding]:
        if self.handler.email == "sendgrid":
            if not self.handlers.sendgrid.api.key:
                yield Finding("handlers.sendgrid.api.key", "required: expected an API key of SendGrid")
            if not self.handlers.sendgrid.identity.from_:
                yield Finding(
                    "handlers.sendgrid.identity.from", "required: expected an email address such as mxisd@example.org"
                )
