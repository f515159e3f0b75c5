"""What is given to others to install: the wheel, and the Debian package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from shutil import copy2
from sysconfig import get_path
from tempfile import TemporaryDirectory
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

import mxisd
from tests.integration.process import ROOT

# A Debian of its own for the time of a command: what it writes is in memory, and gone with it.
APART = """
mount -t tmpfs none "$1" && mkdir "$1"/above "$1"/work "$1"/root
mount -t overlay none -o lowerdir=/,upperdir="$1"/above,workdir="$1"/work "$1"/root
mount --bind /proc "$1"/root/proc && mount --bind /dev "$1"/root/dev
mkdir -p "$1"/root/package && cp "$2" "$1"/root/package/
ip link set lo up
exec chroot "$1"/root bash -euxc "$3"
"""


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


class PackageCase(SynchronousTestCase):
    def setUp(self) -> None:
        folder = TemporaryDirectory(prefix="mxisd-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def source(self) -> Path:
        """A copy of the source, since a build leaves its traces there."""
        copy = self.folder / "source"
        for name in run("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
            if (ROOT / name).exists():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                copy2(ROOT / name, copy / name)
        return copy


class WheelTests(PackageCase):
    def test_it_serves_from_the_wheel_alone(self) -> None:
        run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", self.folder, self.source())
        (wheel,) = self.folder.glob("mxisd-*.whl")
        self.assertEqual(self.packed(wheel), self.kept())
        venv = self.folder / "venv"
        run(sys.executable, "-m", "venv", "--without-pip", venv)
        # Its libraries are those of the tests; mxisd itself is found in the wheel first.
        site = next(venv.glob("lib/python3*/site-packages"))
        run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, wheel)
        (site / "libraries.pth").write_text(f"{get_path('purelib')}\n")
        (self.folder / "mxisd.yaml").write_text("matrix: {domain: example.org}\nserver: {bind: ['tcp:0']}\n")
        python = venv / "bin" / "python"
        self.assertIn(str(venv), run(python, "-Ic", "import mxisd; print(mxisd.__file__)", cwd=self.folder))
        self.assertIn("is good", run(python, "-Im", "mxisd", "check", cwd=self.folder))
        help_ = run(python, "-Ic", "from twisted.scripts.twistd import run; run()", "--help", cwd=self.folder)
        self.assertRegex(help_, r"\n *mxisd ")

    def packed(self, wheel: Path) -> set[str]:
        with zipfile.ZipFile(wheel) as archive:
            return {name for name in archive.namelist() if name.startswith("mxisd/")}

    def kept(self) -> set[str]:
        """The files of the package."""
        return set(run("git", "ls-files", "--cached", "--others", "--exclude-standard", "mxisd").split())


class DebianPackageTests(PackageCase):
    def test_it_installs_starts_upgrades_and_purges(self) -> None:
        self.apart("true", Path(os.devnull))
        run(self.source() / "contrib" / "debian" / "build", cwd=self.folder / "source")
        (package,) = (self.folder / "source" / "dist").glob("*.deb")
        said = self.apart((ROOT / "tests" / "debian_package.sh").read_text(), package)
        self.assertIn(f"installed {mxisd.__version__}", said)
        self.assertIn("all is well", said)

    def apart(self, script: str, package: Path) -> str:
        """Run a script as root on a machine of its own; what it prints."""
        here = self.folder / "apart"
        here.mkdir(exist_ok=True)
        command: list[str | Path] = [
            "unshare",
            "--mount",
            "--net",
            "--pid",
            "--fork",
            "bash",
            "-euc",
            APART,
            "-",
            here,
            package,
            script,
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode and re.search("unshare|mount", done.stderr) and script == "true":
            raise SkipTest(f"no namespaces can be made here: {done.stderr}")
        self.assertEqual(done.returncode, 0, f"{done.stdout}\n{done.stderr}")
        return done.stdout
