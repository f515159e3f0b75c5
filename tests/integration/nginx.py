"""A real nginx, with the configuration that we ship."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.integration.process import ROOT, Process, free_port, installed, listens
from tests.net.servers import Authority


class Nginx:
    """
    TLS in front of mxisd and Synapse, for ``names``, one port for all.

    Of ``conf/nginx.conf``, only names, ports and paths are changed; and with ``intercepting``, requests for Synapse go
    where ``conf/nginx-interception.conf`` leads them.  Processes of mxisd may listen at other ports ``also``.
    """

    def __init__(
        self,
        folder: Path,
        authority: Authority,
        names: list[str],
        mxisd_port: int,
        synapse_port: int,
        *,
        intercepting: bool = False,
        also: Sequence[int] = (),
    ) -> None:
        folder.mkdir()
        self._folder = folder
        self.port = free_port()
        certificate = folder / "certificate.pem"
        certificate.write_bytes(authority.pem(*names))
        site = (ROOT / "conf" / "nginx.conf").read_text()
        if intercepting:
            rules = (ROOT / "conf" / "nginx-interception.conf").read_text()
            site = rules + replaced(site, {"proxy_pass http://synapse;": "proxy_pass http://$mxisd_or_synapse;"})
        (folder / "site.conf").write_text(
            replaced(
                site,
                {
                    "listen 443 ssl;": f"listen 127.0.0.1:{self.port} ssl;",
                    "listen 8448 ssl;": "",
                    "listen [::]:443 ssl;": "",
                    "listen [::]:8448 ssl;": "",
                    "server_name matrix.example.org;": f"server_name {' '.join(names)};",
                    "/etc/letsencrypt/live/matrix.example.org/fullchain.pem": str(certificate),
                    "/etc/letsencrypt/live/matrix.example.org/privkey.pem": str(certificate),
                    "/var/log/nginx/matrix.log": str(folder / "access.log"),
                    "/var/log/nginx/matrix-error.log": str(folder / "error.log"),
                    "server 127.0.0.1:8090;": " ".join(f"server 127.0.0.1:{port};" for port in (mxisd_port, *also)),
                    "127.0.0.1:8008": f"127.0.0.1:{synapse_port}",
                },
            )
        )
        (folder / "nginx.conf").write_text(_AROUND.format(folder=folder))
        command: list[str | Path] = [
            installed("nginx"),
            "-p",
            folder,
            "-e",
            folder / "error.log",
            "-c",
            folder / "nginx.conf",
        ]
        self._process = Process(command, folder / "nginx.log")
        self._process.wait_until(lambda: listens(self.port))

    @property
    def access_log(self) -> str:
        return (self._folder / "access.log").read_text()

    def stop(self) -> None:
        self._process.stop()


def replaced(text: str, changes: dict[str, str]) -> str:
    """``text`` with each key as its value; each must be there."""
    for old, new in changes.items():
        assert old in text, f"there is no {old!r} in the configuration that we ship"
        text = text.replace(old, new)
    return text


# Kept in one folder and in one process.
BEGINNING = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
events {{}}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
"""
# What Debian's nginx.conf has around a site.
_AROUND = (
    BEGINNING
    + """\
    include {folder}/site.conf;
}}
"""
)
