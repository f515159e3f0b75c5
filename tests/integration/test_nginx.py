"""``conf/nginx.conf``: what nginx adds to mxisd, and what it leaves as it is."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.deployment import deployment
from tests.integration.matrix_client import V1, V2, MatrixClient, Refused
from tests.integration.nginx import Nginx
from tests.integration.process import eventually, free_port
from tests.net.servers import Authority


class InFrontTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.client = deployment().anybody()

    def test_paths_stay_as_they_are(self) -> None:
        refused = self.assertRaises(Refused, self.client.get, f"{V2}/pubkey/ed25519%3Aa%2Fb")
        self.assertEqual(refused.body["errcode"], "M_NOT_FOUND")

    def test_mxisd_says_what_is_too_large(self) -> None:
        asked = {"threepids": [["email", "x" * 1500000]]}
        refused = self.assertRaises(Refused, self.client.post, f"{V1}/bulk_lookup", asked)
        self.assertEqual((refused.status, refused.body["errcode"]), (413, "M_TOO_LARGE"))
        self.assertEqual(refused.headers["Access-Control-Allow-Origin"], "*")


class AloneTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = TemporaryDirectory(prefix="mxisd-")
        self.addCleanup(folder.cleanup)
        authority = Authority(Path(folder.name) / "authority.pem")
        self.nginx = Nginx(Path(folder.name) / "nginx", authority, ["localhost"], free_port(), free_port())
        self.addCleanup(self.nginx.stop)
        self.client = MatrixClient(f"https://localhost:{self.nginx.port}", authority.path)

    def test_web_clients_can_read_that_mxisd_is_down(self) -> None:
        refused = self.assertRaises(Refused, self.client.get, V2)
        self.assertEqual((refused.status, refused.body["errcode"]), (502, "M_UNKNOWN"))
        self.assertEqual(refused.headers["Access-Control-Allow-Origin"], "*")

    def test_secrets_of_links_are_not_logged(self) -> None:
        path = f"{V2}/validate/email/submitToken"
        self.assertRaises(Refused, self.client.get, path, {"token": "hidden"})
        logged = eventually(lambda: self.nginx.access_log)
        self.assertIn(path, logged)
        self.assertNotIn("hidden", logged)
