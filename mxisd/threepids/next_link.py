"""Where clients have their users sent after a validation (``next_link``)."""

from __future__ import annotations

import re
from collections.abc import Collection

from msgspec import Struct

from ..matrix.error import MatrixError

# What every program reads alike: no user name before the host, no backslash, no character that browsers leave out.
_URL = re.compile(
    r"https?://(?P<host>[\w-]+(\.[\w-]+)*\.?|\[[0-9a-f:.]+\])(:[0-9]*)?([/?#].*)?", re.IGNORECASE | re.ASCII
)


class NextLink(Struct, frozen=True):
    """A link that a browser may be sent to, and its host, to be shown before."""

    url: str
    host: str


class NextLinks:
    """Judges links by their hosts: the port does not matter, nor does upper case."""

    def __init__(self, allowed: Collection[str]) -> None:
        """A host stands for itself, ``.example.org`` for those below, ``*`` for any; none at all is any, too."""
        self._allowed = frozenset(allowed) or {"*"}

    def check(self, url: str) -> NextLink:
        """The link that a client gave.  Raises :class:`MatrixError`, ``M_INVALID_PARAM``."""
        match = _URL.fullmatch(url)
        if match is None or not url.isprintable() or any(character.isspace() for character in url):
            raise MatrixError(
                400, "M_INVALID_PARAM", "next_link must be an http or https URL, with a host in ASCII and no user name"
            )
        host = match["host"].lower().removesuffix(".")
        if not self._allows(host):
            raise MatrixError(400, "M_INVALID_PARAM", f"next_link: nobody may be sent to {host} from here")
        return NextLink(url, host)

    def _allows(self, host: str) -> bool:
        above = (host[place:] for place, character in enumerate(host) if character == ".")
        return not self._allowed.isdisjoint({"*", host, *above})
