"""How often the ways that are walked most ask the storage: each hand-over is a wait for another thread or server."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from mxisd.config.matrix import Term, TermsPolicy
from mxisd.notify import InviteMessage
from mxisd.outbox.courier import Courier
from mxisd.outbox.message import MessageDelivery
from mxisd.outbox.onbind import OnbindDelivery
from mxisd.outbox.worker import OutboxWorker
from tests import ends
from tests.outbox.test_onbind import Server
from tests.storage.inline import storage_in_memory
from tests.web.app import V1, V2, AppTestCase

PRIVACY = TermsPolicy(version="1", terms={"en": Term(name="Privacy", url="https://example.org/privacy")})


class Counted:
    """A concern of a storage that notes what it is asked."""

    def __init__(self, name: str, concern: object, asked: list[str]) -> None:
        self._name = name
        self._concern = concern
        self._asked = asked

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self._asked.append(f"{self._name}.{method}")
            return getattr(self._concern, method)(*arguments, **named)

        return call


class CountedStorage:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self._storage = storage_in_memory()

    def __getattr__(self, concern: str) -> Counted:
        return Counted(concern, getattr(self._storage, concern), self.asked)


class Worker(OutboxWorker):
    """One that can be woken, as those of the server in memory cannot."""

    wake = OutboxWorker.wake


class HandOverTests(AppTestCase):
    policies = {"privacy": PRIVACY}

    def setUp(self) -> None:
        self.storage = CountedStorage()
        self.patch(ends, "storage_in_memory", lambda: self.storage)
        super().setUp()

    def worker(self, courier: Courier) -> Worker:
        outbox: Any = self.storage.outbox
        worker = Worker(outbox, courier, self.app.clock, bytes, give_up_after=timedelta(seconds=1))
        worker.startService()
        self.addCleanup(worker.stopService)
        self.storage.asked.clear()
        return worker

    def test_store_invite(self) -> None:
        token = self.register()
        self.post(f"{V2}/terms", json={"user_accepts": ["https://example.org/privacy"]}, token=token)
        self.get(f"{V2}/hash_details", token=token)
        worker = self.worker(
            MessageDelivery("message", self.app.mailbox, InviteMessage, self.storage.outbox, self.app.clock)
        )
        invite = {
            "medium": "email",
            "address": "bob@example.com",
            "room_id": "!room:example.org",
            "sender": "@alice:example.org",
        }
        self.assertEqual(self.post(f"{V2}/store-invite", json=invite, token=token).status, 200)
        self.assertEqual(
            self.storage.asked,
            [
                "accounts.account_of",
                "buckets.take",
                "hashes.peppers",
                "hashes.find",
                "bindings.users_of",
                "invites.add",
            ],
        )
        self.storage.asked.clear()
        worker.wake()
        self.assertEqual(len(self.app.mailbox.messages), 1)
        # At last it is seen whether something waits for the place that has become free.
        self.assertEqual(self.storage.asked, ["outbox.claim", "outbox.close", "outbox.claim"])

    def test_a_lookup(self) -> None:
        self.bind()
        self.storage.asked.clear()
        self.get(f"{V1}/lookup", query={"medium": "email", "address": "alice@example.com"})
        self.assertEqual(self.storage.asked, ["buckets.take", "bindings.get"])

    def test_a_binding_and_its_delivery(self) -> None:
        self.invite()
        sid, server = self.validate("bob@example.com"), Server()
        worker = self.worker(OnbindDelivery(server, self.app.signer, self.app.members, self.app.clock))
        self.post(f"{V1}/3pid/bind", json={"sid": sid, "client_secret": "secret", "mxid": "@bob:example.org"})
        self.assertEqual(self.storage.asked, ["sessions.get", "bindings.bind"])
        self.storage.asked.clear()
        worker.wake()
        self.assertEqual(len(server.heard), 1)
        self.assertEqual(self.storage.asked, ["outbox.claim", "outbox.close", "outbox.claim"])
