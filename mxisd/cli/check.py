"""``mxisd check``: whether the server would start with a configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .. import server, workers
from ..errors import StartError
from ..reactor import installed_reactor
from .command import ExitCode, Invocation, Subcommands, load_config


def add(subcommands: Subcommands) -> None:
    """Declare the subcommands of this module, and their options."""
    parser = subcommands.add("check", run, "check the configuration: whether the server would start")
    parser.add_argument("-w", "--workers", type=int, default=0, metavar="N", help="whether it would with N workers")


async def run(invocation: Invocation) -> ExitCode:
    """Print what is wrong, or what the server would warn of; the answer is yes if it would start."""
    lines: list[str] = []
    good = check(invocation.config_path, invocation.options.workers, lines.append)
    for line in lines:
        invocation.output.line(line, good=good)
    return ExitCode.YES if good else ExitCode.NO


def check(path: Path, processes: int, say: Callable[[str], object]) -> bool:
    """
    Whether the server would start with a configuration, with so many workers, or with none if it is 0.

    Tells line by line what is wrong, or what it would warn of.  ``twistd mxisd --check`` uses this, too.
    """
    try:
        config = load_config(path)
        if processes:
            workers.check(config)
        warnings = server.check(config, installed_reactor())
    except StartError as error:
        for line in str(error).splitlines():
            say(line)
        return False
    for warning in warnings:
        say(f"warning: {warning}")
    say(f"{path} is good: mxisd would serve {config.server.public_url}")
    return True
