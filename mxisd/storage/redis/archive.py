"""Read and write all records, to copy them from or to another engine."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from msgspec import structs

from ...waiting import gather
from ..archive import END, START, AcceptedTerms, AccessToken, Cooldown, Kept, Transaction
from ..records import Binding, Delivery, Invite, Session
from .bindings import field_of, read_binding, threepid_of, value_of
from .client import Redis
from .connection import Argument
from .records import fields, read, read_session

STEP = 500

# Records that are members of one key: the command that scans it, and the key.
COLLECTIONS: dict[type[Kept], tuple[str, str]] = {
    Binding: ("HSCAN", "bindings"),
    AccessToken: ("HSCAN", "tokens"),
    Transaction: ("ZSCAN", "transactions"),
    Cooldown: ("ZSCAN", "cooldowns"),
}
# Records that have a key of their own: how the key begins.
KEYS: dict[type[Kept], str] = {
    Session: "session",
    Invite: "invite",
    Delivery: "delivery",
    AcceptedTerms: "terms",
}


class RedisArchive:
    """:class:`mxisd.storage.archive.Archive` on Redis."""

    def __init__(self, redis: Redis, remember: int) -> None:
        self._redis = redis
        self._remember = remember

    async def pack(self, kind: type[Kept], position: str) -> tuple[Sequence[Kept], str]:
        records: list[Kept]
        if kind in COLLECTIONS:
            command, key = COLLECTIONS[kind]
            cursor, flat = await self._redis.command(command, self._redis.key(key), position or "0", "COUNT", STEP)
            records = [_member(kind, name, value) for name, value in zip(flat[::2], flat[1::2], strict=True)]
        else:
            pattern = self._redis.key(KEYS[kind], "*")
            cursor, keys = await self._redis.command("SCAN", position or "0", "MATCH", pattern, "COUNT", STEP)
            hashes = await gather(self._redis.command("HGETALL", key) for key in keys)
            prefix = len(pattern) - 1
            records = [
                record
                for key, hash_ in zip(keys, hashes, strict=True)
                for record in _records(kind, key.decode()[prefix:], hash_)
            ]
        return records, END if cursor == b"0" else cursor.decode()

    async def unpack(self, kind: type[Kept], records: Sequence[Kept], position: str) -> None:
        if kind is AccessToken and records:
            await self._redis.run("token_restore", *chain.from_iterable(map(_token, records)))
        elif kind in COLLECTIONS and records:
            command = "HSET" if COLLECTIONS[kind][0] == "HSCAN" else "ZADD"
            pairs = chain.from_iterable(map(_pair, records))
            await self._redis.command(command, self._redis.key(COLLECTIONS[kind][1]), *pairs)
        else:
            await gather(self._restore(record) for record in records)
        await self._redis.command("HSET", self._redis.key("copied"), kind.__name__, position)

    async def _restore(self, record: Kept) -> None:
        if isinstance(record, AcceptedTerms):
            await self._redis.run("terms_accept", record.user_id, record.accepted_at, record.url)
        elif isinstance(record, Delivery):
            padded = structs.replace(record, id=f"{int(record.id):016}")
            await self._redis.run("delivery_restore", padded.id, padded.token or "", *fields(padded))
        elif isinstance(record, Invite):
            await self._redis.run("invite_restore", record.token, *fields(record))
        elif isinstance(record, Session):
            await self._redis.run("session_restore", record.sid, self._remember, *fields(record))

    async def reached(self, kind: type[Kept]) -> str:
        position = await self._redis.command("HGET", self._redis.key("copied"), kind.__name__)
        return START if position is None else str(position, "ascii")

    async def forget_positions(self) -> None:
        await self._redis.command("DEL", self._redis.key("copied"))


def _member(kind: type[Kept], name: bytes, value: bytes) -> Kept:
    """Make a record of a member of a key, and its value or score."""
    if kind is Binding:
        return read_binding(threepid_of(name), value)
    if kind is AccessToken:
        created, _, user_id = value.decode().partition(" ")
        return AccessToken(digest=name.decode(), user_id=user_id, created=int(created))
    if kind is Transaction:
        digest, _, txn_id = name.decode().partition(" ")
        return Transaction(txn_id=txn_id, digest=digest, done_at=int(value))
    return Cooldown(name=name.decode(), until=int(value))


def _token(record: Kept) -> tuple[Argument, ...]:
    if not isinstance(record, AccessToken):
        raise TypeError(f"{type(record).__name__} is no access token")
    return record.digest, record.created, record.user_id


def _pair(record: Kept) -> tuple[Argument, Argument]:
    """The reverse of :func:`_member`, in the order of arguments of HSET or ZADD."""
    if isinstance(record, Binding):
        return field_of(record.threepid), value_of(record)
    if isinstance(record, Transaction):
        return record.done_at, f"{record.digest} {record.txn_id}"
    if not isinstance(record, Cooldown):
        raise TypeError(f"{type(record).__name__} is not in a collection")
    return record.until, record.name


def _records(kind: type[Kept], name: str, hash_: Sequence[bytes]) -> list[Kept]:
    """Make the records of a key of their own; none if the key has expired since."""
    if not hash_:
        return []
    if kind is AcceptedTerms:
        pairs = zip(hash_[::2], hash_[1::2], strict=True)
        return [AcceptedTerms(user_id=name, url=url.decode(), accepted_at=int(when)) for url, when in pairs]
    if kind is Delivery:
        delivery = read(Delivery, hash_)
        lost = delivery.lost + (b"claimed" in hash_[::2])
        return [structs.replace(delivery, id=str(int(delivery.id)), lost=lost)]
    return [read_session(hash_) if kind is Session else read(kind, hash_)]
