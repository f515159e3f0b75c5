"""What sections only say together: each function has something to say about several of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..masking import masked
from .engine.section import Finding
from .engine.strays import slip
from .exec import Exec
from .ldap import Ldap
from .sql import Sql
from .stores import Memory, Rest
from .threepid import Msisdn

if TYPE_CHECKING:
    from . import Sections


def together(config: Sections) -> Iterator[Finding]:
    """What the administrator should know at start of what no section knows alone."""
    yield from _messages(config)
    yield from _forwarding(config)
    yield from _in_front(config)
    if "sha256" in config.hashing.understood:
        unfound = "hashed lookups, which is how clients search, do not find these users"
        for key in _unlisted(config):
            yield Finding(key, f"{unfound} until they are invited")
        if config.forwards_to:
            # What another server answers is never hashed.
            yield Finding("forward.servers", unfound)
    yield from _expiring(config)


def _messages(config: Sections) -> Iterator[Finding]:
    """Messages that cannot be sent."""
    email, handler = config.threepid.medium.email, config.notification.handler
    by_smtp = config.notification.sends("email") == "raw" and email.connector == "smtp"
    if by_smtp and not email.connectors.smtp.host:
        yield Finding("threepid.medium.email.connectors.smtp.host", "not set: no email can be sent")
    unset = "not set, and what is set replaces the defaults, as in mxisd: without handler, no"
    if "email" not in handler:
        yield Finding("notification.handler.email", f"{unset} emails are sent; write email: raw")
    if "msisdn" not in handler and config.threepid.medium.msisdn != Msisdn():
        yield Finding("notification.handler.msisdn", f"{unset} text messages are sent; write msisdn: raw")


def _forwarding(config: Sections) -> Iterator[Finding]:
    """Who is told what users look up, and who is not although the file wants it."""
    known, labels = config.matrix.identity.servers, config.forward.servers
    asked = config.forward.asked(known)
    told = [label for label in asked if any(known[label])]
    if told:
        yield Finding(
            "forward.servers",
            f"addresses that are looked up here and not known are told to {', '.join(told)}:"
            " that is, whom your users know",
        )
    if len(asked) < len(labels):
        unknown = labels[len(asked)]
        meant = slip(unknown, known) or ", ".join(known) or "one"
        yield Finding(
            "forward.servers",
            f"{masked(unknown)!r} is no label of matrix.identity.servers, and nobody is asked from there on:"
            f" write {meant}, or its URLs there below a label of your own",
        )


def _in_front(config: Sections) -> Iterator[Finding]:
    """What has an effect in front of the homeserver only, and what is open there."""
    if config.matrix.homeserver.url or config.dns.overwrite.homeserver.client:
        if not config.invite.policy.judges:
            yield Finding(
                "invite.policy",
                "not set: everybody may invite addresses; mxisd 1.x refused what a proxy led to it, which is written"
                " ifSender: {hasRole: []} here",
            )
        return
    missing = "without matrix.homeserver.url mxisd does not stand in front of the homeserver"
    unused = {
        "register.policy": config.register,
        "auth.rewrite": config.auth.rewrite,
        "directory": config.directory,
        "profile": config.profile,
    }
    for key, section in unused.items():
        if section != type(section)():
            yield Finding(key, f"without effect: {missing}")
    if config.invite.policy.judges:
        yield Finding("invite.policy", f"invites are judged only when the homeserver stores them here: {missing}")


def _unlisted(config: Sections) -> Iterator[str]:
    """The keys for which hashed lookups do not find users of stores whom other lookups find."""
    stores: list[tuple[str, Memory | Sql | Ldap | Rest | Exec]] = [
        ("memory", config.memory),
        ("sql", config.sql),
        ("synapseSql", config.synapse_sql),
        ("rest", config.rest),
        ("exec", config.exec),
    ]
    for key, sections in (("ldap", config.ldap), ("netiq", config.netiq)):
        stores += [(key if len(sections) == 1 else f"{key}[{n}]", section) for n, section in enumerate(sections)]
    for key, store in stores:
        if store.unlisted:
            yield f"{key}.{store.unlisted}"


def _expiring(config: Sections) -> Iterator[Finding]:
    """Invites that expire, and stay in their rooms."""
    expiration = config.invite.expiration
    rejecting = config.appsvc.expiry_user(config.matrix.domain)
    heir = expiration.resolve_to or rejecting
    if expiration.enabled and not (config.appsvc.rejects_expired and heir == rejecting):
        yield Finding(
            "invite.expiration",
            f"invites that expire are given to {heir}, and nothing rejects them: for that there is appsvc",
        )
