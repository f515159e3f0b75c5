"""The log."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import msgspec
from twisted.logger import LogEvent, LogLevel
from twisted.trial.unittest import SynchronousTestCase

from mxisd.log import Logger, Origin, as_journal, as_json, as_text, origin, set_levels


class LevelTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.log = Logger(namespace="mxisd.test")
        self.told: list[LogEvent] = []
        observed: Any = self.told.append
        self.log.observer = observed
        self.addCleanup(set_levels, "info", "warn")

    def told_at(self, level: str) -> list[str]:
        self.told.clear()
        set_levels(level, "warn")
        self.log.debug("to {address}", address="alice@example.com")
        self.log.info("info")
        self.log.warn("warn")
        self.log.error("error")
        return [event["log_level"].name for event in self.told]

    def test_addresses_are_not_told_unasked(self) -> None:
        self.log.debug("to {address}", address="alice@example.com")
        self.assertEqual(self.told, [])

    def test_as_much_as_is_asked_for(self) -> None:
        self.assertEqual(self.told_at("debug"), ["debug", "info", "warn", "error"])
        self.assertEqual(self.told_at("info"), ["info", "warn", "error"])
        self.assertEqual(self.told_at("error"), ["error"])
        self.assertEqual(self.told_at("off"), [])

    def test_failures_are_told(self) -> None:
        try:
            raise ValueError("broken")
        except ValueError:
            self.log.failure("it broke")
        self.assertEqual([event["log_level"] for event in self.told], [LogLevel.critical])


class FormatTests(SynchronousTestCase):
    """What a line of the log looks like."""

    def written(self, write: Callable[[LogEvent], str | None], tell: Callable[[Logger], object]) -> str:
        told: list[LogEvent] = []
        log = Logger(namespace="mxisd.test")
        observed: Any = told.append
        log.observer = observed
        tell(log)
        (event,) = told
        return write({**event, "log_time": 1_700_000_000.5}) or ""

    def test_text_is_a_line_with_its_time(self) -> None:
        line = self.written(as_text, lambda log: log.warn("{what} broke", what="it"))
        self.assertRegex(line, r"\A2023-11-1[45]T[^ ]+ \[mxisd\.test#warn\] it broke\n\Z")

    def test_nobody_can_forge_a_line(self) -> None:
        line = self.written(as_text, lambda log: log.info("{name}", name="x\n2023-11-14T00:00:00+0000 [-] forged"))
        self.assertEqual([each[:1] for each in line.splitlines()[1:]], ["\t"])

    def test_the_journal_gets_a_priority_for_each_line_and_no_time(self) -> None:
        lines = self.written(as_journal, lambda log: log.error("first\nsecond"))
        self.assertEqual(lines, "<3>[mxisd.test#error] first\n<3>second\n")

    def test_json_is_an_object_a_line(self) -> None:
        line = self.written(as_json, lambda log: log.info("two\nlines"))
        self.assertEqual(line.count("\n"), 1)
        self.assertEqual(
            msgspec.json.decode(line),
            {
                "time": "2023-11-14T22:13:20.500+00:00",
                "level": "info",
                "logger": "mxisd.test",
                "message": "two\nlines",
            },
        )

    def test_json_has_the_traceback(self) -> None:
        def fail(log: Logger) -> None:
            try:
                raise ValueError("broken")
            except ValueError:
                log.failure("it broke")

        message = msgspec.json.decode(self.written(as_json, fail))["message"]
        self.assertIn("it broke", message)
        self.assertIn("ValueError: broken", message)

    def test_what_is_done_for_a_request_has_its_id(self) -> None:
        def ask(log: Logger) -> None:
            origin.set(lambda: Origin("4f1a", "192.0.2.0/24"))
            log.info("bound")

        self.assertIn(
            "bound (request 4f1a of 192.0.2.0/24)\n",
            self.written(as_text, lambda log: copy_context().run(ask, log)),
        )
        found = msgspec.json.decode(self.written(as_json, lambda log: copy_context().run(ask, log)))
        self.assertEqual((found["request"], found["client"]), ("4f1a", "192.0.2.0/24"))
