"""Runs a program: no shell between us and it, and no longer than it may take."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from ...log import Logger
from ...lookup.source import Unusable
from ...reactor import IReactor
from ...services import Service
from ...waiting import within

log = Logger()

# What a question about one user or address may be answered with, and how much more for each further address.
MAX_ANSWER_BYTES = 1024 * 1024
MAX_BYTES_PER_ADDRESS = 1024
# A list of all users is the longest that there is to say.
MAX_LIST_BYTES = 256 * 1024 * 1024
_SETSID = shutil.which("setsid") or "/usr/bin/setsid"


class ProgramFailed(Exception):
    """A program that cannot be run, or takes too long."""


class ProgramCrashed(Unusable):
    """A program that ended in a way that is no answer: another question may go well."""


class Ended(Struct, frozen=True):
    """How a program ended by itself, and what it wrote to standard output."""

    code: int
    output: bytes


class Programs(Service):
    """
    Runs programs.

    Those that are still at work when it is stopped are killed, with what they have started, and no more are begun.
    """

    name = "exec"

    def __init__(self, reactor: IReactor, timeout: timedelta) -> None:
        self._reactor = reactor
        self._seconds = timeout.total_seconds()
        self._under_way: set[_Program] = set()
        self._stopped = False

    def stopService(self) -> None:
        super().stopService()
        # There may be questions that wait for these to end.
        self._stopped = True
        for program in list(self._under_way):
            program.done.cancel()

    async def run(
        self, command: Sequence[str], environment: Mapping[str, str], input_: bytes, most: int = MAX_ANSWER_BYTES
    ) -> Ended:
        """
        Run a program, which is looked for in ``PATH``, with its arguments and all of its environment.

        If it takes too long, or writes more than ``most`` bytes, it is killed, and so is what it has started.  Raises
        :class:`ProgramFailed` and :class:`ProgramCrashed`.
        """
        if self._stopped:
            raise ProgramFailed(f"{command[0]} is not run: mxisd is being stopped")
        if any("\0" in text for text in (*command, *environment.values())):
            raise ProgramCrashed("NUL cannot be passed to a program")
        program = _Program(command[0], input_, most)
        # In a session of its own it can be killed with everything that belongs to it.
        self._reactor.spawnProcess(program, _SETSID, ["setsid", "--", *command], env=dict(environment))
        late = ProgramFailed(f"{command[0]} was killed: it took more than {self._seconds:g} seconds")
        self._under_way.add(program)
        try:
            return await within(self._seconds, self._reactor, _ended(program), late)
        finally:
            self._under_way.discard(program)


async def _ended(program: _Program) -> Ended:
    return await program.done


class _Program(ProcessProtocol):
    transport: Any

    def __init__(self, name: str, input_: bytes, most: int) -> None:
        self.done: Deferred[Ended] = Deferred(lambda _: self._kill())
        self._name = name
        self._input = input_
        self._output = bytearray()
        self._most = most

    def connectionMade(self) -> None:
        self.transport.write(self._input)
        self.transport.closeStdin()

    def outReceived(self, data: bytes) -> None:
        if self.done.called:
            return
        self._output += data
        if len(self._output) > self._most:
            self._output.clear()
            self.done.errback(ProgramCrashed(f"{self._name} was killed: it wrote more than {self._most} bytes"))
            self._kill()

    def errReceived(self, data: bytes) -> None:
        # Whatever it says may name people.
        log.debug("{program}: {text}", program=self._name, text=data.decode(errors="replace"))

    def processEnded(self, reason: Failure) -> None:
        # ProcessDone or ProcessTerminated; of a program that was ended by a signal there is no exit code.
        code = getattr(reason.value, "exitCode", None)
        if self.done.called:
            return
        if code is None:
            self.done.errback(ProgramCrashed(f"{self._name} was ended by a signal"))
        else:
            self.done.callback(Ended(code, bytes(self._output)))

    def _kill(self) -> None:
        if self.transport.pid is not None:
            try:
                os.killpg(self.transport.pid, signal.SIGKILL)
            except ProcessLookupError:
                # It has not come to have a session yet.
                self.transport.signalProcess("KILL")
        self.transport.loseConnection()
