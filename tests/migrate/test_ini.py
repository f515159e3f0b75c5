"""Sydent's settings, and the configuration that is made of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from msgspec import structs
from twisted.trial.unittest import SynchronousTestCase

from mxisd.config import Config, load
from mxisd.keys.file import KeyFileError
from mxisd.matrix.signing import id_of
from mxisd.migrate.ini import Ini, NotIni
from mxisd.migrate.tables import NotReadable
from mxisd.migrate.translation import translated

KEY = "A" * 43


class IniTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def ini(self, text: str) -> Ini:
        return Ini(self.folder / "sydent.conf", text.encode())

    def config(self, text: str) -> Config:
        """What mxisd understands of the configuration that is made."""
        path = self.folder / "mxisd.yaml"
        path.write_text(translated(self.ini(text)))
        return load(path, os.environ)

    def test_the_least(self) -> None:
        config = self.config("[general]\nserver.name = id.example.org\n")
        self.assertEqual((config.matrix.domain, config.server.name), ("id.example.org", "id.example.org"))
        self.assertEqual(config.session.policy.bind.domains, ("*",))
        self.assertFalse(config.account.allow_only_trust_domains)
        self.assertEqual(config.server.trusted_proxies, ())
        smtp = config.threepid.medium.email.connectors.smtp
        self.assertEqual((smtp.host, smtp.port, smtp.tls), ("localhost", 25, 0))

    def test_a_folder_for_what_is_kept(self) -> None:
        path = self.folder / "mxisd.yaml"
        path.write_text(translated(self.ini("[general]\nserver.name = id.example.org\n"), self.folder / "kept"))
        config = load(path, os.environ)
        self.assertEqual(config.key.path, self.folder / "kept" / "signing.key")
        self.assertEqual(config.storage.provider.sqlite.database, self.folder / "kept" / "mxisd.db")

    def test_all_that_has_a_counterpart(self) -> None:
        (self.folder / "terms.yaml").write_text(
            "{master_version: '1', docs: {p: {version: 2, langs: {en: {name: P, url: 'https://example.org/p'}}}}}"
        )
        config = self.config(
            """
            [general]
            server.name = id.example.org
            log.level = WARNING
            terms.path = terms.yaml
            ip.whitelist = 10.0.0.0/8, 192.168.1.1
            enable_v1_access = False
            homeserver_allow_list = example.org
            [http]
            clientapi.http.bind_address = ::1
            clientapi.http.port = 1234
            internalapi.http.port = 4321
            obey_x_forwarded_for = True
            client_http_base = https://id.example.org
            [email]
            email.from = "The Server" <noreply@{hostname}>
            email.hostname = mail.example.org
            email.smtphost = smtp.example.org
            email.smtpport = 465
            email.smtpusername = user
            email.smtppassword = 100%%${HOME}
            email.tlsmode = SSL
            email.third_party_invite_room_blocklist = !a:example.org
              !b:example.org
            email.third_party_invite_homeserver_blocklist = evil.example
            """.replace("\n            ", "\n")
        )
        self.assertEqual(config.logging.app, "warn")
        (policy,) = config.policy.policies.values()
        self.assertEqual((policy.version, policy.terms["en"].url), ("2", "https://example.org/p"))
        self.assertEqual(list(map(str, config.outbound.allowed_networks)), ["10.0.0.0/8", "192.168.1.1/32"])
        self.assertEqual((config.matrix.v1, config.matrix.domain), (False, "example.org"))
        self.assertTrue(config.account.allow_only_trust_domains)
        self.assertEqual(config.session.policy.bind.domains, ("example.org",))
        self.assertEqual((config.server.hostname, config.server.port), ("::1", 1234))
        self.assertEqual(config.server.public_url, "https://id.example.org")
        self.assertEqual(config.internal.bind, (r"tcp:4321:interface=\:\:1",))
        self.assertTrue(config.server.trusted_proxies)
        sender = config.threepid.medium.email.identity
        self.assertEqual((sender.from_, sender.name), ("noreply@mail.example.org", "The Server"))
        smtp = config.threepid.medium.email.connectors.smtp
        self.assertEqual((smtp.host, smtp.port, smtp.tls), ("smtp.example.org", 465, 3))
        self.assertEqual((smtp.login, str(smtp.password)), ("user", "100%${HOME}"))
        rules = [structs.asdict(rule) for rule in config.invite.policy.rules]
        self.assertEqual([rule["action"] for rule in rules], ["deny", "deny"])
        self.assertEqual(rules[0]["room"] or rules[1]["room"], ("!a:example.org", "!b:example.org"))
        self.assertEqual(rules[0]["server"] or rules[1]["server"], ("evil.example",))

    def test_each_line_without_a_counterpart_is_a_comment(self) -> None:
        text = translated(
            self.ini(
                "[general]\nserver.name = a.example\nsentry_dsn = https://s3cret@sentry\nprometheus_port = 9090\n"
                "pidfile.path = sydent.pid\nlog.path =\n"
                "[sms]\nusername = me\npassword = s3cret\n[peer.vector.im]\nbase_replication_url = https://vector.im\n"
                "[email]\nemail.third_party_invite_keyword_blocklist = a\n  b: [\n"
                "[crypto]\ned25519.signingkey = s3cret\n"
            )
        )
        comments = {line.partition(" =")[0]: line for line in text.splitlines() if line.startswith("# [")}
        self.assertEqual(
            set(comments),
            {
                "# [general] sentry_dsn",
                "# [general] prometheus_port",
                "# [general] pidfile.path",
                "# [sms] username",
                "# [sms] password",
                "# [peer.vector.im] base_replication_url",
                "# [email] email.third_party_invite_keyword_blocklist",
                "# [crypto] ed25519.signingkey",
            },
        )
        self.assertNotIn("s3cret", text)
        self.assertIn("OpenMarket is not supported", comments["# [sms] username"])
        read: dict[str, Any] = yaml.safe_load(text)
        self.assertEqual(read["server"]["name"], "a.example")

    def test_what_is_no_ini(self) -> None:
        for text in ("", "matrix: {domain: example.org}", "- a", "[matrix]\ndomain = a", "\0"):
            self.assertRaises(NotIni, self.ini, text)
        self.assertRaises(NotIni, Ini, self.folder, b"\xff[general]")

    def test_keys(self) -> None:
        for text, ids in (
            ("", []),
            (f"ed25519 0 {KEY}", ["ed25519:0"]),
            (f"ed25519 a_key {KEY}=", ["ed25519:a_key"]),
            ("00" * 32, ["ed25519:0"]),
        ):
            ini = self.ini(f"[crypto]\ned25519.signingkey = {text}\n")
            self.assertEqual([id_of(key) for key in ini.signing_keys()], ids)
        for text in ("ed25519 0 s3cret", "00" * 31, "rsa 0 s3cret"):
            ini = self.ini(f"[crypto]\ned25519.signingkey = {text}\n")
            self.assertNotIn("s3cret", str(self.assertRaises(KeyFileError, ini.signing_keys)))

    def test_terms_that_cannot_be_read_are_not_left_out(self) -> None:
        for text in ("[", "[1]", "docs: [a]", "docs: {a: {version: 1}}", "docs: {a: {langs: {}}}", "docs: {a: b}"):
            (self.folder / "broken").write_text(text)
            for name in ("absent", "broken"):
                ini = self.ini(f"[general]\nterms.path = {name}\n")
                self.assertIsNone(ini.terms_version)
                self.assertRaisesRegex(NotReadable, "terms.path: no terms can be read in .*" + name, ini.policies)
