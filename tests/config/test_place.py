"""What containers and units of mxisd 1.x and ma1sd say about the configuration."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from mxisd.config import ConfigError, load
from mxisd.config.dump import dump
from mxisd.config.place import usual
from tests.config.case import DOMAIN, ConfigCase


class EnvironmentTests(ConfigCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = self.directory / "mxisd.yaml"

    def test_stands_in_for_a_file_that_is_not_there(self) -> None:
        config = load(
            self.path,
            {
                "MATRIX_DOMAIN": "example.org",
                "SIGN_KEY_PATH": "/var/mxisd/sign.key",
                "SQLITE_DATABASE_PATH": "data/${HOME}/mxisd.db",
            },
        )
        self.assertEqual(config.matrix.domain, "example.org")
        self.assertEqual(config.key.path, Path("/var/mxisd/sign.key"))
        self.assertEqual(config.storage.provider.sqlite.database, self.directory / "data/${HOME}/mxisd.db")
        self.assertEqual(
            config.warnings[0],
            f"{self.path}: there is no such file: MATRIX_DOMAIN, SIGN_KEY_PATH, SQLITE_DATABASE_PATH of the environment"
            " are read",
        )
        self.assertFalse(self.path.exists())

    def test_what_is_empty_is_not_set(self) -> None:
        config = load(self.path, {"MATRIX_DOMAIN": "example.org", "SIGN_KEY_PATH": "", "SQLITE_DATABASE_PATH": ""})
        self.assertEqual(config.storage, load(self.path, {"MATRIX_DOMAIN": "example.org"}).storage)
        with self.assertRaisesRegex(ConfigError, r"matrix\.domain: "):
            load(self.path, {"MATRIX_DOMAIN": ""})

    def test_a_file_that_is_there_wins(self) -> None:
        self.path.write_text(DOMAIN)
        config = load(self.path, {"MATRIX_DOMAIN": "other.example", "SIGN_KEY_PATH": "/other/key"})
        self.assertEqual(config.matrix.domain, "example.org")
        self.assertEqual(config.key.path, self.directory / "mxisd.signing.key")
        self.assertNotIn("environment", "".join(config.warnings))

    def test_without_a_domain_there_has_to_be_a_file(self) -> None:
        with self.assertRaisesRegex(ConfigError, "cannot read .*: No such file"):
            load(self.path, {"SIGN_KEY_PATH": "/var/mxisd/sign.key"})

    def test_a_file_that_cannot_be_read_is_not_passed_over(self) -> None:
        with self.assertRaisesRegex(ConfigError, "Is a directory"):
            load(self.directory, {"MATRIX_DOMAIN": "example.org"})

    def test_the_level_of_the_log(self) -> None:
        for name, word, level in (
            ("MXISD_LOG_LEVEL", "debug", "debug"),
            ("MA1SD_LOG_LEVEL", "TRACE", "trace"),
            ("MA1SD_LOG_LEVEL", "all", "info"),
            ("MA1SD_LOG_LEVEL", "", "error"),
            ("OTHER", "debug", "error"),
        ):
            self.assertEqual(self.config("logging: {app: error}", **{name: word}).logging.app, level)
        both = {"MXISD_LOG_LEVEL": "warn", "MA1SD_LOG_LEVEL": "debug"}
        self.assertEqual(self.config("", **both).logging.app, "warn")


class UsualFileTests(ConfigCase):
    def test_the_first_that_is_there(self) -> None:
        here = Path.cwd()
        self.addCleanup(os.chdir, here)
        os.chdir(self.directory)
        self.assertEqual(usual({}), Path("mxisd.yaml"))
        self.write("ma1sd.yaml", DOMAIN)
        self.assertEqual(usual({}), Path("ma1sd.yaml"))
        self.write("mxisd.yaml", DOMAIN)
        self.assertEqual(usual({}), Path("mxisd.yaml"))
        self.assertEqual(usual({"CONF_FILE_PATH": "/etc/mxisd/mxisd.yaml"}), Path("/etc/mxisd/mxisd.yaml"))


class DumpTests(ConfigCase):
    def test_shows_what_was_understood_and_no_secret(self) -> None:
        config = self.config(
            """
            sql: {enabled: true, type: postgresql, connection: '//db/people?user=me&password=s3cret'}
            memory: {identities: [{username: jane, password: s3cret}]}
            storage: {provider: {redis: {url: 'redis://:s3cret@localhost'}}}
            appsvc: {endpoint: {toHS: {token: s3cret}}}
            """
        )
        text = dump(config)
        self.assertNotIn("s3cret", text)
        shown = yaml.safe_load(text)
        self.assertEqual(shown["matrix"]["domain"], "example.org")
        self.assertEqual(shown["server"]["publicUrl"], "https://example.org")
        self.assertEqual(shown["memory"]["identities"][0]["username"], "jane")
        self.assertEqual(shown["sql"]["connection"], "…")
        self.assertEqual(shown["invite"]["expiration"]["after"], "7d")
        self.assertEqual(shown["storage"]["provider"]["redis"]["timeout"], "900ms")
        self.assertEqual(shown["lookup"]["recursive"]["cache"]["found"], "5m")
