"""
What the documentation of mxisd and ma1sd shows, page by page: the same keys, with values of our own.

Each is what an administrator has who put together what one page says; it follows ``matrix: {domain: example.org}``
unless it has a section of that name.
"""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network
from typing import NamedTuple


class Shown(NamedTuple):
    """``says`` are attributes of the configuration that is read of it, by their paths."""

    page: str
    text: str
    says: dict[str, object]
    told: tuple[str, ...] = ()
    """Keys that the start has something to say about, because of what is shown."""


DOCUMENTATION = [
    Shown(
        "getting started, and both example files",
        """
        matrix: {domain: 'example.org', v1: true, v2: true}
        key: {path: 'keys'}
        storage: {provider: {sqlite: {database: 'store.db'}}}
        threepid:
          medium:
            email:
              identity: {from: "identity@example.org"}
              connectors: {smtp: {host: "mail.example.org", tls: 1, port: 587, login: "identity", password: "pass"}}
        """,
        {
            "matrix.domain": "example.org",
            "threepid.medium.email.identity.from_": "identity@example.org",
            "threepid.medium.email.connectors.smtp.host": "mail.example.org",
            "threepid.medium.email.connectors.smtp.login": "identity",
        },
    ),
    Shown("configure: syntax", "my: {config: {item: 'value'}}", {}, ("my",)),
    Shown(
        "configure: matrix",
        """
        matrix:
          domain: example.org
          identity: {servers: {friends: ['https://one.example.net', 'https://two.example.net']}}
        """,
        {"matrix.identity.servers": {"friends": ("https://one.example.net", "https://two.example.net")}},
    ),
    Shown(
        "configure: server",
        "server: {name: 'id.example.org', port: 8091, publicUrl: 'https://id.example.org'}",
        {"server.name": "id.example.org", "server.port": 8091, "server.public_url": "https://id.example.org"},
    ),
    Shown(
        "configure: SQLite",
        "storage: {backend: sqlite, provider: {sqlite: {database: /var/lib/ma1sd/store.db}}}",
        {"storage.backend": "sqlite"},
    ),
    Shown(
        "configure: logging",
        "logging: {root: error, app: info, requests: false}",
        {"logging.root": "error", "logging.app": "info"},
    ),
    Shown(
        "configure: notifications",
        "notification: {handler: {email: 'sendgrid', msisdn: 'raw'}}",
        {"notification.handler": {"email": "sendgrid", "msisdn": "raw"}},
        ("notification.handlers.sendgrid.api.key",),
    ),
    Shown(
        "configure: handlers",
        "notification: {handlers: {raw: {a: b}, sendgrid: {api: {key: 'SG.x'}}}}",
        {"notification.handlers.sendgrid.api.key": "SG.x"},
        ("notification.handlers.raw",),
    ),
    Shown(
        "configure: unbind", "session: {policy: {unbind: {enabled: false}}}", {"session.policy.unbind.enabled": False}
    ),
    Shown("v2: defaults", "matrix: {domain: example.org, v1: true, v2: false}", {"matrix.v2": False}),
    Shown("v2: without v1", "matrix: {domain: example.org, v1: false}", {"matrix.v1": False}),
    Shown(
        "v2: terms",
        """
        policy:
          policies:
            house_rules:
              version: 1.0
              terms:
                en: {name: The rules, url: 'https://id.example.org/rules.html'}
                fr: {name: Les règles, url: 'https://id.example.org/regles.html'}
              regexp: ['/_matrix/identity/v2/account.*', '/_matrix/identity/v2/lookup']
        """,
        {
            "policy.policies.house_rules.version": "1.0",
            "policy.policies.house_rules.terms.fr.url": "https://id.example.org/regles.html",
            "policy.policies.house_rules.regexp.1": "/_matrix/identity/v2/lookup",
        },
    ),
    Shown(
        "v2: hashes",
        """
        hashing:
          enabled: true
          pepperLength: 20
          rotationPolicy: per_requests
          hashStorageType: sql
          algorithms: [none, sha256]
          delay: 2m
          requests: 10
        """,
        {"hashing.lookups_per_pepper": 10, "hashing.understood": ("none", "sha256")},
        ("hashing.hashStorageType",),
    ),
    Shown(
        "v2: hashes after a while",
        "hashing: {enabled: true, rotationPolicy: per_seconds, delay: 5m 6s, algorithms: [sha256]}",
        {"hashing.time_per_pepper": timedelta(seconds=306)},
    ),
    Shown(
        "v2: hashes of synapseSql",
        "synapseSql: {lookup: {query: 'select user_id as mxid, medium, address from listed'}}",
        {"synapse_sql.lookup.query": "select user_id as mxid, medium, address from listed"},
    ),
    Shown(
        "v2: hashes of sql",
        "sql: {lookup: {query: 'select who as mxid, what as medium, which as address from people'}}",
        {"sql.lookup.query": "select who as mxid, what as medium, which as address from people"},
    ),
    Shown("v2: hashes of memory", "memory: {hashEnabled: true}", {"memory.hash_enabled": True}),
    Shown(
        "v2: hashes of programs",
        "exec: {identity: {hashEnabled: true}}",
        {"exec.identity.hash_enabled": True},
        ("exec.identity.hashEnabled",),
    ),
    Shown("v2: hashes of ldap", "ldap: {lookup: true}", {"ldap.0.lookup": True}),
    Shown(
        "authentication, directory: DNS overwrite",
        "dns: {overwrite: {homeserver: {client: [{name: 'example.org', value: 'http://localhost:8008'}]}}}",
        {"dns.overwrite.homeserver.client.0.value": "http://localhost:8008"},
    ),
    Shown(
        "authentication: rewriting",
        """
        auth: {rewrite: {user: {rules: [{regex: '[0-9]+', medium: 'org.example.badge'}]}}}
        ldap: {attribute: {threepid: {org.example.badge: ['badgeNumber']}}}
        """,
        {
            "auth.rewrite.user.rules.0.medium": "org.example.badge",
            "ldap.0.attribute.threepid": {"org.example.badge": ("badgeNumber",)},
        },
    ),
    Shown(
        "bridge integration",
        """
        lookup:
          recursive:
            bridge:
              enabled: true
              recursiveOnly: false
              server: 'http://localhost:8090'
              mappings: {email: 'http://localhost:8091'}
        """,
        {
            "lookup.recursive.bridge.recursive_only": False,
            "lookup.recursive.bridge.mappings": {"email": "http://localhost:8091"},
        },
    ),
    Shown(
        "directory: exclusions",
        "directory: {exclude: {homeserver: true, threepid: true}}",
        {"directory.exclude.homeserver": True, "directory.exclude.threepid": True},
    ),
    Shown(
        "federation: none",
        "lookup: {recursive: {enabled: false}}\ninvite: {resolution: {recursive: false}}",
        {"lookup.recursive.enabled": False, "invite.resolution.recursive": False},
    ),
    Shown(
        "identity: lookups at others",
        "forward: {servers: ['matrix-org']}",
        {"forwards_to": ("https://matrix.org",)},
        ("forward.servers",),
    ),
    Shown(
        "identity: expiration",
        "invite: {expiration: {enabled: true, after: 5, resolveTo: '@somebody:example.org'}}",
        {"invite.expiration.after": timedelta(minutes=5), "invite.expiration.resolve_to": "@somebody:example.org"},
    ),
    Shown(
        "identity: policies",
        "invite: {policy: {ifSender: {hasRole: ['admins', 'mods']}}}",
        {"invite.policy.if_sender.has_role": ("admins", "mods")},
    ),
    Shown(
        "registration: the homeserver's part",
        "enable_registration: true\nregistrations_require_3pid: [email]",
        {},
        ("enable_registration", "registrations_require_3pid"),
    ),
    Shown(
        "registration: by domain",
        "register: {policy: {threepid: {email: {domain: {whitelist: ['*example.org', .example.net, example.com]}}}}}",
        {"register.policy.threepid.email.domain.whitelist": ("*example.org", ".example.net", "example.com")},
        ("register.policy.threepid.email.domain.whitelist",),
    ),
    Shown(
        "registration: as its text has the keys",
        "register: {allowed: true, invite: false, threepid: {email: {domain: {blacklist: ['example.net']}}}}",
        {"register.policy.allowed": False, "register.policy.invite": True},
        ("register.allowed", "register.invite", "register.threepid"),
    ),
    Shown(
        "application service",
        """
        appsvc:
          enabled: true
          endpoint:
            toHS: {url: 'http://localhost:8008', token: 'to-the-homeserver'}
            toAS: {url: 'http://localhost:8090', token: 'to-mxisd'}
          registration: {synapse: {file: 'registration.yaml'}}
          feature: {admin: {allowedRoles: ['+staff:example.org', 'SomeGroup']}}
        """,
        {
            "appsvc.endpoint.to_hs.token": "to-the-homeserver",
            "appsvc.endpoint.to_as.url": "http://localhost:8090",
            "appsvc.feature.admin.allowed_roles": ("+staff:example.org", "SomeGroup"),
        },
    ),
    Shown(
        "application service: the homeserver's part",
        "app_service_config_files: ['/etc/matrix-synapse/registration.yaml']",
        {},
        ("app_service_config_files",),
    ),
    Shown(
        "application service: Synapse's database for roles only",
        "synapseSql: {enabled: false, type: 'postgresql', connection: '//localhost/synapse?user=a&password=b'}",
        {"synapse_sql.enabled": False, "synapse_sql.type": "postgresql"},
    ),
    Shown(
        "application service: mails about invites by user ID",
        "appsvc: {feature: {inviteById: true, cleanExpiredInvite: false}}",
        {"appsvc.feature.invite_by_id": True, "appsvc.feature.clean_expired_invite": False},
    ),
    Shown("programs: on", "exec: {enabled: true}", {"exec.enabled": True}),
    Shown(
        "programs: tokens, by name",
        "exec: {token: {localpart: '<l>', domain: '<d>', mxid: '<m>', medium: '<3>', address: '<a>', type: '<t>'}}",
        {"exec.token.domain": "<d>", "exec.token.query": "{query}"},
    ),
    Shown(
        "programs: a program",
        """
        exec:
          enabled: true
          auth:
            command: '/opt/login'
            args: ['-t', '{token}', '-v', 'value']
            env: {FIRST: 'value', SECOND: '{token}'}
        """,
        {
            "exec.auth.command": "/opt/login",
            "exec.auth.args": ("-t", "{token}", "-v", "value"),
            "exec.auth.env": {"FIRST": "value", "SECOND": "{token}"},
        },
    ),
    Shown(
        "programs: plain, with a stray environment",
        """
        exec:
          auth:
            enabled: true
            command: '/opt/login.sh'
            args: ['{localpart}']
            input: {type: 'plain', template: '{password}'}
          env: {DOMAIN: '{domain}'}
        """,
        {"exec.auth.enabled": True, "exec.auth.input.template": "{password}", "exec.auth.env": {}},
        ("exec.env",),
    ),
    Shown(
        "programs: everything",
        """
        exec:
          enabled: true
          token: {mxid: '{matrixId}'}
          auth:
            token: {localpart: '{username}'}
            command: '/path/to/program'
            args: ['-u', '{username}']
            env: {MATRIX_DOMAIN: '{domain}', MATRIX_USER_ID: '{matrixId}'}
            output: {type: 'json'}
            exit: {success: [0, 128], failure: [1, 129]}
        """,
        {
            "exec.token.mxid": "{matrixId}",
            "exec.auth.token": {"localpart": "{username}"},
            "exec.auth.exit.success": (0, 128),
            "exec.auth.output.type": "json",
        },
    ),
    Shown(
        "programs: directory, identity and profile",
        """
        exec:
          directory: {enabled: true, search: {byName: {command: /a}, byThreepid: {command: /b}}}
          identity: {enabled: true, lookup: {single: {command: /c}, bulk: {command: /d}}}
          profile: {enabled: true, displayName: {command: /e}, threePid: {command: /f}, role: {command: /g}}
        """,
        {
            "exec.directory.search.by_threepid.command": "/b",
            "exec.identity.lookup.bulk.command": "/d",
            "exec.profile.three_pid.command": "/f",
        },
    ),
    Shown(
        "programs: as its text has the keys",
        "exec.identity.enabled: true\nexec.identity.lookup.single: {command: /c}",
        {"exec.identity.enabled": None},
        ("exec.identity.enabled", "exec.identity.lookup.single"),
    ),
    Shown(
        "firebase, while it is off",
        "firebase: {enabled: false, credentials: '/path/to/credentials.json', database: 'https://x.firebaseio.com/'}",
        {"firebase.enabled": False},
        ("firebase",),
    ),
    Shown(
        "ldap: connection",
        """
        ldap:
          enabled: true
          connection:
            host: 'ldap.example.org'
            port: 389
            bindDn: 'CN=mxisd,OU=Users,DC=example,DC=org'
            bindPassword: 'pass'
            baseDNs: ['OU=Users,DC=example,DC=org']
        """,
        {
            "ldap.0.connection.host": "ldap.example.org",
            "ldap.0.connection.all_base_dns": ("OU=Users,DC=example,DC=org",),
        },
        ("ldap.connection",),
    ),
    Shown("ldap: TLS", "ldap: {connection: {tls: true, port: 12345}}", {"ldap.0.connection.tls": True}),
    Shown(
        "ldap: filters",
        """
        ldap:
          filter: '(memberOf=CN=Matrix,DC=example,DC=org)'
          identity: {filter: '(a=b)', medium: {email: '(mail=%3pid)'}}
          auth: {filter: '(c=d)'}
          directory: {filter: '(e=f)', attribute: {other: ['nick', 'memberOf', 'employeeNumber']}}
          profile: {filter: '(g=h)'}
        """,
        {
            "ldap.0.filter": "(memberOf=CN=Matrix,DC=example,DC=org)",
            "ldap.0.identity.medium": {"email": "(mail=%3pid)"},
            "ldap.0.directory.attribute.other": ("nick", "memberOf", "employeeNumber"),
            "ldap.0.profile.filter": "(g=h)",
        },
    ),
    Shown(
        "ldap: attributes",
        """
        ldap:
          attribute:
            uid: {type: 'uid', value: 'sAMAccountName'}
            name: 'cn'
            threepid: {email: ['mail', 'otherMail'], msisdn: ['phone', 'otherPhone']}
        """,
        {
            "ldap.0.attribute.uid.value": "sAMAccountName",
            "ldap.0.attribute.name": "cn",
            "ldap.0.attribute.threepid": {"email": ("mail", "otherMail"), "msisdn": ("phone", "otherPhone")},
        },
    ),
    Shown(
        "ldap: the example of ma1sd",
        """
        ldap:
          enabled: true
          lookup: true
          activeDirectory: false
          defaultDomain: ''
          connection:
            host: 'ldap.example.org'
            port: 389
            bindDn: 'cn=admin,dc=example,dc=org'
            bindPassword: 'pass'
            baseDNs: ['dc=example,dc=org']
          attribute: {uid: {type: 'uid', value: 'cn'}, name: 'displayName'}
          identity: {filter: '(objectClass=inetOrgPerson)'}
        """,
        {"ldap.0.lookup": True, "ldap.0.default_domain": None, "ldap.0.attribute.uid.value": "cn"},
    ),
    Shown(
        "ldap: Active Directory",
        """
        ldap:
          enabled: true
          activeDirectory: true
          defaultDomain: corp.example.org
          connection: {host: ad.example.org, bindDn: mxisd@corp.example.org, bindPassword: x, baseDn: 'dc=corp'}
          attribute: {uid: {type: uid, value: userPrincipalName}, name: cn}
        """,
        {"ldap.0.active_directory": True, "ldap.0.default_domain": "corp.example.org"},
    ),
    Shown(
        "rest: endpoints",
        """
        rest:
          enabled: true
          host: 'http://localhost:8080'
          endpoints:
            auth: ''
            directory: 'https://people.example.org/search'
            identity: {single: '/single', bulk: '/bulk'}
            profile: {displayName: '/name', threepids: '/threepids', roles: '/roles'}
        """,
        {
            "rest.host": "http://localhost:8080",
            "rest.endpoints.auth": "",
            "rest.endpoints.directory": "https://people.example.org/search",
            "rest.endpoints.profile.roles": "/roles",
        },
    ),
    Shown(
        "sql: everything",
        """
        sql:
          enabled: true
          type: 'postgresql'
          connection: '//localhost:5432/people?user=me&password=pass'
          auth: {enabled: false}
          directory:
            enabled: false
            query:
              name: {type: 'localpart', value: 'SELECT id, name FROM people WHERE name LIKE ?'}
              threepid: {type: 'localpart', value: 'SELECT id, name FROM people WHERE mail LIKE ?'}
          identity:
            enabled: true
            type: 'uid'
            query: 'SELECT id AS uid FROM people WHERE medium = ? AND address = ?'
            medium: {email: 'SELECT id AS uid FROM people WHERE mail = ?'}
          profile:
            enabled: true
            displayName: {query: 'SELECT name FROM people WHERE id = ?'}
            threepid: {query: 'SELECT medium, address FROM people WHERE id = ?'}
            role: {type: 'uid', query: 'SELECT role FROM roles WHERE id = ?'}
        """,
        {
            "sql.type": "postgresql",
            "sql.directory.enabled": False,
            "sql.identity.type": "uid",
            "sql.identity.medium": {"email": "SELECT id AS uid FROM people WHERE mail = ?"},
            "sql.profile.role.query": "SELECT role FROM roles WHERE id = ?",
        },
    ),
    Shown(
        "synapse",
        "synapseSql: {enabled: true, type: 'sqlite', connection: '/var/lib/matrix-synapse/homeserver.db'}",
        {"synapse_sql.enabled": True, "synapse_sql.connection": "/var/lib/matrix-synapse/homeserver.db"},
    ),
    Shown(
        "synapse: old names of rooms",
        "synapseSql: {enabled: true, type: 'sqlite', connection: 'homeserver.db', legacyRoomNames: true}",
        {"synapse_sql.legacy_room_names": True},
        ("synapseSql.legacyRoomNames",),
    ),
    Shown(
        "wordpress",
        """
        wordpress:
          enabled: true
          rest: {base: 'http://localhost:8080/index.php'}
          sql: {type: mysql, connection: '//127.0.0.1/wordpress?user=root&password=pass'}
        """,
        {"wordpress.rest.base": "http://localhost:8080/index.php", "wordpress.sql.type": "mysql"},
    ),
    Shown(
        "SMTP",
        """
        threepid:
          medium:
            email:
              identity: {from: 'identity@example.org', name: 'Our identity server'}
              connectors:
                smtp: {host: 'mail', tls: 1, port: 587, login: 'login', password: 'pass'}
        """,
        {
            "threepid.medium.email.identity.name": "Our identity server",
            "threepid.medium.email.connectors.smtp.password": "pass",
        },
    ),
    Shown(
        "Twilio",
        "threepid: {medium: {msisdn: {connectors: {twilio: {account_sid: 'a', auth_token: 'b', number: '+1555'}}}}}",
        {
            "threepid.medium.msisdn.connectors.twilio.account_sid": "a",
            "threepid.medium.msisdn.connectors.twilio.auth_token": "b",
            "threepid.medium.msisdn.connectors.twilio.number": "+1555",
        },
    ),
    Shown(
        "basic handler",
        """
        notification: {handler: {email: 'raw'}}
        threepid:
          medium:
            email: {identity: {from: '', name: ''}, connector: 'smtp', generator: 'template'}
            msisdn: {connector: 'twilio', generator: 'template'}
        """,
        {"notification.handler": {"email": "raw"}, "threepid.medium.email.identity.from_": None},
    ),
    Shown(
        "SendGrid",
        """
        notification:
          handler: {email: 'sendgrid'}
          handlers:
            sendgrid:
              api: {key: 'SG.x'}
              identity: {from: 'identity@example.org', name: 'Our server'}
              templates:
                invite: {subject: 'Come', body: {text: 'invite.txt', html: 'invite.html'}}
                session:
                  validation: {subject: 'Is it yours?', body: {text: 'session.txt', html: 'session.html'}}
                  unbind:
                    fraudulent: {subject: 'Was it you?', body: {text: 'unbind.txt', html: 'unbind.html'}}
                    notification: {subject: 'It was you', body: {text: 'unbind.txt', html: 'unbind.html'}}
        """,
        {
            "notification.handlers.sendgrid.identity.from_": "identity@example.org",
            "notification.handlers.sendgrid.templates.invite.subject": "Come",
            "notification.handlers.sendgrid.templates.session.unbind.notification.subject": "It was you",
        },
        ("notification.handlers.sendgrid.templates.invite.body.text",),
    ),
    Shown(
        "template generator: a placeholder",
        "threepid: {medium: {email: {generators: {template: {placeholder: {REGISTER_URL: 'https://chat.example.org'}}}}}}",
        {"threepid.medium.email.generators.template.placeholder": {"REGISTER_URL": "https://chat.example.org"}},
    ),
    Shown(
        "template generator: files",
        """
        threepid:
          medium:
            email:
              generators:
                template:
                  invite: 'own.eml'
                  session:
                    validation: '/path/to/validate.eml'
                    unbind: {notification: 'own.eml', fraudulent: 'own.eml'}
                  generic: {matrixId: 'own.eml'}
        """,
        {"threepid.medium.email.generators.template.session.validation": None},
        ("threepid.medium.email.generators.template.session.validation",),
    ),
    Shown(
        "session views",
        "view: {session: {onTokenSubmit: {success: '/path/to/success.html', failure: '/path/to/failure.html'}}}",
        {"view.session.on_token_submit.success": None},
        ("view.session.onTokenSubmit.success", "view.session.onTokenSubmit.failure"),
    ),
    Shown(
        "session",
        "session: {policy: {validation: {enabled: true}, unbind: {fraudulent: {sendWarning: false}}}}",
        {"session.policy.unbind.fraudulent.send_warning": False},
    ),
    Shown(
        "session: as in ma1sd",
        "session: {policy: {validation: {enabled: true}, unbind: {notifications: true, enabled: true}}}",
        {"session.policy.unbind.notifications": True},
    ),
    Shown(
        "session: no validation",
        "session: {policy: {validation: {enabled: false}}}",
        {"session.policy.validation.enabled": False},
    ),
    Shown(
        "ma1sd's example file: invites and the internal API",
        "invite: {fullDisplayName: true, resolution: {timer: 10, period: seconds}}\ninternal: {enabled: true}",
        {"invite.full_display_name": True, "invite.resolution.interval": timedelta(seconds=10)},
        ("invite.resolution.period",),
    ),
    Shown(
        "who may have others asked",
        "lookup: {recursive: {allowedCidr: ['127.0.0.0/8', '10.1.2.3/8']}}",
        {"lookup.recursive.allowed_cidr": (ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8"))},
        ("lookup.recursive.allowedCidr[1]",),
    ),
]
