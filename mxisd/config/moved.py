"""
Files that were written for mxisd 1.x or ma1sd: what means something else here, or does more, is told at the start.

docs/coming-from.md has all of it in one table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from .engine.problems import is_within
from .interception import Register

if TYPE_CHECKING:
    from . import Sections

# Keys that the old servers did not know, each with what is below it.
OURS = (
    "matrix.homeserver",
    "server.bind",
    "server.trustedProxies",
    "storage.provider.redis",
    "session.policy.nextLink",
    "session.policy.bind",
    "invite.delivery",
    "invite.history",
    "invite.reminder",
    "invite.policy.rules",
    "invite.policy.token",
    "threepid.medium.msisdn.connectors.http",
    "view.session.onTokenSubmit.confirm",
    "hashing.refresh",
    "hashing.rotation",
    "outbound",
    "rateLimit",
    "lookup.timeout",
    "lookup.recursive.timeout",
    "lookup.recursive.federation",
    "lookup.recursive.cache",
    "forward.account",
    "auth.login",
    "auth.checkCredentials",
    "directory.enabled",
    "profile.enabled",
    "profile.public",
    "logging.format",
    "stores",
    "synapseSql.published",
    "exec.timeout",
)


NO_EFFECT_THERE = {
    "account.allowOnlyTrustDomains": "has an effect here; in ma1sd it had none, for the key was accountConfig there",
    "exec.identity.hashEnabled": "has an effect here; in ma1sd it had none, for the key was hashLookup there",
    "ldap.lookup": "has an effect here; in ma1sd it had none, for the key was ldap.identity.lookup there",
    "netiq.lookup": "has an effect here; in ma1sd it had none, for the key was netiq.identity.lookup there",
}
"""Keys that the old servers were said to have, and did not read: told where one opens something."""


def is_moved(given: Collection[str]) -> bool:
    """Whether a file that has these keys may be one of an old server: none of them is ours alone."""
    return not any(is_within(key, ours) for key in given for ours in OURS)


def open_to_strangers(config: Sections) -> str | None:
    """Who may look addresses up but the users of the homeserver, and by which key."""
    if config.matrix.v1:
        return "with matrix.v1 anybody"
    if config.matrix.v2 and not config.account.allow_only_trust_domains:
        return "without account.allowOnlyTrustDomains users of all homeservers"
    return None


def differences(config: Sections, given: Collection[str]) -> Iterator[str]:
    """A line, which begins with the key, for each difference that touches safety and that this file does not decide."""
    moved = is_moved(given)
    yield from _published(config, moved)
    for name, policy in config.policy.policies.items():
        if not policy.regexp:
            yield f"policy.policies.{name}.regexp: not set: all of v2 needs these terms; in ma1sd nothing did"
    opened = {
        "account.allowOnlyTrustDomains": not config.account.allow_only_trust_domains,
        "exec.identity.hashEnabled": config.exec.identity.hash_enabled,
        "ldap.lookup": any(server.enabled and server.lookup for server in config.ldap),
        "netiq.lookup": any(server.enabled and server.lookup for server in config.netiq),
    }
    yield from (f"{key}: {NO_EFFECT_THERE[key]}" for key, opens in opened.items() if opens and key in given)
    if not moved:
        return
    yield from _domains(config.register)
    if config.invite.resolution.period == "seconds":
        yield "invite.resolution.period: seconds has an effect here; mxisd had no such key, and took minutes"
    if not config.matrix.v1:
        yield "matrix.v1: nobody is looked up, invited or bound by v1; ma1sd went on looking up"
    if config.matrix.v2 and "hashing.enabled" not in given and (listed := _listed(config)):
        yield f"hashing.enabled: not set: users can look up hashes of what {', '.join(listed)} list; off in ma1sd"


def _listed(config: Sections) -> list[str]:
    """The stores that list their users for hashed lookups."""
    stores = {
        "memory": config.memory.enabled and config.memory.hash_enabled,
        "sql": config.sql.offers(config.sql.identity) and config.sql.lookup.query,
        "synapseSql": config.synapse_sql.offers(config.synapse_sql.identity),
        "ldap": any(each.enabled and (each.lookup or each.identity.lookup) for each in (*config.ldap, *config.netiq)),
        "exec": config.exec.offers(config.exec.identity.enabled) and config.exec.identity.hash_enabled,
    }
    return [name for name, lists in stores.items() if lists]


def _domains(register: Register) -> Iterator[str]:
    """Of such patterns mxisd made expressions in which the dot of its ``.*`` was escaped: no domain had that."""
    for medium, lists in register.policy.threepid.items():
        patterns = [pattern for pattern in lists.domain.whitelist if pattern.startswith((".", "*"))]
        if patterns:
            yield (
                f"register.policy.threepid.{medium}.domain.whitelist: who has an address in a domain below"
                f" {', '.join(patterns)} may register; mxisd said so too, but let in nobody from there"
            )


def _published(config: Sections, moved: bool) -> Iterator[str]:
    synapse = config.synapse_sql
    if not synapse.offers(synapse.identity) or synapse.published:
        return
    if strangers := open_to_strangers(config):
        why = f"{strangers} may look addresses up"
    elif moved:
        why = "as in ma1sd, whose file this may be"
    else:
        yield (
            "synapseSql.published: not set: lookups find all addresses of accounts (all), since only users may look up,"
            " by hash; only finds those that users have published"
        )
        return
    yield (
        f"synapseSql.published: not set: lookups find only addresses that users have published (only): {why};"
        " all finds every address of an account"
    )
