"""``sql``, ``synapseSql``, ``wordpress``: users in a database."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Literal

from msgspec.structs import replace

from .engine.hosts import BaseUrl
from .engine.section import Finding, Secret, Section, Unfit, Value


def _id_type(text: str) -> object:
    """In any case, as mxisd read it."""
    if text.lower() not in {"localpart", "uid", "mxid"}:
        raise Unfit("one of localpart, uid, mxid")
    return text.lower()


IdType = Annotated[Literal["localpart", "uid", "mxid"], Value(_id_type)]
Engine = Literal["sqlite", "postgresql", "mariadb", "mysql"]


class Feature(Section):
    """``enabled``: ``None`` follows the store's own ``enabled``."""

    enabled: bool | None = None

    def unused(self) -> Iterable[str]:
        return ("",) if self.enabled is False else ()


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
    """``sql``: ``connection`` is a path, or ``//host[:port]/database?user=…&password=…``."""

    enabled: bool = False
    type: Engine = "sqlite"
    connection: Secret | None = None
    auth: Feature = Feature()
    directory: Directory = Directory()
    identity: Identity = Identity()
    profile: Profile = Profile()
    lookup: Query = Query()

    built_in: ClassVar[bool] = False
    """Whether there is a query for everything that is not set."""

    @property
    def used(self) -> bool:
        """Whether any feature is on."""
        return any(map(self.offers, (self.directory, self.identity, self.profile)))

    def offers(self, feature: Feature) -> bool:
        """Whether a feature is on."""
        return self.enabled if feature.enabled is None else feature.enabled

    def unused(self) -> Iterable[str]:
        return () if self.used else ("",)

    @property
    def unlisted(self) -> str | None:
        return "lookup.query" if self.offers(self.identity) and not self.lookup.query else None

    def mistakes(self) -> Iterable[Finding]:
        if self.used and not self.connection:
            yield Finding("connection", "required: expected where the database is")

    def cautions(self) -> Iterable[Finding]:
        if self.auth.enabled:
            yield Finding("auth.enabled", "passwords cannot be checked in a database: use rest, exec or ldap for that")
        identity = self.identity
        if self.offers(identity) and not (self.built_in or identity.query or identity.bulk_query or identity.medium):
            yield Finding(
                "identity.query", "not set: nobody is found by address; for Synapse's database use synapseSql"
            )


class SynapseSql(Sql):
    """``synapseSql``: users in Synapse's own database."""

    built_in = True

    published: Literal["only", "all"] | None = None
    """Whether lookups find only what users have published, or all addresses of their accounts; set by ``resolved``."""
    legacy_room_names: bool = False

    @property
    def unlisted(self) -> None:
        """There is a query of our own."""
        return None

    def resolved(self, strangers: bool, moved: bool) -> SynapseSql:
        """``strangers`` is whether they may look up, ``moved`` whether the file was written for mxisd 1.x or ma1sd."""
        return self if self.published else replace(self, published="only" if strangers or moved else "all")

    def cautions(self) -> Iterable[Finding]:
        yield from Sql.cautions(self)
        if self.legacy_room_names:
            yield Finding("legacyRoomNames", "has no effect: the names of rooms are found in any version of Synapse")

    def mistakes(self) -> Iterable[Finding]:
        yield from Sql.mistakes(self)
        if self.used and self.type not in {"sqlite", "postgresql"}:
            yield Finding("type", f"expected sqlite or postgresql, found '{self.type}'")


def _table_prefix(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z_$]+", text):
        raise Unfit("the beginning of the names of tables: letters, digits, and _$")
    return text


TablePrefix = Annotated[str, Value(_table_prefix)]


class WordpressCredential(Section):
    username: str | None = None
    password: Secret | None = None


class WordpressRest(Section):
    credential: WordpressCredential = WordpressCredential()
    base: BaseUrl | None = None


class WordpressQuery(Section):
    """Queries by medium, and by what is searched; each in place of all that are built in."""

    threepid: Mapping[str, str] | None = None
    directory: Mapping[Literal["name", "threepid"], str] | None = None


class WordpressSql(Section):
    type: Engine = "mysql"
    connection: Secret | None = None
    table_prefix: TablePrefix = "wp_"
    query: WordpressQuery = WordpressQuery()


class Wordpress(Section):
    """``wordpress``: users of a WordPress site."""

    enabled: bool = False
    rest: WordpressRest = WordpressRest()
    sql: WordpressSql = WordpressSql()

    def unused(self) -> Iterable[str]:
        return () if self.enabled else ("",)

    def mistakes(self) -> Iterable[Finding]:
        if self.enabled and not self.rest.base:
            yield Finding("rest.base", "required: expected the URL of the site")
        if self.enabled and not self.sql.connection:
            yield Finding("sql.connection", "required: expected where the database of the site is")

    def cautions(self) -> Iterable[Finding]:
        if self.rest.credential != WordpressCredential():
            yield Finding("rest.credential", "has no effect: the site is only asked whether passwords are right")
        searches = self.sql.query.directory
        for name in ("name", "threepid"):
            if self.enabled and searches is not None and name not in searches:
                yield Finding(f"sql.query.directory.{name}", "not set beside the other: nobody is searched for by that")
