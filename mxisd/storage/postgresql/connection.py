"""
One connection to a PostgreSQL, on the reactor: the protocol is libpq's, by way of psycopg.

psycopg's own asynchronous connections want asyncio, and its others a thread each, which costs three times as much
processor time for a query as waiting on the reactor does.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from psycopg import OperationalError, pq
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, PollingStatus
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFDSet, IReadWriteDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from .statement import Statement
from .values import BINARY_FORMAT, reader

Row = dict[str, Any]


class Rows(list[Row]):
    """What a statement returned."""

    affected: int = 0
    """How many rows it has changed, or returned."""


class PostgreSQLError(Exception):
    """An error that PostgreSQL, or a pooler before it, has answered."""

    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class Lost(Exception):
    """The connection could not be made, or is no more; the message says why."""


@implementer(IReadWriteDescriptor)
class PostgreSQLConnection:
    """Does one thing at a time: :meth:`connect` first, and then steps."""

    def __init__(self, reactor: IReactorFDSet) -> None:
        self.prelude: list[Statement] = []
        """What begins each step, since a pooler has us in another session each time."""
        self.prepares = False
        """Whether each statement is planned once: the session has to be ours alone."""
        self._reactor = reactor
        self._prepared: set[bytes] = set()
        self._under_way: Deferred[Any] | None = None
        self._receiving: Callable[[], None] | None = None
        """What goes on with what has arrived; ``None`` while it is being connected."""
        self._waiting: list[Deferred[None]] = []
        self._file = -1
        self._closed = False

    async def connect(self, conninfo: str) -> None:
        """Connect to one host, whose address is given as well, so that nothing blocks.  Raises :class:`Lost`."""
        self._pg = pq.PGconn.connect_start(conninfo.encode())
        connected = self._begin()
        if self._pg.status == ConnStatus.BAD:
            self.abort(self._error())
        else:
            self._watch(write=True)
        await connected

    @property
    def pid(self) -> int:
        """The process that serves us, as we were told at the start: a pooler makes up one."""
        return int(self._pg.backend_pid)

    @property
    def is_idle(self) -> bool:
        return self._under_way is None and not self._closed

    def step(self, statements: Sequence[Statement]) -> Deferred[list[Rows]]:
        """
        Run statements in one transaction and one round trip; what each of them returns.

        Fails with :class:`PostgreSQLError`, and nothing has happened, or with :class:`Lost`, and nobody knows.
        """
        self._expected: deque[bytes | None] = deque()
        self._answers: list[Rows] = []
        under_way = self._begin(self._receive)
        try:
            self._pg.enter_pipeline_mode()
            for each in (*self.prelude, *statements):
                self._send(each)
            self._pg.pipeline_sync()
        except OperationalError as error:
            self.abort(_line(str(error)))
        else:
            self._flush()
        return under_way

    def run_script(self, sql: str) -> Deferred[None]:
        """Run a text of any number of statements.  Fails with :class:`PostgreSQLError`, :class:`Lost`."""
        under_way = self._begin(self._receive_script)
        try:
            self._pg.send_query(sql.encode())
        except OperationalError as error:
            self.abort(_line(str(error)))
        else:
            self._flush()
        return under_way

    def abort(self, reason: str = "it was closed") -> None:
        """Close the connection at once: what is under way fails."""
        if self._closed:
            return
        self._closed = True
        self._unwatch()
        self._pg.finish()
        self._end(Failure(Lost(reason)))
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)

    def whenDisconnected(self) -> Deferred[None]:
        """Fires when the connection is of no more use."""
        disconnected: Deferred[None] = Deferred()
        if self._closed:
            disconnected.callback(None)
        else:
            self._waiting.append(disconnected)
        return disconnected

    def _begin(self, receiving: Callable[[], None] | None = None) -> Deferred[Any]:
        self._refusal: PostgreSQLError | None = None
        self._receiving = receiving
        self._under_way = Deferred()
        return self._under_way

    def _end(self, result: Any) -> None:
        ended, self._under_way = self._under_way, None
        if ended is not None:
            ended.callback(result)

    def _error(self) -> str:
        return _line(self._pg.error_message.decode(errors="replace"))

    # Connecting.

    def _poll(self) -> None:
        # libpq may go on with another socket.
        self._unwatch()
        status = self._pg.connect_poll()
        if status == PollingStatus.FAILED:
            return self.abort(self._error())
        self._watch(write=status == PollingStatus.WRITING)
        if status == PollingStatus.OK:
            self._pg.nonblocking = 1
            self._receiving = self._receive
            self._end(None)
        return None

    # Steps.

    def _send(self, statement: Statement) -> None:
        text, prepared, values, formats = statement
        if not self.prepares:
            self._pg.send_query_params(text, values, None, formats, BINARY_FORMAT)
        else:
            if prepared not in self._prepared:
                self._prepared.add(prepared)
                self._pg.send_prepare(prepared, text)
                self._expected.append(prepared)
            self._pg.send_query_prepared(prepared, values, formats, BINARY_FORMAT)
        self._expected.append(None)

    def _receive(self) -> None:
        while self._under_way is not None and not self._pg.is_busy():
            result = self._pg.get_result()
            # Between the results of two statements comes nothing.
            if result is not None:
                self._take(result)

    def _take(self, result: Any) -> None:
        status = result.status
        if status == ExecStatus.PIPELINE_SYNC:
            # What was not prepared because of an error.
            self._prepared.difference_update(name for name in self._expected if name is not None)
            self._pg.exit_pipeline_mode()
            self._end(Failure(self._refusal) if self._refusal else self._answers[len(self.prelude) :])
        elif status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            if self._expected.popleft() is None:
                self._answers.append(_rows(result))
        elif status == ExecStatus.FATAL_ERROR:
            self._refuse(result)

    def _receive_script(self) -> None:
        while self._under_way is not None and not self._pg.is_busy():
            result = self._pg.get_result()
            if result is None:
                self._end(Failure(self._refusal) if self._refusal else None)
            elif result.status == ExecStatus.FATAL_ERROR:
                self._refuse(result)

    def _refuse(self, result: Any) -> None:
        sqlstate = result.error_field(DiagnosticField.SQLSTATE) or b""
        message = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or result.error_message
        self._refusal = PostgreSQLError(sqlstate.decode(), _line(message.decode(errors="replace")))
        if self._pg.status == ConnStatus.BAD:
            self.abort(str(self._refusal))

    # The reactor.

    def _flush(self) -> None:
        try:
            if self._pg.flush():
                self._reactor.addWriter(self)
            else:
                self._reactor.removeWriter(self)
        except OperationalError as error:
            self.abort(_line(str(error)))

    def _watch(self, *, write: bool) -> None:
        # libpq closes its own before it says so, and the reactor could not let go of it any more.
        self._file = os.dup(self._pg.socket)
        self._reactor.addReader(self)
        if write:
            self._reactor.addWriter(self)

    def _unwatch(self) -> None:
        if self._file != -1:
            self._reactor.removeReader(self)
            self._reactor.removeWriter(self)
            os.close(self._file)
            self._file = -1

    def fileno(self) -> int:
        return self._file

    def doRead(self) -> None:
        if self._receiving is None:
            return self._poll()
        try:
            self._pg.consume_input()
        except OperationalError as error:
            return self.abort(_line(str(error)))
        return self._receiving()

    def doWrite(self) -> None:
        # What was read a moment ago, in the same event, may have been the end.
        if not self._closed:
            return self._poll() if self._receiving is None else self._flush()
        return None

    def connectionLost(self, reason: Failure) -> None:
        self.abort(reason.getErrorMessage())

    def logPrefix(self) -> str:
        return "postgresql"


def _line(message: str) -> str:
    return " ".join(message.split())


def _rows(result: Any) -> Rows:
    columns = range(result.nfields)
    names = [result.fname(column).decode() for column in columns]
    readers = [reader(result.ftype(column)) for column in columns]
    rows = Rows(
        {
            name: None if (data := result.get_value(row, column)) is None else read(data)
            for column, (name, read) in enumerate(zip(names, readers, strict=True))
        }
        for row in range(result.ntuples)
    )
    rows.affected = result.command_tuples or 0
    return rows
