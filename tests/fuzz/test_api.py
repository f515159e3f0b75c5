"""
What fits ``docs/openapi.yaml``, and what does not, sent to a real server: no answer may be an internal error.

``MXISD_FUZZ=500`` makes as many requests of each path; otherwise it is a few.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.integration.names import TWISTD
from tests.integration.process import ROOT
from tests.integration.test_mxisd_starts import FolderCase

EXAMPLES = os.environ.get("MXISD_FUZZ", "5")
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


class SchemathesisTests(FolderCase):
    def test_whatever_comes_is_answered(self) -> None:
        config = self.config_file(
            rateLimit={"enabled": False},
            threepid={"medium": {"email": {"connector": "none"}, "msisdn": {"connector": "none"}}},
            lookup={"recursive": {"enabled": False}},
            account={"allowOnlyTrustDomains": True},
        )
        server = self.start(TWISTD, "-n", "--pidfile=", "mxisd", "--config", config)
        server.wait_until(self.client.answers)
        command: list[str | Path] = [
            Path(sys.executable).with_name("schemathesis"),
            "run",
            ROOT / "docs" / "openapi.yaml",
            f"--url={self.client.url}",
            "--include-path-regex=^(/_matrix/identity/(api|v2|confirm|versions)|/status|/version)",
            f"--checks={CHECKS}",
            f"--max-examples={EXAMPLES}",
            "--phases=examples,coverage,fuzzing",
            "--generation-database=none",
            "--no-color",
        ]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout[-6000:] + done.stderr)
        self.assertRegex(done.stdout, r"API Operations:\s+Selected: \d\d")
        self.assertNotIn("reference", server.log)
        self.assertNotIn("Traceback", server.log)
