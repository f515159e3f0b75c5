"""Configurations with which mxisd does not start: the file itself, what is listened on, and what is kept."""

from __future__ import annotations

from tests.start.rows import Row, policy, redis, tls

DATABASE = "storage.provider.sqlite.database"

FILE = {
    "no YAML": Row("server: [", "not YAML"),
    "a tab": Row("server:\n\tport: 1", "not YAML"),
    "nested beyond reason": Row("server: " + "[" * 5000, "not YAML: nested too deeply"),
    "nested beyond reason, and closed": Row(f"server: {'[' * 900}{']' * 900}", "not YAML: nested too deeply"),
    "a tag": Row("server: !!python/object:os.system {}", "has no meaning here"),
    "a list": Row("[matrix]", "the file: expected a section with keys"),
    "an unknown section": Row({"severr": {}}, "severr: unknown key; did you mean server?"),
    "an unknown key": Row({"server.prot": 80}, "server.prot: unknown key; did you mean server.port?"),
    "no section": Row({"key": "mxisd.key"}, "key: expected a section"),
    "no domain": Row({"matrix.domain": None}, "matrix.domain: required"),
    "a bad domain": Row({"matrix.domain": "https://example.org"}, "matrix.domain: expected a server name"),
    "a variable that is not set": Row({"key.path": "${ABSENT}"}, "key.path: the environment variable ABSENT is not"),
    "a variable that is no text": Row({"key.path": "${LATIN_1}"}, "key.path: expected text in Unicode"),
    "half a character": Row('key: {path: "\\ud800"}', "key.path: expected text in Unicode"),
    "a secret's missing file": Row(redis(passwordFile="absent"), "redis.passwordFile: cannot read"),
    "a secret's file that is a folder": Row(redis(passwordFile="folder"), "redis.passwordFile: cannot read"),
    "a secret's file of garbage": Row(redis(passwordFile="garbage"), "redis.passwordFile: cannot read"),
    "a secret's impossible file": Row(redis(passwordFile="a\0"), "redis.passwordFile: expected the name of a file"),
    "a number beyond reason": Row({"invite.history.days": "9" * 5000}, "invite.history.days: expected a whole number"),
    "more days than can be counted": Row({"invite.history.days": "9" * 12}, "invite.history.days: expected a whole n"),
    "more invites than can be": Row({"invite.delivery.concurrency": 0}, "invite.delivery.concurrency: expected"),
    "a duration beyond reason": Row({"lookup.timeout": "9" * 5000 + "s"}, "lookup.timeout: expected a duration"),
    "a duration without a unit": Row({"lookup.timeout": 5}, "lookup.timeout: expected a duration"),
    "an expression without an end": Row(policy("("), "terms.regexp: expected a regular expression"),
    "an expression beyond reason": Row(policy(f"a{{{'9' * 20}}}"), "terms.regexp: expected a regular expression"),
    "an expression nested beyond reason": Row(policy("(" * 5000 + ")" * 5000), "terms.regexp: expected a regular"),
    "an expression of Java": Row(
        {"register.policy.threepid.email.pattern.whitelist": "(?=a)"}, "whitelist: expected a regular expression"
    ),
}

LISTENING = {
    "metrics where somebody else listens": Row(
        {"metrics.enabled": True, "metrics.bind": "tcp:USED:interface=127.0.0.1"},
        "metrics.bind: cannot listen on tcp:USED:interface=127.0.0.1: Address already in use",
    ),
    "a port in use": Row(
        {"server.bind": "tcp:USED:interface=127.0.0.1"},
        "server.bind: cannot listen on tcp:USED:interface=127.0.0.1: Address already in use: another process has it,",
    ),
    "a port in use by its key": Row(
        {"server.bind": None, "server.port": "USED"}, "cannot listen on tcp:USED:interface=\\:\\:: Addr"
    ),
    "all addresses where one is in use": Row({"server.bind": "tcp:USED"}, "server.bind: cannot listen on tcp:USED: A"),
    "a port of IPv6 in use": Row({"server.bind": r"tcp:USED:interface=\:\:1"}, "Address already in use"),
    "a port without an address twice": Row({"server.bind": ["tcp:FREE"] * 2}, "Address already in use"),
    "all addresses of IPv6 where one is in use": Row({"server.bind": r"tcp:USED:interface=\:\:"}, "Address already in"),
    "a port twice": Row({"server.bind": ["tcp:FREE:interface=127.0.0.1"] * 2}, "Address already in use"),
    "a port of one address and of all": Row({"server.bind": ["tcp:FREE:interface=127.0.0.1", "tcp:FREE"]}, "in use"),
    "a port of both families": Row({"server.bind": ["tcp:FREE", r"tcp:FREE:interface=\:\:"]}, "already in use"),
    "the second of two": Row({"server.bind": ["tcp:FREE", "tcp:USED"]}, "cannot listen on tcp:USED: Address already"),
    "another's address": Row(
        {"server.bind": None, "server.hostname": "203.0.113.5"},
        "interface=203.0.113.5: Cannot assign requested address",
    ),
    "another's address of IPv6": Row({"server.bind": r"tcp:FREE:interface=2001\:db8\:\:5"}, "Cannot assign requested"),
    "nobody's name": Row(
        {"server.bind": None, "server.hostname": "nosuch.invalid"},
        "server.bind: cannot listen on tcp:8090:interface=nosuch.invalid: Name or service not known",
    ),
    "an internal port in use": Row(
        {"internal.bind": "tcp:USED:interface=127.0.0.1"},
        "internal.bind: cannot listen on tcp:USED:interface=127.0.0.1: Address already in use",
    ),
    "an impossible name": Row({"server.bind": "tcp:FREE:interface=a..b"}, "cannot listen on tcp:FREE:interface=a..b: "),
    "an impossible name by its key": Row({"server.bind": None, "server.hostname": "a b"}, "server.hostname: expected"),
    "a port beyond the last": Row({"server.bind": "tcp:65536"}, "server.bind: cannot listen on tcp:65536: "),
    "a port before the first": Row({"server.bind": "tcp:-1"}, "server.bind: cannot listen on tcp:-1: "),
    "no port": Row({"server.port": 0}, "server.port: expected a port"),
    "a port by name": Row({"server.bind": "tcp:http"}, "server.bind: expected a Twisted endpoint"),
    "an unknown kind of endpoint": Row({"server.bind": "pigeon:1"}, "server.bind: expected a Twisted endpoint"),
    "an unknown option of one": Row({"server.bind": "tcp:FREE:color=red"}, "server.bind: expected a Twisted endpoint"),
    "an endpoint without an argument": Row({"server.bind": "tcp:"}, "server.bind: expected a Twisted endpoint"),
    "a socket in a missing folder": Row(
        {"server.bind": "unix:FOLDER/absent/a.sock"}, "server.bind: cannot listen on unix:FOLDER/absent/a.sock: the fol"
    ),
    "a socket in a missing folder by its key": Row(
        {"server.bind": None, "server.hostname": "FOLDER/absent/a.sock"}, "the folder FOLDER/absent is missing"
    ),
    "a socket in use": Row({"server.bind": "unix:FOLDER/used.sock"}, "used.sock: Address already in use: another proc"),
    "a socket of another program": Row({"server.bind": "unix:FOLDER/left.sock"}, "left.sock: Address already in use"),
    "a socket that is locked": Row({"server.bind": "unix:FOLDER/locked.sock"}, "locked.sock: Address already in use"),
    "a socket whose lock is none": Row({"server.bind": "unix:FOLDER/odd.sock"}, "unix:FOLDER/odd.sock: "),
    "a socket that others have left behind, without a lock": Row(
        {"server.bind": "unix:FOLDER/stale.sock:lockfile=0"}, "Address already in use"
    ),
    "a socket where a file is": Row({"server.bind": "unix:FOLDER/garbage"}, "garbage: Address already in use"),
    "a socket where a folder is": Row({"server.bind": "unix:FOLDER/folder"}, "folder: Address already in use"),
    "a socket where a link is": Row({"server.bind": "unix:FOLDER/link-to-new"}, "link-to-new: Address already in use"),
    "a socket twice": Row({"server.bind": ["unix:FOLDER/new.sock"] * 2}, "new.sock: Address already in use"),
    "a socket with too long a name": Row({"server.bind": f"unix:FOLDER/{'a' * 120}"}, "AF_UNIX path too long"),
    "a socket with a bad mode": Row({"server.bind": "unix:FOLDER/new.sock:mode=rw"}, "server.bind: expected a Twisted"),
    "TLS without a key": Row(tls("absent"), "server.bind: expected a Twisted endpoint"),
    "TLS with garbage": Row(tls("garbage"), "server.bind: expected a Twisted endpoint"),
    "TLS without a certificate": Row(tls("key.pem"), "server.bind: expected a Twisted endpoint"),
    "TLS with a missing certificate": Row(tls("key.pem", "absent"), "server.bind: expected a Twisted endpoint"),
    "TLS with another's certificate": Row(tls("other.pem", "certificate.pem"), "server.bind: "),
    "TLS with a bad chain": Row(tls("own.pem", more=":extraCertChain=FOLDER/garbage"), "server.bind: expected a Twist"),
    "TLS with an unknown method": Row(tls("own.pem", more=":sslmethod=NONE"), "server.bind: "),
    "TLS with bad parameters": Row(tls("own.pem", more=":dhParameters=FOLDER/garbage"), "server.bind: "),
    "TLS at a port in use": Row(tls("own.pem", port="USED"), "Address already in use"),
    "systemd without it": Row({"server.bind": "systemd:domain=INET:index=0"}, "systemd has handed over no such socket"),
    "systemd without it, by name": Row({"server.bind": "systemd:domain=INET:name=web"}, "systemd has handed over no"),
    "workers on sqlite": Row({}, "storage.backend: --workers needs postgresql or redis", workers=2),
    "workers on a socket": Row(
        {**redis(), "server.bind": "unix:FOLDER/new.sock"}, "server.bind: --workers needs endpoints", workers=2
    ),
    "workers with an internal listener": Row(
        {**redis(), "internal.bind": "tcp:FREE:interface=127.0.0.1"}, "internal.bind: --workers does not", workers=2
    ),
    "workers by TLS": Row({**redis(), **tls("own.pem")}, "server.bind: --workers needs endpoints", workers=2),
    "workers at a port in use": Row({**redis(), "server.bind": "tcp:USED"}, "Address already in use", workers=2),
    "workers with a bad page": Row(
        {**redis(), "view.session.onTokenSubmit.success": "garbage"}, "garbage: is not UTF-8", workers=2
    ),
}

KEPT = {
    "a database in a missing folder": Row(
        {DATABASE: "absent/a.db"}, f"{DATABASE}: the database FOLDER/absent/a.db cannot be used: the folder"
    ),
    "a database in what is no folder": Row(
        {DATABASE: "page.html/a.db"}, f"{DATABASE}: the database FOLDER/page.html/a"
    ),
    "a database that is a folder": Row({DATABASE: "folder"}, f"{DATABASE}: the database FOLDER/folder cannot be used"),
    "a database of another program": Row({DATABASE: "foreign.db"}, "foreign.db was not made by this mxisd"),
    "a database of mxisd 1.x": Row(
        {DATABASE: "mxisd-1.db"},
        f"{DATABASE}: the database FOLDER/mxisd-1.db was not made by this mxisd; it is mxisd 1.x or ma1sd's: name a "
        "new file here, and 'mxisd migrate --from FOLDER/mxisd-1.db --to mxisd.yaml' fills it with",
    ),
    "a database of Sydent": Row({DATABASE: "sydent.db"}, "'mxisd migrate --from FOLDER/sydent.db --to mxisd.yaml'"),
    "a key among Sydent's settings": Row(
        {"key.path": "sydent.conf"}, "key.path: FOLDER/sydent.conf is not a file of signing keys: expected lines"
    ),
    "a database of another, marked": Row({DATABASE: "marked.db"}, "marked.db was not made by this mxisd"),
    "no database": Row({DATABASE: "garbage"}, "file is not a database"),
    "a database of a newer mxisd": Row({DATABASE: "newer.db"}, "has schema version 99, made by a newer mxisd"),
    "a database that is a device": Row({DATABASE: "/dev/null"}, "/dev/null cannot be used: it is no file"),
    "a database that leads nowhere": Row({DATABASE: "link-to-absent"}, "link-to-absent cannot be used: the folder"),
    "a database with an impossible name": Row({DATABASE: "a\0"}, f"{DATABASE}: expected the name of a file"),
    "a database with too long a name": Row({DATABASE: "a" * 300}, f"{DATABASE}: the database FOLDER/aaa"),
    "a database without room for its log": Row({DATABASE: "blocked.db"}, "blocked.db cannot be used: "),
    "an older database without room for a copy": Row({DATABASE: "old.db"}, "old.db cannot be used: "),
    "a database where the key is": Row(
        {"key.path": "mxisd.db"}, "key.path: expected another file than storage.provider"
    ),
    "a database where the configuration is": Row({DATABASE: "mxisd.yaml"}, f"{DATABASE}: expected another file than"),
    "a key where the configuration is": Row(
        {"key.path": "mxisd.yaml"}, "key.path: expected another file than the conf"
    ),
    "postgresql without a place": Row(
        {"storage.backend": "postgresql"}, "storage.provider.postgresql.database: required: expected //host:port/name"
    ),
    "postgresql without its library": Row(
        {"storage.backend": "postgresql", "storage.provider.postgresql.database": "//localhost/mxisd"},
        "storage.backend: the library psycopg is not installed: pip install 'mxisd[postgresql]'",
        without="psycopg",
    ),
    "an unknown storage": Row({"storage.backend": "mongodb"}, "storage.backend: expected one of"),
    "a key of garbage": Row({"key.path": "garbage"}, "key.path: FOLDER/garbage is not a file of signing keys"),
    "a key of another kind": Row({"key.path": "key.pem"}, "key.path: FOLDER/key.pem is not a file of signing keys"),
    "a key that is a folder of other things": Row({"key.path": "."}, "key.path: FOLDER is a folder without keys of"),
    "a key in what is no folder": Row(
        {"key.path": "page.html/key"}, "key.path: cannot use the signing keys in FOLDER/"
    ),
    "a key that leads nowhere": Row(
        {"key.path": "link-to-absent"}, "key.path: cannot use the signing keys in FOLDER/l"
    ),
    "a key that is to lead elsewhere": Row(
        {"key.path": "link-to-new"}, "key.path: cannot use the signing keys in FOLDER"
    ),
    "a key that leads to itself": Row(
        {"key.path": "link-to-itself"}, "key.path: cannot use the signing keys in FOLDER"
    ),
    "a key with an impossible name": Row({"key.path": "a\0"}, "key.path: expected the name of a file"),
    "a key with too long a name": Row({"key.path": "a" * 300}, "key.path: cannot use the signing keys in FOLDER/aaa"),
    "redis and a key of garbage": Row({**redis(), "key.path": "garbage"}, "key.path: FOLDER/garbage is not a file of"),
    "redis with authorities of garbage": Row(
        redis(url="rediss://localhost:1", caFile="garbage"), "redis.caFile: FOLDER/garbage holds no certificates"
    ),
    "sentinels with authorities of garbage": Row(
        redis(url="rediss://a", caFile="garbage", sentinel={"servers": "a"}), "redis.caFile: FOLDER/garbage holds no"
    ),
    "redis with missing authorities": Row(redis(caFile="absent"), "redis.caFile: expected a file that can be read"),
    "redis with a bad URL": Row(redis(url="http://localhost"), "redis.url: expected a URL such as redis://"),
    "redis with a bad port": Row(redis(url="redis://localhost:65536"), "redis.url: expected a URL such as redis://"),
    "redis with a bad database": Row(redis(url="redis://localhost/a"), "redis.url: expected a URL such as redis://"),
    "a sentinel with a bad port": Row(redis(sentinel={"servers": "a:99999"}), "sentinel.servers: expected a host"),
    "a sentinel that is a URL": Row(redis(sentinel={"servers": "redis://a"}), "sentinel.servers: expected a host"),
    "a sentinel with an unknown key": Row(redis(sentinel={"server": "a"}), "sentinel.server: unknown key; did you mea"),
    "redis without connections": Row(redis(poolSize=0), "redis.poolSize: expected"),
    "redis without a name for keys": Row(redis(prefix="a b"), "redis.prefix: expected letters"),
}
