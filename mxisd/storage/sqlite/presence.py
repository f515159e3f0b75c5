"""Whether the database is still the file that was opened: what is written into one that was removed is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from twisted.python.failure import Failure

from ...log import Logger
from ..contract import StorageUnavailable
from .schema import open_connection
from .worker import Batch, Entry, Outcome

log = Logger()


class WhilePresent:
    """A :data:`~mxisd.storage.sqlite.worker.Batch` that runs as another one for as long as the file is there."""

    def __init__(self, path: Path, batch: Batch) -> None:
        self._path = path
        self._batch = batch
        self._opened: tuple[int, int] | None = None
        self._told = False

    def connect(self) -> sqlite3.Connection:
        """Open the file, and know it again."""
        connection = open_connection(self._path)
        self._opened, self._told = self._found(), False
        return connection

    def __call__(self, connection: sqlite3.Connection, entries: Sequence[Entry]) -> Iterable[list[Outcome]]:
        if self._found() == self._opened:
            return self._batch(connection, entries)
        if not self._told:
            self._told = True
            log.critical(
                "the database {path} was removed, emptied or replaced while it was in use: nothing is written until"
                " mxisd is started again. What it has kept is lost if there is no copy",
                path=self._path,
            )
        failure = Failure(StorageUnavailable(f"the database {self._path} is not the file that was opened"))
        return [[(result, failure) for _, result in entries]]

    def _found(self) -> tuple[int, int] | None:
        """Which file is there; ``None`` for none, and for an empty one."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return (found.st_dev, found.st_ino) if found.st_size else None
