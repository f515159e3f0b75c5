"""``mxisd-ldap``: try out what a directory server says."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import react

from ..config import Config, ConfigError, load
from ..matrix.threepid import MSISDN, ThreePid, fold
from ..reactor import IReactor
from ..stores.build import ldap_sections, user_ids_of
from ..stores.ldap.build import ldap_store
from ..stores.ldap.store import LdapStore

Say = Callable[[str], None]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command; its exit code is 0 if the address has a user ID, 1 if it has none, else 2."""
    options = _parser().parse_args(arguments)
    medium = options.medium or (MSISDN if "@" not in options.address else "email")
    try:
        config = load(options.config, os.environ)
    except ConfigError as error:
        _say(str(error))
        sys.exit(2)
    react(lambda reactor: Deferred.fromCoroutine(_check_all(reactor, config, fold(medium, options.address))))


async def check(store: LdapStore, threepid: ThreePid, say: Say) -> bool:
    """Tell how a lookup comes out, line by line; whether it finds a user."""
    checked = await store.check(threepid)
    if checked is None:
        say(f"{store.name}: neither attribute.threepid nor identity.medium has the medium {threepid.medium}")
        return False
    say(f"{store.name}: {checked.filter}")
    for match in checked.matches:
        say(f"  {match.dn}: {match.user_id or 'no user ID'}")
    if not checked.matches:
        say("  no entry")
    return any(match.user_id for match in checked.matches)


async def _check_all(reactor: IReactor, config: Config, threepid: ThreePid) -> None:
    sections = ldap_sections(config)
    if not sections:
        _say("neither ldap nor netiq is enabled")
        sys.exit(2)
    found = failed = False
    for key, section in sections:
        try:
            _, store, threads = ldap_store(key, section, config.outbound.ca_file, reactor, user_ids_of(config))
        except ConfigError as error:
            _say(str(error))
            sys.exit(2)
        threads.startService()
        try:
            found = await check(store, threepid, _say) or found
        except Exception as error:
            _say(f"{key}: {error}")
            failed = True
        finally:
            await maybeDeferred(threads.stopService)
    sys.exit(2 if failed else 0 if found else 1)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="mxisd-ldap", description="Try out what a directory server says.")
    parser.add_argument("-c", "--config", default="mxisd.yaml", help="the configuration file (mxisd.yaml)")
    actions: Any = parser.add_subparsers(dest="action", required=True)
    checked = actions.add_parser("check", help="print the filter, the entries and the user IDs for an address")
    checked.add_argument("address", help="an email address, or a phone number with its country code")
    checked.add_argument("--medium", help="of the address, if not email or msisdn")
    return parser
