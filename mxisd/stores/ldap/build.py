"""The stores that ``ldap`` and ``netiq`` describe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...config.engine.problems import ConfigError
from ...config.ldap import Ldap
from ...errors import about
from ...library import MissingLibrary
from ...net.tls import Trust
from ...reactor import IReactor
from ...services import Service
from ..localpart import UserIds
from ..pool import ThreadedPool
from ..store import Store
from .names import FullUserIds, Localparts, Names, PrincipalNames
from .server import LdapServer, Place
from .store import LdapStore, Schema


def ldap_store(
    key: str, config: Ldap, ca_file: Path | None, reactor: IReactor, user_ids: UserIds
) -> tuple[Store, LdapStore, Service]:
    """
    The store of a section, by the key of which it is called, the same with what else it can do, and its threads.

    ``ca_file`` has the authorities to trust if the section names none.  Raises :class:`~mxisd.errors.StartError`.
    """
    connection = config.connection
    place = Place(
        host=connection.host or "",
        port=connection.port,
        tls=connection.tls,
        start_tls=connection.start_tls,
        bind_dn=connection.bind_dn,
        bind_password=connection.bind_password,
        ca_file=connection.ca_file or ca_file,
        verify=connection.tls_verify,
    )
    if place.ca_file is not None and (place.tls or place.start_tls):
        with about(f"{key}.connection.caFile"):
            Trust(place.ca_file)  # python-ldap would say no more than that it cannot connect
    try:
        server = LdapServer(place)
    except MissingLibrary as error:
        raise ConfigError([f"{key}: {error}"]) from None
    pool: ThreadedPool[Any] = ThreadedPool(key, server, reactor)
    store = LdapStore(key, pool, server, schema_of(config), _names(config, user_ids))
    listing = store if config.lookup or config.identity.lookup else None
    return Store(key, store, store, store, listing, store), store, pool


def schema_of(config: Ldap) -> Schema:
    """Where in an entry things are."""
    attribute = config.attribute
    return Schema(
        base_dns=config.connection.all_base_dns,
        uid=attribute.uid.value,
        name=attribute.name,
        threepids={medium: attributes for medium, attributes in attribute.threepid.items() if attributes},
        roles=attribute.role,
        searched=config.directory.attribute.other,
        by_medium=config.identity.medium,
        token=config.identity.token,
        identity_filter=config.identity.filter or config.filter,
        profile_filter=config.profile.filter or config.filter,
        directory_filter=config.directory.filter or config.filter,
        auth_filter=config.auth.filter or config.filter,
    )


def _names(config: Ldap, user_ids: UserIds) -> Names:
    if config.attribute.uid.type == "mxid":
        return FullUserIds(user_ids)
    if config.active_directory:
        return PrincipalNames(user_ids, config.default_domain)
    return Localparts(user_ids)
