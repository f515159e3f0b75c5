"""``exec``: users behind programs of the administrator's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from msgspec import field

from .section import Section

Token = Literal["localpart", "domain", "mxid", "password", "medium", "address", "type", "query"]


def _tokens() -> Mapping[Token, str]:
    return {name: f"{{{name}}}" for name in get_args(Token)}


class Format(Section):
    type: Literal["json", "plain", "multilines"] | None = None
    template: str | None = None


class Exit(Section):
    success: tuple[int, ...] = (0,)
    failure: tuple[int, ...] = (1,)


class Process(Section):
    """A program; ``token`` takes precedence over the tokens of the store."""

    token: Mapping[Token, str] = {}
    command: str | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    input: Format = Format()
    exit: Exit = Exit()
    output: Format = Format()


class Auth(Process):
    """``enabled``, here and below: ``None`` follows ``exec.enabled``."""

    enabled: bool | None = None


class Search(Section):
    by_name: Process = Process()
    by_threepid: Process = Process()


class Directory(Section):
    enabled: bool | None = None
    search: Search = Search()


class Lookup(Section):
    single: Process = Process()
    bulk: Process = Process()


class Identity(Section):
    enabled: bool | None = None
    priority: int | None = None
    hash_enabled: bool = False
    lookup: Lookup = Lookup()


class Profile(Section):
    enabled: bool | None = None
    display_name: Process = Process()
    three_pid: Process = Process()
    role: Process = Process()


class Exec(Section):
    enabled: bool = False
    token: Mapping[Token, str] = field(default_factory=_tokens)
    auth: Auth = Auth()
    directory: Directory = Directory()
    identity: Identity = Identity()
    profile: Profile = Profile()
