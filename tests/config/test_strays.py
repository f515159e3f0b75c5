"""Keys that no section has, and what is said by sections that nothing uses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mxisd.config import Sections
from mxisd.config.engine.shape import known_keys
from mxisd.config.engine.strays import slip
from mxisd.config.moved import NO_EFFECT_THERE
from mxisd.config.strays import STRAYS
from tests.config.case import ConfigCase
from tests.config.test_warnings import USUAL

WORDS = st.text(st.sampled_from("abcdefghij"), min_size=3, max_size=12)

# A key that old servers did not look at, and what is said to do instead.
STRAY = [
    ("enable_registration: true", "enable_registration", "it belongs into the homeserver.yaml of Synapse"),
    ("ldap: {config: {policy: x}}", "ldap.config", "its keys belong right below ldap"),
    (
        "matrix: {domain: example.org, listener: {url: x}}",
        "matrix.listener",
        "write appsvc, with endpoint.toHS, endpoint.toAS and registration.synapse.file",
    ),
    ("ldap: {connection: {attribute: {name: cn}}}", "ldap.connection.attribute", "write ldap.attribute"),
    ("ldap: [{attribute: {email: mail}}]", "ldap[0].attribute.email", "write ldap.attribute.threepid.email"),
    ("netiq: {attribute: {msisdn: x}}", "netiq.attribute.msisdn", "write netiq.attribute.threepid.msisdn"),
    (
        "threepid: {medium: {identity: {from: x}}}",
        "threepid.medium.identity",
        "it belongs below threepid.medium.email",
    ),
    (
        "threepid: {medium: {connectors: {smtp: {}}}}",
        "threepid.medium.connectors",
        "it belongs below threepid.medium.email",
    ),
    ("register: {allowed: true}", "register.allowed", "write register.policy.allowed"),
    ("register: {invite: false}", "register.invite", "write register.policy.invite"),
    ("exec: {env: {A: b}}", "exec.env", "write it below each program, such as exec.auth.env"),
    (
        "session: {policy: {unbind: {notification: true}}}",
        "session.policy.unbind.notification",
        "write session.policy.unbind.notifications",
    ),
    (
        "session: {policy: {unbind: {frandulent: {sendWarning: false}}}}",
        "session.policy.unbind.frandulent",
        "write session.policy.unbind.fraudulent",
    ),
    (
        "session: {policy: {validation: {forLocal: {enabled: true}}}}",
        "session.policy.validation.forLocal",
        "sessions are only at this server: write session.policy.validation.enabled",
    ),
    (
        "view: {session: {localRemote: {onTokenSubmit: {success: x}}}}",
        "view.session.localRemote",
        "sessions are only at this server: write view.session.onTokenSubmit",
    ),
    (
        "notification: {handlers: {raw: {}}}",
        "notification.handlers.raw",
        "what it sends is configured below threepid.medium",
    ),
]

# The same, where nobody knows what was meant: only the same key elsewhere, or what else there is, is named.
UNKNOWN = [
    ("publicUrl: x", "publicUrl", "; did you mean server.publicUrl?"),
    ("smtp: {host: x}", "smtp", "; did you mean threepid.medium.email.connectors.smtp?"),
    (
        "threepid: {medium: {email: {port: 25}}}",
        "threepid.medium.email.port",
        "; did you mean threepid.medium.email.connectors.smtp.port?",
    ),
    ("threepid: {medium: {fax: {}}}", "threepid.medium.fax", "; the keys here are email, msisdn"),
    (
        "threepid: {medium: {email: {connectors: {mailgun: {}}}}}",
        "threepid.medium.email.connectors.mailgun",
        "; the keys here are smtp",
    ),
    ("key: {file: x}", "key.file", "; did you mean appsvc.registration.synapse.file?"),
    ("account: {quota: 1}", "account.quota", "; the keys here are allowOnlyTrustDomains"),
    ("server.port: 80", "server.port", "; write it as nested sections, a line for each part"),
    ("something: else", "something", ""),
    ("memory: {enabled: true, identities: [{username: x, mail: y}]}", "memory.identities[0].mail", None),
]

# What is wrong with what nothing uses, and the key of that.
OFF = [
    ("rest: {host: 'localhost:8091'}", "rest.host"),
    ("rest: {enabled: false, endpoints: {identity: {single: []}}}", "rest.endpoints.identity.single"),
    ("sql: {type: oracle, connection: x}", "sql.type"),
    ("sql: {enabled: true, connection: x, profile: {enabled: false, role: {type: x}}}", "sql.profile.role.type"),
    ("synapseSql: {enabled: false, type: mysqll}", "synapseSql.type"),
    ("lookup: {recursive: {bridge: {enabled: false, server: localhost}}}", "lookup.recursive.bridge.server"),
    ("lookup: {recursive: {enabled: false, allowedCidr: [nowhere]}}", "lookup.recursive.allowedCidr[0]"),
    ("lookup: {recursive: {enabled: false, bridge: {enabled: true, server: x}}}", "lookup.recursive.bridge.server"),
    ("ldap: {connection: {host: 'ldap://x', port: 0}}", "ldap.connection.port"),
    ("netiq: [{enabled: false, atribute: {}}]", "netiq[0].atribute"),
    ("exec: {auth: {exit: {success: [x]}}}", "exec.auth.exit.success[0]"),
    ("exec: {enabled: true, profile: {enabled: false, role: {input: {type: x}}}}", "exec.profile.role.input.type"),
    ("exec: {profile: {role: {command: x, output: {type: plain}}}}", "exec.profile.role.output.type"),
    ("appsvc: {user: {main: x, inviteExpired: x}}", "appsvc.user.inviteExpired"),
    (
        "notification: {handler: {email: raw}}\nthreepid: {medium: {msisdn: {connector: pigeon}}}",
        "threepid.medium.msisdn.connector",
    ),
    ("wordpress: {sql: {type: x}}", "wordpress.sql.type"),
    ("memory: {identities: [{password: x}]}", "memory.identities[0].username"),
    ("appsvc: {enabled: false, endpoint: {toHS: {url: x}}}", "appsvc.endpoint.toHS.url"),
    ("invite: {expiration: {enabled: false, after: 0}}", "invite.expiration.after"),
    ("hashing: {enabled: false, pepperLength: 0}", "hashing.pepperLength"),
    ("hashing: {rotationPolicy: per_requests, delay: often}", "hashing.delay"),
    ("hashing: {rotationPolicy: per_seconds, requests: few}", "hashing.requests"),
    (
        "notification: {handlers: {sendgrid: {identity: {from: nobody}}}}",
        "notification.handlers.sendgrid.identity.from",
    ),
    (
        "threepid: {medium: {email: {connector: none, connectors: {smtp: {port: x}}}}}",
        "threepid.medium.email.connectors.smtp.port",
    ),
    (
        "threepid: {medium: {msisdn: {connectors: {http: {url: nowhere}}}}}",
        "threepid.medium.msisdn.connectors.http.url",
    ),
    (
        (
            "notification: {handler: {email: sendgrid}}\n"
            "threepid: {medium: {email: {connector: pigeon, identity: {from: x}, connectors: {smtp: {tls: 9}}}}}"
        ),
        "threepid.medium.email.connectors.smtp.tls",
    ),
    ("storage: {provider: {redis: {url: redis}}}", "storage.provider.redis.url"),
    (
        "storage: {provider: {postgresql: {database: nowhere, maxConnectionsFree: some}}}",
        "storage.provider.postgresql.maxConnectionsFree",
    ),
    ("storage: {backend: redis, provider: {sqlite: {database: []}}}", "storage.provider.sqlite.database"),
]


class StrayTests(ConfigCase):
    def told(self, text: str) -> list[str]:
        config = self.whole(text) if text.startswith("matrix") else self.config(text)
        return [warning for warning in config.warnings if warning not in USUAL]

    def test_known_ones(self) -> None:
        for text, key, advice in STRAY:
            self.assertIn(f"{key}: has no effect, as in mxisd; {advice}", self.told(text))

    def test_templates_of_sendgrid(self) -> None:
        session = "notification.handlers.sendgrid.templates.session"
        told = self.told(
            """
            notification:
              handler: {email: sendgrid}
              handlers:
                sendgrid:
                  api: {key: x}
                  identity: {from: a@b.org}
                  templates:
                    session:
                      validation: {local: {subject: x}, remote: {subject: y}}
                      unbind: {subject: x, body: {text: y}}
            """
        )
        for key, instead in (
            ("validation.local", "validation"),
            ("validation.remote", "validation"),
            ("unbind.subject", "unbind.notification.subject"),
            ("unbind.body", "unbind.notification.body"),
        ):
            self.assertIn(f"{session}.{key}: has no effect, as in mxisd; write {session}.{instead}", told)

    def test_others(self) -> None:
        for text, key, hint in UNKNOWN:
            (warning,) = [each for each in self.told(text) if each.startswith(f"{key}: ")]
            expected = f"{key}: has no effect, as in mxisd"
            self.assertTrue(warning.startswith(expected) if hint is None else warning == expected + hint, warning)

    def test_what_is_said_of_them_is_true(self) -> None:
        known = set(known_keys(Sections))
        self.assertEqual([key for key in STRAYS.advice if key in known], [])
        for advice in STRAYS.advice.values():
            if "write " in advice:
                named = advice.partition("write ")[2].split(",")[0]
                mapping = named.rpartition(".")[0]
                self.assertTrue(named in known or mapping in known or named == "it below each program", advice)
        self.assertEqual([key for key in NO_EFFECT_THERE if key not in known], [])

    def test_keys_that_ma1sd_read_under_another_name(self) -> None:
        config = self.config("accountConfig: {allowOnlyTrustDomains: false}\nexec: {identity: {hashLookup: true}}")
        self.assertEqual((config.account.allow_only_trust_domains, config.exec.identity.hash_enabled), (False, True))
        self.assertNotIn("had none", "".join(config.warnings))
        server = "{enabled: true, lookup: true, connection: {host: a, baseDn: b}}"
        config = self.config(
            "account: {allowOnlyTrustDomains: false}\n"
            "exec: {identity: {hashEnabled: true}}\n"
            f"ldap: {server}\n"
            f"netiq: {server}\n"
        )
        self.assertEqual((config.account.allow_only_trust_domains, config.exec.identity.hash_enabled), (False, True))
        for key in NO_EFFECT_THERE:
            self.assertIn(f"{key}: {NO_EFFECT_THERE[key]}", config.warnings)
        closed = self.config("account: {allowOnlyTrustDomains: true}\nexec: {identity: {hashEnabled: false}}")
        self.assertNotIn("had none", "".join(closed.warnings))

    def test_a_value_under_both_names(self) -> None:
        for listed in (True, False):
            text = f"exec: {{enabled: true, identity: {{hashEnabled: {not listed}, hashLookup: {listed}}}}}"
            self.assertIn("exec.identity.hashEnabled: has no effect beside hashLookup, as in ma1sd", self.told(text))
            self.assertEqual(self.config(text).exec.identity.hash_enabled, listed)
        twilio = "threepid: {medium: {msisdn: {connectors: {twilio: {account_sid: a, accountSid: b}}}}}"
        self.assertEqual(self.config(twilio).threepid.medium.msisdn.connectors.twilio.account_sid, "b")

    def test_a_section_under_both_names(self) -> None:
        config = self.config("account: {allowOnlyTrustDomains: false}\naccountConfig: {allowOnlyTrustDomains: true}")
        self.assertTrue(config.account.allow_only_trust_domains)
        self.assertIn("account: has no effect beside accountConfig, as in ma1sd", config.warnings)

    def test_keys_without_effect(self) -> None:
        for text, key in (
            ("hashing: {hashStorageType: sql}", "hashing.hashStorageType"),
            ("synapseSql: {enabled: true, connection: x, legacyRoomNames: true}", "synapseSql.legacyRoomNames"),
            ("synapseSql: {legacyRoomNames: true}", "synapseSql.legacyRoomNames"),
            ("wordpress: {rest: {credential: {username: x}}}", "wordpress.rest.credential"),
            (
                (
                    "wordpress: {enabled: true, rest: {base: 'https://x', credential: {username: x}},"
                    " sql: {connection: //x/y}}"
                ),
                "wordpress.rest.credential",
            ),
        ):
            self.assertIn(f"{key}: has no effect", "".join(self.told(text)))


class SlipTests(SynchronousTestCase):
    @given(WORDS, st.integers(0, 99), st.integers(0, 99))
    def test_one_letter(self, word: str, at: int, other: int) -> None:
        at, other = at % len(word), other % len(word)
        rest = word[:at] + word[at + 1 :]
        for typed in (
            rest,
            word[:at] + "x" + word[at:],
            word[:at] + "x" + word[at + 1 :],
            rest[:other] + word[at] + rest[other:],
            word.upper(),
            f"{word[:at]}_{word[at:]}",
            f"{word[:at]}-{word[at:]}",
        ):
            self.assertEqual(slip(typed, [word]), word, typed)

    @given(WORDS)
    def test_two_letters(self, word: str) -> None:
        for typed in (word[2:], f"{word}xy", f"xy{word}", f"xy{word[2:]}", f"x{word[1:-1]}y"):
            self.assertIsNone(slip(typed, [word]), typed)


class SwitchedOffTests(ConfigCase):
    def test_what_is_wrong_there_is_told(self) -> None:
        for text, key in OFF:
            warnings = [warning for warning in self.config(text).warnings if warning.startswith(f"{key}: ")]
            self.assertEqual(len(warnings), 1, text)
            self.assertTrue(warnings[0].endswith(": nothing uses it now"), warnings[0])

    def test_what_is_in_use_stops_the_start(self) -> None:
        for text, key in (
            ("rest: {enabled: true, host: 'localhost:8091'}", "rest.host"),
            ("sql: {enabled: false, type: oracle, connection: x, identity: {enabled: true}}", "sql.type"),
            ("exec: {identity: {enabled: true}, timeout: x}", "exec.timeout"),
            ("invite: {expiration: {after: 0}}", "invite.expiration.after"),
            ("threepid: {medium: {email: {connectors: {smtp: {port: x}}}}}", "threepid.medium.email.connectors.smtp"),
            ("hashing: {rotationPolicy: per_seconds, delay: often}", "hashing.delay"),
        ):
            self.assertTrue(self.problems(text)[0].startswith(key), text)

    def test_the_switch_itself(self) -> None:
        for text in ("ldap: {enabled: maybe}", "sql: {enabled: ja}", "exec: {auth: {enabled: maybe}}"):
            self.assertIn("expected true or false", self.problems(text)[0])

    def test_the_rest_of_a_section_stays(self) -> None:
        config = self.config(
            """
            threepid:
              medium:
                email: {connector: none, identity: {from: a@b.org}, connectors: {smtp: {port: x, host: mail}}}
                msisdn: {connector: http, connectors: {http: {url: 'https://sms'}, twilio: {account_sid: []}}}
            memory: {hashEnabled: true, identities: [{password: x}]}
            """
        )
        medium = config.threepid.medium
        self.assertEqual((medium.email.identity.from_, medium.email.connectors.smtp.host), ("a@b.org", "mail"))
        self.assertEqual((medium.msisdn.connector, medium.msisdn.connectors.http.url), ("http", "https://sms"))
        self.assertEqual((config.memory.hash_enabled, config.memory.identities), (True, ()))

    def test_nothing_else_is_said_of_it(self) -> None:
        config = self.config(
            """
            threepid: {medium: {email: {connector: none, connectors: {smtp: {tlsVerify: false}}}}}
            """
        )
        self.assertNotIn("smtp", "".join(config.warnings))
