"""Whether a Redis keeps what it is given."""

from __future__ import annotations

from txredisapi import RedisError

from ..contract import StorageUnavailable
from .client import Redis


async def cautions(redis: Redis) -> list[str]:
    """What the administrator should know about the settings of a Redis.  Raises :class:`StorageUnavailable`."""
    info = _settings((await redis.command("INFO")).decode().splitlines(), ":")
    found = []
    if info.get("aof_enabled") != "1":
        save = await _setting(redis, "save")
        if save == "":
            found.append(
                "keeps nothing on disk: invites, bindings and all else are lost when it restarts; "
                "set 'appendonly yes' there"
            )
        elif save is not None:
            found.append(f"loses what came after its last snapshot ('save {save}'); set 'appendonly yes' there")
        else:
            found.append("has no append-only file, and does not tell whether it makes snapshots: see to it")
    if info.get("maxmemory_policy", "").startswith("allkeys"):
        found.append(
            f"forgets invites and bindings when memory is short ('maxmemory-policy {info['maxmemory_policy']}'); "
            "set 'maxmemory-policy noeviction' there"
        )
    return found


async def _setting(redis: Redis, name: str) -> str | None:
    try:
        answer = await redis.command("CONFIG", "GET", name)
    except (RedisError, StorageUnavailable):
        # Those who run Redis for others often refuse this.
        return None
    return answer[1].decode() if answer else None


def _settings(lines: list[str], separator: str) -> dict[str, str]:
    return {name: value for name, found, value in (line.partition(separator) for line in lines) if found}
