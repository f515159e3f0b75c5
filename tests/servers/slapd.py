"""An OpenLDAP."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.integration.process import Process, free_port, listens
from tests.servers.folder import folder

ROOT = "dc=example,dc=org"
ADMIN = f"cn=admin,{ROOT}"
PASSWORD = "administrator"

_SIZELIMIT = "size.soft=200 size.hard=200 size.prtotal=unlimited"
_CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile {folder}/pid
modulepath /usr/lib/ldap
moduleload back_mdb
{tls}
# As Active Directory has it, though lower: whoever reads on has to ask for pages.
sizelimit {sizelimit}
database mdb
maxsize 1073741824
suffix "{root}"
rootdn "{admin}"
rootpw {password}
directory {folder}/data
dbnosync
index objectClass,uid,mail,telephoneNumber eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=reader,{root}" read by * none
"""


class Slapd:
    """
    Serves what is in an LDIF text below :data:`ROOT`; entries are read as ``cn=reader`` with the password ``reader``.

    ``sizelimit`` is how many entries one may have (slapd.conf(5)).  With ``certificate``, a file with a certificate and
    its key, it also listens with TLS at ``tls_port``.
    """

    def __init__(self, ldif: str, certificate: Path | None = None, sizelimit: str = _SIZELIMIT) -> None:
        self.port = free_port()
        self.tls_port = free_port()
        where = folder("slapd")
        (where / "data").mkdir()
        tls = f"TLSCertificateFile {certificate}\nTLSCertificateKeyFile {certificate}" if certificate else ""
        configuration = where / "slapd.conf"
        configuration.write_text(
            _CONFIGURATION.format(folder=where, tls=tls, root=ROOT, admin=ADMIN, password=PASSWORD, sizelimit=sizelimit)
        )
        (where / "content.ldif").write_text(_BASE + ldif)
        subprocess.run(
            ["slapadd", "-q", "-f", configuration, "-l", where / "content.ldif"], check=True, stdout=subprocess.DEVNULL
        )
        urls = f"ldap://127.0.0.1:{self.port}" + (f" ldaps://127.0.0.1:{self.tls_port}" if certificate else "")
        # Any level of debugging keeps it in the foreground.
        self._command: list[str | Path] = ["slapd", "-d", "0", "-f", configuration, "-h", urls]
        self._log = where.with_suffix(".log")
        self.start()

    def start(self) -> None:
        """Start it, again after :meth:`stop`."""
        self._process = Process(self._command, self._log)
        self._process.wait_until(lambda: listens(self.port))

    def stop(self) -> None:
        """End it in order."""
        self._process.stop()


_BASE = f"""dn: {ROOT}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: cn=reader,{ROOT}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: reader

dn: ou=people,{ROOT}
objectClass: organizationalUnit
ou: people

dn: ou=guests,{ROOT}
objectClass: organizationalUnit
ou: guests

"""


def available() -> bool:
    """Whether it is installed."""
    return shutil.which("slapd") is not None
