"""``sql`` and ``synapseSql``: users in a database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from .engine.section import Finding, Secret, Section

IdType = Literal["localpart", "uid", "mxid"]


class Feature(Section):
    """``enabled``: ``None`` follows the store's own ``enabled``."""

    enabled: bool | None = None


class TypedQuery(Section):
    type: IdType | None = None
    value: str | None = None


class DirectoryQueries(Section):
    name: TypedQuery = TypedQuery()
    threepid: TypedQuery = TypedQuery()


class Directory(Feature):
    query: DirectoryQueries = DirectoryQueries()


class Identity(Feature):
    type: IdType = "mxid"
    query: str | None = None
    medium: Mapping[str, str] = {}
    bulk_query: str | None = None


class Query(Section):
    query: str | None = None


class RoleQuery(Query):
    type: IdType | None = None


class Profile(Feature):
    display_name: Query = Query()
    threepid: Query = Query()
    role: RoleQuery = RoleQuery()


class Sql(Section):
    """``connection`` is a path, or ``//host[:port]/database?user=…&password=…``."""

    enabled: bool = False
    type: Literal["sqlite", "postgresql", "mariadb", "mysql"] = "sqlite"
    connection: Secret | None = None
    auth: Feature = Feature()
    directory: Directory = Directory()
    identity: Identity = Identity()
    profile: Profile = Profile()
    lookup: Query = Query()

    @property
    def used(self) -> bool:
        """Whether any feature is on."""
        return any(map(self.offers, (self.directory, self.identity, self.profile)))

    def offers(self, feature: Feature) -> bool:
        """Whether a feature is on."""
        return self.enabled if feature.enabled is None else feature.enabled

    def mistakes(self) -> Iterable[Finding]:
        if self.used and not self.connection:
            yield Finding("connection", "required: expected where the database is")

    def cautions(self) -> Iterable[Finding]:
        if self.auth.enabled:
            yield Finding("auth.enabled", "passwords cannot be checked in a database: use rest, exec or ldap for that")


class SynapseSql(Sql):
    legacy_room_names: bool = False

    def mistakes(self) -> Iterable[Finding]:
        yield from Sql.mistakes(self)
        if self.used and self.type not in {"sqlite", "postgresql"}:
            yield Finding("type", f"expected sqlite or postgresql, found '{self.type}'")
