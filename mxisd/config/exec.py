"""``exec``: users behind programs of the administrator's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Annotated, Literal, get_args

from msgspec import field

from .engine.section import Alias, Finding, Section
from .engine.values import Duration

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
    hash_enabled: Annotated[bool, Alias("hashLookup")] = False
    lookup: Lookup = Lookup()


class Profile(Section):
    enabled: bool | None = None
    display_name: Process = Process()
    three_pid: Process = Process()
    role: Process = Process()


class Exec(Section):
    """``exec``: a program that takes longer than ``timeout`` is killed."""

    enabled: bool = False
    timeout: Duration = timedelta(seconds=30)
    token: Mapping[Token, str] = field(default_factory=_tokens)
    auth: Auth = Auth()
    directory: Directory = Directory()
    identity: Identity = Identity()
    profile: Profile = Profile()

    @property
    def used(self) -> bool:
        """Whether any feature is on."""
        return any(
            map(self.offers, (self.auth.enabled, self.directory.enabled, self.identity.enabled, self.profile.enabled))
        )

    @property
    def unlisted(self) -> str | None:
        if not self.offers(self.identity.enabled):
            return None
        if not self.identity.hash_enabled:
            return "identity.hashEnabled"
        return None if self.identity.lookup.bulk.command else "identity.lookup.bulk"

    def offers(self, enabled: bool | None) -> bool:
        """Whether a feature is on."""
        return self.enabled if enabled is None else enabled

    def unused(self) -> Iterable[str]:
        if not self.used:
            yield ""
        features = {
            "auth": self.auth.enabled,
            "directory": self.directory.enabled,
            "identity": self.identity.enabled,
            "profile": self.profile.enabled,
        }
        yield from (name for name, enabled in features.items() if not self.offers(enabled))

    def mistakes(self) -> Iterable[Finding]:
        search, lookup, profile = self.directory.search, self.identity.lookup, self.profile
        only_json = {
            "directory.search.byName": search.by_name,
            "directory.search.byThreepid": search.by_threepid,
            "identity.lookup.bulk": lookup.bulk,
            "profile.displayName": profile.display_name,
            "profile.threePid": profile.three_pid,
            "profile.role": profile.role,
        }
        for key, process in only_json.items():
            if process.command and process.output.type not in {None, "json"}:
                yield Finding(f"{key}.output.type", f"expected json, found '{process.output.type}'")
