"""The ``mxisd.yaml`` that means what Sydent's settings did."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from email.utils import parseaddr
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from twisted.internet.endpoints import quoteStringArgument

from .ini import Ini

# Settings of ours, by their keys.
Settings: TypeAlias = list[tuple[str, object]]

_LEVELS = {"DEBUG": "debug", "INFO": "info", "WARNING": "warn", "WARN": "warn", "ERROR": "error", "CRITICAL": "error"}
_TLS = {"STARTTLS": 2, "SSL": 3, "TLS": 3}

# What is not said by a key of ours, and what there is in its place.
_ELSEWHERE = {
    "general.log.path": "twistd has --logfile",
    "general.pidfile.path": "twistd has --pidfile",
    "general.templates.path": "templates are named one by one, below threepid.medium.email.generators.template",
    "general.brand.default": "there is one set of templates, in several languages",
    "general.delete_tokens_on_bind": "invites that have ended are kept for invite.history.days",
    "general.address_lookup_limit": "requests for lookups are limited by their size",
    "general.enable_v1_associations": "matrix.v1 is for all of version 1",
    "general.ip.blacklist": "private networks are never connected to, unless outbound.allowedNetworks has them",
    "db.db.file": "mxisd migrate reads it; ours is storage.provider.sqlite.database",
    "crypto.ed25519.signingkey": "mxisd migrate puts it into the file key.path",
    "http.federation.verifycerts": "certificates are verified, but for the servers in outbound.insecureServers",
    "http.verify_response_template": "a page of your own is named by view.session.onTokenSubmit.success",
    "email.email.default_web_client_location": "links are in the templates",
    "email.email.third_party_invite_username_obfuscate_characters": "see invite.fullDisplayName",
    "email.email.third_party_invite_domain_obfuscate_characters": "see invite.fullDisplayName",
    "email.email.template": "threepid.medium.email.generators.template.session.validation, with other placeholders",
    "email.email.invite_template": "threepid.medium.email.generators.template.invite, with other placeholders",
    "email.email.subject": "the subject is in the template",
    "email.email.invite.subject": "the subject is in the template",
    "email.email.invite.subject_space": "the subject is in the template",
    "email.email.third_party_invite_keyword_blocklist": "invites are judged by invite.policy.rules, not by their words",
}
_ELSEWHERE_BY_BEGINNING = {
    "http.replication.": "nothing is replicated: forward.servers names identity servers to ask",
    "peer.": "nothing is replicated: forward.servers names identity servers to ask",
    "email.email.ratelimit_": "see rateLimit",
    "sms.msisdn.ratelimit.": "see rateLimit",
    "sms.country.ratelimit.": "see rateLimit",
    "sms.": "OpenMarket is not supported: see threepid.medium.msisdn.connectors",
}
_SECRET = re.compile("password|signingkey|dsn|key$", re.IGNORECASE)


def translated(ini: Ini, folder: Path | None = None) -> str:
    """
    The text of an ``mxisd.yaml``: what has a counterpart, and then a comment on each line that has none.

    ``folder`` is for the keys and the database; without one they are beside the file.
    """
    settings: dict[str, Any] = {}
    comments = []
    kept = folder and [("key.path", folder / "signing.key"), ("storage.provider.sqlite.database", folder / "mxisd.db")]
    for key, value in (*_required(ini), *((key, str(path)) for key, path in kept or ())):
        _put(settings, key, value)
    for section, option in ini.options():
        name = f"{section}.{option}"
        if name in _COUNTERPARTS:
            for key, value in _COUNTERPARTS[name](ini):
                _put(settings, key, value)
        if ini.get(section, option) and (name not in _COUNTERPARTS or name in _IN_PART):
            comments.append(_comment(ini, section, option, _IN_PART.get(name) or _why(name)))
    heading = f"# Made from {ini.path.name}, the settings of Sydent; docs/configuration.md says what each key means.\n"
    rest = "\n# Of Sydent's settings, these have no counterpart:\n" if comments else ""
    # What begins the name of a variable of the environment in mxisd.yaml is a text in Sydent's settings.
    dumped = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True).replace("${", "$${")
    return f"{heading}{dumped}{rest}{''.join(comments)}"


def _put(settings: dict[str, Any], key: str, value: object) -> None:
    *sections, last = key.split(".")
    for section in sections:
        settings = settings.setdefault(section, {})
    if isinstance(value, list) and isinstance(settings.get(last), list):
        settings[last] += value
    else:
        settings[last] = value


def _comment(ini: Ini, section: str, option: str, why: str) -> str:
    value = "…" if _SECRET.search(option) else " ".join(ini.get(section, option).split())
    shown = "".join(character for character in value if character.isprintable())
    return f"# [{section}] {option} = {shown}  # {why}\n"


def _why(name: str) -> str:
    for beginning, why in _ELSEWHERE_BY_BEGINNING.items():
        if name.startswith(beginning):
            return why
    return _ELSEWHERE.get(name, "no counterpart")


def _required(ini: Ini) -> Settings:
    """What Sydent has a default for, and we have none or another one."""
    name = ini.get("general", "server.name") or "localhost"
    allowed = ini.list("general", "homeserver_allow_list")
    tls = _TLS.get(ini.get("email", "email.tlsmode", "0").upper(), 0)
    settings: Settings = [
        ("matrix.domain", allowed[0] if allowed else name),
        ("server.name", name),
        # Sydent has accounts for, and binds, users of any homeserver unless it is told which.
        ("account.allowOnlyTrustDomains", bool(allowed)),
        ("session.policy.bind.domains", allowed or ["*"]),
        ("threepid.medium.email.connectors.smtp.host", ini.get("email", "email.smtphost", "localhost")),
        ("threepid.medium.email.connectors.smtp.port", _port(ini, "email", "email.smtpport", 25)),
        ("threepid.medium.email.connectors.smtp.tls", tls),
        ("threepid.medium.email.identity.from", f"noreply@{name}"),
    ]
    if ini.get("http", "obey_x_forwarded_for", "false").lower() not in ("true", "yes", "on", "1"):
        settings.append(("server.trustedProxies", []))
    return settings


def _port(ini: Ini, section: str, option: str, default: int) -> int:
    text = ini.get(section, option)
    return int(text) if text.isascii() and text.isdigit() else default


def _sender(ini: Ini) -> Settings:
    hostname = ini.get("email", "email.hostname") or ini.get("general", "server.name")
    name, address = parseaddr(ini.get("email", "email.from").replace("{hostname}", hostname))
    key = "threepid.medium.email.identity"
    return [(f"{key}.from", address or f"noreply@{hostname}"), *([(f"{key}.name", name)] if name else [])]


def _listening(ini: Ini) -> Settings:
    address = ini.get("http", "clientapi.http.bind_address")
    return [("server.hostname", address)] if address not in ("", "::", "0.0.0.0") else []  # noqa: S104  # all of them


def _internal(ini: Ini) -> Settings:
    port = ini.get("http", "internalapi.http.port")
    address = quoteStringArgument(ini.get("http", "internalapi.http.bind_address", "::1") or "::1")
    return [("internal.bind", [f"tcp:{port}:interface={address}"])] if port else []


def _denied(condition: str, option: str) -> Callable[[Ini], Settings]:
    def read(ini: Ini) -> Settings:
        denied = ini.list("email", option, "\n")
        return [("invite.policy.rules", [{"action": "deny", condition: denied}])] if denied else []

    return read


def _text(key: str, section: str, option: str) -> Callable[[Ini], Settings]:
    return lambda ini: [(key, ini.get(section, option))] if ini.get(section, option) else []


def _nothing(ini: Ini) -> Settings:
    """It is read with another option."""
    return []


_SMTP = "threepid.medium.email.connectors.smtp"
_COUNTERPARTS: Mapping[str, Callable[[Ini], Settings]] = {
    "general.server.name": _nothing,
    "general.homeserver_allow_list": _nothing,
    "general.log.level": lambda ini: [("logging.app", _LEVELS.get(ini.get("general", "log.level").upper(), "info"))],
    "general.terms.path": lambda ini: [("policy.policies", ini.policies())] if ini.policies() else [],
    "general.enable_v1_access": lambda ini: [
        ("matrix.v1", ini.get("general", "enable_v1_access").lower() == "true"),
    ],
    "general.ip.whitelist": lambda ini: [
        ("outbound.allowedNetworks", networks) for networks in [ini.list("general", "ip.whitelist")] if networks
    ],
    "http.clientapi.http.bind_address": _listening,
    "http.clientapi.http.port": lambda ini: [("server.port", _port(ini, "http", "clientapi.http.port", 8090))],
    "http.internalapi.http.bind_address": _nothing,
    "http.internalapi.http.port": _internal,
    "http.obey_x_forwarded_for": _nothing,
    "http.client_http_base": _text("server.publicUrl", "http", "client_http_base"),
    "email.email.from": _sender,
    "email.email.smtphost": _nothing,
    "email.email.smtpport": _nothing,
    "email.email.tlsmode": _nothing,
    "email.email.smtpusername": _text(f"{_SMTP}.login", "email", "email.smtpusername"),
    "email.email.smtppassword": _text(f"{_SMTP}.password", "email", "email.smtppassword"),
    "email.email.third_party_invite_room_blocklist": _denied("room", "email.third_party_invite_room_blocklist"),
    "email.email.third_party_invite_homeserver_blocklist": _denied(
        "server", "email.third_party_invite_homeserver_blocklist"
    ),
}
# What has a counterpart that does not mean quite the same.
_IN_PART = {
    "general.homeserver_allow_list": "with several, only users of the first one have accounts",
    "http.obey_x_forwarded_for": "server.trustedProxies names the proxies whose headers count",
}
