"""The log."""

from __future__ import annotations

from typing import Any

from twisted.logger import LogEvent, LogLevel
from twisted.trial.unittest import SynchronousTestCase

from mxisd.log import LEVELS, Logger, levels


class LevelTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.log = Logger(namespace="mxisd.test")
        self.told: list[LogEvent] = []
        observed: Any = self.told.append
        self.log.observer = observed
        self.addCleanup(levels.clearLogLevels)

    def told_at(self, level: str) -> list[str]:
        self.told.clear()
        levels.setLogLevelForNamespace("mxisd", LEVELS[level])
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
