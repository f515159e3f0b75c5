"""
``mxisd.yaml``: the table of contents is :class:`Sections`, and each file names the keys that it holds.

Keys are mxisd's, in camelCase; attributes are the same in snake_case.  What follows from another key when it is not set
(``server.publicUrl``, say) is filled in by :func:`load`: nobody else knows a default.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from msgspec.structs import replace

from .. import files
from .appsvc import AppService
from .engine.problems import ConfigError, is_within
from .engine.reader import read
from .engine.section import Alias, Finding, Section
from .exec import Exec
from .interception import Auth, Directory, Profile, Register
from .invite import Invite
from .ldap import Ldap
from .lookup import Forward, Hashing, Lookup
from .matrix import Account, Matrix, Policies
from .moved import differences, is_moved, open_to_strangers
from .place import level, standing_in, text_of
from .rate_limit import RateLimit
from .server import Dns, Internal, Logging, Metrics, Outbound, Server, log_level
from .session import Session, View
from .sql import Sql, SynapseSql, Wordpress
from .storage import Key, Storage
from .stores import Firebase, Memory, Rest, Stores
from .strays import STRAYS
from .threepid import Notification, ThreePid
from .together import together

__all__ = ["NOT_BUILT", "Config", "ConfigError", "Sections", "load", "unbuilt"]

NOT_BUILT: tuple[tuple[str, str], ...] = (("logging.requests", "a log of requests"),)
"""Keys that are known and without effect yet, sections included, and what is missing.

Who builds it deletes the line here, and documents the keys."""


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
    account: Annotated[Account, Alias("accountConfig")] = Account()
    hashing: Hashing = Hashing()
    rate_limit: RateLimit = RateLimit()
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
    metrics: Metrics = Metrics()
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

    @property
    def has_stores(self) -> bool:
        """Whether identity stores tell whose an address is, so that nobody has to publish it."""
        directories = [section.enabled for section in (*self.ldap, *self.netiq)]
        services = (self.rest.enabled, self.exec.used, self.wordpress.enabled)
        return any((self.memory.enabled, self.sql.used, self.synapse_sql.used, *directories, *services))

    @property
    def intercepts(self) -> bool:
        """Whether requests to a homeserver come by here."""
        return bool(self.matrix.homeserver.url or self.dns.overwrite.homeserver.client)

    @property
    def adds_to_directory(self) -> bool:
        """Whether identity stores add to searches of the user directory."""
        return self._is_on(self.directory.enabled, self.directory)

    @property
    def adds_to_profiles(self) -> bool:
        """Whether identity stores add to profiles."""
        return self._is_on(self.profile.enabled, self.profile)

    @property
    def reads_logins(self) -> bool:
        """Whether addresses in logins become user IDs."""
        return self._is_on(self.auth.login.enabled, self.auth.rewrite)

    def _is_on(self, enabled: bool | None, section: Section) -> bool:
        # To stand in front of the homeserver for its policies is no wish to show what the stores know.
        configured = bool(self.dns.overwrite.homeserver.client) or section != type(section)()
        return configured if enabled is None else enabled

    @property
    def forwards_to(self) -> tuple[str, ...]:
        """The URLs of the identity servers that are asked about what is known nowhere else."""
        servers = self.matrix.identity.servers
        return tuple(url for label in self.forward.asked(servers) for url in servers[label] if url)

    def unused(self) -> Iterable[str]:
        if self.notification.sends("email") != "raw":
            email = "threepid.medium.email"
            yield from (f"{email}.{key}" for key in ("identity", "connector", "connectors"))
            kinds = ("invite", "reminder", "session", "generic")
            yield from (f"{email}.generators.template.{key}" for key in kinds)
        if not self.notification.sends("msisdn"):
            yield "threepid.medium.msisdn"

    def mistakes(self) -> Iterable[Finding]:
        account = self.forward.account
        if account.access_token is not None and not account.homeserver and not self.matrix.homeserver.url:
            yield Finding("forward.account.homeserver", "required, since matrix.homeserver.url is not set either")

    def cautions(self) -> Iterable[Finding]:
        return together(self)


class Config(Sections):
    """The whole configuration, and what the administrator should know at start."""

    warnings: tuple[str, ...] = ()

    def resolved(self, directory: Path) -> Config:
        """With what follows from other keys; files are in ``directory``.  Raises :class:`ConfigError`."""
        domain = self.matrix.domain
        return replace(
            self,
            server=self.server.resolved(domain),
            key=self.key.resolved(directory, self.storage.key_file),
            storage=self.storage.resolved(directory),
            session=self.session.resolved(domain),
            invite=self.invite.resolved(self.appsvc.expiry_user(domain)),
            view=self.view.resolved(),
        )

    def files(self) -> Iterator[tuple[str, Path]]:
        """The files that mxisd writes, by their keys."""
        if self.storage.backend == "sqlite":
            yield "storage.provider.sqlite.database", self.storage.provider.sqlite.database
        if self.key.path is not None:
            yield "key.path", self.key.path
        if self.appsvc.enabled and self.appsvc.registration.synapse.file is not None:
            yield "appsvc.registration.synapse.file", self.appsvc.registration.synapse.file


def load(path: str | Path, environ: Mapping[str, str]) -> Config:
    """
    Read a configuration file; ``environ`` is what ``${NAME}`` refers to, and :mod:`.place` to the rest of it.

    Raises :class:`ConfigError`, which lists everything that is wrong.
    """
    path = Path(path)
    config = load_text(path, text_of(path, environ), environ)
    if variables := standing_in(path, environ):
        warning = f"{path}: there is no such file: {', '.join(variables)} of the environment are read"
        config = replace(config, warnings=(warning, *config.warnings))
    return config


def load_text(path: Path, text: str, environ: Mapping[str, str]) -> Config:
    """What a configuration file with this text means at ``path``, where it need not be yet.  Raises as :func:`load`."""
    sections, given, cautions = read(Sections, path, text, environ, STRAYS)
    fields: dict[str, Any] = {name: getattr(sections, name) for name in sections.__struct_fields__}
    if wanted := level(environ):
        fields["logging"] = replace(sections.logging, app=log_level(wanted))
    fields["synapse_sql"] = sections.synapse_sql.resolved(bool(open_to_strangers(sections)), is_moved(given))
    warnings = (*unbuilt(given), *cautions, *differences(sections, given))
    config = Config(**fields, warnings=warnings).resolved(path.absolute().parent)
    _require_distinct(config, path)
    return replace(config, warnings=(*config.warnings, *_open_files(config)))


def _require_distinct(config: Config, path: Path) -> None:
    """Raise :class:`ConfigError` if a file that we write is another one, or the configuration."""
    known = {os.path.realpath(path): "the configuration itself"}
    for key, place in config.files():
        other = known.setdefault(os.path.realpath(place), key)
        if other != key:
            raise ConfigError([f"{key}: expected another file than {other}"])


def _open_files(config: Config) -> Iterator[str]:
    """What is wrong with the rights of files that hold secrets."""
    for key, path in config.files():
        # A backup may well be made by a group, and Synapse has to read the registration.
        command = files.opened_to_others(path, group=key != "key.path")
        if command:
            yield f"{key}: not only its owner has rights to it, though it is secret: {command}"


def unbuilt(given: Iterable[str]) -> Iterator[str]:
    """A warning for each entry of :data:`NOT_BUILT` that one of the given keys is, or is part of."""
    keys = tuple(given)
    for entry, missing in NOT_BUILT:
        if any(is_within(key, entry) for key in keys):
            yield f"{entry}: accepted, but without effect: not built yet ({missing})"
