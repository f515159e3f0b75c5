"""The command line of the server: ``twistd mxisd``, and what units and scripts gave to the old servers."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError
from twisted.scripts.twistd import run

from ..config.place import usual
from ..errors import StartError
from ..log import writer
from .check import check


class Options(UsageOptions):
    """The command line of ``twistd mxisd``."""

    optParameters = [  # noqa: RUF012  # as Twisted has it
        ["config", "c", None, "The configuration file (mxisd.yaml)."],
        ["workers", "w", 0, "Serve with so many processes on this machine; needs PostgreSQL or Redis as storage.", int],
        ["sockets", None, "", "For a worker: the file descriptors of the sockets that it inherits, by their keys."],
    ]
    optFlags = [  # noqa: RUF012  # as Twisted has it
        ["check", None, "Check the configuration and exit: 0 if the server would start, else 1."],
        ["dump", None, "Print the configuration as it was understood, without secrets, before the start."],
        ["dump-and-exit", None, "Print it, and do not start."],
    ]

    def opt_verbose(self) -> None:
        """Log at the level debug, given twice at the level trace."""
        self["verbose"] = self.get("verbose", 0) + 1

    opt_v = opt_verbose

    def postOptions(self) -> None:
        if self["workers"] < 0:
            raise UsageError("--workers: expected a number of processes")
        if self.get("verbose"):
            # Workers are to know it, too.
            os.environ["MXISD_LOG_LEVEL"] = "debug" if self["verbose"] == 1 else "trace"
        # Not there for mxisd.tac, and another one for "twist".
        twistd = getattr(self, "parent", None)
        if twistd is not None and "nodaemon" in twistd and not twistd["logger"] and not twistd["syslog"]:
            writer.choose(twistd["logfile"], daemon=not twistd["nodaemon"])
            twistd["logger"] = "mxisd.log.writer.begin"
        if self["check"]:
            sys.exit(0 if check(self.path, self["workers"], say) else 1)

    @property
    def sockets(self) -> dict[str, list[int]]:
        """File descriptors by the key that they are for, from ``server.bind=3,4 metrics.bind=5``."""
        pairs = (each.split("=") for each in self["sockets"].split())
        try:
            return {key: [int(number) for number in numbers.split(",")] for key, numbers in pairs}
        except ValueError:
            expected = "keys with file descriptors, such as server.bind=3"
            raise StartError(f"--sockets: expected {expected}, found {self['sockets']}") from None

    @property
    def path(self) -> Path:
        """The configuration file."""
        return Path(self["config"]) if self["config"] else usual(os.environ)


def say(text: str) -> None:
    """Print, with escapes for what the terminal cannot show."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(f"{text.encode(encoding, 'backslashreplace').decode(encoding)}\n")


# With us, too, they mean nothing else.
_OLD_FLAGS = {
    "-v": ["-v"],
    "-vv": ["-v", "-v"],
    "--verbose": ["-v"],
    "--dump": ["--dump"],
    "--dump-and-exit": ["--dump-and-exit"],
}


def is_of_old_unit(arguments: Sequence[str]) -> bool:
    """Whether these are arguments of an old server, which knew no commands and served."""
    left = [argument for argument in arguments if argument not in _OLD_FLAGS]
    named = left[:1] in (["-c"], ["--config"]) and len(left) == 2
    return bool(arguments) and (not left or named or (len(left) == 1 and left[0].startswith("--config=")))


def serve(arguments: Sequence[str]) -> NoReturn:
    """Serve, as ``twistd -n mxisd`` does, and exit."""
    known = [flag for argument in arguments for flag in _OLD_FLAGS.get(argument, [argument])]
    sys.argv = ["twistd", "-n", "--pidfile=", "mxisd", *known]
    run()
    sys.exit()
