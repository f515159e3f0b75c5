"""An identity store made of programs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from twisted.internet.defer import DeferredSemaphore

from ...config.exec import Exec, Process
from ...lookup.source import Batch
from ...matrix.threepid import ThreePid
from ..address import in_all_spellings, one_by_one
from ..bodies import BadAnswer, Fields, ProfileFields, Reader, decoded, user_parts
from ..localpart import UserIds
from ..store import Entry, Profile, Store
from .program import (
    MAX_ANSWER_BYTES,
    MAX_BYTES_PER_ADDRESS,
    MAX_LIST_BYTES,
    ProgramCrashed,
    ProgramFailed,
    Programs,
)
from .request import Request

# Programs at the same time: each is a process to be started.
_AT_ONCE = 8
# Exit codes by which setsid says that a program cannot be run, or is not there.
_NOT_THERE = (126, 127)


class ExecStore:
    """Answers by running a program for each question; one that is not configured knows nothing."""

    name = "exec"
    local = True

    def __init__(self, config: Exec, programs: Programs, environment: Mapping[str, str], user_ids: UserIds) -> None:
        """``environment`` is what programs are given besides their own settings."""
        self._config = config
        self._programs = programs
        self._environment = environment
        self._user_ids = user_ids
        self._reader = Reader(user_ids)
        self._places = DeferredSemaphore(_AT_ONCE)
        # Whoever looks up many leaves a place for others.
        self._lookups = DeferredSemaphore(_AT_ONCE - 1)

    def offered(self) -> Store:
        """The store, with the features that are switched on."""
        config = self._config

        def on(enabled: bool | None) -> ExecStore | None:
            return self if config.offers(enabled) else None

        identity = on(config.identity.enabled)
        return Store(
            self.name,
            source=identity,
            profiles=on(config.profile.enabled),
            directory=on(config.directory.enabled),
            listing=identity if config.identity.hash_enabled and config.identity.lookup.bulk.command else None,
            authentication=on(config.auth.enabled) if config.auth.command else None,
        )

    @in_all_spellings
    async def lookup(self, asked: Sequence[ThreePid]) -> Mapping[ThreePid, str]:
        commands = self._config.identity.lookup
        if commands.bulk.command and (len(asked) > 1 or not commands.single.command):
            return dict(self._reader.pairs(await self._bulk(asked)))
        return await one_by_one(self._lookup_one, asked)

    async def batches(self) -> AsyncIterator[Batch]:
        # Asked for nobody in particular, the program lists everybody.
        yield list(self._reader.pairs(await self._bulk(())))

    async def display_name(self, user_id: str) -> str | None:
        return (await self._profile(self._config.profile.display_name, user_id)).display_name

    async def threepids(self, user_id: str) -> Sequence[ThreePid]:
        return (await self._profile(self._config.profile.three_pid, user_id)).addresses

    async def roles(self, user_id: str) -> Sequence[str]:
        return (await self._profile(self._config.profile.role, user_id)).roles

    async def search_by_name(self, term: str, limit: int) -> Sequence[Entry]:
        return await self._search(self._config.directory.search.by_name, "name", term, limit)

    async def search_by_threepid(self, term: str, limit: int) -> Sequence[Entry]:
        search = self._config.directory.search
        # One program may do for both: it is told which one is meant.
        return await self._search(
            search.by_threepid if search.by_threepid.command else search.by_name, "threepid", term, limit
        )

    async def authenticate(self, user_id: str, password: str) -> Profile | None:
        user = user_parts(self._user_ids, user_id)
        if user is None or "\0" in password:
            return None
        process = self._config.auth
        output = await self._ask(process, _request({**user, "password": password}, "localpart domain mxid password"))
        if output is None:
            return None
        # The exit code was a good one; only a word of the program's own says otherwise.
        if process.output.type is None or not output:
            return self._reader.login(user_id, {}, unsaid=True)
        if process.output.type == "json":
            return self._reader.login(user_id, decoded(output), unsaid=True)
        said, name = _lines(output)
        auth = {"success": said or "true", "profile": {"display_name": name or None}}
        return self._reader.login(user_id, {"auth": auth})

    async def _lookup_one(self, threepid: ThreePid) -> str | None:
        process = self._config.identity.lookup.single
        async with self._lookups:
            output = await self._ask(process, _request(threepid._asdict(), "medium address"))
        if not output:
            return None
        if process.output.type in {"plain", "multilines"}:
            first, second = _lines(output)
            # One line is a localpart, and so is what follows an empty one.
            type_, value = (first or "localpart", second) if second else ("localpart", first)
            return self._reader.user_id({"type": type_, "value": value})
        return self._reader.found_one(decoded(output))

    async def _bulk(self, asked: Sequence[ThreePid]) -> Fields:
        most = MAX_ANSWER_BYTES + MAX_BYTES_PER_ADDRESS * len(asked) if asked else MAX_LIST_BYTES
        body = {"lookup": [threepid._asdict() for threepid in asked]}
        plain = "\n".join(f"{threepid.medium}\t{threepid.address}" for threepid in asked)
        return decoded(await self._ask(self._config.identity.lookup.bulk, Request({}, body, plain), most) or b"")

    async def _profile(self, process: Process, user_id: str) -> ProfileFields:
        user = user_parts(self._user_ids, user_id)
        output = await self._ask(process, _request(user, "localpart domain mxid")) if user else None
        return ProfileFields(decoded(output or b""))

    async def _search(self, process: Process, by: str, term: str, limit: int) -> Sequence[Entry]:
        if not term.isprintable():
            return []
        request = Request({"type": by, "query": term}, {"by": by, "search_term": term}, f"{by}\n{term}")
        return self._reader.entries(decoded(await self._ask(process, request) or b""), limit)

    async def _ask(self, process: Process, request: Request, most: int = MAX_ANSWER_BYTES) -> bytes | None:
        """What a program writes, without the end of the line; ``None`` if it says no, or if there is none."""
        if not process.command:
            return None
        tokens = {**self._config.token, **process.token}
        command = request.command(process, tokens)
        environment = {**self._environment, **request.environment(process, tokens)}
        input_ = request.input(process, tokens)
        async with self._places:
            result = await self._programs.run(command, environment, input_, most)
        if result.code in process.exit.success:
            return result.output.rstrip()
        if result.code in process.exit.failure:
            return None
        failed = ProgramFailed if result.code in _NOT_THERE else ProgramCrashed
        raise failed(f"{process.command} ended with the exit code {result.code}")


def _request(values: Mapping[str, str], plain: str) -> Request:
    """A question that is the same in JSON and in lines: ``plain`` names the values that are the lines."""
    return Request(values, values, "\n".join(values[name] for name in plain.split()))


def _lines(output: bytes) -> tuple[str, str]:
    """The one or two lines of an output.  Raises :class:`BadAnswer`."""
    lines = output.decode(errors="replace").split("\n")
    if len(lines) > 2:
        raise BadAnswer(f"expected one line, or two, found {len(lines)}")
    return lines[0].strip(), lines[1].strip() if len(lines) == 2 else ""
