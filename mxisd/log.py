"""
The log, which tells only as much as it is asked to.

Addresses are told at the level ``debug``, for whoever looks for a mistake, and must not reach a log file unasked: so
events below the level that is set do not leave the logger.  What libraries tell is of interest when something is wrong:
for them there is a level of its own.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, NamedTuple, TextIO

import msgspec
from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    eventAsText,
    formatEventAsClassicLogText,
)
from twisted.logger import Logger as TwistedLogger
from twisted.python.logfile import LogFile

LEVELS = {
    "trace": LogLevel.debug,
    "debug": LogLevel.debug,
    "info": LogLevel.info,
    "warn": LogLevel.warn,
    "error": LogLevel.error,
    "off": LogLevel.critical,
}
"""Levels by the names that configurations give them."""

_PRIORITIES = {
    LogLevel.debug: 7,
    LogLevel.info: 6,
    LogLevel.warn: 4,
    LogLevel.error: 3,
    LogLevel.critical: 2,
}
"""What syslog and the journal call them (sd-daemon(3))."""

levels = LogLevelFilterPredicate(defaultLogLevel=LogLevel.warn)
"""What is told, by namespace; see :func:`set_levels`."""


def set_levels(app: str, root: str) -> None:
    """What mxisd itself tells, and what the libraries do: names of :data:`LEVELS`."""
    levels.clearLogLevels()
    levels.defaultLogLevel = LEVELS[root]
    levels.setLogLevelForNamespace("mxisd", LEVELS[app])


set_levels("info", "warn")


class Origin(NamedTuple):
    """The request on whose behalf something is done."""

    request: str
    """An ID that its log lines have in common."""
    client: str
    """The network that it came from."""


origin: ContextVar[Callable[[], Origin] | None] = ContextVar("origin", default=None)
"""Set for the time of a request: each event that is logged meanwhile has what it tells as ``request``, ``client``."""


class Logger(TwistedLogger):
    """:class:`twisted.logger.Logger`, for the levels that are set."""

    def emit(self, level: LogLevel, format: str | None = None, **fields: object) -> None:  # noqa: A002
        if level >= levels.logLevelForNamespace(self.namespace):
            came_from = origin.get()
            if came_from is not None:
                fields |= came_from()._asdict()
            super().emit(level, format, **fields)


audit = Logger("mxisd.audit")
"""One line for each change of what is stored, and for each refusal; addresses are redacted."""


class LogWriter:
    """Where the log of ``twistd`` goes, and how it is written there; both are said before it begins."""

    format = "text"
    """``text`` or ``json``."""
    _file: str | None = None

    def choose(self, file: str | None, *, daemon: bool) -> None:
        """Write to a file, the one of ``--logfile`` if that is given; else to the standard output, if we keep it."""
        self._file = None if not daemon and file in (None, "-") else (file or "twistd.log")

    def begin(self) -> ILogObserver:
        """What writes the log."""
        stream = sys.stdout if self._file is None else _rotated(self._file)
        write = as_json if self.format == "json" else _as_text_for(stream)
        observer: Any = FileLogObserver(stream, write)
        chosen: ILogObserver = FilteringLogObserver(observer, [levels])
        return chosen


writer = LogWriter()
"""What writes the log of this process."""


def _rotated(file: str) -> TextIO:
    opened: Any = LogFile.fromFullPath(file)
    # As twistd has it.
    signal.signal(signal.SIGUSR1, lambda *_: opened.rotate())
    stream: TextIO = opened
    return stream


def _as_text_for(stream: TextIO) -> Callable[[LogEvent], str | None]:
    return as_journal if _is_journal(stream) else as_text


def _is_journal(stream: TextIO) -> bool:
    """Whether systemd has connected the stream to its journal, which reads priorities and has times of its own."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return (str(status.st_dev), str(status.st_ino)) == (device, inode)


def as_text(event: LogEvent) -> str | None:
    """A line with its time, and an indented one for each further one."""
    text = formatEventAsClassicLogText(event)
    return None if text is None else f"{text.removesuffix(chr(10))}{_came_from(event)}\n"


def as_journal(event: LogEvent) -> str | None:
    """Lines with a priority each."""
    text = eventAsText(event, includeTimestamp=False)
    priority = _PRIORITIES.get(event["log_level"], 6)
    return "".join(f"<{priority}>{line}\n" for line in f"{text}{_came_from(event)}".splitlines()) or None


def as_json(event: LogEvent) -> str | None:
    """An object a line."""
    found = {
        "time": datetime.fromtimestamp(event["log_time"], UTC).isoformat(timespec="milliseconds"),
        "level": event["log_level"].name,
        "logger": event.get("log_namespace", ""),
        "message": eventAsText(event, includeTimestamp=False, includeSystem=False),
    }
    found |= {name: str(event[name]) for name in Origin._fields if name in event}
    return f"{msgspec.json.encode(found).decode()}\n"


def _came_from(event: LogEvent) -> str:
    return f" (request {event['request']} of {event['client']})" if "request" in event else ""
