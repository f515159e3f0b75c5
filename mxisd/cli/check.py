"""``mxisd check``: whether the server would start with a configuration."""

from __future__ import annotations

from ..tap import check
from .command import ExitCode, Invocation, Subcommands


def add(subcommands: Subcommands) -> None:
    """Declare the subcommands of this module, and their options."""
    parser = subcommands.add("check", run, "check the configuration: whether the server would start")
    parser.add_argument("-w", "--workers", type=int, default=0, metavar="N", help="whether it would with N workers")


async def run(invocation: Invocation) -> ExitCode:
    """Print what is wrong, or what the server would warn of; the answer is yes if it would start."""
    lines: list[str] = []
    good = check(invocation.config_path, invocation.options.workers, lines.append) == 0
    for line in "\n".join(lines).splitlines():
        invocation.output.line(line, good=good)
    return ExitCode.YES if good else ExitCode.NO
