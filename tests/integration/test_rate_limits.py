"""Rate limits of a real server on SQLite, and of two workers on Redis: together they let through what one would."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.integration.matrix_client import V1
from tests.integration.mxisd import ENVIRONMENT
from tests.integration.names import TWISTD
from tests.integration.process import TIMEOUT, Process, eventually, installed
from tests.integration.test_mxisd_starts import FolderCase
from tests.servers.redis import RedisServer

# What flows back while the test runs is none.
SLOW = {"per": "1h"}
RATE_LIMIT = {
    "lookup": {"burst": 50, **SLOW},
    "mailPerClient": {"burst": 10, **SLOW},
    "mailPerDomain": {"burst": 40, **SLOW},
    "mailTotal": {"burst": 200, **SLOW},
    "smsPerNumber": {"burst": 5, **SLOW},
    "smsPerClient": {"burst": 20, **SLOW},
    "invitePerSender": {"burst": 30, **SLOW},
    "invitePerAddress": {"burst": 10, **SLOW},
}


class Limits:
    """Every limit that requests can meet, from one client and from many; derive from this, with a server."""

    client: Any
    assertEqual: Callable[..., None]

    def statuses(self, number: int, path: str, body: Callable[[int], object], clients: int = 1) -> Counter[int]:
        """The answers to so many requests at once, by status."""

        def ask(n: int) -> int:
            headers = {"Content-Type": "application/json", "X-Forwarded-For": f"192.0.2.{n % clients}"}
            content = json.dumps(body(n)).encode() if body(n) is not None else None
            request = urllib.request.Request(self.client.url + path.format(n), content, headers)
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                with error:
                    self.assertEqual(json.load(error)["errcode"], "M_LIMIT_EXCEEDED")
                    self.assertEqual(int(error.headers["Retry-After"]) > 0, True)
                return error.code

        with ThreadPoolExecutor(8) as senders:
            return Counter(senders.map(ask, range(number)))

    def test_lookups(self) -> None:
        path = f"{V1}/lookup?medium=email&address=user{{}}@example.com"
        self.assertEqual(self.statuses(80, path, lambda _: None), {200: 50, 429: 30})
        self.assertEqual(self.statuses(80, path, lambda _: None, clients=80), {200: 79, 429: 1})

    def test_validations_by_one_client(self) -> None:
        self.assertEqual(self.validations(30), {200: 10, 429: 20})

    def test_validations_by_many_clients(self) -> None:
        self.assertEqual(self.validations(60, clients=60), {200: 40, 429: 20})

    def validations(self, number: int, clients: int = 1) -> Counter[int]:
        def body(n: int) -> object:
            return {"client_secret": "secret", "email": f"user{n}@example.com", "send_attempt": 1}

        return self.statuses(number, f"{V1}/validate/email/requestToken", body, clients)

    def test_text_messages_by_one_client(self) -> None:
        def body(n: int) -> object:
            number = f"0151 234{n:05}"
            return {"client_secret": "secret", "country": "DE", "phone_number": number, "send_attempt": 1}

        self.assertEqual(self.statuses(30, f"{V1}/validate/msisdn/requestToken", body), {200: 20, 429: 10})

    def test_text_messages_to_one_number(self) -> None:
        def body(n: int) -> object:
            return {"client_secret": f"s{n}", "country": "DE", "phone_number": "0151 23456789", "send_attempt": 1}

        self.assertEqual(self.statuses(30, f"{V1}/validate/msisdn/requestToken", body, 30), {200: 5, 429: 25})

    def test_invites_by_one_sender(self) -> None:
        def body(n: int) -> object:
            address = f"u{n}@{n}.example"
            return {"medium": "email", "address": address, "room_id": "!r:localhost", "sender": "@a:localhost"}

        self.assertEqual(self.statuses(60, f"{V1}/store-invite", body, clients=60), {200: 30, 429: 30})

    def test_invites_of_one_address(self) -> None:
        def body(n: int) -> object:
            sender = f"@user{n}:localhost"
            return {"medium": "email", "address": "u@example.com", "room_id": "!r:localhost", "sender": sender}

        self.assertEqual(self.statuses(40, f"{V1}/store-invite", body, clients=40), {200: 10, 429: 30})


class OneProcessTests(Limits, FolderCase):
    """On SQLite."""

    def setUp(self) -> None:
        super().setUp()
        config = self.config_file(**sections())
        process = self.start(TWISTD, "-n", "--pidfile=", "mxisd", "--config", config)
        process.wait_until(self.client.answers)


class TwoWorkersTests(Limits, FolderCase):
    """On Redis."""

    def setUp(self) -> None:
        super().setUp()
        installed("redis-server")
        redis = RedisServer(appendonly="yes")
        self.addCleanup(redis.remove)
        storage = {"backend": "redis", "provider": {"redis": {"url": redis.url}}}
        config = self.config_file(storage=storage, **sections())
        command: list[str | Path] = [TWISTD, "-n", "--pidfile=", "mxisd", "--workers", "2", "--config", config]
        process = Process(command, self.folder / "mxisd.log", ENVIRONMENT)
        self.addCleanup(process.stop)
        process.wait_until(self.client.answers)
        eventually(lambda: len(re.findall("worker [12]: .*mxisd .*serves", process.log)) == 2)


def sections() -> dict[str, Any]:
    return {
        "rateLimit": RATE_LIMIT,
        "threepid": {"medium": {"email": {"connector": "log"}, "msisdn": {"connector": "log"}}},
        "lookup": {"recursive": {"enabled": False}},
    }
