"""
Searches of a directory server, on a connection of python-ldap's.

Servers limit what they give at once, and mostly also to those who ask for pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TypeVar

from msgspec import Struct

from ...log import Logger
from ...lookup.source import Unusable
from .filters import any_of, begins

log = Logger()
T = TypeVar("T")

# Seconds.  Nobody waits longer for a lookup.
SEARCH_TIMEOUT = 10
# Active Directory gives no more than 1,000 at once.
PAGE = 500
# What names mostly go on with; all others are asked for together.
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789._-"
# So many letters, and no more, are tried to get at all entries of a server that stops.
_DEPTH = 12


class LdapEntry(Struct, frozen=True):
    """An entry; attribute names are in lower case."""

    dn: str
    attributes: Mapping[str, Sequence[str]]

    def values(self, names: Sequence[str]) -> list[str]:
        """What is in some attributes."""
        return [value for name in names for value in self.attributes.get(name.lower(), ()) if value.strip()]


class SearchRefused(Unusable):
    """The server is there, and does not answer a question: that may be about an entry that is gone."""


class Searches:
    """What can be asked; the methods are called in threads."""

    def __init__(self, ldap: Any, url: str) -> None:
        """``ldap`` is the library; ``url`` says in messages which server it is."""
        self._ldap = ldap
        self._url = url
        self._paging = import_module("ldap.controls").SimplePagedResultsControl
        self.losses = (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.UNAVAILABLE, ldap.TIMEOUT, ldap.BUSY)
        """Errors after which a connection is of no more use."""
        self._limits = (ldap.SIZELIMIT_EXCEEDED, ldap.ADMINLIMIT_EXCEEDED, ldap.UNWILLING_TO_PERFORM)
        self._wrong_bases = (ldap.NO_SUCH_OBJECT, ldap.INVALID_DN_SYNTAX, ldap.REFERRAL)
        self._told: set[str] = set()

    def search(
        self, connection: Any, base_dns: Sequence[str], filter_: str, attributes: Sequence[str]
    ) -> tuple[list[LdapEntry], bool]:
        """What a filter finds below some entries, and whether that is all.  Raises :class:`SearchRefused`."""

        def below(base_dn: str) -> tuple[list[LdapEntry], bool]:
            try:
                message = self._ask(connection, base_dn, filter_, attributes, [])
                return list(_entries(connection.result3(message, timeout=SEARCH_TIMEOUT)[1])), True
            except self._limits:
                # Pages take longer, and what is looked up is mostly little.
                pages = list(self._pages(connection, base_dn, filter_, attributes))
                found = [entry for page, _ in pages for entry in page]
                stop = pages[-1][1]
                if stop and not found:
                    raise stop from None
                return found, stop is None

        answers = self._below(base_dns, below)
        return [entry for found, _ in answers for entry in found], all(complete for _, complete in answers)

    def search_some(
        self, connection: Any, base_dns: Sequence[str], filter_: str, attributes: Sequence[str], limit: int
    ) -> list[LdapEntry]:
        """The first that a filter finds below some entries.  Raises :class:`SearchRefused`."""
        found: list[LdapEntry] = []

        def below(base_dn: str) -> None:
            if len(found) < limit:
                for page, stop in self._pages(connection, base_dn, filter_, attributes, min(limit, PAGE)):
                    if stop and not found and not page:
                        raise stop
                    found.extend(page)
                    if len(found) >= limit:
                        return

        self._below(base_dns, below)
        return found[:limit]

    def search_each(
        self, connection: Any, base_dns: Sequence[str], filters: Sequence[str], attributes: Sequence[str]
    ) -> list[list[LdapEntry]]:
        """
        What each of some filters finds, asked without waiting for the answers in between.

        Raises :class:`SearchRefused`.
        """

        def below(base_dn: str) -> list[list[LdapEntry]]:
            asked = [self._ask(connection, base_dn, filter_, attributes, []) for filter_ in filters]
            answers, wrong = [], None
            for message in asked:
                try:
                    entries, _, stop = self._collected(connection, message)
                    if stop and not entries:
                        raise stop
                    answers.append(entries)
                except (*self._wrong_bases, *self._limits) as error:
                    # The others are taken from the connection all the same.
                    wrong = error
            if wrong is not None:
                raise wrong
            return answers

        found: list[list[LdapEntry]] = [[] for _ in filters]
        for each in self._below(base_dns, below):
            for entries, more in zip(found, each, strict=True):
                entries += more
        return found

    def everybody(
        self, connection: Any, base_dns: Sequence[str], filter_: str, attributes: Sequence[str], uid: str
    ) -> Iterator[list[LdapEntry]]:
        """
        All that a filter finds below some entries, page by page.

        A server that stops before the end is asked for the first letters of the attribute ``uid``, one after the other.
        Raises :class:`SearchRefused`.
        """
        wrong: list[SearchRefused] = []
        for base_dn in base_dns:
            with self._passing_over(base_dn, wrong):
                yield from self._everybody(connection, base_dn, filter_, attributes, uid)
        self._tell(wrong, base_dns)

    def _everybody(
        self, connection: Any, base_dn: str, filter_: str, attributes: Sequence[str], uid: str
    ) -> Iterator[list[LdapEntry]]:
        seen: set[str] = set()
        limit: Exception | None = None
        for page, stop in self._pages(connection, base_dn, filter_, attributes):
            limit = stop
            seen.update(entry.dn for entry in page)
            yield page
        if limit is None:
            return
        if not seen:
            raise limit
        count, complete = len(seen), True
        for page, stopped in self._by_letters(connection, base_dn, filter_, attributes, uid, ""):
            new = [entry for entry in page if entry.dn not in seen]
            seen.update(entry.dn for entry in new)
            complete = complete and not stopped
            yield new
        log.warn(
            "{url} stops at {count} entries below {base}: by the first letters of {uid}, {all} were read, {how}",
            url=self._url,
            count=count,
            base=base_dn,
            uid=uid,
            all=len(seen),
            how="which are all" if complete else "and some are missing; raise its size limit for us",
        )

    def _by_letters(
        self, connection: Any, base_dn: str, filter_: str, attributes: Sequence[str], uid: str, beginning: str
    ) -> Iterator[tuple[list[LdapEntry], Exception | None]]:
        """Pages, and why the server has stopped where there is no going on."""
        parts = [beginning + letter for letter in _LETTERS]
        for part in parts:
            further = False
            for page, stopped in self._pages(connection, base_dn, f"(&{filter_}{begins(uid, part)})", attributes):
                # A server that gives nothing at all does so for more letters, too.
                further = stopped is not None and bool(page) and len(part) < _DEPTH
                yield page, None if further else stopped
            if further:
                yield from self._by_letters(connection, base_dn, filter_, attributes, uid, part)
        within = begins(uid, beginning) if beginning else ""
        others = f"(&{filter_}{within}(!{any_of(begins(uid, part) for part in parts)}))"
        yield from self._pages(connection, base_dn, others, attributes)

    def _pages(
        self, connection: Any, base_dn: str, filter_: str, attributes: Sequence[str], size: int = PAGE
    ) -> Iterator[tuple[list[LdapEntry], Exception | None]]:
        """
        What a filter finds below an entry, page by page; in one, of servers that do not know pages.

        With the last page comes why the server has stopped before the end.
        """
        paging = self._paging(criticality=False, size=size, cookie="")
        asked = [paging]
        while True:
            message = self._ask(connection, base_dn, filter_, attributes, asked)
            entries, controls, stop = self._collected(connection, message)
            if stop and not entries and asked and not paging.cookie:
                # It knows pages, and does not let us have any.
                asked = []
                continue
            yield entries, stop
            paging.cookie = next(
                (control.cookie for control in controls if control.controlType == paging.controlType), ""
            )
            if stop or not paging.cookie:
                return

    def _collected(self, connection: Any, message: int) -> tuple[list[LdapEntry], Sequence[Any], Exception | None]:
        """The entries of an answer, its controls, and why the server has stopped before the end."""
        found: list[LdapEntry] = []
        while True:
            try:
                # One by one: with all at once, the entries before an error are lost.
                kind, entries, _, controls = connection.result3(message, all=0, timeout=SEARCH_TIMEOUT)
            except self._limits as limit:
                return found, (), limit
            if kind == self._ldap.RES_SEARCH_RESULT:
                return found, controls, None
            found += _entries(entries)

    def _below(self, base_dns: Sequence[str], ask: Callable[[str], T]) -> list[T]:
        """What is found below those of some entries that are there.  Raises :class:`SearchRefused`."""
        found: list[T] = []
        wrong: list[SearchRefused] = []
        for base_dn in base_dns:
            with self._passing_over(base_dn, wrong):
                found.append(ask(base_dn))
        self._tell(wrong, base_dns)
        return found

    @contextmanager
    def _passing_over(self, base_dn: str, wrong: list[SearchRefused]) -> Iterator[None]:
        """Note in ``wrong`` that an entry is not there.  Other refusals are raised."""
        try:
            with self._answering(base_dn):
                yield
        except SearchRefused as error:
            if not isinstance(error.__cause__, self._wrong_bases):
                raise
            wrong.append(error)

    def _tell(self, wrong: Sequence[Exception], base_dns: Sequence[str]) -> None:
        """Name the entries that are not there, once; raise if none is."""
        if wrong and len(wrong) == len(base_dns):
            raise wrong[0]
        for text in map(str, wrong):
            if text not in self._told:
                self._told.add(text)
                log.warn("{error}; the search goes on below the others", error=text)

    @contextmanager
    def _answering(self, base_dn: str) -> Iterator[None]:
        """What the server says of a question, and not of itself, is :class:`SearchRefused`."""
        ldap = self._ldap
        try:
            yield
        except (*self.losses, ldap.TIMELIMIT_EXCEEDED):
            raise
        except ldap.LDAPError as error:
            said = error.args[0].get("desc") if error.args and isinstance(error.args[0], dict) else error
            raise SearchRefused(f"{self._url}, below {base_dn}: {said}") from error

    def _ask(
        self, connection: Any, base_dn: str, filter_: str, attributes: Sequence[str], controls: Sequence[Any]
    ) -> int:
        scope = self._ldap.SCOPE_SUBTREE
        message: int = connection.search_ext(base_dn, scope, filter_, list(attributes), serverctrls=list(controls))
        return message


def _entries(raw: Sequence[tuple[str | None, Any]]) -> Iterator[LdapEntry]:
    for dn, attributes in raw:
        # Referrals to other servers have no name.
        if dn is not None:
            yield LdapEntry(
                dn,
                {
                    name.lower(): [value.decode("utf-8", "replace") for value in values]
                    for name, values in attributes.items()
                },
            )
