"""What docs/getting-started.md says, done line by line by somebody who has nothing else."""

from __future__ import annotations

import sys

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.apart import apart, debian_package, source
from tests.integration.process import ROOT, installed
from tests.integration.synapse import PYTHON


class GettingStartedTests(SynchronousTestCase):
    def test_from_nothing_to_a_delivered_invitation(self) -> None:
        installed(str(PYTHON))
        debian_package()
        program = f"cd {ROOT} && PYTHONPATH={ROOT} {sys.executable} -m tests.integration.getting_started {source()}"
        self.assertIn("all is well", apart(program))
