from mxisd.config import ConfigError, load
from tests.config.case import ConfigCase

APPSVC = "appsvc: {enabled: true, endpoint: {toHS: {url: 'http://x', token: x}, toAS: {url: 'http://x', token: y}}, "
# A mistake, and what is said about it.
VALUES = [
    ("server: {port: 0}", "server.port: expected a port from 1 to 65535, found '0'"),
    ("server: {port: 65536}", "server.port: expected a port from 1 to 65535, found '65536'"),
    ("server: {port: 08090}", "server.port: expected a port from 1 to 65535, found '08090'"),
    ("server: {port: http}", "server.port: expected a port from 1 to 65535, found 'http'"),
    ("server: {port: [8090]}", "server.port: expected a port from 1 to 65535, found a list"),
    (
        "server: {name: 'https://x.org'}",
        "server.name: expected a server name such as example.org, found 'https://x.org'",
    ),
    (
        "server: {hostname: 127.0.0.1:80}",
        "server.hostname: expected an address such as 127.0.0.1 or ::1, or the path of a socket, found '127.0.0.1:80'",
    ),
    (
        "server: {bind: ['tcp:8090', 'tpc:8091']}",
        (
            "server.bind[1]: expected a Twisted endpoint such as tcp:8090:interface=127.0.0.1 or unix:/run/mxisd.sock "
            "(Unknown endpoint type: 'tpc'), found 'tpc:8091'"
        ),
    ),
    (
        "server: {trustedProxies: 10.0.0.1/8}",
        (
            "server.trustedProxies: expected a network such as 10.0.0.0/8 or ::1/128 (10.0.0.1/8 has host bits set), "
            "found '10.0.0.1/8'"
        ),
    ),
    (
        "invite: {expiration: {after: 0}}",
        "invite.expiration.after: expected a whole number of at least 1, found '0'",
    ),
    (
        "invite: {expiration: {resolveTo: expired}}",
        "invite.expiration.resolveTo: expected a user ID such as @user:example.org, found 'expired'",
    ),
    (
        "invite: {expiration: {after: 30}, reminder: {before: 45}}",
        "invite.reminder.before: expected less than invite.expiration.after (30), found 45",
    ),
    (
        "invite: {delivery: {giveUpAfter: 9999999d}}",
        "invite.delivery.giveUpAfter: expected a duration of at most 2555000d, found '9999999d'",
    ),
    (
        "invite: {delivery: {giveUpAfter: a week}}",
        "invite.delivery.giveUpAfter: expected a duration such as '10s' or '2d 4h 12m 34s', found 'a week'",
    ),
    (
        "invite: {resolution: {period: hours}}",
        "invite.resolution.period: expected one of minutes, seconds, found 'hours'",
    ),
    (
        "invite: {policy: {rules: [{role: [x]}]}}",
        "invite.policy.rules[0].action: required: expected one of allow, deny",
    ),
    ("account: {allowOnlyTrustDomains: maybe}", "account.allowOnlyTrustDomains: expected true or false, found 'maybe'"),
    (
        "threepid: {medium: {email: {connectors: {smtp: {tls: 4}}}}}",
        "threepid.medium.email.connectors.smtp.tls: expected one of 0, 1, 2, 3, found '4'",
    ),
    (
        "threepid: {medium: {email: {generator: mine}}}",
        "threepid.medium.email.generator: expected template, found 'mine'",
    ),
    (
        "threepid: {medium: {email: {identity: {from: nobody}}}}",
        "threepid.medium.email.identity.from: expected an email address such as mxisd@example.org, found 'nobody'",
    ),
    (
        "threepid: {medium: {email: {connectors: {smtp: {host: 'mail.example.org:587'}}}}}",
        (
            "threepid.medium.email.connectors.smtp.host: expected the name or the address of a host alone: the port "
            "goes to the key 'port' beside it, found 'mail.example.org:587'"
        ),
    ),
    (
        "ldap: {enabled: true, connection: {host: 'ldap://ldap.example.org'}}",
        (
            "ldap.connection.host: expected the name or the address of a host without ldap:// in front, "
            "found 'ldap://ldap.example.org'"
        ),
    ),
    (
        "storage: {backend: redis, provider: {redis: {sentinel: {servers: ['sentinel:x']}}}}",
        (
            "storage.provider.redis.sentinel.servers[0]: expected a host such as example.org, or host:port "
            "('x' is no port from 1 to 65535), found 'sentinel:x'"
        ),
    ),
    (
        "policy: {policies: {x: {version: 1, terms: {en: {name: X, url: 'https://x.org'}}, regexp: ['(']}}}",
        ("policy.policies.x.regexp[0]: expected a regular expression (missing ): (), found '('"),
    ),
    (
        "policy: {policies: {x: {version: 1, terms: {}}}}",
        "policy.policies.x.terms: required: expected a name and a URL for at least one language, such as en",
    ),
    (
        "outbound: {nameservers: [ns.example.org]}",
        (
            "outbound.nameservers[0]: expected the address of a name server, such as 127.0.0.1:53 or [::1]:53, "
            "found 'ns.example.org'"
        ),
    ),
    ("hashing: {algorithms: [md5]}", "hashing.algorithms[0]: expected one of sha256, none, found 'md5'"),
    ("hashing: {algorithms: [~]}", "hashing.algorithms[0]: expected one of sha256, none, found nothing"),
    (
        APPSVC + "user: {main: Mxisd}}",
        "appsvc.user.main: expected the localpart of a user ID: lower-case letters, digits, and ._=/+-, found 'Mxisd'",
    ),
    (
        APPSVC + "user: {main: x, inviteExpired: x}}",
        "appsvc.user.inviteExpired: expected another user than appsvc.user.main",
    ),
    (
        "appsvc: {enabled: true, endpoint: {toHS: {url: 'http://x', token: x}, toAS: {url: 'http://x', token: a b}}}",
        "appsvc.endpoint.toAS.token: expected a token of ASCII characters without spaces, since appsvc.enabled is true",
    ),
    ("exec: {enabled: true, token: {mxd: x}}", "exec.token.mxd: unknown key; did you mean exec.token.mxid?"),
    (
        "forward: {account: {accessToken: x}}",
        "forward.account.homeserver: required, since matrix.homeserver.url is not set either",
    ),
    (
        "lookup: {recursive: {bridge: {enabled: true}}}",
        "lookup.recursive.bridge.server: required: expected the URL of the bridge, here or in mappings",
    ),
    ("lookup: {timeout: 0s}", "lookup.timeout: expected at least 1s"),
    ("lookup: {recursive: {timeout: 0s}}", "lookup.recursive.timeout: expected at least 1s"),
    ("hashing: {refresh: 0s}", "hashing.refresh: expected at least 1s"),
    ("hashing: {rotationPolicy: per_seconds, delay: 0s}", "hashing.delay: expected at least 1s"),
    (
        "storage: {backend: postgresql}",
        "storage.provider.postgresql.database: required: expected //host:port/name",
    ),
    (
        "storage: {backend: postgresql, provider: {postgresql: {database: 'localhost:5432/secret'}}}",
        "storage.provider.postgresql.database: expected //host[:port]/database?user=…&password=…",
    ),
    (
        "storage: {backend: postgresql, provider: {postgresql: {database: '//localhost/a?ssl=strict'}}}",
        "storage.provider.postgresql.database: ssl: expected one of true, false",
    ),
    ("sql: {enabled: true}", "sql.connection: required: expected where the database is"),
    ("sql: {identity: {enabled: true}}", "sql.connection: required: expected where the database is"),
    (
        "synapseSql: {enabled: true, type: mariadb, connection: //localhost/synapse}",
        "synapseSql.type: expected sqlite or postgresql, found 'mariadb'",
    ),
    (
        "ldap: {enabled: true, connection: {baseDn: dc=x}}",
        "ldap.connection.host: required: expected the name or the address of the server",
    ),
    (
        "netiq: [{enabled: true, connection: {host: x}}]",
        "netiq[0].connection.baseDNs: required: expected the names of the entries that the users are below",
    ),
    (
        "ldap: {enabled: true, connection: {host: x, baseDn: dc=x, tls: true, startTls: true}}",
        "ldap.connection.startTls: expected either tls or startTls",
    ),
    (
        "ldap: {enabled: on, activeDirectory: on, connection: {host: x, baseDn: x}, attribute: {uid: {type: mxid}}}",
        "ldap.attribute.uid.type: expected uid, since activeDirectory makes localparts of user names",
    ),
    (
        "rest: {enabled: true}",
        "rest.host: required: expected the base of URLs, since endpoints.auth is only a path",
    ),
    (
        "rest: {enabled: true, host: 'http://x', endpoints: {auth: auth/login}}",
        (
            "rest.endpoints.auth: expected a path that begins with / or a URL such as https://example.org/path, "
            "found 'auth/login'"
        ),
    ),
    (
        "exec: {enabled: true, profile: {role: {command: x, output: {type: plain}}}}",
        "exec.profile.role.output.type: expected json, found 'plain'",
    ),
    (
        "wordpress: {enabled: true, sql: {connection: //localhost/x}}",
        "wordpress.rest.base: required: expected the URL of the site",
    ),
    (
        "wordpress: {enabled: true, sql: {tablePrefix: 'wp_; --'}}",
        (
            "wordpress.sql.tablePrefix: expected the beginning of the names of tables: letters, digits, and _$, "
            "found 'wp_; --'"
        ),
    ),
    (
        "firebase: {enabled: true}",
        "firebase.enabled: Firebase is not supported; ask it from a service of your own by the rest store",
    ),
]
SHAPES = [
    ("server: 8090", "server: expected a section with keys, found a single value"),
    ("server: [port]", "server: expected a section with keys, found a list"),
    ("policy: {policies: [x]}", "policy.policies: expected names with values, found a list"),
    ("policy: {policies: {x: 1.0}}", "policy.policies.x: expected a section with keys, found a single value"),
    (
        "account: {allowOnlyTrustDomains: {x: y}}",
        "account.allowOnlyTrustDomains: expected true or false, found a section with keys",
    ),
]
# One slip of the finger away from a key, or, where a key closes something, alike to one.
UNKNOWN = [
    ("server: {prot: 1}", "server.prot: unknown key; did you mean server.port?"),
    ("server: {pot: 1}", "server.pot: unknown key; did you mean server.port?"),
    ("server: {poort: 1}", "server.poort: unknown key; did you mean server.port?"),
    ("server: {pork: 1}", "server.pork: unknown key; did you mean server.port?"),
    ("server: {publicURL: x}", "server.publicURL: unknown key; did you mean server.publicUrl?"),
    ("server: {public_url: x}", "server.public_url: unknown key; did you mean server.publicUrl?"),
    ("servers: {}", "servers: unknown key; did you mean server?"),
    ("storage: {Backend: redis}", "storage.Backend: unknown key; did you mean storage.backend?"),
    (
        "memory: {enabled: true, identities: [{username: x, displayname: y}]}",
        "memory.identities[0].displayname: unknown key; did you mean memory.identities[0].displayName?",
    ),
    (
        "account: {allowOnlyTrustedDomains: false}",
        "account.allowOnlyTrustedDomains: unknown key; did you mean account.allowOnlyTrustDomains?",
    ),
    ("invite: {policies: {ifSender: {hasRole: x}}}", "invite.policies: unknown key; did you mean invite.policy?"),
    ("lookup: {recursion: {enabled: false}}", "lookup.recursion: unknown key; did you mean lookup.recursive?"),
    ("server: {trustedProxy: 10.0.0.1}", "server.trustedProxy: unknown key; did you mean server.trustedProxies?"),
    (
        "invite: {policy: {rules: [{action: deny, senders: ['@x']}]}}",
        "invite.policy.rules[0].senders: unknown key; did you mean invite.policy.rules[0].sender?",
    ),
    (
        "register: {policy: {threepid: {email: {domain: {whiteListed: [x.org]}}}}}",
        (
            "register.policy.threepid.email.domain.whiteListed: unknown key; did you mean "
            "register.policy.threepid.email.domain.whitelist?"
        ),
    ),
]


class MistakeTests(ConfigCase):
    """Each mistake stops the start and is told with its key, its line, what was expected and what was found."""

    maxDiff = None

    def check(self, cases: list[tuple[str, str]]) -> None:
        for text, problem in cases:
            own_domain = text.startswith("matrix")
            with self.assertRaises(ConfigError) as raised:
                self.whole(f"\n{text}" if own_domain else f"matrix: {{domain: example.org}}\n{text}")
            self.assertEqual(str(raised.exception), f"{problem} (line 2)")

    def test_values(self) -> None:
        self.check(VALUES)

    def test_shapes(self) -> None:
        self.check(SHAPES)

    def test_unknown_keys(self) -> None:
        self.check(UNKNOWN)

    def test_domain(self) -> None:
        for text, problem in [
            ("", "matrix.domain: required: expected a server name such as example.org"),
            ("# nothing", "matrix.domain: required: expected a server name such as example.org"),
            ("matrix: {domain: ''}", "matrix.domain: required: expected a server name such as example.org (line 1)"),
            (
                "matrix: {domain: 'a b'}",
                "matrix.domain: expected a server name such as example.org, found 'a b' (line 1)",
            ),
            ("- matrix", "the file: expected a section with keys, found a list"),
        ]:
            with self.assertRaises(ConfigError) as raised:
                self.whole(text)
            self.assertEqual(str(raised.exception), problem)

    def test_all_at_once_in_the_order_of_the_file(self) -> None:
        self.assertEqual(
            self.problems(
                """
                server: {port: x, prot: 1}
                threepid:
                  medium:
                    email:
                      connectors:
                        smtp:
                          tls: 9
                      identity: {from: x}
                storage: {provide: {}}
                """
            ),
            [
                "server.prot: unknown key; did you mean server.port? (line 3)",
                "server.port: expected a port from 1 to 65535, found 'x' (line 3)",
                "threepid.medium.email.connectors.smtp.tls: expected one of 0, 1, 2, 3, found '9' (line 9)",
                (
                    "threepid.medium.email.identity.from: expected an email address such as mxisd@example.org, "
                    "found 'x' (line 10)"
                ),
                "storage.provide: unknown key; did you mean storage.provider? (line 11)",
            ],
        )

    def test_two_spellings_and_a_file(self) -> None:
        twilio = "threepid: {medium: {msisdn: {connectors: {twilio: {auth_token: a, authTokenFile: b}}}}}"
        self.assertEqual(
            self.problems(twilio),
            [
                (
                    "threepid.medium.msisdn.connectors.twilio.authTokenFile: "
                    "expected only one of auth_token and authTokenFile (line 2)"
                )
            ],
        )

    def test_no_such_file(self) -> None:
        with self.assertRaises(ConfigError) as raised:
            load(str(self.directory / "none.yaml"), {})
        self.assertEqual(str(raised.exception), f"cannot read {self.directory}/none.yaml: No such file or directory")

    def test_not_utf_8(self) -> None:
        path = self.directory / "mxisd.yaml"
        path.write_bytes(b"matrix: {domain: \xff}")
        with self.assertRaises(ConfigError) as raised:
            load(path, {})
        self.assertEqual(str(raised.exception), f"cannot read {path}: not UTF-8 at byte 17")


class YamlTests(ConfigCase):
    def test_syntax(self) -> None:
        for text, problem in [
            (
                "server:\n\tport: 1",
                (
                    "line 3, column 1: not YAML: while scanning for the next token, found character "
                    "'\\t' that cannot start any token"
                ),
            ),
            (
                "server: [1",
                (
                    "line 2, column 11: not YAML: while parsing a flow sequence, expected ',' or ']', but got "
                    "'<stream end>'"
                ),
            ),
            ("server: *s", "line 2, column 9: not YAML: found undefined alias 's'"),
            ("server: \x07", "line 2, column 9: not YAML: the character U+0007 is not allowed"),
            (
                "--- \nserver: x",
                "line 2, column 1: not YAML: expected a single document in the stream, but found another document",
            ),
            (
                "key: !!python/object/apply:os.system [id]",
                "line 2, column 6: the tag tag:yaml.org,2002:python/object/apply:os.system has no meaning here",
            ),
            ("server: &s {bind: *s}", "server.bind: an alias that contains itself (line 2)"),
            ("? [a]\n: b", "the file: expected a name as key (line 2)"),
        ]:
            self.assertEqual(self.problems(text), [problem])

    def test_of_keys_given_twice_the_last_one_counts_whole(self) -> None:
        config = self.config(
            """
            server:
              port: 1
              name: x.org
              port: 2
              port: 3
            ldap: [{filter: (a=b), filter: (c=d)}]
            server: {hostname: '::1', trustedProxies: [10.0.0.0/8]}
            server: {}
            """
        )
        self.assertEqual((config.server.port, config.server.name), (8090, "example.org"))
        self.assertEqual(config.ldap[0].filter, "(c=d)")
        last = "only the last counts, as in mxisd"
        self.assertEqual(
            config.warnings[:5],
            (
                f"server.port: given twice (lines 4 and 6): {last}",
                f"server.port: given twice (lines 6 and 7): {last}",
                f"ldap[0].filter: given twice (lines 8 and 8): {last}",
                f"server: given twice (lines 3 and 9): {last}; without effect: name, port",
                f"server: given twice (lines 9 and 10): {last}; without effect: hostname, trustedProxies",
            ),
        )

    def test_values_are_what_the_file_says(self) -> None:
        config = self.config(
            """
            policy: {policies: {privacy: {version: 1.10, terms: {no: {name: 2024-01-01, url: 'https://x.org'}}}}}
            threepid: {medium: {email: {connectors: {smtp: {password: 0123, login: on}}}}}
            server: {port: '1234', trustedProxies: 10.0.0.0/8}
            account: {allowOnlyTrustDomains: No}
            """
        )
        policy = config.policy.policies["privacy"]
        self.assertEqual((policy.version, policy.terms["no"].name), ("1.10", "2024-01-01"))
        smtp = config.threepid.medium.email.connectors.smtp
        self.assertEqual((smtp.password, smtp.login), ("0123", "on"))
        self.assertEqual((config.server.port, len(config.server.trusted_proxies)), (1234, 1))
        self.assertFalse(config.account.allow_only_trust_domains)

    def test_anchors_and_merges(self) -> None:
        config = self.config(
            """
            ldap: &ldap {enabled: true, filter: (a=b), connection: {host: c, baseDn: d}}
            netiq: {<<: *ldap, filter: (c=d)}
            """
        )
        self.assertEqual((config.netiq[0].enabled, config.netiq[0].filter), (True, "(c=d)"))

    def test_other_spellings(self) -> None:
        twilio = self.config(
            "threepid: {medium: {msisdn: {connectors: {twilio: {accountSid: a, authToken: b, number: '+1'}}}}}"
        ).threepid.medium.msisdn.connectors.twilio
        self.assertEqual((twilio.account_sid, twilio.auth_token), ("a", "b"))

    def test_several_directory_servers(self) -> None:
        ldap = self.config("ldap: [{enabled: false}, {connection: {host: b}}]").ldap
        self.assertEqual([server.connection.host for server in ldap], [None, "b"])
