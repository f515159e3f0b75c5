"""One database, seen from the reactor."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec, TypeVar, cast

from twisted.internet.defer import Deferred

from .worker import Find, StatementWorker

P = ParamSpec("P")
T = TypeVar("T")
K = TypeVar("K")


class SQLiteDatabase:
    """Runs functions that take a connection: those that only read on one worker, those that write on another."""

    def __init__(self, reader: StatementWorker, writer: StatementWorker) -> None:
        self._reader = reader
        self._writer = writer

    def read(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """Run a function that only reads."""
        return cast("Deferred[T]", self._reader.run(lambda connection: function(connection, *args, **kwargs)))

    def find(
        self,
        find: Callable[Concatenate[sqlite3.Connection, list[K], P], T],
        keys: Sequence[K],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Deferred[T]:
        """
        Find things by their keys, with a function that finds any number of them, and takes no keyword arguments.

        What others seek by the same function and arguments at that time is found with them, and is in the result too.
        """
        return cast("Deferred[T]", self._reader.run(Find(find, keys, args)))

    def write(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """Run a function as one transaction, durable when the result is there."""
        return cast("Deferred[T]", self._writer.run(lambda connection: function(connection, *args, **kwargs)))
