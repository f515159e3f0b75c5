"""A PostgreSQL, as the modules beside this one use it: steps of one or more statements, each a transaction."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from ..connections import Connections
from ..contract import StorageUnavailable
from .connection import Lost, PostgreSQLConnection, PostgreSQLError, Rows
from .servers import Servers
from .statement import Statement, statement
from .values import Value

T = TypeVar("T")

# How often a step is made that failed only because of others at the same time.
ATTEMPTS = 5

# How many rows one step deletes at most, so that none takes long.
STEP = 1000

# SQLSTATEs (PostgreSQL's manual, appendix A).  Serialization failure, deadlock.
_CONFLICTS = {"40001", "40P01"}
# The server has become a standby; or the tables are gone, or not those that we know, which is seen on connecting.
_USELESS = {"25006", "26000", "3F000", "42P01", "42703"}
# Classes for which there is no cause but a bug in mxisd: data, constraints, syntax.
_BUGS = ("21", "22", "23", "42")
_MAY_NOT = "42501"


class PostgreSQLDatabase:
    """Each call is answered or fails within about ``timeout``; while PostgreSQL is away, at once."""

    def __init__(self, servers: Servers, clock: IReactorTime, size: int, timeout: timedelta) -> None:
        self.connections: Connections[PostgreSQLConnection] = Connections(
            servers.name, servers.connect, clock, size, timeout, servers.settle, self._next
        )
        self._clock = clock
        self._timeout = timeout.total_seconds()
        self._queue: deque[tuple[Sequence[Statement], Deferred[list[Rows]]]] = deque()
        self._sought: dict[tuple[Any, ...], tuple[list[str], list[Deferred[Any]]]] = {}

    async def run(self, sql: str, **values: Value) -> Rows:
        """Run one statement; what it returns.  Raises :class:`StorageUnavailable`."""
        (rows,) = await self.step(statement(sql, **values))
        return rows

    async def step(self, *statements: Statement) -> list[Rows]:
        """
        Run statements in one transaction; what each of them returns.

        Raises :class:`StorageUnavailable`: if it was lost under way, nobody knows whether it has been done.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._attempt(statements)
            except PostgreSQLError as error:
                if attempt == ATTEMPTS or error.sqlstate not in _CONFLICTS:
                    raise self._translated(error) from None
        raise AssertionError

    async def delete_in_steps(self, sql: str, **values: Value) -> int:
        """Run a statement that deletes up to ``:step`` rows until there are no more; how many there were."""
        deleted = 0
        while gone := (await self.run(sql, step=STEP, **values)).affected:
            deleted += gone
        return deleted

    async def find(self, sql: str, make: Callable[[Rows], T], keys: Sequence[str], **values: Value) -> T:
        """
        Find things by their ``:keys``, of which there may be any number; what ``make`` makes of the rows.

        Calls with the same statement and values at the same time become one, so that what is found may have been sought
        by others.
        """
        call = (sql, *values.items())
        if call not in self._sought:
            self._sought[call] = [], []
            self._clock.callLater(0, self._seek, call, make)
        all_keys, waiting = self._sought[call]
        all_keys += keys
        found: Deferred[T] = Deferred()
        waiting.append(found)
        return await found

    def _seek(self, call: tuple[Any, ...], make: Callable[[Rows], object]) -> None:
        keys, waiting = self._sought.pop(call)
        sql, *values = call

        def tell(result: object) -> None:
            for each in waiting:
                if not each.called:
                    each.callback(result)

        Deferred.fromCoroutine(self.run(sql, keys=keys, **dict(values))).addCallback(make).addBoth(tell)

    async def _attempt(self, statements: Sequence[Statement]) -> list[Rows]:
        await self.connections.one()
        answer: Deferred[list[Rows]] = Deferred()
        idle = next((connection for connection in self.connections.ready if connection.is_idle), None)
        if idle is not None:
            self._begin(idle, statements, answer)
        else:
            self._queue.append((statements, answer))
            answer.addTimeout(self._timeout, self._clock)
        try:
            return await answer
        except Lost as error:
            raise StorageUnavailable(f"{self.connections.name}: {error}") from None
        except DeferredTimeout:
            raise StorageUnavailable(f"{self.connections.name} is too busy") from None

    def _begin(
        self, connection: PostgreSQLConnection, statements: Sequence[Statement], answer: Deferred[list[Rows]]
    ) -> None:
        # The server ends each statement earlier by itself: no answer means that it does nothing any more.
        late = self._clock.callLater(self._timeout, self.connections.drop, f"no answer within {self._timeout:g} s")

        def end(result: list[Rows] | Failure) -> None:
            if late.active():
                late.cancel()
            self._next(connection)
            if not answer.called:
                answer.callback(result)

        connection.step(statements).addBoth(end)

    def _next(self, connection: PostgreSQLConnection) -> None:
        """Let a connection take what has waited longest."""
        while self._queue and connection.is_idle and connection in self.connections.ready:
            statements, answer = self._queue.popleft()
            if not answer.called:
                self._begin(connection, statements, answer)

    def _translated(self, refused: PostgreSQLError) -> Exception:
        """The exception to raise for an error that PostgreSQL has answered."""
        if refused.sqlstate in _USELESS:
            self.connections.drop(str(refused))
        elif refused.sqlstate.startswith(_BUGS) and refused.sqlstate != _MAY_NOT:
            return refused
        return StorageUnavailable(f"{self.connections.name} refuses: {refused}")
