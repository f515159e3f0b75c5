"""Check whether the settings of a Redis let it lose data."""

from __future__ import annotations

from txredisapi import RedisError

from ..contract import StorageUnavailable
from .client import Redis


async def durability_warnings(redis: Redis) -> list[str]:
    """Settings of a Redis that lose data, as texts for the log.  Raises :class:`StorageUnavailable`."""
    info = _settings((await redis.command("INFO")).decode().splitlines(), ":")
    found = []
    if info.get("aof_enabled") != "1":
        save = await _setting(redis, "save")
        if save == "":
            found.append(
                "keeps nothing on disk: invites, bindings and everything else are lost when it restarts; "
                "set 'appendonly yes' there"
            )
        elif save is not None:
            found.append(
                f"loses everything since its last snapshot when it crashes ('save {save}'); set 'appendonly yes' there"
            )
        else:
            found.append(
                "has no append-only file, and does not tell whether it makes snapshots; set 'appendonly yes' there"
            )
    if info.get("maxmemory_policy", "").startswith("allkeys"):
        found.append(
            f"deletes invites and bindings when it runs out of memory ('maxmemory-policy {info['maxmemory_policy']}'); "
            "set 'maxmemory-policy noeviction' there"
        )
    return found


async def _setting(redis: Redis, name: str) -> str | None:
    try:
        answer = await redis.command("CONFIG", "GET", name)
    except (RedisError, StorageUnavailable):
        # Managed Redis services often do not allow CONFIG.
        return None
    return answer[1].decode() if answer else None


def _settings(lines: list[str], separator: str) -> dict[str, str]:
    return {name: value for name, found, value in (line.partition(separator) for line in lines) if found}
