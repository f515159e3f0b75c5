"""A Debian of its own for the time of a command, for what a test must not do to this one."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from shutil import copy2
from tempfile import TemporaryDirectory
from unittest import SkipTest

from tests.integration.process import ROOT
from tests.servers.folder import folder

# What is written goes to memory, over this machine's files, and is gone with the command.
_APART = """
mount -t tmpfs none "$1" && mkdir "$1"/above "$1"/work "$1"/root
mount -t overlay none -o lowerdir=/,upperdir="$1"/above,workdir="$1"/work "$1"/root
mount --rbind /dev "$1"/root/dev && mount -t proc proc "$1"/root/proc
ip link set lo up
exec chroot "$1"/root bash -euxc "$2"
"""


def apart(script: str) -> str:
    """Run a script as root, on a machine with this one's files and a network of its own; what it prints."""
    _see_whether_it_can_be()
    return _checked(script)


@cache
def _see_whether_it_can_be() -> None:
    try:
        _checked("true")
    except AssertionError as error:
        raise SkipTest(f"no namespaces can be made here: {error}") from None


def _checked(script: str) -> str:
    with TemporaryDirectory(prefix="mxisd-") as here:
        return run("unshare", "--mount", "--net", "--pid", "--fork", "bash", "-euc", _APART, "-", here, script)


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """What a command prints.  Raises ``AssertionError`` if it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"{command[0]} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


@cache
def source() -> Path:
    """A copy of the source, since a build leaves its traces there."""
    copy = folder("source")
    for name in kept():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        copy2(ROOT / name, copy / name)
    return copy


def kept(path: str = ".") -> list[str]:
    """The files of the project below a path."""
    names = run("git", "ls-files", "--cached", "--others", "--exclude-standard", path).splitlines()
    return [name for name in names if (ROOT / name).exists()]


@cache
def debian_package() -> Path:
    """What ``make deb`` makes."""
    run(source() / "contrib" / "debian" / "build", cwd=source())
    (package,) = (source() / "dist").glob("*.deb")
    return package
