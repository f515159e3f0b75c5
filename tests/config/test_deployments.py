"""Old files as administrators have them: what the start says of each, and what comes of it."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from pathlib import Path

from mxisd.config import Config
from mxisd.log import LEVELS
from mxisd.matrix.threepid import email
from mxisd.policies.invite import Attempt
from mxisd.server import build_parts
from mxisd.stores.ldap.build import schema_of
from mxisd.stores.ldap.filters import of_address
from mxisd.web.build import Served
from tests.config.case import ConfigCase
from tests.ends import MemoryCore
from tests.make import clock_at, result
from tests.web.app import Mailbox

FILES = {path.stem: path.read_text(encoding="utf-8") for path in (Path(__file__).parent / "deployments").glob("*.yaml")}


class DeploymentCase(ConfigCase):
    name: str
    told: set[str]
    """Keys of the file of which there is something to say."""

    @cached_property
    def read(self) -> Config:
        self.write("invite.txt", "Hello %SENDER_NAME%, %ROOM_NAMES%")
        return self.whole(FILES[self.name])

    @cached_property
    def served(self) -> Served:
        return build_parts(MemoryCore(self.read, clock_at()), Mailbox())

    def of_the_file(self) -> set[str]:
        """The keys that are told, but for what is told of any file."""
        any_file = {said.partition(": ")[0] for said in self.config().warnings}
        return {said.partition(": ")[0] for said in self.read.warnings} - any_file


class PlaybookTests(DeploymentCase):
    name = "playbook"

    def test_told(self) -> None:
        self.assertLessEqual({"hashing.hashStorageType"}, self.of_the_file())
        self.assertNotIn("has no effect, as in mxisd", "".join(self.read.warnings))

    def test_effect(self) -> None:
        template = self.read.threepid.medium.email.generators.template
        self.assertEqual((template.invite, template.session.validation), (None, None))
        self.assertEqual(self.read.hashing.lookups_per_pepper, 10)
        self.assertEqual([source.name for source in self.served.stores.sources], ["synapseSql"])


class FirstStepsTests(DeploymentCase):
    name = "first-steps"

    def test_told(self) -> None:
        email = "threepid.medium.email"
        keys = {f"{email}.identity.from", f"{email}.connectors.smtp.password"}
        self.assertLessEqual(keys, self.of_the_file())

    def test_effect(self) -> None:
        medium = self.read.threepid.medium.email
        self.assertEqual(medium.identity.from_, "identity@example.org")
        self.assertEqual(medium.connectors.smtp.password, "a${dollar")


class ActiveDirectoryTests(DeploymentCase):
    name = "active-directory"

    def test_told(self) -> None:
        self.assertLessEqual(
            {
                "ldap.attribute.email",
                "ldap.connection.bindPassword",
                "dns.overwrite.homeserver.client[0].value",
                "enable_registration",
            },
            self.of_the_file(),
        )

    def test_effect(self) -> None:
        schema = schema_of(self.read.ldap[0])
        self.assertEqual(set(schema.threepids), {"email"})
        sent = of_address(email("jane@corp.example"), schema.threepids["email"])
        self.assertEqual(sent, "(|(mail=jane@corp.example)(proxyAddresses=jane@corp.example))")
        self.assertEqual(schema.auth_filter, "(memberOf=CN=Matrix,OU=Groups,DC=corp,DC=example)")
        self.assertEqual(self.read.server.public_url, "https://id.corp.example/identity")
        self.assertEqual(self.read.dns.overwrite.homeserver.client[0].value, "http://localhost:8008")


class DatabaseTests(DeploymentCase):
    name = "database"

    def test_told(self) -> None:
        self.assertIn("'matrix-org' is no label of matrix.identity.servers", "".join(self.read.warnings))

    def test_effect(self) -> None:
        asked = [source.name for source in self.served.lookups.pending if "identity server" in source.name]
        self.assertEqual(asked, ["the identity server https://is.friend.example"])


class WebApiTests(DeploymentCase):
    name = "web-api"

    def test_told(self) -> None:
        self.assertLessEqual(
            {
                "sql.type",
                "lookup.recursive.bridge.server",
                "lookup.recursive.allowedCidr[1]",
                "session.policy.validation.forLocal",
                "session.policy.validation.forRemote",
                "session.policy.unbind.frandulent",
                "invite.expiration.after",
                "invite.resolution.timer",
            },
            self.of_the_file(),
        )

    def test_effect(self) -> None:
        self.assertEqual(self.read.invite.resolution.interval, timedelta(minutes=8))
        self.assertEqual([source.name for source in self.served.stores.sources], ["rest"])


class ProgramsTests(DeploymentCase):
    name = "programs"

    def test_told(self) -> None:
        keys = {"exec.env", "exec.identity.hashEnabled", "logging.app", "server.port"}
        self.assertLessEqual(keys, self.of_the_file())

    def test_effect(self) -> None:
        self.assertIn(self.read.logging.app, LEVELS)
        self.assertEqual(self.read.server.port, 8091)
        self.assertEqual([name for name, _ in self.served.stores.listings], ["exec"])


class SendGridTests(DeploymentCase):
    name = "sendgrid"

    def test_told(self) -> None:
        session = "notification.handlers.sendgrid.templates.session"
        self.assertLessEqual(
            {
                "notification.handler.msisdn",
                "notification.handlers.raw",
                f"{session}.validation.local",
                f"{session}.validation.remote",
                f"{session}.unbind.subject",
                f"{session}.unbind.body",
                "threepid.medium.email.connectors.smtp.port",
                "view.session.local.onTokenSubmit.success",
                "view.session.localRemote",
            },
            self.of_the_file(),
        )

    def test_effect(self) -> None:
        self.assertEqual(self.read.notification.sends("email"), "sendgrid")
        self.assertIsNone(self.read.notification.sends("msisdn"))


class ApplicationServiceTests(DeploymentCase):
    name = "application-service"

    def test_told(self) -> None:
        self.assertLessEqual({"matrix.listener", "memory.identities[0].mail", "synapseSql.type"}, self.of_the_file())

    def test_who_has_the_role_may_invite(self) -> None:
        policy = self.served.policies.invite
        for user, may in (("@jane:example.org", True), ("@joe:example.org", False)):
            decision = result(policy.decide(Attempt(user, "!room:example.org", email("bob@example.com"))))
            self.assertEqual(decision.allowed, may, user)

    def test_users_in_the_file_are_found(self) -> None:
        found = result(self.served.lookups.private.find(email("jane@example.org")))
        self.assertEqual(found, "@jane:example.org")


class PoliciesTests(DeploymentCase):
    name = "policies"

    def test_told(self) -> None:
        self.assertLessEqual(
            {
                "account.allowOnlyTrustDomains",
                "policy.policies.rules.terms.en.url",
                "register.allowed",
                "register.policy.threepid.email.domain.whitelist",
                "server",
                "server.publicUrl",
                "threepid.medium.fax",
                "threepid.medium.email.connectors.mailgun",
            },
            self.of_the_file(),
        )

    def test_who_may_register(self) -> None:
        policy = self.served.policies.registration
        for address, may in (
            ("jane@example.org", True),
            ("jane@sub.example.org", True),
            ("jane@example.net", False),
            ("jane@sub.example.net", True),
            ("Spam1@example.org", False),
            ("jane7@example.org", False),
            ("jane@example.com", False),
        ):
            self.assertEqual(result(policy.allows(email(address))), may, address)

    def test_what_needs_the_terms(self) -> None:
        self.assertEqual(
            self.served.accounts.terms.offered["rules"],
            {
                "version": "1.10",
                "en": {"name": "Rules", "url": "/rules_en.html"},
                "fr": {"name": "Règles", "url": "https://id.example.org/fr"},
            },
        )

    def test_the_last_of_two_sections(self) -> None:
        server, hashing = self.read.server, self.read.hashing
        self.assertEqual((server.port, server.public_url), (8090, "https://id.example.org"))
        self.assertEqual(hashing.time_per_pepper, timedelta(seconds=125))


class BlogTests(DeploymentCase):
    name = "blog"

    def test_told(self) -> None:
        keys = {"storage.provider.sqlite.database", "wordpress.rest.credential", "forward.servers"}
        self.assertLessEqual(keys, self.of_the_file())

    def test_effect(self) -> None:
        self.assertEqual(self.read.forwards_to, ())
        self.assertIsNone(self.read.key.path)
        self.assertEqual(set(self.read.wordpress.sql.query.directory or {}), {"name"})


class AllTests(ConfigCase):
    def test_each_is_tested(self) -> None:
        tested = {case.name for case in DeploymentCase.__subclasses__()}
        self.assertEqual(tested, set(FILES))

    def test_nothing_that_is_told_shows_a_secret(self) -> None:
        for name, text in FILES.items():
            said = "".join(self.whole(text).warnings)
            for secret in ("password=", "p${ssw0rd", "a${dollar", "SG.abc"):
                self.assertNotIn(secret, said, name)
