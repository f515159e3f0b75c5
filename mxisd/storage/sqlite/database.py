"""One database, seen from the reactor."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar, cast

from twisted.internet.defer import Deferred

from .worker import FindOne, Worker

P = ParamSpec("P")
T = TypeVar("T")
K = TypeVar("K")


class Database:
    """Runs functions that take a connection: those that only read on one worker, those that write on another."""

    def __init__(self, reader: Worker, writer: Worker) -> None:
        self._reader = reader
        self._writer = writer

    def read(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """Run a function that only reads."""
        return cast("Deferred[T]", self._reader.run(lambda connection: function(connection, *args, **kwargs)))

    def find(self, find: Callable[[sqlite3.Connection, list[K]], dict[K, T]], key: K) -> Deferred[T | None]:
        """Find one thing by a function that finds many; what is sought meanwhile in the same way is found with it."""
        return cast("Deferred[T | None]", self._reader.run(FindOne(find, key)))

    def write(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """Run a function as one transaction, durable when the result is there."""
        return cast("Deferred[T]", self._writer.run(lambda connection: function(connection, *args, **kwargs)))
