from textwrap import dedent

from mxisd.config import NOT_BUILT, Sections, unbuilt
from mxisd.config.engine.shape import known_keys
from tests.config.case import ConfigCase

NO_EMAIL = "threepid.medium.email.connectors.smtp.host: not set: no email can be sent"

NOBODY_REJECTS = (
    "invite.expiration: invites that expire are given to @_mxisd_invite-expired:example.org, "
    "and nothing rejects them: for that there is appsvc"
)
SENT_ANYWHERE = "session.policy.nextLink.allowed: not set: after a validation people are sent wherever the client says"
USUAL = (NO_EMAIL, NOBODY_REJECTS, SENT_ANYWHERE)
# Of a file that no old server could have had, so that its differences are not told.
OURS = "stores: {localparts: map}\n"
APPSVC = """
appsvc:
  enabled: true
  endpoint: {toHS: {url: 'http://localhost:8008', token: x}, toAS: {url: 'http://localhost:8090', token: y}}
"""

UNLISTED = "do not find these users"


class WarningTests(ConfigCase):
    def warnings(self, text: str) -> list[str]:
        return [warning for warning in self.config(OURS + dedent(text)).warnings if warning not in USUAL]

    def test_nothing_to_say(self) -> None:
        config = self.config(
            """
            stores: {localparts: map}
            threepid: {medium: {email: {identity: {from: a@b.org}, connectors: {smtp: {host: mail}}}}}
            invite: {expiration: {enabled: false}}
            session: {policy: {nextLink: {allowed: app.example.org}}}
            """
        )
        self.assertEqual(config.warnings, ())

    def test_what_is_open(self) -> None:
        for text, warning in [
            (
                "threepid: {medium: {email: {connectors: {smtp: {tlsVerify: false}}}}}",
                "threepid.medium.email.connectors.smtp.tlsVerify: the mail server's certificate is not verified",
            ),
            (
                "threepid: {medium: {email: {connectors: {smtp: {tls: 0, password: x}}}}}",
                "threepid.medium.email.connectors.smtp.tls: the password is sent to the mail server without encryption",
            ),
            (
                "threepid: {medium: {email: {connectors: {smtp: {tlsVerify: chain}}}}}",
                (
                    "threepid.medium.email.connectors.smtp.tlsVerify: the mail server's certificate may be that of "
                    "another host"
                ),
            ),
            (
                "ldap: {enabled: true, connection: {host: a, startTls: true, tlsVerify: none, baseDNs: [b]}}",
                "ldap.connection.tlsVerify: the directory server's certificate is not verified",
            ),
            (
                "threepid: {medium: {email: {connector: log}}}",
                "threepid.medium.email.connector: emails are not sent but written to the log, with their tokens",
            ),
            (
                "ldap: {enabled: true, activeDirectory: true, connection: {host: a, tls: true, baseDNs: [b]}}",
                (
                    "ldap.attribute.uid.value: sAMAccountName has no domain: all users count as those of "
                    "defaultDomain, and two of one name cannot be told apart; for several domains set userPrincipalName"
                ),
            ),
            (
                (
                    "ldap: {enabled: true, activeDirectory: true, connection: {host: a, tls: true, baseDNs: [b]}, "
                    "attribute: {uid: {value: userPrincipalName}}}"
                ),
                "ldap.defaultDomain: not set: every user who is name@domain has the domain in the user ID",
            ),
            (
                "outbound: {insecureServers: [a.org, 'b_c:8448', '[::1]:1']}",
                "outbound.insecureServers: certificates are not verified of a.org, b_c:8448, [::1]:1",
            ),
            (
                "session: {policy: {bind: {domains: ['*']}}}",
                "session.policy.bind.domains: addresses are bound to user IDs of any homeserver",
            ),
            (
                "register: {policy: {allowed: true}}",
                (
                    "register.policy: without effect: without matrix.homeserver.url mxisd does not stand in front of "
                    "the homeserver"
                ),
            ),
            (
                "invite: {policy: {ifSender: {hasRole: staff}}}",
                (
                    "invite.policy: invites are judged only when the homeserver stores them here: without "
                    "matrix.homeserver.url mxisd does not stand in front of the homeserver"
                ),
            ),
            (
                "forward: {servers: [matrix-org]}",
                (
                    "forward.servers: addresses that are looked up here and not known are told to matrix-org: "
                    "that is, whom your users know"
                ),
            ),
            (
                "forward: {servers: [matrix-ogr]}",
                (
                    "forward.servers: 'matrix-ogr' is no label of matrix.identity.servers, and nobody is asked from "
                    "there on: write matrix-org, or its URLs there below a label of your own"
                ),
            ),
            (
                "forward: {servers: ['https://id.example.org', matrix-org]}",
                (
                    "forward.servers: 'https://id.example.org' is no label of matrix.identity.servers, and nobody is "
                    "asked from there on: write matrix-org, or its URLs there below a label of your own"
                ),
            ),
            ("hashing: {enabled: false}", "hashing.enabled: clients send addresses in the clear"),
            ("hashing: {algorithms: none}", "hashing.algorithms: clients send addresses in the clear"),
            ("firebase: {database: 'https://x.org'}", "firebase: without effect: Firebase is not supported"),
            (
                (
                    "storage: {backend: postgresql,"
                    " provider: {postgresql: {database: '//localhost/ma1sd?reWriteBatchedInserts=true'}}}"
                ),
                "storage.provider.postgresql.database: without effect here: rewritebatchedinserts",
            ),
        ]:
            told = [each for each in self.warnings(text) if UNLISTED not in each]
            self.assertEqual(told, [warning])

    def test_filters_that_are_none(self) -> None:
        ldap = "ldap: {enabled: true, connection: {host: a, tls: true, baseDNs: [b]}, %s}"
        told = "is no LDAP filter, and nobody is found by it: write one such as (objectClass=person)"
        for text, key in (
            ("filter: '(&(a=b)'", "filter"),
            ("filter: person", "filter"),
            ("auth: {filter: '()'}", "auth.filter"),
            ("directory: {filter: '(!(a=b)(c=d))'}", "directory.filter"),
            ("identity: {filter: '(a=b)(c=d)'}", "identity.filter"),
            ("profile: {filter: '(a=b))'}", "profile.filter"),
            ("identity: {medium: {email: 'mail=%3pid'}}", "identity.medium.email"),
        ):
            self.assertIn(f"ldap.{key}: {told}", self.warnings(ldap % text))
            self.assertNotIn(told, "".join(self.warnings((ldap % text).replace("true", "false"))))
        for text in (
            "filter: '(&(a=b)(!(c:1.2.840:=2))(|(d=*)(e>=1)))'",
            "filter: ' ( & (a=b) (c=\\28\\29) ) '",
            "auth: {filter: 'memberOf=CN=a,DC=b'}",
            "identity: {medium: {email: '(|(mail=%3pid)(proxyAddresses=smtp:%3pid))'}}",
            "profile: {filter: '(&)'}",
        ):
            self.assertNotIn(told, "".join(self.warnings(ldap % text)))

    def test_identity_servers_that_cannot_be_asked(self) -> None:
        servers = "x: [matrix.org, 'https://id.example.org/'], y: z"
        for asked, urls in ("[x, y]", ("https://id.example.org",)), ("[y]", ()), ("[]", ()):
            config = self.whole(
                f"matrix: {{domain: example.org, identity: {{servers: {{{servers}}}}}}}\nforward: {{servers: {asked}}}"
            )
            self.assertEqual(config.forwards_to, urls)
            self.assertIn(
                "matrix.identity.servers.x[0]: it is not asked, as in mxisd: expected the base of URLs, such as "
                "https://example.org, found 'matrix.org'",
                config.warnings,
            )
            told = [warning for warning in config.warnings if "are told to x:" in warning]
            self.assertEqual(len(told), len(urls))

    def test_whom_hashed_lookups_do_not_find(self) -> None:
        sql = "enabled: true, connection: people.db, identity: {query: 'SELECT 1 WHERE ? = ?'}"
        for text, keys in [
            ("memory: {enabled: true}", ["memory.hashEnabled"]),
            ("memory: {enabled: true, hashEnabled: true}", []),
            ("memory: {hashEnabled: false}", []),
            (f"sql: {{{sql}}}", ["sql.lookup.query"]),
            (f"sql: {{{sql}, lookup: {{query: SELECT 1}}}}", []),
            ("sql: {connection: people.db, profile: {enabled: true}}", []),
            ("synapseSql: {enabled: true, connection: homeserver.db}", []),
            ("ldap: {enabled: true, connection: {host: a, baseDNs: ['o=a']}}", ["ldap.lookup"]),
            ("ldap: {enabled: true, lookup: true, connection: {host: a, baseDNs: ['o=a']}}", []),
            ("ldap: {enabled: true, identity: {lookup: true}, connection: {host: a, baseDNs: ['o=a']}}", []),
            (
                (
                    "ldap: [{enabled: true, lookup: true, connection: {host: a, baseDNs: ['o=a']}},"
                    " {enabled: true, connection: {host: b, baseDNs: ['o=b']}}]"
                ),
                ["ldap[1].lookup"],
            ),
            ("netiq: {enabled: true, connection: {host: a, baseDNs: ['o=a']}}", ["netiq.lookup"]),
            ("rest: {enabled: true, host: 'http://localhost'}", ["rest.endpoints.identity"]),
            (
                "rest: {enabled: true, host: 'http://localhost', endpoints: {identity: {single: '', bulk: ''}}}",
                [],
            ),
            ("exec: {enabled: true, identity: {lookup: {single: {command: /a}}}}", ["exec.identity.hashEnabled"]),
            (
                "exec: {enabled: true, identity: {hashEnabled: true, lookup: {single: {command: /a}}}}",
                ["exec.identity.lookup.bulk"],
            ),
            ("exec: {enabled: true, identity: {hashEnabled: true, lookup: {bulk: {command: /a}}}}", []),
            ("exec: {auth: {enabled: true}}", []),
            ("forward: {servers: [matrix-org]}", ["forward.servers"]),
            ("hashing: {enabled: false}\nmemory: {enabled: true}", []),
        ]:
            told = [each.partition(":")[0] for each in self.warnings(text) if UNLISTED in each]
            self.assertEqual(told, keys, text)
        # What another server answers for an invite is not hashed.
        (forwarded,) = [each for each in self.warnings("forward: {servers: [matrix-org]}") if UNLISTED in each]
        self.assertTrue(forwarded.endswith(UNLISTED))

    def test_secret_files_that_others_can_read(self) -> None:
        appsvc = "  registration: {synapse: {file: registration.yaml}}\n"
        text = f"key: {{path: signing.key}}\nstorage: {{provider: {{sqlite: {{database: is.db}}}}}}\n{APPSVC}{appsvc}"
        database, registration = "storage.provider.sqlite.database", "appsvc.registration.synapse.file"
        for name, mode, key, command in [
            ("signing.key", 0o600, "", ""),
            ("signing.key", 0o400, "", ""),
            ("signing.key", 0o640, "key.path", "chmod go="),
            ("signing.key", 0o620, "key.path", "chmod go="),
            ("signing.key", 0o604, "key.path", "chmod go="),
            ("signing.key", 0o644, "key.path", "chmod go="),
            ("is.db", 0o600, "", ""),
            ("is.db", 0o640, "", ""),
            ("is.db", 0o644, database, "chmod o="),
            ("registration.yaml", 0o600, "", ""),
            ("registration.yaml", 0o640, "", ""),
            ("registration.yaml", 0o644, registration, "chmod o="),
        ]:
            path = self.write(name, "")
            path.chmod(mode)
            told = [warning for warning in self.config(text).warnings if "though it is secret" in warning]
            wanted = f"{key}: not only its owner has rights to it, though it is secret: {command} {path}"
            self.assertEqual(told, [wanted] if key else [], (name, oct(mode)))
            path.unlink()

    def test_files_that_are_not_used(self) -> None:
        for name in ("mxisd.signing.key", "mxisd.db", "registration.yaml"):
            self.write(name, "").chmod(0o644)
        told = "".join(self.config("storage: {backend: redis}").warnings)
        self.assertNotIn("though it is secret", told)

    def test_what_needs_to_stand_in_front_of_the_homeserver(self) -> None:
        for text, key in [
            ("auth: {rewrite: {user: {rules: [{regex: a, medium: b}]}}}", "auth.rewrite"),
            ("directory: {exclude: {threepid: true}}", "directory"),
            ("profile: {public: true}", "profile"),
        ]:
            warning = (
                f"{key}: without effect: without matrix.homeserver.url mxisd does not stand in front of the homeserver"
            )
            self.assertIn(warning, self.warnings(text))
            config = self.whole(f"matrix: {{domain: example.org, homeserver: {{url: 'http://localhost'}}}}\n{text}")
            self.assertNotIn(warning, config.warnings)

    def test_profiles_for_everybody(self) -> None:
        warning = "profile.public: the addresses and roles of all users are shown to anybody who asks"
        self.assertIn(warning, self.warnings("profile: {public: true}"))

    def test_where_validations_lead(self) -> None:
        self.assertIn(SENT_ANYWHERE, self.config().warnings)
        for allowed in ("'*'", "[app.example.org]"):
            text = f"session: {{policy: {{nextLink: {{allowed: {allowed}}}}}}}"
            self.assertNotIn(SENT_ANYWHERE, self.config(text).warnings)

    def test_email_without_a_server(self) -> None:
        self.assertIn(NO_EMAIL, self.config().warnings)
        self.assertNotIn(NO_EMAIL, self.config("threepid: {medium: {email: {connector: none}}}").warnings)
        self.assertNotIn(
            NO_EMAIL,
            self.config(
                """
                notification:
                  handler: {email: sendgrid}
                  handlers: {sendgrid: {api: {key: x}, identity: {from: a@b.org}}}
                """
            ).warnings,
        )

    def test_expired_invites_that_nothing_rejects(self) -> None:
        self.assertIn(NOBODY_REJECTS, self.config().warnings)
        self.assertIn(NOBODY_REJECTS, self.config(f"{APPSVC}  feature: {{cleanExpiredInvite: false}}").warnings)
        for text in (APPSVC, "invite: {expiration: {enabled: false}}"):
            self.assertNotIn("invite.expiration", "".join(self.config(text).warnings))
        self.assertIn(
            NOBODY_REJECTS.replace("@_mxisd_invite-expired:example.org", "@gone:elsewhere.org"),
            self.config(f"{APPSVC}invite: {{expiration: {{resolveTo: '@gone:elsewhere.org'}}}}").warnings,
        )

    def test_commands_without_administrators(self) -> None:
        warning = "appsvc.feature.admin.allowedRoles: not set: nobody can use the commands for administrators"
        self.assertIn(warning, self.config(APPSVC).warnings)
        for feature in ("enabled: false", "allowedRoles: [admins]"):
            config = self.config(f"{APPSVC}  feature: {{admin: {{{feature}}}}}")
            self.assertNotIn(warning, config.warnings)

    def test_pending_invites_that_only_stores_are_asked_for(self) -> None:
        self.assertEqual(
            self.warnings("invite: {resolution: {recursive: false}}"),
            ["invite.resolution.recursive: only identity stores are asked for the addresses of pending invites"],
        )

    def test_who_reaches_the_internal_listener(self) -> None:
        self.assertIn(
            "internal.enabled: without effect: ma1sd's lists of invites are not here",
            self.warnings("internal: {enabled: true}"),
        )
        for endpoint in (
            "unix:/run/a.sock",
            "tcp:1:interface=127.0.0.1",
            r"tcp:1:interface=\:\:1",
            "tcp:1:interface=localhost",
        ):
            self.assertEqual(self.warnings(f"internal: {{bind: '{endpoint}'}}"), [])
        for endpoint in (
            "tcp:1",
            "tcp:1:interface=10.0.0.1",
            r"tcp:1:interface=\:\:",
            "tcp:1:interface=127.0.0.1.example",
        ):
            (warning,) = self.warnings(f"internal: {{bind: '{endpoint}'}}")
            self.assertEqual(warning, f"internal.bind: whoever reaches {endpoint} can bind any address to any user")


class UnbuiltTests(ConfigCase):
    def warned(self, text: str) -> list[str]:
        return [warning.partition(":")[0] for warning in self.config(text).warnings if "not built yet" in warning]

    def test_what_is_set_without_effect(self) -> None:
        self.assertEqual(self.warned("logging: {requests: true}"), ["logging.requests"])
        self.assertEqual(
            self.config("logging: {requests: yes}").warnings[0],
            "logging.requests: accepted, but without effect: not built yet (a log of requests)",
        )

    def test_what_is_off_anyway(self) -> None:
        self.assertEqual(
            self.warned("ldap: {enabled: false}\nappsvc: {enabled: no}\nmemory:\nforward: {servers: []}"), []
        )

    def test_names_that_begin_alike(self) -> None:
        self.assertEqual(list(unbuilt(["internals.enabled", "internal_.enabled", "x.internal"])), [])

    def test_the_list_names_keys(self) -> None:
        self.assertEqual({key for key, _ in NOT_BUILT} - set(known_keys(Sections)), set())
