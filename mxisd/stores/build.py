"""The identity stores that a configuration describes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..config import Config
from ..config.ldap import Ldap
from ..core import Core
from ..services import Service
from .exec.program import Programs
from .exec.store import ExecStore
from .ldap.build import ldap_store
from .localpart import UserIds, mapped, strict
from .memory import MemoryStore
from .rest import RestStore
from .sql.build import sql_store, synapse_store
from .store import Store
from .stores import Stores
from .wordpress import wordpress_store


def build(core: Core) -> Stores:
    """
    The stores that are enabled, as one; what has to run for them is run.

    Raises :class:`~mxisd.config.ConfigError`.
    """
    config, reactor, http = core.config, core.reactor, core.admin_http
    user_ids, warn = user_ids_of(config), core.warnings.append
    stores: list[Store] = []

    def add(store: Store, service: Service) -> None:
        stores.append(store)
        core.run(service)

    if config.memory.enabled:
        stores.append(_memory(core, user_ids))
    if config.sql.used:
        add(*sql_store("sql", config.sql, reactor, user_ids, warn))
    if config.synapse_sql.used:
        domain = config.matrix.domain
        add(*synapse_store("synapseSql", config.synapse_sql, domain, reactor, user_ids, warn))
    for key, section in ldap_sections(config):
        store, _, service = ldap_store(key, section, config.outbound.ca_file, reactor, user_ids)
        add(store, service)
    if config.rest.enabled:
        stores.append(RestStore(config.rest, http, user_ids).offered())
    if config.exec.used:
        programs = core.run(Programs(reactor, config.exec.timeout))
        stores.append(ExecStore(config.exec, programs, core.environ, user_ids).offered())
    if config.wordpress.enabled:
        add(*wordpress_store(config.wordpress, reactor, http, user_ids, warn))
    # Who is asked first; the numbers are mxisd's.
    priorities = {"memory": math.inf, "wordpress": 15, "exec": config.exec.identity.priority or 0}
    stores.sort(key=lambda store: priorities.get(store.name, 20), reverse=True)
    return Stores(stores)


def _memory(core: Core, user_ids: UserIds) -> Store:
    """The users in the configuration, which can change under the running server."""
    memory = MemoryStore(core.config.memory.identities, user_ids)
    core.live["memory.identities"] = lambda config: memory.replace(config.memory.identities)
    listing = memory if core.config.memory.hash_enabled else None
    return Store("memory", memory, memory, memory, listing, memory)


def user_ids_of(config: Config) -> UserIds:
    """How names become user IDs."""
    return UserIds(config.matrix.domain, strict if config.stores.localparts == "refuse" else mapped)


def ldap_sections(config: Config) -> list[tuple[str, Ldap]]:
    """The directory servers that are enabled, by their keys."""
    return [*_enabled("ldap", config.ldap), *_enabled("netiq", config.netiq)]


def _enabled(key: str, sections: Sequence[Ldap]) -> list[tuple[str, Ldap]]:
    return [
        (key if len(sections) == 1 else f"{key}[{index}]", section)
        for index, section in enumerate(sections)
        if section.enabled
    ]
