"""``wordpress``: users of a WordPress site."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from .engine.section import Finding, Secret, Section, Unfit, Value
from .engine.values import BaseUrl


def _table_prefix(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z_$]+", text):
        raise Unfit("the beginning of the names of tables: letters, digits, and _$")
    return text


TablePrefix = Annotated[str, Value(_table_prefix)]


class Credential(Section):
    username: str | None = None
    password: Secret | None = None


class Rest(Section):
    credential: Credential = Credential()
    base: BaseUrl | None = None


class Query(Section):
    threepid: Mapping[str, str] = {}
    directory: Mapping[str, str] = {}


class Sql(Section):
    type: Literal["sqlite", "postgresql", "mariadb", "mysql"] = "mysql"
    connection: Secret | None = None
    table_prefix: TablePrefix = "wp_"
    query: Query = Query()


class Wordpress(Section):
    enabled: bool = False
    rest: Rest = Rest()
    sql: Sql = Sql()

    def mistakes(self) -> Iterable[Finding]:
        if self.enabled and not self.rest.base:
            yield Finding("rest.base", "required: expected the URL of the site")
        if self.enabled and not self.sql.connection:
            yield Finding("sql.connection", "required: expected where the database of the site is")
        for key in self.sql.query.directory:
            if key not in {"name", "threepid"}:
                yield Finding(f"sql.query.directory.{key}", "unknown key; expected one of name, threepid")
