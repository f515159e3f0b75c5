"""A move that is interrupted, repeated, or meets what is in the storage already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import structs
from signedjson.types import SigningKey

from mxisd.accounts.accounts import digest as token_digest
from mxisd.clock import DAY
from mxisd.matrix.hashing import digest
from mxisd.matrix.threepid import ThreePid
from mxisd.migrate import move
from mxisd.migrate.old import Conditions, Found, Left
from mxisd.storage.archive import KINDS, AcceptedTerms, AccessToken, Cooldown, Kept
from mxisd.storage.contract import StorageUnavailable
from mxisd.storage.records import Binding, Delivery, Invite, Pepper
from tests.make import ALICE, BOB, EMAIL, PHONE, SIGNING_KEY, binding, invite, result
from tests.migrate.case import THEN, MoveCase
from tests.migrate.old_servers import OldServer


class Stub:
    """An old server that has just these."""

    name = "stub"
    keys: Sequence[SigningKey] = (SIGNING_KEY,)

    def __init__(self, *found: Found, pepper: str | None = None) -> None:
        self.found = found
        self._pepper = pepper

    def records(self, kind: type[Kept], conditions: Conditions) -> Iterator[Found]:
        yield from (found for found in self.found if isinstance(found, kind))
        if kind is Binding:
            yield from (found for found in self.found if isinstance(found, Left))

    def pepper(self) -> str | None:
        return self._pepper

    def close(self) -> None: ...


class MoveTests(MoveCase):
    def snapshot(self) -> dict[str, list[Any]]:
        return {kind.__name__: sorted(map(repr, self.all(kind))) for kind in KINDS if kind is not Cooldown}

    def test_it_goes_on_after_each_interruption(self) -> None:
        server = self.open(OldServer("ma1sd-sqlite", self.folder).config)
        self.move(server)
        expected = self.snapshot()
        self.patch(move, "STEP", 1)
        for calls in range(0, 30, 3):
            self.storage = self.fresh()
            unpack, left = self.storage.archive.unpack, calls

            async def failing(kind: type[Kept], records: Sequence[Kept], position: str) -> None:
                nonlocal left
                left -= 1
                if left < 0:
                    raise StorageUnavailable("gone")
                await unpack(kind, records, position)  # noqa: B023  # called before the next round

            self.storage.archive.unpack = failing  # type: ignore[method-assign]
            self.assertRaises(StorageUnavailable, self.move, server)
            self.storage.archive.unpack = unpack  # type: ignore[method-assign]
            self.move(server)
            self.assertEqual(self.snapshot(), expected)

    def fresh(self) -> Any:
        self.setUp()
        return self.storage

    def test_what_was_removed_here_stays_away_and_what_is_new_comes(self) -> None:
        account = AccessToken(digest=token_digest("a"), user_id=ALICE, created=1)
        stub = Stub(binding(EMAIL), binding(PHONE), account, AcceptedTerms(user_id=ALICE, url="u", accepted_at=1))
        self.move(stub)
        self.assertTrue(result(self.storage.bindings.unbind(EMAIL, ALICE)))
        self.assertTrue(result(self.storage.accounts.logout(account.digest)))
        later = ThreePid("email", "later@example.org")
        stub.found += (binding(later), AccessToken(digest=token_digest("b"), user_id=BOB, created=1))
        plan = self.move(stub)
        self.assertEqual(self.coming(plan), {"Binding": 1, "AccessToken": 1})
        why = "it came before, and was removed here since"
        self.assertEqual(self.left(plan), {f"Binding: {why}": 1, f"AccessToken: {why}": 1})
        self.assertIsNone(result(self.storage.bindings.get(EMAIL)))
        self.assertIsNone(result(self.storage.accounts.account_of(account.digest)))
        self.assertEqual({each.threepid for each in self.all(Binding)}, {PHONE, later})

    def test_invites_that_ended_and_are_forgotten_do_not_begin_again(self) -> None:
        stub = Stub(invite(token="t"))
        self.move(stub)
        self.assertIsNotNone(result(self.storage.invites.end("t", "cancelled", None, None, THEN)))
        self.assertEqual(self.coming(self.move(stub)), {})
        result(self.storage.invites.purge(THEN + DAY))
        self.assertEqual(self.all(Invite), [])
        self.move(stub)
        self.assertEqual(self.all(Invite), [])

    def test_what_is_here_stays_as_it_is(self) -> None:
        ours = binding(EMAIL, BOB)
        result(self.storage.bindings.bind(ours, "example.org"))
        mine = invite(token="mine", room_id="!r", ephemeral_public_key="mine")
        result(self.storage.invites.add(mine, resend_before=0))
        self.move(
            Stub(
                binding(EMAIL, ALICE),
                structs.replace(mine, room_id="!other"),
                structs.replace(mine, token="same-key", room_id="!x"),
                structs.replace(mine, token="same-place", ephemeral_public_key="other"),
            )
        )
        self.assertEqual(self.all(Binding), [ours])
        ended = {each.token: each.ended for each in self.all(Invite)}
        self.assertEqual(ended, {"mine": None, "same-place": "cancelled"})
        self.assertEqual(result(self.storage.invites.get("mine")), mine)
        # Its token and its key are good for what was mailed with them.
        self.assertTrue(result(self.storage.invites.has_ephemeral_key("other")))

    def test_deliveries_get_numbers_of_their_own(self) -> None:
        result(self.storage.bindings.bind(binding(PHONE), "example.org"))
        (mine,) = self.all(Delivery)
        server = self.open(OldServer("ma1sd-sqlite", self.folder).config)
        self.move(server, retry_failed=True)
        self.assertEqual(len(self.all(Delivery)), 2)
        self.assertIn(mine, self.all(Delivery))

    def found(self, *threepids: ThreePid) -> dict[str, str]:
        (pepper, *_) = result(self.storage.hashes.peppers())
        digests = [digest(threepid, pepper.pepper) for threepid in threepids]
        return {
            "pepper": pepper.pepper,
            "found": str(len(result(self.storage.hashes.find(pepper.pepper, digests)) or {})),
        }

    def test_the_pepper_stays_in_use_and_finds_everybody(self) -> None:
        stub = Stub(binding(EMAIL), pepper="matrixrocks")
        self.move(stub)
        self.assertEqual(self.found(EMAIL), {"pepper": "matrixrocks", "found": "1"})
        self.move(stub)
        self.assertEqual(self.found(EMAIL), {"pepper": "matrixrocks", "found": "1"})
        stub.found += (binding(PHONE),)
        self.move(stub)
        again = self.found(EMAIL, PHONE)
        self.assertNotEqual(again["pepper"], "matrixrocks")
        self.assertEqual(again["found"], "2")
        self.assertRegex(again["pepper"], "^[0-9A-Za-z]{20}$")
        self.move(stub)
        self.assertEqual(self.found(EMAIL, PHONE), again)

    def test_bindings_are_found_under_the_pepper_that_is_here(self) -> None:
        pepper = Pepper(pepper="ours", made_at=THEN)
        result(self.storage.hashes.prepare(pepper, after=None))
        result(self.storage.hashes.publish("ours", keep=1))
        self.move(Stub(binding(EMAIL), pepper="theirs"))
        self.assertEqual(self.found(EMAIL)["found"], "1")

    def test_without_a_pepper_the_server_makes_the_first(self) -> None:
        self.move(Stub(binding(EMAIL)))
        self.assertEqual(result(self.storage.hashes.peppers()), [])
