"""An identity store in a directory server."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ...log import Logger
from ...lookup.source import Batch
from ...matrix.threepid import MSISDN, ThreePid
from ..address import findable, kept
from ..pool import ThreadedPool
from ..store import Entry, Profile
from .filters import any_of, contains, equal, filled, of_address, restricted
from .names import Names
from .search import LdapEntry
from .server import LdapServer

log = Logger()

# So many comparisons in one filter: servers limit its size.
_COMPARISONS = 200


class Schema(Struct, frozen=True):
    """Where in an entry things are, and the administrator's own filters."""

    base_dns: tuple[str, ...]
    uid: str
    name: str
    threepids: Mapping[str, Sequence[str]]
    roles: tuple[str, ...] = ()
    searched: tuple[str, ...] = ()
    """What searches by name look at besides."""
    by_medium: Mapping[str, str] = {}
    """Filters of its own for a medium, with ``token`` where the address belongs."""
    token: str = "%3pid"  # noqa: S105 - not a secret
    identity_filter: str | None = None
    profile_filter: str | None = None
    directory_filter: str | None = None
    auth_filter: str | None = None

    @property
    def known(self) -> tuple[str, ...]:
        """The attributes that make a profile."""
        threepids = (attribute for attributes in self.threepids.values() for attribute in attributes)
        return tuple(dict.fromkeys((self.uid, self.name, *threepids, *self.roles)))


class Match(Struct, frozen=True):
    """An entry that a filter found; ``user_id`` is ``None`` if it has none that could be."""

    dn: str
    user_id: str | None


class Check(Struct, frozen=True):
    """How a lookup of one address comes out."""

    filter: str
    matches: tuple[Match, ...]


class LdapStore:
    """Answers from a directory server."""

    local = True

    def __init__(self, name: str, pool: ThreadedPool[Any], server: LdapServer, schema: Schema, names: Names) -> None:
        self.name = name
        self._pool = pool
        self._server = server
        self._schema = schema
        self._names = names

    async def lookup(self, threepids: Sequence[ThreePid]) -> Mapping[ThreePid, str]:
        asked = findable(threepids)
        together: dict[str, list[ThreePid]] = defaultdict(list)
        for threepid in asked:
            # What a filter of the administrator's has found does not say which address it has been.
            if threepid.medium in self._schema.threepids and threepid.medium not in self._schema.by_medium:
                together[threepid.medium].append(threepid)
        found: dict[ThreePid, str] = {}
        singly = [threepid for threepid in asked if threepid.medium in self._schema.by_medium]
        for medium, several in together.items():
            if len(several) == 1:
                singly += several
                continue
            # Phone numbers are compared in two forms.
            step = max(1, _COMPARISONS // (len(self._schema.threepids[medium]) * (2 if medium == MSISDN else 1)))
            for start in range(0, len(several), step):
                some = several[start : start + step]
                known, unexplained = await self._find_together(medium, some)
                found |= known
                # The server compares in ways of its own, and has found someone by an address that looks different.
                singly += [threepid for threepid in some if unexplained and threepid not in known]
        return found | await self._find_singly(singly)

    async def check(self, threepid: ThreePid) -> Check | None:
        """How a lookup comes out, step by step; ``None`` for a medium that the store does not know."""
        filter_ = self._filter(threepid)
        if filter_ is None:
            return None
        entries, _ = await self._search(filter_, [self._schema.uid])
        return Check(filter_, tuple(Match(entry.dn, self._user_id(entry)) for entry in entries))

    async def display_name(self, user_id: str) -> str | None:
        schema = self._schema
        entry = await self._entry(user_id, schema.profile_filter, [schema.uid, schema.name])
        return self._display_name(entry) if entry else None

    async def threepids(self, user_id: str) -> Sequence[ThreePid]:
        entry = await self._entry(user_id, self._schema.profile_filter, self._schema.known)
        return self._threepids(entry) if entry else ()

    async def roles(self, user_id: str) -> Sequence[str]:
        schema = self._schema
        if not schema.roles:
            return ()
        entry = await self._entry(user_id, schema.profile_filter, [schema.uid, *schema.roles])
        return entry.values(schema.roles) if entry else ()

    async def search_by_name(self, term: str, limit: int) -> Sequence[Entry]:
        schema = self._schema
        return await self._directory([schema.name, schema.uid, *schema.searched], term, limit)

    async def search_by_threepid(self, term: str, limit: int) -> Sequence[Entry]:
        attributes = [attribute for attributes in self._schema.threepids.values() for attribute in attributes]
        return await self._directory(attributes, term, limit)

    async def batches(self) -> AsyncIterator[Batch]:
        schema = self._schema
        filter_ = restricted(f"({schema.uid}=*)", schema.identity_filter)

        def pages(connection: Any) -> Iterator[list[LdapEntry]]:
            return self._server.searches.everybody(connection, schema.base_dns, filter_, schema.known, schema.uid)

        async for page in self._pool.stream(pages):
            users = ((entry, self._user_id(entry)) for entry in page)
            yield [(threepid, user_id) for entry, user_id in users if user_id for threepid in self._threepids(entry)]

    async def authenticate(self, user_id: str, password: str) -> Profile | None:
        entry = await self._entry(user_id, self._schema.auth_filter, self._schema.known)
        if entry is None:
            return None
        dn = entry.dn
        if not await self._pool.run(lambda _: self._server.accepts(dn, password)):
            return None
        roles = frozenset(entry.values(self._schema.roles))
        # By whichever of several names it was that they logged in.
        return Profile(user_id, self._display_name(entry), self._threepids(entry), roles)

    async def _find_together(self, medium: str, some: Sequence[ThreePid]) -> tuple[dict[ThreePid, str], bool]:
        """Who has the addresses, and whether entries were found of which that cannot be told."""
        schema = self._schema
        attributes = schema.threepids[medium]
        filter_ = restricted(any_of(of_address(threepid, attributes) for threepid in some), schema.identity_filter)
        wanted = set(some)
        found: dict[ThreePid, str] = {}
        entries, complete = await self._search(filter_, [schema.uid, *attributes])
        # Of those whom the server has kept back nothing can be told either.
        unexplained = not complete
        for entry in entries:
            addresses = wanted.intersection(kept(medium, value) for value in entry.values(attributes))
            user_id = self._user_id(entry)
            if user_id is not None:
                unexplained = unexplained or not addresses
                found = dict.fromkeys(addresses, user_id) | found
        return found, unexplained

    async def _find_singly(self, asked: Sequence[ThreePid]) -> dict[ThreePid, str]:
        filters = {threepid: filter_ for threepid in asked if (filter_ := self._filter(threepid))}
        if not filters:
            return {}
        schema = self._schema
        results = await self._pool.run(
            lambda connection: self._server.searches.search_each(
                connection, schema.base_dns, list(filters.values()), [schema.uid]
            )
        )
        found = {}
        for threepid, entries in zip(filters, results, strict=True):
            user_id = next(filter(None, map(self._user_id, entries)), None)
            if user_id is not None:
                found[threepid] = user_id
        return found

    def _filter(self, threepid: ThreePid) -> str | None:
        schema = self._schema
        template = schema.by_medium.get(threepid.medium)
        if template is not None:
            return restricted(filled(template, schema.token, threepid), schema.identity_filter)
        attributes = schema.threepids.get(threepid.medium)
        return restricted(of_address(threepid, attributes), schema.identity_filter) if attributes else None

    async def _entry(self, user_id: str, filter_: str | None, attributes: Sequence[str]) -> LdapEntry | None:
        uids = [uid for uid in self._names.uids(user_id) if uid and uid.isprintable()]
        if not uids:
            return None
        wanted = any_of(equal(self._schema.uid, uid) for uid in uids)
        entries, _ = await self._search(restricted(wanted, filter_), attributes)
        # The server may take "j doe" for "j  doe", which is somebody else to a homeserver.
        mine = [entry for entry in entries if user_id in self._user_ids(entry)]
        if len(mine) > 1:
            log.warn("{store}: {count} entries have the name of {user}", store=self.name, count=len(mine), user=user_id)
        # A name with its domain says more than one without.
        mine.sort(key=lambda entry: uids[0] not in map(str.lower, entry.values([self._schema.uid])))
        return mine[0] if mine else None

    async def _directory(self, attributes: Sequence[str], term: str, limit: int) -> list[Entry]:
        schema = self._schema
        if not term or not term.isprintable():
            return []
        filter_ = restricted(any_of(contains(attribute, term) for attribute in attributes), schema.directory_filter)
        users = [
            (self._user_id(entry), self._display_name(entry))
            for entry in await self._pool.run(
                lambda connection: self._server.searches.search_some(
                    connection, schema.base_dns, filter_, [schema.uid, schema.name], limit
                )
            )
        ]
        return [Entry(user_id, name) for user_id, name in users if user_id]

    async def _search(self, filter_: str, attributes: Sequence[str]) -> tuple[list[LdapEntry], bool]:
        base_dns = self._schema.base_dns
        return await self._pool.run(
            lambda connection: self._server.searches.search(connection, base_dns, filter_, attributes)
        )

    def _user_id(self, entry: LdapEntry) -> str | None:
        return next(self._user_ids(entry), None)

    def _user_ids(self, entry: LdapEntry) -> Iterator[str]:
        """One for each name."""
        return filter(None, map(self._names.user_id, entry.values([self._schema.uid])))

    def _display_name(self, entry: LdapEntry) -> str | None:
        return next(iter(entry.values([self._schema.name])), None)

    def _threepids(self, entry: LdapEntry) -> tuple[ThreePid, ...]:
        return tuple(
            dict.fromkeys(
                kept(medium, value)
                for medium, attributes in self._schema.threepids.items()
                for value in entry.values(attributes)
            )
        )
