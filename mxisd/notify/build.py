"""Builds the notifier from the configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

from ..clock import Random
from ..config import Config, ConfigError
from ..config.threepid import Email, HttpGateway, Msisdn, SendGridMessage, Templates
from ..core import Core
from ..errors import about
from ..matrix.ids import is_ip_literal, split_server_name
from ..matrix.threepid import EMAIL, MSISDN, ThreePid
from ..net.http_client import Http
from ..net.tls import Trust
from ..reactor import IReactor
from .gateway import PLACEHOLDERS, GatewayConnector
from .log import LogConnector, NoConnector
from .mail import MailTemplate
from .messages import Kind, MessageContext
from .notifier import Channel, Connector, Notifier, SendFailed
from .samples import names
from .sendgrid import SendGridConnector
from .smtp import MailServer, SmtpConnector, debug, mailable
from .smtp_connection import Trace
from .template import (
    LinkByOldName,
    Template,
    TextTemplate,
    Translations,
    Warn,
    check,
    logged,
    placeholders,
    read,
    tell_unknown,
)
from .twilio import TwilioConnector

T = TypeVar("T")

_BUILT_IN = Path(__file__).parent / "templates"
_BUILT_IN_NAMES: Mapping[Kind, str] = {
    "invite": "invite",
    "invite.reminder": "reminder",
    "session.validation": "validation",
    "session.unbind.fraudulent": "unbind-warning",
    "session.unbind.notification": "unbind-notice",
    "generic.matrixId": "matrix-id",
}


def build(core: Core) -> Notifier:
    """The notifier of the server.  Raises what :func:`build_notifier` raises."""
    return build_notifier(core.config, core.reactor, core.admin_http, core.random, warn=core.warnings.append)


def build_notifier(
    config: Config, reactor: IReactor, http: Http, random: Random, trace: Trace = debug, warn: Warn = logged
) -> Notifier:
    """
    A notifier with a channel for each medium that is configured.

    ``http`` must reach any server that the administrator names, in private networks too.  ``trace`` is called with each
    line that is sent to the mail server or received from it.
    Raises :class:`~mxisd.notify.template.TemplateError`, :class:`ConfigError`.
    """
    channels: dict[str, Channel[Any]] = {}
    warn = _once(warn)
    mail = _mail_connector(config, reactor, http, random, trace)
    if mail is not None:
        channels[EMAIL] = Channel(mail_site(config), mail_templates(config, warn), mail)
    text = _text_connector(config, http)
    if text is not None:
        channels[MSISDN] = Channel(text_site(config), text_templates(config, warn), text)
    return Notifier(channels)


def mail_site(config: Config) -> MessageContext:
    """What all emails have in common."""
    raw = config.threepid.medium.email
    identity = config.notification.handlers.sendgrid.identity if _by_sendgrid(config) else raw.identity
    return MessageContext(
        domain=config.matrix.domain,
        public_url=config.server.public_url,
        placeholders=raw.generators.template.placeholder,
        from_email=identity.from_ or "",
        from_name=identity.name or "",
    )


def text_site(config: Config) -> MessageContext:
    """What all text messages have in common."""
    return MessageContext(
        domain=config.matrix.domain,
        public_url=config.server.public_url,
        placeholders=config.threepid.medium.msisdn.generators.template.placeholder,
    )


def mail_templates(config: Config, warn: Warn = logged) -> dict[Kind, Translations[Template[EmailMessage]]]:
    """The configured templates, else the built-in ones.  Raises :class:`~mxisd.notify.template.TemplateError`."""
    own = {} if _by_sendgrid(config) else _files(config.threepid.medium.email.generators.template)
    messages = _sendgrid_messages(config) if _by_sendgrid(config) else {}
    found: dict[Kind, Translations[Template[EmailMessage]]] = {}
    for kind, known in names(ThreePid(EMAIL, "bob@example.org"), mail_site(config)).items():
        if kind in messages:
            found[kind] = Translations(_as_of_old(kind, _sendgrid_template(kind, messages[kind], known, warn)))
        else:
            path = own.get(kind) or _BUILT_IN / "email" / f"{_BUILT_IN_NAMES[kind]}.eml"
            key = f"threepid.medium.email.generators.template.{_key(kind, config.threepid.medium.email)}"
            with about(key):
                load = partial(MailTemplate.load, names=known, warn=_telling(warn, key))
                found[kind] = _translations(kind, path, load)
    return found


def text_templates(config: Config, warn: Warn = logged) -> dict[Kind, Translations[Template[str]]]:
    """The configured templates, else the built-in ones.  Raises :class:`~mxisd.notify.template.TemplateError`."""
    own = _files(config.threepid.medium.msisdn.generators.template)
    found: dict[Kind, Translations[Template[str]]] = {}
    for kind, known in names(ThreePid(MSISDN, "15551234567"), text_site(config)).items():
        path = own.get(kind) or _BUILT_IN / "sms" / f"{_BUILT_IN_NAMES[kind]}.txt"
        key = f"threepid.medium.msisdn.generators.template.{_key(kind, config.threepid.medium.msisdn)}"
        with about(key):
            load = partial(TextTemplate.load, names=known, warn=_telling(warn, key))
            found[kind] = _translations(kind, path, load)
    return found


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


def _by_sendgrid(config: Config) -> bool:
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


def _translations(kind: Kind, path: Path, load: Callable[[Path], Template[T]]) -> Translations[Template[T]]:
    return Translations.load(path, lambda file: _as_of_old(kind, load(file)))


def _once(warn: Warn) -> Warn:
    """Says nothing again: reminders may be made of the template of invites."""
    return lru_cache(warn)


def _telling(warn: Warn, key: str) -> Warn:
    return lambda text: warn(f"{key}: {text}")


def _as_of_old(kind: Kind, template: Template[T]) -> Template[T]:
    """
    The template of a validation message, whose ``%NEXT_URL%`` is the link if it has no ``%VALIDATION_LINK%``.

    It was the link in mxisd.  Here it is where the client wants its user to go afterwards.
    """
    used = {name for text in template.texts() for name in placeholders(text)}
    return LinkByOldName(template) if kind == "session.validation" and "VALIDATION_LINK" not in used else template


def _mail_connector(
    config: Config, reactor: IReactor, http: Http, random: Random, trace: Trace
) -> Connector[EmailMessage] | None:
    site, raw = mail_site(config), config.threepid.medium.email
    if _by_sendgrid(config):
        api_key = config.notification.handlers.sendgrid.api.key
        if not api_key or not site.from_email:
            return None
        return SendGridConnector(http, api_key, _sender(site, "notification.handlers.sendgrid.identity"))
    if not config.notification.sends(EMAIL):
        return None
    if raw.connector == "log":
        return LogConnector()
    if raw.connector == "none":
        return NoConnector()
    smtp = raw.connectors.smtp
    if not smtp.host or not site.from_email:
        return None
    trust = Trust(config.outbound.ca_file)
    server = MailServer(
        host=smtp.host,
        port=smtp.port,
        tls=smtp.tls,
        login=smtp.login or None,
        password=smtp.password,
        own_name=_own_name(config.server.name),
    )
    sender = _sender(site, "threepid.medium.email.identity")
    try:
        # Without TLS, the name of the server need not be one that a certificate can be for.
        tls = trust.connection_to(smtp.host, smtp.port, smtp.tls_verify if smtp.tls else "none")
    except ValueError:
        key = "threepid.medium.email.connectors.smtp.host"
        raise ConfigError([f"{key}: expected a name that a certificate can be for, found {smtp.host!r}"]) from None
    return SmtpConnector(reactor, server, tls, sender, random, trace)


def _text_connector(config: Config, http: Http) -> Connector[str] | None:
    msisdn = config.threepid.medium.msisdn
    if not config.notification.sends(MSISDN):
        return None
    if msisdn.connector == "log":
        return LogConnector()
    if msisdn.connector == "none":
        return NoConnector()
    if msisdn.connector == "http":
        return _gateway(http, msisdn.connectors.http)
    twilio = msisdn.connectors.twilio
    if not twilio.complete:
        return None
    return TwilioConnector(http, twilio.account_sid, twilio.auth_token or "", twilio.number or "")


def _gateway(http: Http, gateway: HttpGateway) -> GatewayConnector:
    for key, text in (("url", gateway.url or ""), ("body", gateway.body or "")):
        check(f"threepid.medium.msisdn.connectors.http.{key}", text, text, PLACEHOLDERS)
    return GatewayConnector(http, gateway.url or "", gateway.method, gateway.headers, gateway.body or "")


def _sender(site: MessageContext, key: str) -> Address:
    try:
        address, is_ascii = mailable(site.from_email)
    except SendFailed as error:
        raise ConfigError([f"{key}.from: {error}"]) from None
    if not is_ascii:
        raise ConfigError([f"{key}.from: expected a mailbox in ASCII, which every server takes, found {address!r}"])
    if len(site.from_name.splitlines()) > 1:
        raise ConfigError([f"{key}.name: expected a name in one line, found {site.from_name!r}"])
    return Address(site.from_name, addr_spec=address)


def _own_name(server_name: str) -> str:
    host, _ = split_server_name(server_name)
    if not is_ip_literal(host):
        return host
    return f"[IPv6:{host[1:]}" if host.startswith("[") else f"[{host}]"
