"""The file by which the homeserver knows us."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from pathlib import Path
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

    def rights(self) -> int:
        return self.path.stat().st_mode & 0o777

    def test_is_for_its_owner_and_its_group(self) -> None:
        write(self.path, "id: x\n", files.share)
        self.assertEqual(self.path.read_text(), "id: x\n")
        self.assertEqual(self.rights(), 0o640)

    def test_a_changed_one_takes_its_place_whole(self) -> None:
        self.path.write_text("id: old\n")
        old = self.path.open()
        self.addCleanup(old.close)
        write(self.path, "id: new\n", files.share)
        self.assertEqual(self.path.read_text(), "id: new\n")
        self.assertEqual(old.read(), "id: old\n")
        self.assertEqual([path.name for path in self.directory.iterdir()], ["registration.yaml"])

    def test_a_changed_one_keeps_its_group_and_opens_nothing(self) -> None:
        for before, after in ((0o644, 0o640), (0o666, 0o640), (0o444, 0o640), (0o600, 0o600)):
            self.path.write_text(f"id: {before}\n")
            self.path.chmod(before)
            if os.getuid() == 0:
                os.chown(self.path, 12, 34)
            owner = self.path.stat()
            write(self.path, "id: new\n", files.share)
            self.assertEqual(self.path.read_text(), "id: new\n")
            self.assertEqual(self.rights(), after)
            self.assertEqual((self.path.stat().st_uid, self.path.stat().st_gid), (owner.st_uid, owner.st_gid))

    def test_the_same_one_keeps_the_rights_that_it_was_given(self) -> None:
        write(self.path, "id: x\n", files.share)
        for rights in (0o660, 0o600, 0o644):
            self.path.chmod(rights)
            write(self.path, "id: x\n", files.share)
            self.assertEqual(self.rights(), rights)

    def test_one_that_says_the_same_in_other_words_stays(self) -> None:
        text = "# Made by ma1sd.\n---\n{users: [], id: 'x'}\n"
        self.path.write_text(text)
        write(self.path, "id: x\nusers: []\n", files.share)
        self.assertEqual(self.path.read_text(), text)

    def test_what_is_no_yaml_is_written_anew(self) -> None:
        for there in (b"{", b"\xff\xfe\x00", b"[" * 5000, b""):
            self.path.write_bytes(there)
            write(self.path, "id: x\n", files.share)
            self.assertEqual(self.path.read_text(), "id: x\n")

    def test_it_is_written_into_where_it_cannot_be_replaced(self) -> None:
        self.path.write_text("id: something longer than what comes\n")
        self.path.chmod(0o660)
        inode = self.path.stat().st_ino
        for failing in ("mkstemp", "replace"):

            def busy(*_: object, **__: object) -> None:
                raise OSError(errno.EBUSY, "Device or resource busy")

            patched = self.patch(tempfile, failing, busy) if failing == "mkstemp" else self.patch(Path, failing, busy)
            write(self.path, f"id: {failing}\n", files.share)
            patched.restore()
            self.assertEqual(self.path.read_text(), f"id: {failing}\n")
            self.assertEqual((self.path.stat().st_ino, self.rights()), (inode, 0o640))
        self.assertEqual([path.name for path in self.directory.iterdir()], ["registration.yaml"])

    def test_a_link_stays_one(self) -> None:
        real = self.write("real.yaml", "id: old\n")
        self.path.symlink_to(real)
        write(self.path, "id: new\n", files.share)
        self.assertTrue(self.path.is_symlink())
        self.assertEqual(real.read_text(), "id: new\n")

    def test_where_it_cannot_be_written(self) -> None:
        path = self.directory / "missing" / "registration.yaml"
        with self.assertRaises(RegistrationError) as raised:
            write(path, "id: x\n", files.share)
        self.assertEqual(
            str(raised.exception),
            f"appsvc.registration.synapse.file: cannot write {path}: No such file or directory",
        )
