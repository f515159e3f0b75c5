"""Builds the notifier from the configuration."""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage
from functools import lru_cache
from typing import Any

from ..clock import Random
from ..config import Config, ConfigError
from ..config.threepid import HttpGateway
from ..core import Core
from ..matrix.ids import is_ip_literal, split_server_name
from ..matrix.threepid import EMAIL, MSISDN
from ..net.http_client import Http
from ..net.tls import Trust
from ..reactor import IReactor
from .gateway import PLACEHOLDERS, GatewayConnector
from .log import LogConnector, NoConnector
from .messages import MessageContext
from .notifier import Channel, Connector, Notifier, SendFailed
from .sendgrid import SendGridConnector
from .smtp import MailServer, SmtpConnector, debug, mailable
from .smtp_connection import Trace
from .template import Warn, check, logged
from .twilio import TwilioConnector
from .wordings import by_sendgrid, mail_site, mail_templates, text_site, text_templates


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
    # Reminders may be made of the template of invites.
    warn = lru_cache(warn)
    mail = _mail_connector(config, reactor, http, random, trace)
    if mail is not None:
        channels[EMAIL] = Channel(mail_site(config), mail_templates(config, warn), mail)
    text = _text_connector(config, http)
    if text is not None:
        channels[MSISDN] = Channel(text_site(config), text_templates(config, warn), text)
    return Notifier(channels)


def _mail_connector(
    config: Config, reactor: IReactor, http: Http, random: Random, trace: Trace
) -> Connector[EmailMessage] | None:
    site, raw = mail_site(config), config.threepid.medium.email
    if by_sendgrid(config):
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
