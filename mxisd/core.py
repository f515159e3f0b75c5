"""
What every part of the server stands on, and the ends at which the server meets the world outside.

Each package has a ``build`` that takes a :class:`Core` and puts its own parts together; :mod:`mxisd.server` calls them
in order.  The server, ``--check``, the commands, the tests and the benchmarks all use the same builders.  What differs
between them is plugged in as :class:`Ends`.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from signedjson.types import SigningKey
from twisted.application.service import IService
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.threads import deferToThreadPool

from . import files
from .clock import Random
from .config import Config
from .errors import about
from .keys.file import load_for_check, load_or_create
from .keys.folder import ephemeral_keys
from .keys.shared import SharedKeys
from .listening import Listener, check_free, inherited
from .matrix import xmatrix
from .matrix.discovery import Discovery
from .matrix.federation import FederationClient, Overwrites
from .matrix.signing import Signer
from .net.dns import Resolver
from .net.http_client import Http, HttpClient
from .net.networks import ANYWHERE
from .net.tls import Trust
from .reactor import IReactor
from .services import Services
from .storage.engine import Engine, engine, engine_for_check, is_unused

S = TypeVar("S", bound=IService)
T = TypeVar("T")


class Ends(Protocol):
    """What a build does to the world outside.  All methods raise :class:`~mxisd.errors.StartError`, or ``OSError``."""

    def engine(self, config: Config, reactor: IReactor) -> Engine:
        """The storage, as a service."""
        ...

    def signing_keys(self, path: Path) -> list[SigningKey]:
        """The keys in a file."""
        ...

    def write(self, path: Path, content: bytes) -> None:
        """Put a file in place for others of its group."""
        ...

    def listen(self, core: Core, key: str, bind: Sequence[str], site: IProtocolFactory) -> None:
        """Have a site served at the endpoints that the configuration has at a key, ``server.bind`` say."""
        ...


class Core:
    """The parts that the others share, made from a configuration."""

    def __init__(
        self,
        config: Config,
        reactor: IReactor,
        ends: Ends,
        *,
        random: Random = os.urandom,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """
        ``environ`` is what programs of the administrator's are given.

        Raises :class:`~mxisd.errors.StartError`.
        """
        self.config = config
        self.reactor = reactor
        self.ends = ends
        self.random = random
        self.environ = os.environ if environ is None else environ
        self.services = Services()
        self.live: dict[str, Callable[[Config], object]] = {}
        """What takes values from a new configuration without a restart, by the key that it is about."""
        self.warnings: list[str] = list(config.warnings)
        """What the administrator should know at start: of the configuration, and of what the parts find out."""

        self.warnings += _invites_left(config)
        self.storage = self.run(ends.engine(config, reactor)).storage
        path = config.key.path
        with about("key.path"):
            keys = ends.signing_keys(path) if path else self.run(SharedKeys(self.storage.keys, reactor))
        self.signer = Signer(config.server.name, keys)

        self.resolver = Resolver(reactor, config.outbound.nameservers)
        with about("outbound.caFile"):
            self.trust = Trust(config.outbound.ca_file, config.outbound.insecure_servers)
        self.untrusted_http: Http = HttpClient(reactor, self.resolver, self.trust, config.outbound.allowed_networks)
        """For servers that strangers name."""
        self.admin_http: Http = HttpClient(reactor, self.resolver, self.trust, ANYWHERE)
        """For servers that the administrator names, wherever they are."""
        overwrites = {entry.name: entry.value for entry in config.dns.overwrite.homeserver.federation}
        self.federation = FederationClient(
            reactor,
            self.untrusted_http,
            Discovery(reactor, self.untrusted_http, self.resolver, random),
            Overwrites(overwrites, self.admin_http),
        )
        # What homeservers may call us when they sign a request: as a client wrote it, that is with the port.
        our_names = [config.server.name, urlsplit(config.server.public_url).netloc]
        self.authenticate = partial(xmatrix.authenticate, self.federation, our_names=our_names)
        """Which homeserver has signed a request."""

    def run(self, service: S) -> S:
        """Have a service started after those that are there already, and stopped before them; returns it."""
        return self.services.add(service)

    def in_thread(self, function: Callable[[], T]) -> Awaitable[T]:
        """Call a function that computes for long, without holding up the reactor."""
        return deferToThreadPool(self.reactor, self.reactor.getThreadPool(), function)


def _invites_left(config: Config) -> Iterator[str]:
    """A warning for whoever is about to begin with a new database beside the keys of an older server's invites."""
    folder, count = config.key.path, 0
    with suppress(OSError):  # who needs what cannot be read will say so
        if folder is not None and folder.is_dir() and is_unused(config.storage):
            count = len(ephemeral_keys(folder))
    if count:
        yield (
            f"key.path: of {count} invites that an older server took, only the keys are here: before the first start, "
            "'mxisd migrate --from' its configuration brings the invites"
        )


class LiveEnds:
    """The ends of the server: files are made, the database is opened, ports are listened on."""

    def engine(self, config: Config, reactor: IReactor) -> Engine:
        return engine(config.storage, reactor)

    def signing_keys(self, path: Path) -> list[SigningKey]:
        return load_or_create(path)

    def write(self, path: Path, content: bytes) -> None:
        files.share(path, content)

    def listen(self, core: Core, key: str, bind: Sequence[str], site: IProtocolFactory) -> None:
        check_free(key, bind, core.reactor)
        for description in bind:
            core.run(Listener(key, description, site, core.reactor))


class WorkerEnds(LiveEnds):
    """The ends of a worker, which serves on sockets that its supervisor has opened."""

    def __init__(self, sockets: Mapping[str, Sequence[int]]) -> None:
        """``sockets`` are file descriptors, by the key that they are for."""
        self._sockets = sockets

    def listen(self, core: Core, key: str, bind: Sequence[str], site: IProtocolFactory) -> None:
        for descriptor in self._sockets.get(key, ()):
            core.run(inherited(descriptor, site, core.reactor))


class DryEnds:
    """
    The ends of ``--check``, and of commands beside a running server: everything is looked at, nothing is changed.

    The storage is put together but never opened: what is built on these ends must not be served.
    """

    def engine(self, config: Config, reactor: IReactor) -> Engine:
        return engine_for_check(config.storage, reactor)

    def signing_keys(self, path: Path) -> list[SigningKey]:
        return load_for_check(path)

    def write(self, path: Path, content: bytes) -> None:
        files.check_shareable(path)

    def listen(self, core: Core, key: str, bind: Sequence[str], site: IProtocolFactory) -> None:
        check_free(key, bind, core.reactor)
