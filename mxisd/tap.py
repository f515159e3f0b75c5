"""What ``twistd mxisd`` runs: the service that its command line describes."""

from __future__ import annotations

import gc
import os
from functools import partial
from pathlib import Path

from twisted.application.service import IService

from . import __version__, server, workers
from .cli.serve import Options, say
from .config import Config, load
from .config.dump import dump
from .core import Core, LiveEnds, WorkerEnds
from .errors import StartError
from .listening import Lifeline
from .log import Logger, set_levels, writer
from .process import Reload, among_others
from .reactor import IReactor, installed_reactor
from .services import Services

__all__ = ["Options", "makeService"]

log = Logger()


def makeService(options: Options) -> IService:  # the name that twistd looks for
    """The service of a command line.  Raises ``SystemExit`` with what the administrator has to mend."""
    path, reactor = options.path.absolute(), installed_reactor()
    read = partial(load, path, os.environ)
    try:
        config = read()
        writer.format = config.logging.format
        _set_levels(config)
        if options["dump"] or options["dump-and-exit"]:
            say(dump(config))
        if options["dump-and-exit"]:
            raise SystemExit(0)
        if options["workers"]:
            return _supervisor(config, path, options["workers"], reactor)
        ends = WorkerEnds(options.sockets) if options.sockets else LiveEnds()
        core = Core(config, reactor, ends)
        ends.listen(core, "server.bind", config.server.bind, server.build(core))
        if options.sockets:
            core.run(Lifeline(reactor))
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
    for warning in server.check(config, reactor):
        log.warn("{caution}", caution=warning)
    services = Services()
    supervisor = services.add(workers.Supervisor(workers.endpoints(config, reactor), path, processes, reactor))
    among_others(services, supervisor.hang_up, reactor)
    return services
