"""``wordpress``: users of a WordPress site."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from .section import Secret, Section
from .values import BaseUrl


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
    table_prefix: str = "wp_"
    query: Query = Query()


class Wordpress(Section):
    enabled: bool = False
    rest: Rest = Rest()
    sql: Sql = Sql()
