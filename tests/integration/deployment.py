"""What an administrator sets up, all of it real: one for all tests of a run, since Synapse takes its time to start."""

from __future__ import annotations

import atexit
import ssl
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.integration.mailbox import Mailbox
from tests.integration.matrix_client import MatrixClient, User
from tests.integration.mxisd import Mxisd
from tests.integration.names import Names
from tests.integration.nginx import Nginx
from tests.integration.process import free_port, installed
from tests.integration.synapse import PYTHON as SYNAPSE_PYTHON
from tests.integration.synapse import Synapse
from tests.net.servers import Authority

# Found by its SRV record alone: there is no host of this name.
DOMAIN = "matrix.test"
REGISTRATION = "registration.yaml"


class Deployment:
    """
    Synapse and mxisd behind one nginx at ``url``, a name server, and a mail server.

    With ``policies``, more sections of mxisd.yaml, mxisd stands in front of Synapse, which itself asks it too.  With
    ``application_service``, more sections too, it is Synapse's application service; ``sections`` change neither.
    ``folder`` is where they keep their data.
    """

    def __init__(
        self,
        policies: Mapping[str, Any] | None = None,
        application_service: Mapping[str, Any] | None = None,
        sections: Mapping[str, Any] | None = None,
    ) -> None:
        for program in ("nginx", str(SYNAPSE_PYTHON)):
            installed(program)
        self._folder = TemporaryDirectory(prefix="mxisd-tests-")
        self.folder = folder = Path(self._folder.name)
        folder.chmod(0o755)  # nginx drops its privileges
        authority = Authority(folder / "authority.pem")
        self.ca_file = authority.path
        synapse_port, mxisd_port = free_port(), free_port()
        synapse_url = f"http://127.0.0.1:{synapse_port}"
        self.nginx = Nginx(
            folder / "nginx",
            authority,
            ["localhost", DOMAIN],
            mxisd_port,
            synapse_port,
            intercepting=policies is not None,
        )
        self.id_server = f"localhost:{self.nginx.port}"
        self.url = f"https://{self.id_server}"
        self.names = Names(
            folder / "names",
            f'SRV("_matrix-fed._tcp.{DOMAIN}", 10, 5, {self.nginx.port}, "synapse.test")',
            'A("synapse.test", "127.0.0.1")',
        )
        self.mailbox = Mailbox("starttls", server_context(authority, folder / "mail.pem"), ("mxisd", "a pass phrase"))
        self.mxisd = Mxisd(
            folder / "mxisd",
            mxisd_port,
            {
                "matrix": {"domain": DOMAIN, "homeserver": {"url": synapse_url if policies is not None else None}},
                "server": {"bind": [f"tcp:{mxisd_port}:interface=127.0.0.1"], "publicUrl": self.url},
                "key": {"path": "signing.key"},
                "storage": {"provider": {"sqlite": {"database": "mxisd.db"}}},
                "threepid": {
                    "medium": {
                        "email": {
                            "identity": {"from": "mxisd@matrix.test", "name": "Example"},
                            "connectors": {
                                "smtp": {
                                    "host": "localhost",
                                    "port": self.mailbox.port,
                                    "tls": 2,
                                    "login": "mxisd",
                                    "password": "a pass phrase",
                                }
                            },
                        },
                        "msisdn": {"connector": "log"},
                    }
                },
                "outbound": {
                    "allowedNetworks": ["127.0.0.0/8"],
                    "caFile": authority.path,
                    "nameservers": [self.names.address],
                },
                **(policies or {}),
                **(sections or {}),
                **as_application_service(application_service, synapse_url, f"http://127.0.0.1:{mxisd_port}"),
            },
        )
        modules, more = [], {}
        if policies is not None:
            asking = {"url": self.mxisd.url, "token": policies["invite"]["policy"]["token"]}
            modules.append({"module": "mxisd_policy.MxisdPolicy", "config": asking})
            more["account_threepid_delegates"] = {"msisdn": self.mxisd.url}
            modules.append({"module": "mxisd_password.MxisdPassword", "config": {"url": self.mxisd.url}})
        registrations = [folder / "mxisd" / REGISTRATION] if application_service is not None else []
        self.synapse = Synapse(
            folder / "synapse", DOMAIN, synapse_port, self.url, authority.path, modules, registrations, more
        )

    def anybody(self) -> MatrixClient:
        """A client without any token."""
        return MatrixClient(self.url, self.ca_file)

    def user(self, name: str) -> User:
        """Somebody new."""
        return User(self.url, self.ca_file, name)

    def stop(self) -> None:
        for server in (self.synapse, self.mxisd, self.nginx, self.names, self.mailbox):
            server.stop()
        self._folder.cleanup()


def as_application_service(sections: Mapping[str, Any] | None, synapse: str, mxisd: str) -> dict[str, Any]:
    """Sections of mxisd.yaml, with what every application service needs."""
    if sections is None:
        return {}
    needed = {
        "enabled": True,
        "endpoint": {"toHS": {"url": synapse, "token": "as-token"}, "toAS": {"url": mxisd, "token": "hs-token"}},
        "registration": {"synapse": {"file": REGISTRATION}},
    }
    return {**sections, "appsvc": needed | sections.get("appsvc", {})}


def server_context(authority: Authority, path: Path, host: str = "localhost") -> ssl.SSLContext:
    """With a certificate for a host, which is written to ``path``."""
    path.write_bytes(authority.pem(host))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context


@cache
def deployment() -> Deployment:
    """The one of this run."""
    made = Deployment()
    atexit.register(made.stop)
    return made
