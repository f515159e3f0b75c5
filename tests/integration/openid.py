"""A homeserver that can do no more than to say who its only user is."""

from __future__ import annotations

import json
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import quote

from tests.integration.matrix_client import CLIENT
from tests.net.servers import Authority


class OpenIdHomeserver:
    """Its user has the access token ``"access"``; it is at ``url``, with TLS."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        homeserver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_any(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, answer = homeserver._answer(self.path, self.headers.get("Authorization", ""))
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_any  # as http.server calls them

            def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002  # as inherited

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        certificate = folder / "homeserver.pem"
        certificate.write_bytes(authority.pem("localhost"))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.name = f"localhost:{self._server.server_address[1]}"
        self.url = f"https://{self.name}"
        self.user_id = f"@mxisd:{self.name}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def openid_token(self) -> dict[str, object]:
        """What the user can show to others."""
        return {
            "access_token": "opened",
            "token_type": "Bearer",
            "matrix_server_name": self.name,
            "expires_in": 3600,
        }

    def _answer(self, path: str, authorization: str) -> tuple[int, dict[str, object]]:
        if path == "/_matrix/federation/v1/openid/userinfo?access_token=opened":
            return 200, {"sub": self.user_id}
        if authorization != "Bearer access":
            return 401, {"errcode": "M_UNKNOWN_TOKEN"}
        if path == f"{CLIENT}/account/whoami":
            return 200, {"user_id": self.user_id}
        if path == f"{CLIENT}/user/{quote(self.user_id, safe='')}/openid/request_token":
            return 200, self.openid_token
        return 404, {"errcode": "M_UNRECOGNIZED"}

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
