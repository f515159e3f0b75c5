"""A real nginx and a real Apache with the rules that we ship, in front of two stubs."""

from __future__ import annotations

import atexit
import socket
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tests.integration.process import ROOT, Process, free_port, listens
from tests.servers.folder import folder


class Stub:
    """An HTTP server that answers everything with its name."""

    def __init__(self, name: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_any(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(200)
                self.send_header("Content-Length", str(len(name)))
                self.end_headers()
                self.wfile.write(name.encode())

            do_GET = do_POST = do_PUT = do_any  # as http.server calls them

            def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002  # as inherited

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Front:
    """A reverse proxy at ``port`` which sends requests to the stubs ``mxisd`` and ``synapse``."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.stubs = [Stub("mxisd"), Stub("synapse")]
        self.port = free_port()
        rules = folder / "rules.conf"
        shipped = (ROOT / "conf" / f"{kind}-interception.conf").read_text()
        rules.write_text(shipped.replace("127.0.0.1:8090", f"127.0.0.1:{self.stubs[0].port}"))
        around = folder / "around.conf"
        mxisd, synapse = (stub.port for stub in self.stubs)
        around.write_text(_AROUND[kind].format(folder=folder, port=self.port, mxisd=mxisd, synapse=synapse))
        commands: dict[str, list[str | Path]] = {
            "nginx": ["nginx", "-p", folder, "-e", folder / "error.log", "-c", around],
            "apache": ["apache2", "-X", "-f", around],
        }
        self._process = Process(commands[kind], folder / "output.log")
        self._process.wait_until(lambda: listens(self.port))

    def ask(self, method: str, uri: str) -> str:
        """What the request for this URI, sent as it is, is answered with; the status if that is an error."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            head = (
                f"{method} {uri} HTTP/1.1\r\nHost: matrix.example.org\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            connection.sendall(head.encode("latin-1"))
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        status, body = answer.split(b" ", 2)[1], answer.partition(b"\r\n\r\n")[2]
        return body.decode() if status == b"200" else status.decode()

    def stop(self) -> None:
        self._process.stop()
        for stub in self.stubs:
            stub.stop()


@cache
def front(kind: str) -> Front:
    """The one of this run."""
    made = Front(folder(kind), kind)  # the proxies drop their privileges, and reach it all the same
    atexit.register(made.stop)
    return made


_AROUND = {
    "nginx": """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream mxisd {{ server 127.0.0.1:{mxisd}; }}
    upstream synapse {{ server 127.0.0.1:{synapse}; }}
    include {folder}/rules.conf;
    server {{
        listen 127.0.0.1:{port};
        location ~ ^/(_matrix|_synapse/client)/ {{
            if ($request_uri !~ ^/(_matrix|_synapse/client)/) {{
                return 404;
            }}
            proxy_pass http://$mxisd_or_synapse;
        }}
    }}
}}
""",
    "apache": """\
ServerRoot /usr/lib/apache2
ServerName matrix.example.org
Listen 127.0.0.1:{port}
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
User www-data
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule proxy_module modules/mod_proxy.so
LoadModule proxy_http_module modules/mod_proxy_http.so
LoadModule rewrite_module modules/mod_rewrite.so
DefaultRuntimeDir {folder}
<VirtualHost 127.0.0.1:{port}>
    Include {folder}/rules.conf
    ProxyPreserveHost On
    ProxyPass /_matrix http://127.0.0.1:{synapse}/_matrix nocanon
    ProxyPass /_synapse/client http://127.0.0.1:{synapse}/_synapse/client nocanon
</VirtualHost>
""",
}
