from datetime import timedelta

from msgspec import to_builtins

from tests.config.case import ConfigCase

TEMPLATES = {
    "template": {
        "invite": None,
        "reminder": None,
        "session": {"validation": None, "unbind": {"fraudulent": None, "validation": None, "notification": None}},
        "generic": {"matrixId": None},
        "placeholder": {},
    }
}
MESSAGE = {"subject": None, "body": {"text": None, "html": None}}
QUERY = {"type": None, "value": None}
SQL: dict[str, object] = {
    "enabled": False,
    "type": "sqlite",
    "connection": None,
    "auth": {"enabled": None},
    "directory": {"enabled": None, "query": {"name": QUERY, "threepid": QUERY}},
    "identity": {"enabled": None, "type": "mxid", "query": None, "medium": {}, "bulkQuery": None},
    "profile": {
        "enabled": None,
        "displayName": {"query": None},
        "threepid": {"query": None},
        "role": {"type": None, "query": None},
    },
    "lookup": {"query": None},
}
LDAP: dict[str, object] = {
    "enabled": False,
    "lookup": False,
    "activeDirectory": False,
    "defaultDomain": None,
    "filter": None,
    "connection": {
        "tls": False,
        "startTls": False,
        "caFile": None,
        "tlsVerify": "full",
        "host": None,
        "port": 389,
        "bindDn": None,
        "bindPassword": None,
        "baseDn": None,
        "baseDNs": (),
    },
    "attribute": {
        "uid": {"type": "uid", "value": "saMAccountName"},
        "name": "displayName",
        "threepid": {
            "email": ("mailPrimaryAddress", "mail", "otherMailbox"),
            "msisdn": (
                "telephoneNumber",
                "mobile",
                "homePhone",
                "otherTelephone",
                "otherMobile",
                "otherHomePhone",
            ),
        },
        "role": (),
    },
    "auth": {"filter": None},
    "directory": {"attribute": {"other": ()}, "filter": None},
    "identity": {"filter": None, "token": "%3pid", "medium": {}, "lookup": False},
    "profile": {"filter": None},
}
PROCESS: dict[str, object] = {
    "token": {},
    "command": None,
    "args": (),
    "env": {},
    "input": {"type": None, "template": None},
    "exit": {"success": (0,), "failure": (1,)},
    "output": {"type": None, "template": None},
}
API = "/_mxisd/backend/api/v1"
DEFAULTS = {
    "matrix": {
        "domain": "example.org",
        "identity": {"servers": {"matrix-org": ("https://matrix.org",)}},
        "homeserver": {"url": None},
        "v1": True,
        "v2": True,
    },
    "server": {
        "name": "example.org",
        "port": 8090,
        "publicUrl": "https://example.org",
        "hostname": "",
        "bind": (r"tcp:8090:interface=\:\:",),
        "trustedProxies": ("127.0.0.0/8", "::1/128"),
        "limits": {
            "requestLine": 8192,
            "head": 32768,
            "headerFields": 100,
            "body": 65536,
            "largeBodies": 67108864,
            "headTimeout": timedelta(seconds=10),
            "bodyTimeout": timedelta(minutes=1),
            "idleTimeout": timedelta(minutes=1),
            "unreadTimeout": timedelta(minutes=1),
            "connections": 1000,
            "connectionsPerClient": 100,
            "requests": 500,
        },
    },
    "key": {"path": "{directory}/mxisd.signing.key"},
    "storage": {
        "backend": "sqlite",
        "provider": {
            "sqlite": {"database": "{directory}/mxisd.db"},
            "redis": {
                "url": "redis://localhost:6379/0",
                "username": None,
                "password": None,
                "caFile": None,
                "prefix": "mxisd:",
                "poolSize": 8,
                "timeout": timedelta(milliseconds=900),
                "sentinel": {"servers": (), "service": "mymaster", "username": None, "password": None},
            },
            "postgresql": {
                "database": None,
                "username": None,
                "password": None,
                "caFile": None,
                "poolSize": 8,
                "timeout": timedelta(milliseconds=900),
                "pool": False,
                "maxConnectionsFree": 1,
                "maxConnectionAgeMillis": 3_600_000,
                "checkConnectionsEveryMillis": 30_000,
                "testBeforeGetFromPool": False,
            },
        },
    },
    "session": {
        "maxPerAddress": 20,
        "policy": {
            "validation": {"enabled": True},
            "nextLink": {"allowed": ()},
            "bind": {"domains": ("example.org",)},
            "unbind": {"enabled": True, "notifications": True, "fraudulent": {"sendWarning": True}},
        },
    },
    "invite": {
        "language": None,
        "expiration": {
            "enabled": True,
            "after": timedelta(minutes=10080),
            "resolveTo": "@_mxisd_invite-expired:example.org",
        },
        "resolution": {"recursive": True, "timer": 1, "period": "minutes"},
        "delivery": {"giveUpAfter": timedelta(days=7), "concurrency": 4},
        "history": {"days": timedelta(days=90)},
        "reminder": {"before": None},
        "policy": {"ifSender": {"hasRole": None}, "rules": (), "token": None},
        "fullDisplayName": False,
    },
    "threepid": {
        "medium": {
            "email": {
                "identity": {"from": None, "name": None, "contact": None},
                "connector": "smtp",
                "generator": "template",
                "connectors": {
                    "smtp": {"host": "", "port": 587, "tls": 1, "tlsVerify": "full", "login": None, "password": None}
                },
                "generators": TEMPLATES,
            },
            "msisdn": {
                "allowCountries": (),
                "denyCountries": (),
                "connector": "twilio",
                "generator": "template",
                "connectors": {
                    "twilio": {"account_sid": "", "auth_token": None, "number": None},
                    "http": {"url": None, "method": "POST", "headers": {}, "body": None},
                },
                "generators": TEMPLATES,
            },
        }
    },
    "view": {
        "language": None,
        "session": {
            "onTokenSubmit": {"success": None, "failure": None, "confirm": True, "confirmPage": None},
            "local": {"onTokenSubmit": {"success": None, "failure": None}},
        },
    },
    "policy": {"policies": {}},
    "account": {"allowOnlyTrustDomains": True},
    "hashing": {
        "enabled": True,
        "pepperLength": 20,
        "rotationPolicy": None,
        "hashStorageType": "in_memory",
        "delay": timedelta(seconds=10),
        "requests": 10,
        "algorithms": (),
        "refresh": timedelta(seconds=600),
        "rotation": None,
    },
    "rateLimit": {
        "enabled": True,
        "exempt": (),
        "mailPerAddress": {"burst": 5, "per": timedelta(minutes=10)},
        "mailPerClient": {"burst": 20, "per": timedelta(minutes=1)},
        "mailPerDomain": {"burst": 200, "per": timedelta(seconds=2)},
        "mailTotal": {"burst": 1000, "per": timedelta(seconds=1)},
        "smsPerNumber": {"burst": 5, "per": timedelta(hours=1)},
        "smsPerCountry": {"burst": 50, "per": timedelta(minutes=1)},
        "smsPerClient": {"burst": 10, "per": timedelta(minutes=10)},
        "smsTotal": {"burst": 200, "per": timedelta(seconds=10)},
        "invitePerSender": {"burst": 30, "per": timedelta(minutes=1)},
        "invitePerAddress": {"burst": 10, "per": timedelta(minutes=10)},
        "lookup": {"burst": 20000, "per": timedelta(milliseconds=5)},
        "register": {"burst": 30, "per": timedelta(seconds=2)},
        "submitToken": {"burst": 30, "per": timedelta(minutes=5)},
    },
    "outbound": {"allowedNetworks": (), "caFile": None, "insecureServers": (), "nameservers": ()},
    "notification": {
        "handler": {"email": "raw", "msisdn": "raw"},
        "handlers": {
            "sendgrid": {
                "api": {"key": None},
                "identity": {"from": None, "name": None},
                "templates": {
                    "invite": MESSAGE,
                    "session": {"validation": MESSAGE, "unbind": {"fraudulent": MESSAGE, "notification": MESSAGE}},
                    "generic": {"matrixId": MESSAGE},
                },
            }
        },
    },
    "lookup": {
        "timeout": timedelta(seconds=10),
        "bulk": {"enabled": True},
        "recursive": {
            "enabled": True,
            "timeout": timedelta(seconds=10),
            "allowedCidr": ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128"),
            "bridge": {"enabled": False, "recursiveOnly": True, "server": None, "mappings": {}},
            "federation": {"enabled": True, "allow": (), "deny": ()},
            "cache": {"found": timedelta(seconds=300), "missed": timedelta(seconds=60)},
        },
    },
    "forward": {"servers": (), "account": {"accessToken": None, "homeserver": None, "acceptedTerms": ()}},
    "dns": {"overwrite": {"homeserver": {"client": (), "federation": ()}}},
    "appsvc": {
        "enabled": False,
        "user": {"main": "mxisd", "inviteExpired": "_mxisd_invite-expired"},
        "endpoint": {"toAS": {"url": None, "token": None}, "toHS": {"url": None, "token": None}},
        "registration": {"synapse": {"id": "appservice-mxisd", "file": None}},
        "feature": {
            "admin": {"enabled": None, "allowedRoles": ()},
            "inviteById": False,
            "cleanExpiredInvite": None,
        },
    },
    "register": {"policy": {"allowed": False, "invite": True, "threepid": {}}},
    "auth": {
        "login": {"enabled": None},
        "rewrite": {"user": {"rules": ()}},
        "checkCredentials": {
            "allowedCidr": ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
        },
    },
    "directory": {"enabled": None, "exclude": {"homeserver": False, "threepid": False}},
    "profile": {"enabled": None, "public": False},
    "logging": {"root": "warn", "app": "info", "format": "text", "requests": False},
    "metrics": {"enabled": True, "bind": ()},
    "internal": {"enabled": False, "bind": ()},
    "stores": {"localparts": "map"},
    "memory": {"enabled": False, "hashEnabled": False, "identities": ()},
    "sql": SQL,
    "synapseSql": SQL | {"published": "only", "legacyRoomNames": False},
    "ldap": (LDAP,),
    "netiq": (LDAP,),
    "rest": {
        "enabled": False,
        "host": None,
        "endpoints": {
            "auth": f"{API}/auth/login",
            "directory": f"{API}/directory/user/search",
            "identity": {"single": f"{API}/identity/single", "bulk": f"{API}/identity/bulk"},
            "profile": {
                "displayName": f"{API}/profile/displayName",
                "threepids": f"{API}/profile/threepids",
                "roles": f"{API}/profile/roles",
            },
        },
    },
    "exec": {
        "enabled": False,
        "timeout": timedelta(seconds=30),
        "token": {
            "localpart": "{localpart}",
            "domain": "{domain}",
            "mxid": "{mxid}",
            "password": "{password}",
            "medium": "{medium}",
            "address": "{address}",
            "type": "{type}",
            "query": "{query}",
        },
        "auth": PROCESS | {"enabled": None},
        "directory": {"enabled": None, "search": {"byName": PROCESS, "byThreepid": PROCESS}},
        "identity": {
            "enabled": None,
            "priority": None,
            "hashEnabled": False,
            "lookup": {"single": PROCESS, "bulk": PROCESS},
        },
        "profile": {"enabled": None, "displayName": PROCESS, "threePid": PROCESS, "role": PROCESS},
    },
    "wordpress": {
        "enabled": False,
        "rest": {"credential": {"username": None, "password": None}, "base": None},
        "sql": {
            "type": "mysql",
            "connection": None,
            "tablePrefix": "wp_",
            "query": {"threepid": None, "directory": None},
        },
    },
    "firebase": {"enabled": False, "credentials": None, "database": None},
    "warnings": (
        "session.policy.nextLink.allowed: not set: after a validation people are sent wherever the client says",
        "threepid.medium.email.connectors.smtp.host: not set: no email can be sent",
        (
            "invite.expiration: invites that expire are given to @_mxisd_invite-expired:example.org, and nothing "
            "rejects them: for that there is appsvc"
        ),
    ),
}


class DefaultsTests(ConfigCase):
    maxDiff = None

    def test_all_of_them(self) -> None:
        found = to_builtins(
            self.config(),
            builtin_types=[timedelta],
            enc_hook=lambda value: str(value).replace(str(self.directory), "{directory}"),
        )
        self.assertEqual(found, DEFAULTS)

    def test_empty_sections_and_values(self) -> None:
        empty = self.config(
            """
            server:
            key: {path: ''}
            session: {policy: {bind: {domains: []}}}
            threepid: {medium: {email: {connectors: {smtp: {host: , port: ~, password: ''}}}}}
            policy: {policies: }
            memory: {identities: null}
            exec: {token: {}}
            ldap:
            """
        )
        self.assertEqual(empty, self.config())


class DerivedTests(ConfigCase):
    """What follows from another key."""

    def test_public_url(self) -> None:
        for text, url in (
            ("https://%SERVER_NAME%", "https://id.example.org"),
            ("http://%SERVER_NAME%:8090/identity/", "http://id.example.org:8090/identity"),
            ("%SERVER_NAME%", "https://id.example.org"),
            ("%SERVER_NAME%/is", "https://id.example.org/is"),
            ("is.example.org:8443", "https://is.example.org:8443"),
        ):
            config = self.config(f"server: {{name: id.example.org, publicUrl: '{text}'}}")
            self.assertEqual(config.server.public_url, url)
            told = any(each.startswith("server.publicUrl: read as https://") for each in config.warnings)
            self.assertEqual(told, "://" not in text, text)
        for text in ("ftp://x", "https://%SERVER_NAME", "a b", "x?y", "://x"):
            self.assertIn("server.publicUrl: expected the base", self.problems(f"server: {{publicUrl: '{text}'}}")[0])

    def test_server(self) -> None:
        server = self.config("server: {name: id.example.org, port: 1234}").server
        self.assertEqual(
            (server.name, server.public_url, server.bind),
            ("id.example.org", "https://id.example.org", (r"tcp:1234:interface=\:\:",)),
        )
        self.assertEqual(
            self.config("server: {publicUrl: 'http://id.example.org:8090/'}").server.public_url,
            "http://id.example.org:8090",
        )

    def test_bind(self) -> None:
        for hostname, endpoint in [
            ("127.0.0.1", "tcp:8090:interface=127.0.0.1"),
            ("localhost", "tcp:8090:interface=localhost"),
            ("::1", r"tcp:8090:interface=\:\:1"),
            ("[::]", r"tcp:8090:interface=\:\:"),
            ("/run/mxisd/a:b.sock", r"unix:/run/mxisd/a\:b.sock"),
        ]:
            self.assertEqual(self.config(f"server: {{hostname: '{hostname}'}}").server.bind, (endpoint,))
        both = "server: {hostname: 127.0.0.1, bind: ['tcp:1', 'unix:/run/s:mode=660']}"
        self.assertEqual(self.config(both).server.bind, ("tcp:1", "unix:/run/s:mode=660"))

    def test_expired_invites(self) -> None:
        self.assertEqual(
            self.config("appsvc: {user: {inviteExpired: gone}}").invite.expiration.resolve_to, "@gone:example.org"
        )
        self.assertEqual(self.config("invite: {expiration: {resolveTo: '@x:y'}}").invite.expiration.resolve_to, "@x:y")

    def test_files(self) -> None:
        config = self.config(
            """
            key: {path: keys/signing.key}
            storage: {provider: {sqlite: {database: /var/lib/mxisd/mxisd.db}}}
            """
        )
        self.assertEqual(config.key.path, self.directory / "keys/signing.key")
        self.assertEqual(str(config.storage.provider.sqlite.database), "/var/lib/mxisd/mxisd.db")

    def test_processes_on_one_redis_share_their_key_without_a_file(self) -> None:
        self.assertIsNone(self.config("storage: {backend: redis}").key.path)
        told = self.config("""
            key: {path: signing.key}
            storage: {backend: redis}
        """)
        self.assertEqual(told.key.path, self.directory / "signing.key")

    def test_pages_where_mxisd_had_them_before(self) -> None:
        self.write("old.html", "")
        self.write("new.html", "")
        pages = self.config(
            """
            view:
              session:
                onTokenSubmit: {success: new.html, confirm: false}
                local: {onTokenSubmit: {success: old.html, failure: old.html}}
            """
        ).view.session.on_token_submit
        self.assertEqual((pages.success, pages.failure), (self.directory / "new.html", self.directory / "old.html"))
        self.assertFalse(pages.confirm)

    def test_a_mapping_that_is_given_replaces_the_default(self) -> None:
        config = self.config(
            """
            matrix: {domain: example.org, identity: {servers: {own: 'https://id.example.org'}}}
            ldap: {attribute: {threepid: {email: mail}}}
            netiq: {attribute: {threepid: {}}}
            wordpress: {sql: {query: {directory: {name: 'SELECT ?'}}}}
            """
        )
        self.assertEqual(config.matrix.identity.servers, {"own": ("https://id.example.org",)})
        self.assertEqual(config.ldap[0].attribute.threepid, {"email": ("mail",)})
        self.assertEqual(config.netiq[0].attribute.threepid, {})
        query = config.wordpress.sql.query
        self.assertEqual((query.threepid, query.directory), (None, {"name": "SELECT ?"}))

    def test_tokens_stay_what_they_are_where_others_are_given(self) -> None:
        token = self.config("exec: {token: {mxid: '%m'}}").exec.token
        self.assertEqual((token["mxid"], token["query"]), ("%m", "{query}"))
