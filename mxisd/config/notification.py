"""``notification``: what sends the messages of each medium."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import field

from .engine.section import Finding, Secret, Section
from .engine.values import EmailAddress, ExistingFile


class Handler(Section):
    email: Literal["raw", "sendgrid"] = "raw"
    msisdn: Literal["raw"] = "raw"


class Api(Section):
    key: Secret | None = None


class Sender(Section):
    from_: EmailAddress | None = field(default=None, name="from")
    name: str | None = None


class Body(Section):
    text: ExistingFile | None = None
    html: ExistingFile | None = None


class Message(Section):
    subject: str | None = None
    body: Body = Body()


class Unbind(Section):
    fraudulent: Message = Message()
    notification: Message = Message()


class SessionMessages(Section):
    validation: Message = Message()
    unbind: Unbind = Unbind()


class GenericMessages(Section):
    matrix_id: Message = Message()


class Messages(Section):
    invite: Message = Message()
    session: SessionMessages = SessionMessages()
    generic: GenericMessages = GenericMessages()


class SendGrid(Section):
    api: Api = Api()
    identity: Sender = Sender()
    templates: Messages = Messages()


class Handlers(Section):
    sendgrid: SendGrid = SendGrid()


class Notification(Section):
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
