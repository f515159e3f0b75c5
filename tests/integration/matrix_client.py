"""Enough of a Matrix client to tell whether servers work."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from email.message import Message
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode

from tests.integration.process import TIMEOUT

V1 = "/_matrix/identity/api/v1"
V2 = "/_matrix/identity/v2"
CLIENT = "/_matrix/client/v3"


class Refused(Exception):
    """An answer that is no success; ``body`` is its JSON."""

    def __init__(self, status: int, headers: Message, body: Any) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.headers = headers
        self.body = body


class MatrixClient:
    """Speaks JSON with the server at ``url``; with ``ca_file``, certificates of that authority are good."""

    def __init__(self, url: str, ca_file: str | None = None, token: str = "") -> None:
        self.url = url
        self.token = token
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._context = ssl.create_default_context(cafile=ca_file)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        return self._json("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, body: object = None) -> Any:
        return self._json("POST", path, json.dumps(body or {}).encode())

    def put(self, path: str, body: object = None) -> Any:
        return self._json("PUT", path, json.dumps(body or {}).encode())

    def open(self, link: str) -> str:
        """What a browser shows, which has no token."""
        with urllib.request.urlopen(link, timeout=TIMEOUT, context=self._context) as answer:
            return str(answer.read().decode())

    def follow(self, link: str) -> str:
        """What a browser shows when somebody follows the link of a validation message, and presses the button."""
        address, _, query = link.partition("?")
        assert '<form method="post" action="?">' in self.open(link)
        with urllib.request.urlopen(address, query.encode(), timeout=TIMEOUT, context=self._context) as answer:
            return str(answer.read().decode())

    def answers(self) -> bool:
        """Whether there is a server."""
        try:
            self.get("/_matrix/identity/versions")
        except urllib.error.URLError:
            return False
        return True

    def _json(self, method: str, path: str, body: bytes | None = None) -> Any:
        headers = {**self._headers, "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT, context=self._context) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(error.code, error.headers, json.load(error)) from None


class User:
    """Somebody new on a homeserver; the identity server, with a token, is beside it at the same URL."""

    def __init__(self, url: str, ca_file: str, name: str) -> None:
        anybody = MatrixClient(url, ca_file)
        account = anybody.post(
            f"{CLIENT}/register",
            {"username": name, "password": "a pass phrase", "auth": {"type": "m.login.dummy"}},
        )
        self.user_id: str = account["user_id"]
        self.homeserver = MatrixClient(url, ca_file, account["access_token"])
        openid = self.homeserver.post(f"{CLIENT}/user/{quote(self.user_id)}/openid/request_token")
        self.identity_token: str = anybody.post(f"{V2}/account/register", openid)["token"]
        self.identity = MatrixClient(url, ca_file, self.identity_token)

    def lookup(self, address: str) -> str | None:
        """Whose email address it is, asked by its hash."""
        pepper = self.identity.get(f"{V2}/hash_details")["lookup_pepper"]
        digest = urlsafe_b64encode(sha256(f"{address} email {pepper}".encode()).digest()).decode().rstrip("=")
        asked = {"algorithm": "sha256", "pepper": pepper, "addresses": [digest]}
        found: dict[str, str] = self.identity.post(f"{V2}/lookup", asked)["mappings"]
        return found.get(digest)

    def create_room(self) -> str:
        return str(
            self.homeserver.post(f"{CLIENT}/createRoom", {"preset": "private_chat", "name": "Spring"})["room_id"]
        )

    def state(self, room: str, kind: str) -> list[Any]:
        """The contents of the room's state of a kind."""
        state = self.homeserver.get(f"{CLIENT}/rooms/{quote(room)}/state")
        return [event["content"] for event in state if event["type"] == kind]

    def rooms(self, membership: str) -> Any:
        """The rooms that the user's client shows, by ID: those with ``invite`` or ``join``."""
        return self.homeserver.get(f"{CLIENT}/sync", {"timeout": "0"}).get("rooms", {}).get(membership, {})
