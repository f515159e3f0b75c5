"""
The log, which tells only as much as it is asked to.

twistd writes every event that it sees.  Addresses are told at the level ``debug``, for whoever looks for a mistake, and
must not reach a log file unasked: so events below the level that is set do not leave the logger.
"""

from __future__ import annotations

from twisted.logger import Logger as TwistedLogger
from twisted.logger import LogLevel, LogLevelFilterPredicate

levels = LogLevelFilterPredicate(defaultLogLevel=LogLevel.info)
"""What is told, by namespace; changed by the configuration at the start."""


LEVELS = {
    "trace": LogLevel.debug,
    "debug": LogLevel.debug,
    "info": LogLevel.info,
    "warn": LogLevel.warn,
    "error": LogLevel.error,
    "off": LogLevel.critical,
}
"""Levels by the names that configurations give them."""


class Logger(TwistedLogger):
    """:class:`twisted.logger.Logger`, for the levels that are set."""

    def emit(self, level: LogLevel, format: str | None = None, **fields: object) -> None:  # noqa: A002
        if level >= levels.logLevelForNamespace(self.namespace):
            super().emit(level, format, **fields)
