"""What is given to others to install: the wheel, and the Debian package."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from sysconfig import get_path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SynchronousTestCase

import mxisd
from tests.integration.apart import apart, debian_package, kept, run, source
from tests.integration.process import ROOT


class WheelTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = TemporaryDirectory(prefix="mxisd-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_it_serves_from_the_wheel_alone(self) -> None:
        run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", self.folder, source())
        (wheel,) = self.folder.glob("mxisd-*.whl")
        self.assertEqual(self.packed(wheel), set(kept("mxisd")))
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


class DebianPackageTests(SynchronousTestCase):
    def test_it_installs_starts_upgrades_and_purges(self) -> None:
        script = (ROOT / "tests" / "integration" / "debian_package.sh").read_text()
        said = apart(f"package={debian_package()}\n{script}")
        self.assertIn(f"installed {mxisd.__version__}", said)
        self.assertIn("all is well", said)
