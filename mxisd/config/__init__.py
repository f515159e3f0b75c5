"""
``mxisd.yaml``: one file a section.

Keys are mxisd's, in camelCase; attributes are the same in snake_case.  What follows from another key when it is not set
(``server.publicUrl``, say) is filled in by :func:`load`: nobody else knows a default.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from .. import files
from ..masking import masked
from .account import Account
from .appsvc import AppService
from .auth import Auth
from .directory import Directory
from .dns import Dns
from .engine.problems import ConfigError
from .engine.reader import read
from .engine.section import Finding, Section
from .exec import Exec
from .firebase import Firebase
from .forward import Forward
from .hashing import Hashing
from .internal import Internal
from .invite import Invite
from .key import Key
from .ldap import Ldap
from .logging import Logging
from .lookup import Lookup
from .matrix import Matrix
from .memory import Memory
from .notification import Notification
from .outbound import Outbound
from .policy import Policies
from .profile import Profile
from .register import Register
from .rest import Rest
from .server import Server
from .session import Session
from .sql import Sql, SynapseSql
from .storage import Storage
from .stores import Stores
from .threepid import ThreePid
from .unbuilt import unbuilt
from .view import View
from .wordpress import Wordpress

__all__ = ["Config", "ConfigError", "Sections", "load"]


class Sections(Section):
    """The whole file."""

    matrix: Matrix
    server: Server = Server()
    key: Key = Key()
    storage: Storage = Storage()
    session: Session = Session()
    invite: Invite = Invite()
    threepid: ThreePid = ThreePid()
    view: View = View()
    policy: Policies = Policies()
    account: Account = Account()
    hashing: Hashing = Hashing()
    outbound: Outbound = Outbound()
    notification: Notification = Notification()
    lookup: Lookup = Lookup()
    forward: Forward = Forward()
    dns: Dns = Dns()
    appsvc: AppService = AppService()
    register: Register = Register()
    auth: Auth = Auth()
    directory: Directory = Directory()
    profile: Profile = Profile()
    logging: Logging = Logging()
    internal: Internal = Internal()
    stores: Stores = Stores()
    memory: Memory = Memory()
    sql: Sql = Sql()
    synapse_sql: SynapseSql = SynapseSql()
    ldap: tuple[Ldap, ...] = (Ldap(),)
    netiq: tuple[Ldap, ...] = (Ldap(),)
    rest: Rest = Rest()
    exec: Exec = Exec()
    wordpress: Wordpress = Wordpress()
    firebase: Firebase = Firebase()

    def mistakes(self) -> Iterable[Finding]:
        labels = self.matrix.identity.servers
        for label in self.forward.servers:
            if label not in labels:
                yield Finding(
                    "forward.servers",
                    f"expected a label of matrix.identity.servers ({', '.join(labels)}), found {masked(label)!r}",
                )
        account = self.forward.account
        if account.access_token is not None and not account.homeserver and not self.matrix.homeserver.url:
            yield Finding("forward.account.homeserver", "required, since matrix.homeserver.url is not set either")

    def cautions(self) -> Iterable[Finding]:
        email = self.threepid.medium.email
        by_smtp = self.notification.handler.email == "raw" and email.connector == "smtp"
        if by_smtp and not email.connectors.smtp.host:
            yield Finding("threepid.medium.email.connectors.smtp.host", "not set: no email can be sent")
        if not self.matrix.homeserver.url and not self.dns.overwrite.homeserver.client:
            missing = "without matrix.homeserver.url mxisd does not stand in front of the homeserver"
            unused = {
                "register.policy": self.register,
                "auth.rewrite": self.auth.rewrite,
                "directory": self.directory,
                "profile": self.profile,
            }
            for key, section in unused.items():
                if section != type(section)():
                    yield Finding(key, f"without effect: {missing}")
            if self.invite.policy.if_sender.has_role or self.invite.policy.rules:
                yield Finding(
                    "invite.policy", f"invites are judged only when the homeserver stores them here: {missing}"
                )
        expiration = self.invite.expiration
        rejecting = self.appsvc.expiry_user(self.matrix.domain)
        heir = expiration.resolve_to or rejecting
        if expiration.enabled and not (self.appsvc.rejects_expired and heir == rejecting):
            yield Finding(
                "invite.expiration",
                f"invites that expire are given to {heir}, and nothing rejects them: for that there is appsvc",
            )


class Config(Sections):
    """The whole configuration, and what the administrator should know at start."""

    warnings: tuple[str, ...] = ()


def load(path: str | Path, environ: Mapping[str, str]) -> Config:
    """
    Read a configuration file; ``environ`` is what ``${NAME}`` refers to.

    Raises :class:`ConfigError`, which lists everything that is wrong.
    """
    path = Path(path)
    sections, given, cautions = read(Sections, path, environ)
    fields: dict[str, Any] = {name: getattr(sections, name) for name in sections.__struct_fields__}
    config = _resolved(Config(**fields, warnings=(*unbuilt(given), *cautions)), path.absolute().parent)
    return replace(config, warnings=(*config.warnings, *_open_files(config)))


def _open_files(config: Config) -> Iterator[str]:
    """What is wrong with the rights of files that hold secrets."""
    database = config.storage.provider.sqlite.database if config.storage.backend == "sqlite" else None
    registration = config.appsvc.registration.synapse.file if config.appsvc.enabled else None
    for key, path, group in (
        ("key.path", config.key.path, False),
        # A backup may well be made by a group, and Synapse has to read the registration.
        ("storage.provider.sqlite.database", database, True),
        ("appsvc.registration.synapse.file", registration, True),
    ):
        command = path and files.opened_to_others(path, group=group)
        if command:
            yield f"{key}: not only its owner has rights to it, though it is secret: {command}"


def _resolved(config: Config, directory: Path) -> Config:
    """With what follows from other keys."""
    domain = config.matrix.domain
    return replace(
        config,
        server=config.server.resolved(domain),
        key=config.key.resolved(directory, config.storage.key_file),
        storage=config.storage.resolved(directory),
        session=config.session.resolved(domain),
        invite=config.invite.resolved(config.appsvc.expiry_user(domain)),
        view=config.view.resolved(),
    )
