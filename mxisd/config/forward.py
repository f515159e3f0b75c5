"""``forward``: identity servers to ask about what is known nowhere else."""

from __future__ import annotations

from collections.abc import Iterable

from .engine.section import Finding, Secret, Section
from .engine.values import BaseUrl, Url


class Account(Section):
    """
    The user of a homeserver as whom we register at these identity servers.

    ``homeserver``: ``None`` is ``matrix.homeserver.url``.  ``accepted_terms`` are the URLs of their terms.
    """

    access_token: Secret | None = None
    homeserver: BaseUrl | None = None
    accepted_terms: tuple[Url, ...] = ()


class Forward(Section):
    """Labels of ``matrix.identity.servers``."""

    servers: tuple[str, ...] = ()
    account: Account = Account()

    def cautions(self) -> Iterable[Finding]:
        if self.servers:
            yield Finding(
                "servers",
                f"addresses that are looked up here and not known are told to {', '.join(self.servers)}:"
                " that is, whom your users know",
            )
