"""``mxisd ldap``: try out what a directory server answers."""

from __future__ import annotations

from twisted.internet.defer import maybeDeferred

from ..config import Config, ConfigError
from ..config.ldap import Ldap
from ..matrix.threepid import EMAIL, MSISDN, ThreePid, fold
from ..reactor import IReactor
from ..stores.build import ldap_sections, user_ids_of
from ..stores.ldap.build import ldap_store
from ..stores.ldap.store import LdapStore
from .command import ExitCode, Invocation, Subcommands
from .output import Output

HEADERS = ("server", "entry", "user ID")


def add(subcommands: Subcommands) -> None:
    """Declare the subcommands of this module, and their options."""
    parser = subcommands.add("ldap check", run_check, "print the filter, the entries and the user IDs for an address")
    parser.add_argument("address", help="an email address, or a phone number with its country code")
    parser.add_argument("--medium", help="of the address, if it is not email or msisdn")


async def run_check(invocation: Invocation) -> ExitCode:
    """Ask each server; the answer is yes if one of them has a user ID for the address."""
    options, output = invocation.options, invocation.output
    medium = options.medium or (EMAIL if "@" in options.address else MSISDN)
    threepid = fold(medium, options.address)
    config = invocation.config()
    sections = ldap_sections(config)
    if not sections:
        raise ConfigError(["neither ldap nor netiq is enabled"])
    rows = []
    all_answered = True
    for key, section in sections:
        try:
            rows += await _ask(key, section, config, threepid, invocation.reactor, output)
        except ConfigError:
            raise
        except Exception as error:  # those of the library are not known here
            output.error(f"{key}: {error}")
            all_answered = False
    found = any(user_id for _, _, user_id in rows)
    output.table("entries", HEADERS, rows)
    if all_answered:
        output.line("a user ID was found" if found else "no user ID was found", found=found)
        return ExitCode.YES if found else ExitCode.NO
    return ExitCode.NOT_TRIED


async def _ask(
    key: str, section: Ldap, config: Config, threepid: ThreePid, reactor: IReactor, output: Output
) -> list[tuple[str, str, str | None]]:
    _, store, threads = ldap_store(key, section, config.outbound.ca_file, reactor, user_ids_of(config))
    threads.startService()
    try:
        return await entries(store, threepid, output)
    finally:
        await maybeDeferred(threads.stopService)


async def entries(store: LdapStore, threepid: ThreePid, output: Output) -> list[tuple[str, str, str | None]]:
    """
    Look up an address on one server, and print the filter.

    Returns the name of the store, the DN and the user ID for each entry that was found.
    """
    checked = await store.check(threepid)
    if checked is None:
        output.line(f"{store.name}: neither attribute.threepid nor identity.medium has the medium {threepid.medium}")
        return []
    output.line(f"{store.name}: {checked.filter}")
    if not checked.matches:
        output.line(f"{store.name}: no entry")
    return [(store.name, match.dn, match.user_id) for match in checked.matches]
