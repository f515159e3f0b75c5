"""What many tests make, with what they do not care about filled in."""

from __future__ import annotations

import random
from collections.abc import Coroutine
from itertools import count
from typing import Any, TypeVar

from signedjson.key import decode_signing_key_base64
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from mxisd.clock import Random
from mxisd.matrix.signing import Signer
from mxisd.matrix.threepid import ThreePid
from mxisd.storage.records import Binding, Delivery, Invite, Session

T = TypeVar("T")

# Epoch milliseconds.  No whole second, so that one who rounds is found out; the part of one is exact as a float.
NOW = 1_700_000_000_125

ALICE = "@alice:example.org"
BOB = "@bob:example.org"
EMAIL = ThreePid("email", "alice@example.com")
PHONE = ThreePid("msisdn", "491510000000")

SIGNING_KEY = decode_signing_key_base64("ed25519", "0", "noJr1vCokOpHynOOtIwU7FNnbaQ/npkZh42XL5pFHaE")

_serial = count(1)


def result(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns, or raises, that has nothing to wait for."""
    ended: list[T | Failure] = []
    Deferred.fromCoroutine(coroutine).addBoth(ended.append)
    if not ended:
        raise AssertionError("it waits for something")
    (outcome,) = ended
    if isinstance(outcome, Failure):
        outcome.raiseException()
    return outcome


def clock_at(milliseconds: int = NOW) -> Clock:
    """A clock that stands at this time until it is advanced."""
    clock = Clock()
    clock.advance(milliseconds / 1000)
    return clock


def seeded(seed: int = 0) -> Random:
    """The same random bytes in every run."""
    return random.Random(seed).randbytes


def signer_for(server_name: str = "example.org") -> Signer:
    """Signs with :data:`SIGNING_KEY`."""
    return Signer(server_name, [SIGNING_KEY])


def session(**changes: Any) -> Session:
    """A new session for Alice's address, unlike any other."""
    number = next(_serial)
    fields: dict[str, Any] = {
        "sid": f"sid{number}",
        "secret_digest": f"secret{number}",
        "threepid": EMAIL,
        "modified": NOW,
    }
    return Session(**fields | changes)


def binding(threepid: ThreePid = EMAIL, user_id: str = ALICE, bound_at: int = NOW) -> Binding:
    """A binding, of Alice's address to Alice if nothing else is said."""
    signed = b'{"address":"\xc3\xa9","ts":1}'
    return Binding(threepid=threepid, user_id=user_id, bound_at=bound_at, signed=signed)


def invite(threepid: ThreePid = EMAIL, **changes: Any) -> Invite:
    """A new invite by Carol, into a room of its own."""
    number = next(_serial)
    fields: dict[str, Any] = {
        "token": f"invite{number}",
        "threepid": threepid,
        "room_id": f"!room{number}:example.org",
        "sender": "@carol:example.org",
        "created": NOW,
        "ephemeral_public_key": f"public{number}",
        "ephemeral_private_key": f"private{number}",
        "due": NOW,
        "notified_at": NOW,
    }
    return Invite(**fields | changes)


def delivery(threepid: ThreePid = EMAIL, **changes: Any) -> Delivery:
    """A first attempt to tell example.org of Alice's binding."""
    fields: dict[str, Any] = {
        "id": "1",
        "kind": "onbind",
        "destination": "example.org",
        "threepid": threepid,
        "token": None,
        "user_id": ALICE,
        "created": NOW,
        "due": NOW,
        "attempts": 1,
    }
    return Delivery(**fields | changes)
