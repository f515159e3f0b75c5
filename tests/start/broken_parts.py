"""Configurations with which mxisd does not start: messages, the application service, and identity stores."""

from __future__ import annotations

from tests.start.rows import Row, appservice, ldap, mail, sendgrid, sms, sql, template

EMAIL = "threepid.medium.email"

OUTBOUND = {
    "authorities of garbage": Row(
        {"outbound.caFile": "garbage"}, "outbound.caFile: FOLDER/garbage holds no certificat"
    ),
    "authorities that are empty": Row(
        {"outbound.caFile": "empty"}, "outbound.caFile: FOLDER/empty holds no certificat"
    ),
    "authorities that are missing": Row({"outbound.caFile": "absent"}, "outbound.caFile: expected a file that can be"),
    "authorities that are a folder": Row({"outbound.caFile": "folder"}, "outbound.caFile: expected a file that can be"),
    "a name server by name": Row(
        {"outbound.nameservers": "dns.example.org"}, "outbound.nameservers: expected the addr"
    ),
    "a name server with a bad port": Row({"outbound.nameservers": "127.0.0.1:x"}, "outbound.nameservers: expected the"),
    "a network with host bits": Row({"outbound.allowedNetworks": "10.0.0.1/8"}, "outbound.allowedNetworks: expected a"),
    "a server with a path": Row({"outbound.insecureServers": "a/b"}, "outbound.insecureServers: expected a host"),
    "a bridge that is nowhere": Row({"lookup.recursive.bridge.enabled": True}, "bridge.server: required"),
    "an account without a homeserver": Row({"forward.account.accessToken": "a"}, "account.homeserver: required"),
    "a homeserver that is no URL": Row({"matrix.homeserver.url": "a.example"}, "matrix.homeserver.url: expected"),
    "an overwrite without a URL": Row({"dns.overwrite.homeserver.client": [{"name": "a"}]}, "value: required"),
}

MESSAGES = {
    "a placeholder in the URL for SMS": Row(
        sms(url="https://sms.example.org/?to=%NUMBER%"), "http.url, line 1: unknown placeholder %NUMBER%"
    ),
    "a placeholder in the body for SMS": Row(
        sms(url="https://sms.example.org/", body="%NUMBER%"), "http.body, line 1: unknown placeholder %NUMBER%"
    ),
    "SMS to nowhere": Row(sms(), "msisdn.connectors.http.url: required"),
    "a slip in a handler": Row(
        {"notification.handler.email": "sendgird"}, "notification.handler.email: expected one of"
    ),
    "an unknown connector": Row({f"{EMAIL}.connector": "pigeon"}, "email.connector: expected one of smtp, log, none"),
    "mail from a mailbox that is not ASCII": Row(
        mail({"identity.from": "mxïsd@example.org"}), f"{EMAIL}.identity.from: expected a mailbox in ASCII"
    ),
    "mail from an impossible address": Row(
        mail({"identity.from": "a..b@example.org"}), "identity.from: no mail can be"
    ),
    "mail from an impossible domain": Row(mail({"identity.from": "a@b..org"}), "identity.from: no mail can be"),
    "mail by a host with a port": Row(
        mail({"connectors.smtp.host": "mail.example.org:587"}), "smtp.host: expected the name or the address of a host"
    ),
    "mail from half an address": Row(mail({"identity.from": "mxisd"}), "identity.from: expected an email address"),
    "mail from a name of two lines": Row(mail({"identity.name": "a\nb"}), "identity.name: expected a name in one line"),
    "mail with bad authorities": Row({**mail(), "outbound.caFile": "garbage"}, "outbound.caFile: FOLDER/garbage holds"),
    "mail at a bad port": Row(mail({"connectors.smtp.port": 0}), "smtp.port: expected a port"),
    "mail with an unknown TLS": Row(mail({"connectors.smtp.tls": 4}), "smtp.tls: expected one of 0, 1, 2, 3"),
    "sendgrid from a name of two lines": Row(sendgrid({"identity.name": "a\nb"}), "identity.name: expected a name in"),
    "a template of garbage": Row(
        template("email", "session.validation", "garbage"),
        f"{EMAIL}.generators.template.session.validation: FOLDER/garbage: is not UTF-8",
    ),
    "a template without parts": Row(template("email", "generic.matrixId", "parts.eml"), "template.generic.matrixId: "),
    "a template in unknown letters": Row(
        template("email", "invite", "charset.eml"), "template.invite: FOLDER/charset."
    ),
    "a page of garbage": Row(
        {"view.session.onTokenSubmit.success": "garbage"},
        "view.session.onTokenSubmit.success: FOLDER/garbage: is not UTF-8",
    ),
    "a page of garbage by the old key": Row(
        {"view.session.local.onTokenSubmit.failure": "garbage"}, "failure: FOLDER/garbage: is not UTF-8"
    ),
}

APPLICATION_SERVICE = {
    "a registration in a missing folder": Row(
        appservice("absent/a.yaml"), "appsvc.registration.synapse.file: cannot write FOLDER/absent/a.yaml: No such file"
    ),
    "a registration in what is no folder": Row(appservice("page.html/a.yaml"), "page.html/a.yaml: Not a directory"),
    "a registration where the key is": Row(
        {**appservice("a.key"), "key.path": "a.key"}, "synapse.file: expected another file than key.path"
    ),
    "a registration where the key is, by a link": Row(
        {**appservice("link-to-new"), "key.path": "new"}, "synapse.file: expected another file than key.path"
    ),
    "a registration where the database is": Row(
        appservice("mxisd.db"), "file: expected another file than storage.prov"
    ),
    "a registration where the configuration is": Row(appservice("mxisd.yaml"), "another file than the configuration"),
    "a registration that is a folder": Row(appservice("folder"), "cannot write FOLDER/folder: Is a directory"),
    "a registration with too long a name": Row(appservice("a" * 300), "synapse.file: cannot write FOLDER/aaa"),
    "an application service without tokens": Row({"appsvc.enabled": True}, "appsvc.endpoint.toHS.token: expected"),
    "an application service of one user": Row(
        {**appservice("new.yaml"), "appsvc.user": {"main": "a", "inviteExpired": "a"}}, "expected another"
    ),
}

STORES = {
    "sql without a connection": Row({"sql.enabled": True}, "sql.connection: required"),
    "sql with a bad connection": Row(sql("postgresql", "localhost"), "sql.connection: expected //host[:port]/database"),
    "sql with another's connection": Row(
        sql("mysql", "postgresql://a/b"), "sql.connection: expected a database of the"
    ),
    "sql with a bad option": Row(
        sql("postgresql", "//a/b?prepareThreshold=x"), "sql.connection: prepareThreshold: expected a whole number"
    ),
    "sql with missing authorities": Row(
        sql("mysql", "//a/b?serverSslCert=FOLDER/absent"), "sql.connection: serverSslCert: FOLDER/absent"
    ),
    "sql with authorities of garbage": Row(
        sql("mysql", "//a/b?serverSslCert=FOLDER/garbage"), "sql.connection: serverSslCert: FOLDER/garbage"
    ),
    "postgresql without its library": Row(
        sql("postgresql", "//a/b"), "sql.type: the library psycopg is not installed", without="psycopg"
    ),
    "mysql without its library": Row(
        sql("mariadb", "//a/b"), "sql.type: the library pymysql is not installed", without="pymysql"
    ),
    "sql of an unknown kind": Row(sql("oracle", "//a/b"), "sql.type: expected one of sqlite, postgresql"),
    "sql with too few placeholders": Row(
        sql("sqlite", "a", **{"identity.query": "SELECT 1"}), "sql.identity.query: expected 1 or 2 placeholders (?), fo"
    ),
    "sql with too many placeholders": Row(
        sql("sqlite", "a", **{"lookup.query": "SELECT ?"}), "sql.lookup.query: expected 0 placeholders (?), found 1"
    ),
    "sql that searches for nothing": Row(
        sql("sqlite", "a", **{"directory.query.name.value": "SELECT 1"}), "sql.directory.query.name.value: expected a p"
    ),
    "the database of Synapse in MySQL": Row(
        {"synapseSql": {"enabled": True, "type": "mysql", "connection": "//a/b"}}, "synapseSql.type: expected sqlite or"
    ),
    "the database of Synapse without its library": Row(
        {"synapseSql": {"enabled": True, "type": "postgresql", "connection": "//a/b"}},
        "synapseSql.type: the library psycopg is not installed",
        without="psycopg",
    ),
    "wordpress without its library": Row(
        {"wordpress": {"enabled": True, "rest": {"base": "https://a"}, "sql": {"connection": "//a/b"}}},
        "wordpress.sql.type: the library pymysql is not installed",
        without="pymysql",
    ),
    "wordpress without a site": Row({"wordpress.enabled": True}, "wordpress.rest.base: required"),
    "wordpress with a bad prefix": Row(
        {"wordpress": {"enabled": True, "sql": {"tablePrefix": "a b"}}}, "wordpress.sql.tablePrefix: expected"
    ),
    "a directory without a host": Row({"ldap.enabled": True}, "ldap.connection.host: required"),
    "a directory without its library": Row({"ldap": ldap()}, "ldap: the library ldap is not installed", without="ldap"),
    "a directory with authorities of garbage": Row(
        {"ldap": ldap(tls=True, caFile="garbage")}, "ldap.connection.caFile: FOLDER/garbage holds no certificates"
    ),
    "a directory with missing authorities": Row({"ldap": ldap(caFile="absent")}, "ldap.connection.caFile: expected a"),
    "the second of two directories": Row(
        {"ldap": [ldap(), ldap(startTls=True, caFile="garbage")]}, "ldap[1].connection.caFile: FOLDER/garbage holds no"
    ),
    "a NetIQ with authorities of garbage": Row(
        {"netiq": ldap(startTls=True, caFile="garbage")},
        "netiq.connection.caFile: FOLDER/garbage holds no certificates",
    ),
    "a directory with TLS twice": Row({"ldap": ldap(tls=True, startTls=True)}, "ldap.connection.startTls: expected"),
    "rest without a host": Row({"rest.enabled": True}, "rest.host: required"),
    "rest with a bad path": Row(
        {"rest.enabled": True, "rest.endpoints.auth": "a", "rest.host": "https://a"}, "auth: ex"
    ),
    "programs that say it plainly": Row(
        {"exec.enabled": True, "exec.directory.search.byName": {"command": "a", "output": {"type": "plain"}}},
        "exec.directory.search.byName.output.type: expected json",
    ),
    "a slip in a token of a program": Row(
        {"exec": {"enabled": True, "token": {"mxd": "a"}}}, "exec.token.mxd: unknown key"
    ),
    "a user without a name": Row(
        {"memory": {"enabled": True, "identities": [{"password": "a"}]}}, "memory.identities[0].username: required"
    ),
    "firebase": Row({"firebase.enabled": True}, "firebase.enabled: "),
}
