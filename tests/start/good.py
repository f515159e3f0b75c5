"""Configurations with which mxisd starts."""

from __future__ import annotations

from tests.start.rows import Row, appservice, ldap, mail, redis, sendgrid, sms, sql, template, tls

DATABASE = "storage.provider.sqlite.database"

GOOD = {
    "the least": Row({}),
    "a key twice": Row(
        "matrix: {domain: example.org, v1: true, v1: false}\n"
        "server: {bind: 'tcp:0'}\n"
        "outbound: {nameservers: '127.0.0.1:9'}"
    ),
    "an unknown section": Row({"enable_registration": True}),
    "a variable without a name": Row({"storage.provider.sqlite.database": "${}"}),
    "an unknown level": Row({"logging.app": "loud"}),
    "every address": Row({"server.bind": "tcp:FREE"}),
    "a name to listen on": Row({"server.bind": None, "server.port": "FREE", "server.hostname": "localhost"}),
    "IPv6": Row({"server.bind": r"tcp:FREE:interface=\:\:1"}),
    "any port": Row({"server.bind": "tcp:0"}),
    "any two ports": Row({"server.bind": ["tcp:0", "tcp:0"]}),
    "an internal listener": Row({"internal.bind": "unix:FOLDER/new.sock"}),
    "a socket": Row({"server.bind": "unix:FOLDER/new.sock"}),
    "a socket that a process has left behind": Row({"server.bind": "unix:FOLDER/stale.sock"}),
    "a socket without a lock": Row({"server.bind": "unix:FOLDER/new.sock:lockfile=0"}),
    "several endpoints": Row({"server.bind": ["tcp:FREE:interface=127.0.0.1", r"tcp:FREE:interface=\:\:1"]}),
    "TLS": Row(tls("own.pem")),
    "TLS with two files": Row(tls("key.pem", "certificate.pem")),
    "an existing database": Row({DATABASE: "ours.db"}),
    "an older database": Row({DATABASE: "older.db"}),
    "an empty database": Row({DATABASE: "empty"}),
    "a link to a database": Row({DATABASE: "link-to-ours.db"}),
    "a link to a database that is not there yet": Row({DATABASE: "link-to-new"}),
    "two keys": Row({"key.path": "two.key"}),
    "an empty key file": Row({"key.path": "empty"}),
    "an empty folder of keys": Row({"key.path": "folder"}),
    "a key in a missing folder": Row({"key.path": "absent/below/key"}),
    "redis that is away": Row(redis(url="redis://localhost:1")),
    "redis by TLS": Row(redis(url="rediss://localhost:1", caFile="certificate.pem")),
    "redis by TLS with a name of one part": Row(redis(url="rediss://my_redis")),
    "redis by a socket": Row(redis(url="unix:///absent/redis.sock?db=1")),
    "redis without TLS needs no authorities": Row(redis(url="redis://localhost:1", caFile="garbage")),
    "sentinels": Row(redis(sentinel={"servers": ["localhost:1", "[::1]:1"]})),
    "redis and a key file": Row({**redis(url="redis://localhost:1"), "key.path": "new.key"}),
    "own authorities": Row({"outbound.caFile": "certificate.pem"}),
    "mail": Row(mail()),
    "mail by TLS": Row(mail({"connectors.smtp.tls": 3})),
    "mail in the clear to a name that no certificate can have": Row(
        mail({"connectors.smtp.tls": 0, "connectors.smtp.host": "127.0.0.1"})
    ),
    "an own template": Row(template("email", "invite", "good.eml")),
    "a reminder": Row({**template("email", "reminder", "good.eml"), "invite.reminder.before": 60}),
    "mail from nobody": Row(mail({"identity.from": None})),
    "mail from a name": Row(mail({"identity.from": "Jane <jane@example.org>"})),
    "sendgrid from nobody": Row(sendgrid({"identity.from": None})),
    "sendgrid with an unknown placeholder": Row(
        sendgrid({"templates.invite": {"subject": "%NOBODY_KNOWS%", "body": {"text": "unknown.eml"}}})
    ),
    "a handler that there is not": Row({"notification.handler": {"email": "mailgun"}}),
    "twilio without a token": Row({"threepid.medium.msisdn.connectors.twilio": {"account_sid": "a", "number": "1"}}),
    "a template with an unknown placeholder": Row(template("email", "invite", "unknown.eml")),
    "a missing template": Row(template("email", "invite", "absent")),
    "a built-in template": Row(template("email", "invite", "classpath:/threepids/email/invite-template.eml")),
    "a template without a subject": Row(template("email", "reminder", "page.html")),
    "a translation with an unknown placeholder": Row(template("email", "session.validation", "translated.eml")),
    "a template for SMS with an unknown placeholder": Row(template("msisdn", "invite", "unknown.eml")),
    "a placeholder in small letters": Row({"threepid.medium.email.generators.template.placeholder": {"a": "b"}}),
    "a missing page": Row({"view.session.onTokenSubmit.failure": "absent"}),
    "an unknown identity server": Row({"forward.servers": ["absent", "https://id.example.org"]}),
    "an unknown token of a program": Row({"exec.token.name": "a"}),
    "a database in memory": Row({DATABASE: ":memory:", "key.path": ":memory:"}),
    "what is wrong where nothing uses it": Row(
        {
            "rest.host": "localhost:8091",
            "sql.type": "oracle",
            "lookup.recursive.bridge.server": "localhost",
            "notification.handlers.sendgrid.identity.from": "nobody",
            "memory.identities": [{"password": "a"}],
            "wordpress.sql.tablePrefix": "a b",
            "ldap.connection.port": 0,
            "appsvc.endpoint.toHS.url": "nowhere",
        }
    ),
    "sms": Row(sms(url="https://sms.example.org/?to=%RECIPIENT_ADDRESS%", body="%TEXT%")),
    "an own page": Row({"view.session.onTokenSubmit.success": "page.html"}),
    "a registration": Row(appservice("new.yaml")),
    "a registration in place of another": Row(appservice("page.html")),
    "a registration in place of garbage": Row(appservice("garbage")),
    "users here": Row({"memory.enabled": True, "memory.identities": [{"username": "a", "password": "b"}]}),
    "users in a file": Row(sql("sqlite", "FOLDER/foreign.db", **{"identity.query": "SELECT 1 WHERE ? = ?"})),
    "postgresql that is away": Row(sql("postgresql", "//localhost:1/mxisd?user=a&password=b")),
    "a storage on postgresql that is away": Row(
        {
            "storage.backend": "postgresql",
            "storage.provider.postgresql": {"database": "//localhost:1/ma1sd", "username": "a", "password": "b"},
        }
    ),
    "mysql that is away": Row(sql("mysql", "//localhost:1/mxisd?user=a&password=b")),
    "a directory that is away": Row({"ldap": ldap(port=1)}),
    "two directories": Row({"ldap": [ldap(port=1), ldap(port=2, startTls=True)]}),
    "programs that are missing": Row({"exec.enabled": True, "exec.auth.command": "/absent"}),
    "no programs": Row({"exec.enabled": True}),
    "a library that nobody needs": Row({}, without="ldap"),
    "metrics": Row({"metrics.enabled": True, "metrics.bind": "tcp:FREE:interface=127.0.0.2"}),
    "metrics where nobody asked for them": Row({"metrics.enabled": True}),
    "workers": Row(redis(url="redis://localhost:1"), workers=2),
}
