"""``mxisd migrate``: what an older mxisd, a ma1sd or a Sydent has kept becomes ours."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentTypeError
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

from .. import files
from ..clock import milliseconds, now
from ..config import Config, load_text
from ..config.engine.section import Unfit
from ..config.engine.values import duration
from ..keys.copy import KeyPlace, missing_keys
from ..keys.file import file_of, merged
from ..matrix.signing import Signer, id_of
from ..migrate import report
from ..migrate.ini import Ini
from ..migrate.move import Move, Plan
from ..migrate.old import Conditions
from ..migrate.source import Opened, open_source
from ..migrate.tables import NotReadable
from ..migrate.translation import translated
from ..reactor import IReactor
from ..storage.contract import StorageUnavailable
from ..storage.copy import CopyFailed
from ..storage.engine import engine, engine_for_trial
from .command import CommandFailed, ExitCode, Invocation, Subcommands, load_config
from .output import Output
from .storage import ProgressBar, opened

# Where the unit has its configuration, and the one folder that it can write to.
SETTINGS = Path("/etc/mxisd")
STATE = Path("/var/lib/mxisd")


def add(subcommands: Subcommands) -> None:
    """Declare the subcommands of this module, and their options."""
    text = "bring over what mxisd 1.x, ma1sd or Sydent has kept; stop both servers before"
    parser = subcommands.add("migrate", run, text)
    parser.add_argument(
        "-f",
        "--from",
        dest="source",
        required=True,
        metavar="SOURCE",
        help="the old configuration (mxisd.yaml, ma1sd.yaml, sydent.conf), or its database: a file or a PostgreSQL URL",
    )
    parser.add_argument(
        "-t", "--to", dest="target", type=Path, metavar="FILE", help="the configuration of the storage to fill"
    )
    parser.add_argument(
        "--keys",
        type=Path,
        metavar="PATH",
        help="the old keys, if SOURCE is a database and key.path does not name them",
    )
    parser.add_argument(
        "--keep-for", type=_duration, metavar="TIME", help="a new term for invites that would expire at once, as 7d"
    )
    parser.add_argument("--retry-failed", action="store_true", help="deliver what never reached its homeserver")
    parser.add_argument("-y", "--yes", action="store_true", help="do it; otherwise nothing is changed")


def _duration(text: str) -> timedelta:
    try:
        return duration(text)
    except Unfit as error:
        raise ArgumentTypeError(f"expected {error}") from None


class _Wanted(Struct, frozen=True):
    """What was asked for on the command line."""

    name: str
    target: Path
    keys: Path | None
    keep_for: timedelta | None
    retry_failed: bool
    yes: bool


async def run(invocation: Invocation) -> ExitCode:
    """Print what would come and, if that is wanted, have it come."""
    options = invocation.options
    wanted = _Wanted(
        options.source,
        options.target or invocation.config_path,
        options.keys,
        options.keep_for,
        options.retry_failed,
        options.yes,
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="mxisd-")))
        try:
            old, config = _open(wanted, invocation.output)
            stack.callback(old.server.close)
            await _move(invocation, old, config, wanted, folder)
        except (CopyFailed, NotReadable, StorageUnavailable) as error:
            raise CommandFailed(str(error)) from None
    return ExitCode.YES


def _open(wanted: _Wanted, output: Output) -> tuple[Opened, Config]:
    """The old server, and the configuration to fill, which is made of Sydent's settings if it is not there."""
    if wanted.target.exists():
        config = load_config(wanted.target)
        here = config.key.path
        old = open_source(wanted.name, wanted.keys, here if here and file_of(here).exists() else None)
    else:
        old = open_source(wanted.name, wanted.keys)
        if old.ini is None:
            raise CommandFailed(
                f"there is no {wanted.target}: the old configuration can be used, with another database"
            )
        config = _made(old.ini, wanted, output)
    if config.storage.backend == "sqlite" and not config.storage.provider.sqlite.lasts:
        raise CommandFailed(f"{wanted.target}: storage.provider.sqlite.database is in memory: nothing would be kept")
    database = config.storage.provider.sqlite.database
    used = config.storage.backend == "sqlite" and database.exists()
    if used and old.path is not None and database.samefile(old.path):
        raise CommandFailed(
            f"{wanted.target}: storage.provider.sqlite.database names {database}, which is to be read and stays as it "
            "is: name a new file there"
        )
    return old, config


def _made(ini: Ini, wanted: _Wanted, output: Output) -> Config:
    """A configuration that means what Sydent's settings did."""
    installed = wanted.target.absolute().parent == SETTINGS and STATE.is_dir()
    text = translated(ini, STATE if installed else None)
    made = load_text(wanted.target, text, os.environ)
    if wanted.yes:
        files.create(wanted.target, text.encode())
    output.line(f"{wanted.target} {'was' if wanted.yes else 'would be'} made, with this in it:", configuration=text)
    for line in text.splitlines():
        output.line(f"  {line}")
    return made


async def _move(invocation: Invocation, old: Opened, config: Config, wanted: _Wanted, folder: Path) -> None:
    settings, reactor = config.storage, invocation.reactor
    chosen = engine(settings, reactor) if wanted.yes else await engine_for_trial(settings, reactor, folder)
    async with opened(reactor, chosen) as (storage,):
        place = KeyPlace(config.key.path, storage.keys)
        found = await place.keys()
        missing = await missing_keys(old.server.keys, place)
        keys = merged(old.server.keys, found)
        if not keys:
            raise CommandFailed("the old keys were not found: --keys names the file or the folder that they are in")
        conditions = _conditions(config, wanted, Signer(config.server.name, keys), reactor)
        move = Move(old.server, storage, conditions)
        plan = await move.plan()
        _tell(invocation.output, old, config, plan, wanted, [id_of(key) for key in missing])
        if not wanted.yes:
            invocation.output.line("nothing was changed: --yes has it done", moved=False)
            return
        if missing:
            # The old key goes on signing: rooms have it in their events.
            await place.put([*missing, *found])
        await move.carry_out(plan, ProgressBar(sys.stderr))
        invocation.output.line("all of it is here now", moved=True)


def _conditions(config: Config, wanted: _Wanted, signer: Signer, reactor: IReactor) -> Conditions:
    expiration = config.invite.expiration
    return Conditions(
        now=now(reactor),
        random=os.urandom,
        signer=signer,
        expiry_user=expiration.resolve_to or "",
        expire_after=milliseconds(expiration.after) if expiration.enabled else None,
        keep_for=None if wanted.keep_for is None else milliseconds(wanted.keep_for),
        retry_failed=wanted.retry_failed,
    )


def _tell(output: Output, old: Opened, config: Config, plan: Plan, wanted: _Wanted, keys: list[str]) -> None:
    output.line(f"{old.server.name}: {old.database}, opened read-only", source=old.server.name)
    if old.server_name and old.server_name != config.server.name:
        output.line(
            f"the old server signed as {old.server_name}, and server.name is {config.server.name}: "
            "homeservers will not accept what is signed for the invites that come"
        )
    if keys:
        where = config.key.path and file_of(config.key.path)
        output.line(report.keys_in_words(keys, where or "the storage"), keys=keys)
    output.table("kinds", report.HEADERS, report.rows(plan))
    output.table("left", report.LEFT_HEADERS, report.left_behind(plan))
    for remark in report.remarks(plan, config.invite.expiration.after, wanted.retry_failed):
        output.line(remark, pending=plan.pending, expiring=plan.expiring)
