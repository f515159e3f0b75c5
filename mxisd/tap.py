"""What ``twistd mxisd`` runs: the command line, and the service that it describes."""

from __future__ import annotations

import gc
import os
import sys
from functools import partial
from pathlib import Path

from twisted.application.service import IService
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from . import __version__, server, workers
from .cli.check import check
from .config import Config, load
from .core import Core, LiveEnds, WorkerEnds
from .errors import StartError
from .log import Logger, set_levels, writer
from .process import Reload, among_others
from .reactor import IReactor, installed_reactor
from .services import Services

log = Logger()


class Options(UsageOptions):
    """The command line of ``twistd mxisd``."""

    optParameters = [  # noqa: RUF012  # as Twisted has it
        ["config", "c", "mxisd.yaml", "The configuration file."],
        ["workers", "w", 0, "Serve with so many processes on this machine; needs storage.backend: redis.", int],
        ["sockets", None, None, "For a worker: the file descriptors of the sockets that it inherits."],
    ]
    optFlags = [["check", None, "Check the configuration and exit: 0 if the server would start, else 1."]]  # noqa: RUF012

    def postOptions(self) -> None:
        if self["workers"] < 0:
            raise UsageError("--workers: expected a number of processes")
        # Not there for mxisd.tac.
        twistd = getattr(self, "parent", None)
        if twistd is not None and not twistd["logger"] and not twistd["syslog"]:
            writer.choose(twistd["logfile"], daemon=not twistd["nodaemon"])
            twistd["logger"] = "mxisd.log.writer.begin"
        if self["check"]:
            sys.exit(0 if check(Path(self["config"]), self["workers"], _say) else 1)


def _say(text: str) -> None:
    """Print, with escapes for what the terminal cannot show."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(f"{text.encode(encoding, 'backslashreplace').decode(encoding)}\n")


def makeService(options: Options) -> IService:  # the name that twistd looks for
    """The service of a command line.  Raises ``SystemExit`` with what the administrator has to mend."""
    path, reactor = Path(options["config"]).absolute(), installed_reactor()
    read = partial(load, path, os.environ)
    try:
        config = read()
        writer.format = config.logging.format
        _set_levels(config)
        if options["workers"]:
            return _supervisor(config, path, options["workers"], reactor)
        ends = WorkerEnds(options["sockets"]) if options["sockets"] else LiveEnds()
        core = Core(config, reactor, ends)
        ends.listen(core, server.build(core))
    except StartError as error:
        raise SystemExit(f"mxisd cannot start:\n{error}") from None
    for warning in core.warnings:
        log.warn("{caution}", caution=warning)
    bind = ", ".join(config.server.bind)
    log.info("mxisd {version} serves {url} at {bind}", version=__version__, url=config.server.public_url, bind=bind)
    reload = Reload(config, read, {"logging": _set_levels, **core.live})
    among_others(core.services, reload, reactor)
    # What is there now stays to the end: the collector need not look through it again and again.
    gc.collect()
    gc.freeze()
    return core.services


def _set_levels(config: Config) -> None:
    set_levels(config.logging.app, config.logging.root)


def _supervisor(config: Config, path: Path, processes: int, reactor: IReactor) -> IService:
    """What serves with several processes, each of which reads the configuration by itself."""
    workers.check(config)
    server.check(config, reactor)
    services = Services()
    supervisor = workers.Supervisor(
        config.server.bind, workers.command(path, len(config.server.bind)), processes, reactor
    )
    services.add(supervisor)
    among_others(services, supervisor.hang_up, reactor)
    return services
