"""
The tables, and upgrades from older versions.

Each ``NNNN.sql`` in the folder ``schema`` upgrades the tables from version NNNN - 1 to NNNN, in one transaction.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from ...log import Logger
from .connection import PostgreSQLConnection, PostgreSQLError
from .statement import statement

log = Logger()

APPLICATION_NAME = "mxisd storage"

# One process upgrades, others wait.  What stands in the way of the upgrade longer than that, a backup for instance, is
# waited for without holding up everybody else.
_BEGIN = """
    BEGIN;
    SET LOCAL statement_timeout = 0;
    SELECT pg_advisory_xact_lock(hashtextextended('mxisd schema', 0));
    SET LOCAL lock_timeout = '3s';"""
_HAS_VERSION = "; DELETE FROM mxisd_schema; INSERT INTO mxisd_schema VALUES ({})"
# to_regclass() would not know what another process has done while we waited for the lock.
_IS_THERE = """
    SELECT EXISTS (SELECT FROM pg_tables
                   WHERE tablename = 'mxisd_schema' AND schemaname = ANY(current_schemas(false))) AS is_there"""
# Processes of an older mxisd find out when they connect again.
SEND_AWAY = f"""
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE application_name = '{APPLICATION_NAME}' AND usename = current_user AND datname = current_database()
        AND pid <> pg_backend_pid()"""


class NewerSchema(Exception):
    """The tables were made by a newer mxisd."""

    def __init__(self, found: int, known: int) -> None:
        super().__init__(f"its tables (version {found}) were made by a newer mxisd; this one knows version {known}")


@cache
def migrations() -> tuple[str, ...]:
    """The SQL scripts, in order."""
    folder = files(__package__) / "schema"
    scripts = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    return tuple(script.read_text(encoding="utf-8") for script in scripts)


async def version(connection: PostgreSQLConnection) -> int:
    """The version of the tables, 0 if there are none.  Raises :class:`NewerSchema`."""
    ((state,),) = await connection.step([statement(_IS_THERE)])
    if not state["is_there"]:
        return 0
    ((row,),) = await connection.step([statement("SELECT version FROM mxisd_schema")])
    found: int = row["version"]
    if found > len(migrations()):
        raise NewerSchema(found, len(migrations()))
    return found


async def upgrade(connection: PostgreSQLConnection, schema: str | None) -> None:
    """
    Bring the tables to the current version, if they are not; they are made in ``schema``, if one is given.

    The connection is of no more use if this fails.  Raises :class:`NewerSchema`, :class:`PostgreSQLError`.
    """
    if await version(connection) == len(migrations()):
        return
    await connection.run_script(_BEGIN)
    found = await version(connection)
    try:
        if found == 0 and schema is not None:
            await connection.run_script(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        if found == 0:
            await _warn_of_former(connection)
        for number, script in enumerate(migrations()[found:], start=found + 1):
            log.info("the tables in PostgreSQL are brought to version {number}", number=number)
            await connection.run_script(script + _HAS_VERSION.format(number))
    except PostgreSQLError as refused:
        raise PostgreSQLError(refused.sqlstate, f"its tables cannot be made or upgraded: {refused}") from None
    await connection.run_script("COMMIT")
    if 0 < found < len(migrations()):
        await connection.step([statement(SEND_AWAY)])


async def _warn_of_former(connection: PostgreSQLConnection) -> None:
    """Tell whoever begins with new tables beside those of ma1sd how what is in them comes along."""
    ((row,),) = await connection.step([statement("SELECT to_regclass('invite_3pid') IS NOT NULL AS is_there")])
    if row["is_there"]:
        log.warn("ma1sd has left tables here: 'mxisd migrate --from ma1sd.yaml' brings over what is in them")
