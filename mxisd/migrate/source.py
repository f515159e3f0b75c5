"""What ``--from`` names: an old configuration, a database, or the settings of Sydent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from msgspec import Struct
from signedjson.types import SigningKey

from ..keys.file import load
from ..keys.folder import ephemeral_keys
from .ini import Ini, NotIni
from .mxisd import ENDED, INVITES, MxisdServer
from .old import OldServer
from .sydent import LOCAL, SydentServer, SydentSettings
from .tables import NotReadable, PostgreSQLTables, SQLiteTables, Tables

_POSTGRESQL = ("jdbc:postgresql:", "postgresql:", "postgres:")
_SQLITE = b"SQLite format 3\0"


class Opened(Struct, frozen=True):
    """An old server, and where it was found."""

    server: OldServer
    database: str
    """For people: the path, or the URL without its password."""
    path: Path | None
    """Of an SQLite file."""
    server_name: str | None
    """What it signed as, if that is known."""
    ini: Ini | None = None
    """The settings of a Sydent."""


def open_source(name: str, keys: Path | None, otherwise: Path | None = None) -> Opened:
    """
    Open what a name on the command line stands for.

    ``keys`` is where its keys are, whatever it says itself; ``otherwise`` is where, if it does not say it.
    Raises :class:`NotReadable`, :class:`~mxisd.errors.StartError`, :class:`OSError`.
    """
    if name.startswith(_POSTGRESQL):
        return _database(PostgreSQLTables(name), keys or otherwise, None)
    path = Path(name)
    if path.is_dir():
        raise NotReadable(f"{path} is a folder: name the old configuration or database; key.path may name the folder")
    content = path.read_bytes()
    if content.startswith(_SQLITE):
        return _database(SQLiteTables(path), keys or otherwise, path)
    try:
        return _sydent(Ini(path, content), keys)
    except NotIni:
        return _configured(path, content, keys, otherwise)


def _database(tables: Tables, keys: Path | None, path: Path | None, server_name: str | None = None) -> Opened:
    if tables.has(INVITES) or tables.has(ENDED):
        server: OldServer = MxisdServer(tables, *_mxisd_keys(keys))
    elif tables.has(LOCAL):
        server = SydentServer(tables, SydentSettings(keys=load(keys) if keys else ()))
    else:
        raise NotReadable(f"{tables.name} is neither of mxisd, nor of ma1sd or Sydent: it has none of their tables")
    return Opened(server, tables.name, path, server_name)


def _mxisd_keys(path: Path | None) -> tuple[Sequence[SigningKey], Mapping[str, str]]:
    if path is None:
        return (), {}
    if not path.exists():
        raise NotReadable(f"there are no keys at {path}")
    return load(path), ephemeral_keys(path) if path.is_dir() else {}


def _sydent(ini: Ini, keys: Path | None) -> Opened:
    path = ini.file("db", "db.file")
    tables = SQLiteTables(_existing(path, "db.file"))
    settings = SydentSettings(load(keys) if keys else ini.signing_keys(), ini.deletes_tokens, ini.terms_version)
    return Opened(SydentServer(tables, settings), tables.name, path, ini.get("general", "server.name"), ini)


def _configured(path: Path, content: bytes, keys: Path | None, otherwise: Path | None) -> Opened:
    """The database and the keys that an old ``mxisd.yaml`` or ``ma1sd.yaml`` names."""
    try:
        config = yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError):
        config = None
    if not isinstance(config, dict):
        raise NotReadable(f"{path} is no configuration, and no SQLite database")
    key_path = _at(config, "key.path")
    if keys is None:
        keys = otherwise if key_path in (None, ":memory:") else _found(path, key_path)
    name = _at(config, "server.name") or _at(config, "matrix.domain")
    provider = _at(config, "storage.provider") or {}
    backend = str(_at(config, "storage.backend") or "sqlite").lower()
    if backend == "postgresql":
        return _database(PostgreSQLTables(_url(provider.get(backend) or {}, path)), keys, None, name)
    if backend != "sqlite":
        raise NotReadable(f"{path}: storage.backend: expected sqlite or postgresql, found {backend}")
    database = _at(config, "storage.provider.sqlite.database")
    if not database or database == ":memory:":
        raise NotReadable(f"{path}: storage.provider.sqlite.database names no file, so nothing was kept")
    found = _existing(_found(path, database), f"{path}: storage.provider.sqlite.database")
    return _database(SQLiteTables(found), keys, found, name)


def _at(config: Mapping[str, Any], key: str) -> Any:
    value: Any = config
    for name in key.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _found(config: Path, name: object) -> Path:
    """A file as old servers looked for it, which is from where they were started, or beside the configuration."""
    beside = config.absolute().parent / str(name)
    return beside if beside.exists() else Path(str(name)).absolute()


def _existing(path: Path, where: str) -> Path:
    if not path.is_file():
        raise NotReadable(f"{where}: there is no database {path}")
    return path


def _url(settings: Mapping[str, Any], path: Path) -> str:
    """The URL of ma1sd's database, with user and password, which it has in keys of their own."""
    database = settings.get("database")
    if not database:
        raise NotReadable(f"{path}: storage.provider.postgresql.database: required")
    given = {"user": settings.get("username"), "password": settings.get("password")}
    query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in given.items() if value is not None)
    return f"{database}{'&' if '?' in database else '?'}{query}" if query else str(database)
