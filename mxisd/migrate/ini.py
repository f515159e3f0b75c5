"""Sydent's settings: what its data is read with, and the ``mxisd.yaml`` that means the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from configparser import ConfigParser, InterpolationError
from configparser import Error as IniError
from email.utils import parseaddr
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from signedjson.types import SigningKey
from twisted.internet.endpoints import quoteStringArgument
from unpaddedbase64 import encode_base64

from ..keys.file import KeyFileError, read_keys

SECTIONS = ("general", "db", "http", "email", "sms", "crypto")

# Settings of ours, by their keys.
Settings: TypeAlias = list[tuple[str, object]]

_HEX = re.compile(r"[0-9a-fA-F]{64}")
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
    "sms.": "OpenMarket is not supported: see threepid.medium.msisdn.connectors",
}
_SECRET = re.compile("password|signingkey|dsn|key$", re.IGNORECASE)


class NotIni(Exception):
    """The file is none that Sydent would read."""


class Ini:
    """A ``sydent.conf``."""

    def __init__(self, path: Path, content: bytes) -> None:
        """Raises :class:`NotIni`."""
        self.path = path
        self._parser = ConfigParser(strict=False)
        try:
            self._parser.read_string(content.decode())
        except (IniError, UnicodeDecodeError):
            raise NotIni from None
        if not any(self._parser.has_section(section) for section in SECTIONS):
            raise NotIni

    def get(self, section: str, option: str, default: str = "") -> str:
        """A value, as Sydent reads it."""
        try:
            return self._parser.get(section, option, fallback=default)
        except InterpolationError:
            return self._parser.get(section, option, raw=True)

    def list(self, section: str, option: str, separator: str = ",") -> list[str]:
        """A value that is a list."""
        return [part.strip() for part in self.get(section, option).split(separator) if part.strip()]

    def file(self, section: str, option: str) -> Path:
        """A file, which Sydent looks for from where it was started: here, or beside its settings."""
        name = self.get(section, option, "sydent.db" if option == "db.file" else "")
        beside = self.path.absolute().parent / name
        return beside if beside.exists() else Path(name).absolute()

    def options(self) -> Iterator[tuple[str, str]]:
        """All options by section."""
        for section in self._parser.sections():
            for option in self._parser.options(section):
                yield section, option

    def signing_keys(self) -> Sequence[SigningKey]:
        """
        The signing key; of an older Sydent it is in hexadecimal digits.

        Raises :class:`~mxisd.keys.file.KeyFileError`.
        """
        text = self.get("crypto", "ed25519.signingkey").strip()
        if not text:
            return ()
        if _HEX.fullmatch(text):
            text = f"ed25519 0 {encode_base64(bytes.fromhex(text))}"
        try:
            return read_keys(text.encode("ascii", "replace"), "")
        except KeyFileError:
            raise KeyFileError(f"{self.path}: ed25519.signingkey is no signing key: expected ed25519 0 …") from None

    @property
    def deletes_tokens(self) -> bool:
        """Whether an invite was deleted when a homeserver had taken it."""
        return self.get("general", "delete_tokens_on_bind", "true").lower() == "true"

    @property
    def terms_version(self) -> str | None:
        """The version of the terms that count."""
        version = self._terms().get("master_version")
        return version if isinstance(version, str) else None

    def policies(self) -> dict[str, Any]:
        """Its terms, as ``policy.policies`` has them."""
        docs = self._terms().get("docs") or {}
        return {name: {"version": str(doc["version"]), "terms": doc["langs"]} for name, doc in docs.items()}

    def _terms(self) -> Mapping[str, Any]:
        if not self.get("general", "terms.path"):
            return {}
        try:
            read = yaml.safe_load(self.file("general", "terms.path").read_bytes())
        except (OSError, yaml.YAMLError):
            return {}
        return read if isinstance(read, dict) else {}


def translated(ini: Ini) -> str:
    """The text of an ``mxisd.yaml``: what has a counterpart, and then a comment on each line that has none."""
    settings: dict[str, Any] = {}
    comments = []
    for key, value in _required(ini):
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
    dumped = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
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
        ("threepid.medium.email.connectors.smtp.port", int(ini.get("email", "email.smtpport", "25") or 25)),
        ("threepid.medium.email.connectors.smtp.tls", tls),
        ("threepid.medium.email.identity.from", f"noreply@{name}"),
    ]
    if ini.get("http", "obey_x_forwarded_for", "false").lower() not in ("true", "yes", "on", "1"):
        settings.append(("server.trustedProxies", []))
    return settings


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
    "http.clientapi.http.port": lambda ini: [("server.port", int(ini.get("http", "clientapi.http.port")))],
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
