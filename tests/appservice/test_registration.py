"""The file by which the homeserver knows us."""

from __future__ import annotations

import re
from typing import Any

import yaml

from mxisd import files
from mxisd.appservice.registration import RegistrationError, registration_text, write
from tests.config.case import ConfigCase

CONFIG = """
appsvc:
  enabled: true
  endpoint:
    toHS: {url: 'http://127.0.0.1:8008', token: 'as:token'}
    toAS: {url: 'http://127.0.0.1:8090/', token: 'hs#token'}
"""


class RegistrationTests(ConfigCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = self.directory / "registration.yaml"

    def registration(self, more: str = "") -> Any:
        config = self.config(CONFIG + more)
        return yaml.safe_load(registration_text(config.appsvc, config.matrix.domain))

    def test_what_it_says(self) -> None:
        said = self.registration()
        main, expiry = said["namespaces"].pop("users")
        self.assertEqual(
            said,
            {
                "id": "appservice-mxisd",
                "url": "http://127.0.0.1:8090",
                "as_token": "as:token",
                "hs_token": "hs#token",
                "sender_localpart": "mxisd",
                "namespaces": {"aliases": [], "rooms": []},
                "rate_limited": False,
            },
        )
        for users, localpart in ((main, "mxisd"), (expiry, "_mxisd_invite-expired")):
            self.assertTrue(users["exclusive"])
            self.assertTrue(re.match(users["regex"], f"@{localpart}:example.org"))
            for other in (
                "@bob:example.org",
                f"@{localpart}x:example.org",
                f"@{localpart}:examplexorg",
                f"@{localpart}:example.org.uk",
            ):
                self.assertFalse(re.match(users["regex"], other))

    def test_all_local_users_for_their_mail(self) -> None:
        *_, users = self.registration("  feature: {inviteById: true}")["namespaces"]["users"]
        self.assertFalse(users["exclusive"])
        self.assertTrue(re.match(users["regex"], "@bob:example.org"))
        self.assertFalse(re.match(users["regex"], "@bob:elsewhere.example"))

    def test_is_for_its_owner_only(self) -> None:
        write(self.path, "id: x\n", files.replace)
        self.assertEqual(self.path.read_text(), "id: x\n")
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)

    def test_a_changed_one_takes_its_place_whole(self) -> None:
        self.path.write_text("id: old\n")
        old = self.path.open()
        self.addCleanup(old.close)
        write(self.path, "id: new\n", files.replace)
        self.assertEqual(self.path.read_text(), "id: new\n")
        self.assertEqual(old.read(), "id: old\n")
        self.assertEqual([path.name for path in self.directory.iterdir()], ["registration.yaml"])

    def test_the_same_one_keeps_the_rights_that_it_was_given(self) -> None:
        write(self.path, "id: x\n", files.replace)
        self.path.chmod(0o640)
        write(self.path, "id: x\n", files.replace)
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o640)

    def test_where_it_cannot_be_written(self) -> None:
        path = self.directory / "missing" / "registration.yaml"
        with self.assertRaises(RegistrationError) as raised:
            write(path, "id: x\n", files.replace)
        self.assertEqual(
            str(raised.exception),
            f"appsvc.registration.synapse.file: cannot write {path}: No such file or directory",
        )
