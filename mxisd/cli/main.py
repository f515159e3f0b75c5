"""
The command line of ``mxisd``.

What each exit code means is said at :class:`~mxisd.cli.command.ExitCode`.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import react

from .. import __version__
from ..errors import StartError
from ..matrix.ids import InvalidIdentifier
from ..matrix.threepid import InvalidAddress
from ..reactor import installed_reactor
from ..stores.stores import StoreFailed
from . import check, ldap, migrate, notify, policy, storage
from .command import CommandFailed, ExitCode, Invocation, Subcommands, in_words, shared
from .output import JsonOutput, TextOutput
from .serve import is_of_old_unit, serve

# Errors that are told in a line, without a traceback: wrong arguments, a wrong configuration or what it points to, and
# servers that cannot be asked.
NOT_TRIED = (InvalidAddress, InvalidIdentifier, OSError, StartError, StoreFailed)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit; ``arguments`` are those of the process if none are given."""
    parser = build_parser()
    arguments = sys.argv[1:] if arguments is None else arguments
    if is_of_old_unit(arguments):
        serve(arguments)
    if not arguments:
        parser.print_help(sys.stderr)
        sys.exit(ExitCode.NOT_TRIED)
    options = parser.parse_args(arguments)
    output = (JsonOutput if "json" in options else TextOutput)(sys.stdout, sys.stderr)
    reactor = installed_reactor()
    # As in twistd, work begins before the reactor runs.
    finished = Deferred.fromCoroutine(execute(Invocation(options, output, reactor)))
    # By itself, react exits with 0 after a signal, as if all were done.
    reactor.addSystemEventTrigger("before", "shutdown", finished.cancel)
    react(lambda reactor: finished.addCallback(sys.exit))


async def execute(invocation: Invocation) -> ExitCode:
    """Run a subcommand.  Expected errors are printed."""
    output = invocation.output
    try:
        code: ExitCode = await invocation.options.run(invocation)
    except CommandFailed as error:
        output.error(str(error))
        code = ExitCode.NO
    except NOT_TRIED as error:
        output.error(in_words(error))
        code = ExitCode.NOT_TRIED
    except CancelledError:
        output.error("interrupted")
        code = ExitCode.NOT_TRIED
    output.end()
    return code


def build_parser() -> ArgumentParser:
    """The parser of the whole command line."""
    parser = ArgumentParser(
        prog="mxisd",
        description="Check the configuration of mxisd, and try out parts of it.",
        formatter_class=RawDescriptionHelpFormatter,
        parents=[shared()],
    )
    parser.add_argument("--version", action="version", version=f"mxisd {__version__}")
    subcommands = Subcommands(parser)
    for module in (check, ldap, migrate, notify, policy, storage):
        module.add(subcommands)
    width = max(len(name) for name, _ in subcommands.list)
    lines = [f"  {name:<{width}}  {text}" for name, text in subcommands.list]
    parser.epilog = "\n".join([*lines, "", "mxisd COMMAND --help lists the options of a command."])
    return parser


def notify_main() -> None:
    """``mxisd-notify``, the old name of ``mxisd notify``."""
    main(["notify", *sys.argv[1:]])


def ldap_main() -> None:
    """``mxisd-ldap``, the old name of ``mxisd ldap``."""
    main(["ldap", *sys.argv[1:]])


def policy_main() -> None:
    """``mxisd-policy``, the old name of ``mxisd policy``."""
    main(["policy", *sys.argv[1:]])


def storage_main() -> None:
    """``mxisd-storage``, the old name of ``mxisd storage``."""
    main(["storage", *sys.argv[1:]])
