"""A real Synapse, from a virtual environment of its own, on SQLite."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from tests.integration.process import ROOT, Process, installed, listens

PYTHON = ROOT / ".cache" / "synapse-venv" / "bin" / "python"


class Synapse:
    """
    Listens on 127.0.0.1 at ``port``, without TLS, as ``server_name``.

    It trusts the authority of ``ca_file``, and connects to nothing but 127.0.0.1.  ``modules`` are found in
    ``contrib/synapse``; ``registrations`` are those of application services, and ``more`` is for ``homeserver.yaml``.
    """

    def __init__(
        self,
        folder: Path,
        server_name: str,
        port: int,
        public_url: str,
        ca_file: str,
        modules: Sequence[object] = (),
        registrations: Sequence[Path] = (),
        more: Mapping[str, object] | None = None,
    ) -> None:
        folder.mkdir()
        self.url = f"http://127.0.0.1:{port}"
        signing_key = base64.b64encode(os.urandom(32)).decode().rstrip("=")
        (folder / "signing.key").write_text(f"ed25519 a_test {signing_key}\n")
        (folder / "log.yaml").write_text(yaml.safe_dump(_LOGGING))
        (folder / "homeserver.yaml").write_text(
            yaml.safe_dump(
                {
                    "server_name": server_name,
                    "public_baseurl": public_url,
                    "listeners": [
                        {
                            "type": "http",
                            "port": port,
                            "bind_addresses": ["127.0.0.1"],
                            "x_forwarded": True,
                            "resources": [{"names": ["client", "federation"]}],
                        }
                    ],
                    "database": {"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}},
                    "media_store_path": str(folder / "media"),
                    "pid_file": str(folder / "synapse.pid"),
                    "signing_key_path": str(folder / "signing.key"),
                    "log_config": str(folder / "log.yaml"),
                    "macaroon_secret_key": "macaroon",
                    "form_secret": "form",
                    "report_stats": False,
                    "trusted_key_servers": [],
                    "suppress_key_server_warning": True,
                    "enable_registration": True,
                    "enable_registration_without_verification": True,
                    "ip_range_whitelist": ["127.0.0.1"],
                    "federation_custom_ca_list": [ca_file],
                    "modules": list(modules),
                    "app_service_config_files": [str(path) for path in registrations],
                    # Each look at the rooms is a new one.
                    "caches": {"sync_response_cache_duration": "0s"},
                    **UNLIMITED,
                    **(more or {}),
                }
            )
        )
        self._folder = folder
        self.port = port
        self._environment = {"SSL_CERT_FILE": ca_file, "PYTHONPATH": str(ROOT / "contrib" / "synapse")}
        self.start()

    def start(self) -> None:
        """Start it, again after :meth:`stop`."""
        self.process = Process(
            [installed(str(PYTHON)), "-m", "synapse.app.homeserver", "--config-path", self._folder / "homeserver.yaml"],
            self._folder / "synapse.log",
            self._environment,
        )
        self.process.wait_until(lambda: listens(self.port))

    @property
    def log(self) -> str:
        return self.process.log

    def stop(self) -> None:
        self.process.stop()


_LOGGING = {
    "version": 1,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(request)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"level": "INFO", "handlers": ["console"]},
    "disable_existing_loggers": False,
}

_OFTEN = {"per_second": 1000, "burst_count": 1000}
UNLIMITED = {
    "rc_message": _OFTEN,
    "rc_registration": _OFTEN,
    "rc_3pid_validation": _OFTEN,
    "rc_third_party_invite": _OFTEN,
    "rc_login": {"address": _OFTEN, "account": _OFTEN, "failed_attempts": _OFTEN},
    "rc_joins": {"local": _OFTEN, "remote": _OFTEN},
    "rc_invites": {"per_room": _OFTEN, "per_user": _OFTEN, "per_issuer": _OFTEN},
    "rc_room_creation": _OFTEN,
}
