"""Each transaction is acted on once, and what must not be missed is not."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import formatEvent, globalLogPublisher

from mxisd.appservice.events import Event
from mxisd.appservice.revocation import Revocation
from mxisd.appservice.transactions import REMEMBERED, Transactions
from mxisd.storage.contract import StorageUnavailable
from tests.appservice.case import Case
from tests.make import result


class Witness:
    def __init__(self) -> None:
        self.seen: list[str] = []
        self.hold: Deferred[None] | None = None

    async def see(self, event: Event) -> None:
        self.seen.append(event.event_id)
        if self.hold is not None:
            await self.hold


def event(event_id: str = "$1", **fields: Any) -> dict[str, Any]:
    return {
        "type": "m.room.message",
        "room_id": "!room:example.org",
        "sender": "@a:b.c",
        "event_id": event_id,
        **fields,
    }


class TransactionTests(Case):
    def setUp(self) -> None:
        super().setUp()
        self.witness = Witness()
        self.transactions = Transactions(self.storage.transactions, [self.witness], self.clock)

    def take(self, txn_id: str, *events: object) -> None:
        result(self.transactions.take(txn_id, events))

    def test_all_events_in_order(self) -> None:
        self.take("1", event("$1"), event("$2"))
        self.take("2", event("$3"))
        self.assertEqual(self.witness.seen, ["$1", "$2", "$3"])

    def test_a_repetition_does_nothing_even_after_a_restart(self) -> None:
        self.take("1", event())
        self.take("1", event())
        self.transactions = Transactions(self.storage.transactions, [self.witness], self.clock)
        self.take("1", event())
        self.assertEqual(self.witness.seen, ["$1"])

    def test_a_homeserver_that_counts_from_one_again(self) -> None:
        self.take("1", event("$1"))
        self.take("2", event("$2"), event("$3"))
        self.take("1", event("$4"))
        self.take("2", event("$5"), event("$3"))
        self.take("3", event("$5"))
        self.assertEqual(self.witness.seen, ["$1", "$2", "$3", "$4", "$5", "$3", "$5"])
        for again in (("1", "$1"), ("1", "$4"), ("3", "$5")):
            self.take(again[0], event(again[1]))
        self.assertEqual(len(self.witness.seen), 7)

    def test_a_repetition_is_known_by_its_events_though_they_grow_older(self) -> None:
        self.take("1", event(unsigned={"age": 1}), None, {"b": 1, "a": [2]}, {"event_id": {"x": 1}}, 2**200)
        self.take("1", event(unsigned={"age": 99}), None, {"b": 1, "a": [2]}, {"event_id": {"x": 1}}, 2**200)
        self.assertEqual(self.witness.seen, ["$1"])
        self.take("1", event(), None)
        self.take("1")
        self.take("1", event("$1"), event("$2"))
        self.assertEqual(self.witness.seen, ["$1", "$1", "$1", "$2"])

    def test_what_is_skipped_is_told(self) -> None:
        told: list[dict[str, Any]] = []
        observer: Any = told.append
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        for _ in range(2):
            self.take("7", event("$1"), event("$2"))
        skipped = [formatEvent(each) for each in told if each.get("log_namespace") == "mxisd.appservice.transactions"]
        self.assertEqual(skipped, ["transaction 7 came again: nothing to do for 2 events"])

    def test_a_repetition_that_comes_while_the_first_is_at_work(self) -> None:
        self.witness.hold = Deferred()
        first = Deferred.fromCoroutine(self.transactions.take("1", [event()]))
        second = Deferred.fromCoroutine(self.transactions.take("1", [event()]))
        self.assertNoResult(second)
        self.witness.hold.callback(None)
        self.successResultOf(first)
        self.successResultOf(second)
        self.assertEqual(self.witness.seen, ["$1"])

    def test_what_failed_comes_again(self) -> None:
        self.witness.hold = Deferred()
        self.witness.hold.errback(StorageUnavailable("gone fishing"))
        self.assertRaises(StorageUnavailable, result, self.transactions.take("1", [event()]))
        self.witness.hold = None
        self.take("1", event())
        self.assertEqual(self.witness.seen, ["$1", "$1"])

    def test_what_is_no_event_is_passed_over(self) -> None:
        self.take("1", None, [], {"type": "m.room.message"}, event(state_key=7), event("$2"))
        self.assertEqual(self.witness.seen, ["$2"])

    def test_is_forgotten_after_a_month(self) -> None:
        self.take("1")
        self.clock.advance(REMEMBERED / 1000)
        self.take("2")
        self.clock.advance(1)
        self.assertEqual(result(self.transactions.purge()), 1)


class WithdrawalTests(Case):
    def setUp(self) -> None:
        super().setUp()
        self.withdrawal = Revocation(self.storage.invites, self.lifecycle)
        self.invite()

    def see(self, content: dict[str, Any], **fields: Any) -> str | None:
        """How the invite has ended after an event."""
        given = {"type": "m.room.third_party_invite", "state_key": "token", "content": content, **fields}
        self.show(self.withdrawal, **given)
        return self.stored().ended

    def test_an_emptied_event_cancels_the_invite(self) -> None:
        self.assertEqual(self.see({}), "cancelled")
        deliveries = result(self.storage.outbox.of_invite("token"))
        self.assertEqual([(delivery.kind, delivery.state) for delivery in deliveries], [("message", "abandoned")])
        self.assertEqual(self.stored().ephemeral_private_key, "")

    def test_an_event_without_keys_lets_nobody_in_either(self) -> None:
        self.assertEqual(self.see({"display_name": "b…@e…", "public_keys": []}), "cancelled")

    def test_the_invite_itself_does_not_cancel_it(self) -> None:
        self.assertIsNone(self.see({"display_name": "b…@e…", "public_key": "key"}))
        self.assertIsNone(self.see({"public_keys": [{"public_key": "key"}]}))

    def test_nobody_cancels_it_from_another_room(self) -> None:
        self.assertIsNone(self.see({}, room_id="!mallory:example.org"))

    def test_other_tokens_and_other_events(self) -> None:
        self.assertIsNone(self.see({}, state_key="other"))
        self.assertIsNone(self.see({}, state_key=None))
        self.assertIsNone(self.see({}, type="m.room.topic"))

    def test_what_has_ended_stays_as_it_ended(self) -> None:
        result(self.lifecycle.expire("token"))
        self.assertEqual(self.see({}), "expired")
