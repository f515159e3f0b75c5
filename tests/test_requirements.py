"""``contrib/``: a lock file with all that mxisd stands on, and the oldest versions that pyproject.toml takes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).parents[1]


class LockTests(SynchronousTestCase):
    def test_the_oldest_are_where_ranges_begin(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        extras = project["optional-dependencies"]
        wanted = [Requirement(text) for text in project["dependencies"]]
        wanted += [Requirement(text) for name in ("ldap", "postgresql", "mysql") for text in extras[name]]
        begins = {f"{canonicalize_name(each.name)}=={bound.version}" for each in wanted for bound in each.specifier}
        lines = (ROOT / "contrib/requirements-oldest.txt").read_text().splitlines()
        self.assertEqual({line for line in lines if not line.startswith("#")}, begins)

    def test_it_has_every_dependency_in_a_version_that_is_supported(self) -> None:
        lines = (ROOT / "contrib/requirements.txt").read_text().splitlines()
        locked = dict(line.split("==") for line in lines if re.fullmatch(r"[a-z0-9-]+==\S+", line))
        self.assertEqual(len(locked), len([line for line in lines if line and not line.startswith("#")]))
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        extras = project["optional-dependencies"]
        for text in (*project["dependencies"], *extras["ldap"], *extras["postgresql"], *extras["mysql"]):
            wanted = Requirement(text)
            self.assertTrue(wanted.specifier.contains(locked[canonicalize_name(wanted.name)], prereleases=True), text)
