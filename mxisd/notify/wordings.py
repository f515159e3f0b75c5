"""The templates that a configuration has: its own, or else the built-in ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import TypeVar

from ..config import Config
from ..config.threepid import Email, Msisdn, SendGridMessage, Templates
from ..errors import about
from ..languages import ENGLISH, rendered
from ..matrix.threepid import EMAIL, MSISDN, ThreePid
from .mail import MailTemplate
from .messages import Kind, MessageContext
from .notifier import Wording
from .samples import names
from .template import (
    BuiltIn,
    LinkByOldName,
    Template,
    TextTemplate,
    Translations,
    Warn,
    logged,
    placeholders,
    read,
    tell_unknown,
)

T = TypeVar("T")

_TEMPLATES = Path(__file__).parent / "templates"
_BUILT_IN_NAMES: Mapping[Kind, str] = {
    "invite": "invite",
    "invite.reminder": "reminder",
    "session.validation": "validation",
    "session.unbind.fraudulent": "unbind-warning",
    "session.unbind.notification": "unbind-notice",
    "generic.matrixId": "matrix-id",
}
# They come of a request of a homeserver, which does not tell the language of the reader.
_ABOUT_INVITES: Collection[Kind] = {"invite", "invite.reminder", "generic.matrixId"}


def mail_site(config: Config) -> MessageContext:
    """What all emails have in common."""
    raw = config.threepid.medium.email
    identity = config.notification.handlers.sendgrid.identity if by_sendgrid(config) else raw.identity
    return MessageContext(
        domain=config.matrix.domain,
        public_url=config.server.public_url,
        placeholders=raw.generators.template.placeholder,
        from_email=identity.from_ or "",
        from_name=identity.name or "",
        contact=raw.identity.contact or "",
    )


def text_site(config: Config) -> MessageContext:
    """What all text messages have in common."""
    return MessageContext(
        domain=config.matrix.domain,
        public_url=config.server.public_url,
        placeholders=config.threepid.medium.msisdn.generators.template.placeholder,
    )


def mail_templates(config: Config, warn: Warn = logged) -> dict[Kind, Translations[Wording[EmailMessage]]]:
    """The configured templates, else the built-in ones.  Raises :class:`~mxisd.notify.template.TemplateError`."""
    own = {} if by_sendgrid(config) else _files(config.threepid.medium.email.generators.template)
    messages = _sendgrid_messages(config) if by_sendgrid(config) else {}
    found: dict[Kind, Translations[Wording[EmailMessage]]] = {}
    for kind, known in names(ThreePid(EMAIL, "bob@example.org"), mail_site(config)).items():
        if kind in messages:
            template = _as_of_old(kind, _sendgrid_template(kind, messages[kind], known, warn))
            found[kind] = Translations(Wording(template, _language(config, kind) or ENGLISH))
        else:
            key = f"threepid.medium.email.generators.template.{_key(kind, config.threepid.medium.email)}"
            load = partial(MailTemplate.parse, names=known, warn=_telling(warn, key))
            found[kind] = _translations(config, kind, key, own.get(kind), EMAIL, load)
    return found


def text_templates(config: Config, warn: Warn = logged) -> dict[Kind, Translations[Wording[str]]]:
    """The configured templates, else the built-in ones.  Raises :class:`~mxisd.notify.template.TemplateError`."""
    own = _files(config.threepid.medium.msisdn.generators.template)
    found: dict[Kind, Translations[Wording[str]]] = {}
    for kind, known in names(ThreePid(MSISDN, "15551234567"), text_site(config)).items():
        key = f"threepid.medium.msisdn.generators.template.{_key(kind, config.threepid.medium.msisdn)}"
        load = partial(TextTemplate.parse, names=known, warn=_telling(warn, key))
        found[kind] = _translations(config, kind, key, own.get(kind), MSISDN, load)
    return found


def _translations(
    config: Config,
    kind: Kind,
    key: str,
    own: Path | None,
    medium: str,
    load: Callable[[Path, str], Template[T]],
) -> Translations[Wording[T]]:
    """The administrator's ``own`` file, which ``key`` names, and those beside it; else the built-in template."""

    def wording(path: Path, text: str, language: str) -> Wording[T]:
        return Wording(_as_of_old(kind, load(path, text)), language)

    language = _language(config, kind)
    with about(key):
        if own is not None:
            return Translations.load(own, language, wording)
        return BuiltIn(_built_in(kind, medium), language, wording, **_promises(config, kind, medium))


def built_in_template(config: Config, kind: Kind, medium: str, language: str) -> str:
    """The text of a built-in template: something to begin one's own with."""
    return rendered(_built_in(kind, medium), language, **_promises(config, kind, medium))


def _built_in(kind: Kind, medium: str) -> Path:
    name = _BUILT_IN_NAMES[kind]
    return _TEMPLATES / "email" / f"{name}.eml" if medium == EMAIL else _TEMPLATES / "sms" / f"{name}.txt"


def _language(config: Config, kind: Kind) -> str | None:
    """That of people of whom it is not known what they read."""
    return config.invite.language if kind in _ABOUT_INVITES else config.view.language


def _promises(config: Config, kind: Kind, medium: str) -> dict[str, object]:
    """What the built-in templates say only where it is true."""
    site = mail_site(config) if medium == EMAIL else text_site(config)
    return {
        "signature": "%FROM_NAME% (%DOMAIN%)" if site.from_name else "%DOMAIN%",
        "contact": bool(site.contact),
        "expires": config.invite.expiration.enabled or kind == "invite.reminder",
        "has_stores": config.has_stores,
    }


def _files(templates: Templates) -> dict[Kind, Path]:
    unbind = templates.session.unbind
    given: dict[Kind, Path | None] = {
        "invite": templates.invite,
        # An administrator's own invite template is better here than our reminder.
        "invite.reminder": templates.reminder or templates.invite,
        "session.validation": templates.session.validation,
        "session.unbind.fraudulent": unbind.fraudulent,
        "session.unbind.notification": unbind.notification,
        "generic.matrixId": templates.generic.matrix_id,
    }
    return {kind: path for kind, path in given.items() if path is not None}


def _key(kind: Kind, medium: Email | Msisdn) -> str:
    """Where a template is configured."""
    if kind != "invite.reminder":
        return kind
    templates = medium.generators.template
    return "invite" if templates.invite and not templates.reminder else "reminder"


def by_sendgrid(config: Config) -> bool:
    """Whether SendGrid sends emails, which has keys of its own."""
    return config.notification.sends(EMAIL) == "sendgrid"


def _sendgrid_messages(config: Config) -> dict[Kind, SendGridMessage]:
    templates = config.notification.handlers.sendgrid.templates
    given: dict[Kind, SendGridMessage] = {
        "invite": templates.invite,
        "invite.reminder": templates.invite,
        "session.validation": templates.session.validation,
        "session.unbind.fraudulent": templates.session.unbind.fraudulent,
        "session.unbind.notification": templates.session.unbind.notification,
        "generic.matrixId": templates.generic.matrix_id,
    }
    return {kind: message for kind, message in given.items() if message.body.text or message.body.html}


def _sendgrid_template(kind: Kind, message: SendGridMessage, known: frozenset[str], warn: Warn) -> MailTemplate:
    key = f"notification.handlers.sendgrid.templates.{kind.removesuffix('.reminder')}"
    subject = message.subject or ""
    bodies = []
    tell_unknown(f"{key}.subject", subject, subject, known, warn)
    for path in (message.body.text, message.body.html):
        with about(f"{key}.body"):
            body = read(path) if path else ""
        tell_unknown(path or "", body, body, known, _telling(warn, f"{key}.body"))
        bodies.append(body)
    return MailTemplate.of(subject, *bodies)


def _telling(warn: Warn, key: str) -> Warn:
    return lambda text: warn(f"{key}: {text}")


def _as_of_old(kind: Kind, template: Template[T]) -> Template[T]:
    """
    The template of a validation message, whose ``%NEXT_URL%`` is the link if it has no ``%VALIDATION_LINK%``.

    It was the link in mxisd.  Here it is where the client wants its user to go afterwards.
    """
    used = {name for text in template.texts() for name in placeholders(text)}
    return LinkByOldName(template) if kind == "session.validation" and "VALIDATION_LINK" not in used else template
