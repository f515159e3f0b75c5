"""Health and metrics, as programs see them that watch over a server."""

from __future__ import annotations

import re
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from mxisd.storage.contract import StorageUnavailable
from mxisd.web.operation import Counting, OperationEndpoints
from mxisd.web.site import tree
from tests.make import NOW, clock_at, invite, result
from tests.storage.inline import storage_in_memory
from tests.web.app import AppTestCase
from tests.web.client import Treq


class OperationTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.storage = storage_in_memory()
        self.clock = clock_at()
        self.client: Any = Treq(tree(OperationEndpoints(self.storage, self.clock).endpoints()))

    def get(self, path: str) -> tuple[int, str]:
        response = self.successResultOf(self.client.get(f"http://localhost{path}"))
        return response.code, self.successResultOf(response.text())

    def test_live(self) -> None:
        self.assertEqual(self.get("/health/live"), (200, '{"status":"ok"}'))

    def test_ready_tells_how_late_deliveries_are(self) -> None:
        self.assertEqual(self.get("/health/ready"), (200, '{"status":"ok","overdue_seconds":{}}'))
        result(self.storage.invites.add(invite(created=NOW - 61_000, notified_at=NOW - 61_000), resend_before=0))
        self.assertEqual(self.get("/health/ready"), (200, '{"status":"ok","overdue_seconds":{"message":61}}'))

    def test_not_ready_while_nothing_can_be_stored(self) -> None:
        async def away(*arguments: object) -> bool:
            raise StorageUnavailable("the disk is full")

        self.patch(self.storage.cooldowns, "take", away)
        status, text = self.get("/health/ready")
        self.assertEqual(status, 503)
        self.assertIn("not available", text)
        self.assertEqual(self.get("/health/live")[0], 200)

    def test_what_is_stored_is_counted(self) -> None:
        result(self.storage.invites.add(invite(created=NOW - 5000, notified_at=NOW - 5000), resend_before=0))
        result(Counting(self.storage, self.clock).count())
        text = self.get("/metrics")[1]
        self.assertIn('mxisd_invites{state="pending"} 1.0\n', text)
        self.assertIn('mxisd_deliveries_queued{kind="message"} 1.0\n', text)
        self.assertIn('mxisd_deliveries_overdue_seconds{kind="message"} 5.0\n', text)

    def test_what_is_not_queued_any_more_is_counted_as_none(self) -> None:
        result(self.storage.invites.add(invite(created=NOW, notified_at=NOW), resend_before=0))
        counting = Counting(self.storage, self.clock)
        result(counting.count())
        (claimed,) = result(self.storage.outbox.claim("message", NOW, 60_000, 1, {}, 1)).deliveries
        result(self.storage.outbox.close(claimed, "done", "", NOW))
        result(counting.count())
        text = self.get("/metrics")[1]
        self.assertIn('mxisd_deliveries_queued{kind="message"} 0.0\n', text)
        self.assertIn('mxisd_deliveries_overdue_seconds{kind="message"} 0.0\n', text)

    def test_a_storage_that_is_away_is_no_error_of_the_count(self) -> None:
        async def away() -> object:
            raise StorageUnavailable("away")

        self.patch(self.storage.invites, "count", away)
        result(Counting(self.storage, self.clock).count())


class RequestTests(AppTestCase):
    def counted(self, path: str, method: str, status: int) -> float:
        operation: Any = Treq(tree(OperationEndpoints(self.app.storage, self.app.clock).endpoints()))
        text = self.successResultOf(self.successResultOf(operation.get("http://localhost/metrics")).text())
        labels = f'endpoint="{path}",method="{method}",status="{status}"'
        found = re.search(rf"^mxisd_requests_total\{{{re.escape(labels)}\}} (.*)$", text, re.MULTILINE)
        return float(found[1]) if found else 0

    def test_requests_are_counted_by_path_and_not_by_what_clients_make_up(self) -> None:
        path = "/_matrix/identity/v2/pubkey/{keyId}"
        before = self.counted(path, "GET", 200), self.counted("other", "other", 404)
        self.assertEqual(self.get("/_matrix/identity/v2/pubkey/ed25519:0").status, 200)
        self.assertEqual(self.request("PATCH", "/coffee/for/anna@example.org").status, 404)
        self.assertEqual(
            (self.counted(path, "GET", 200), self.counted("other", "other", 404)), (before[0] + 1, before[1] + 1)
        )
