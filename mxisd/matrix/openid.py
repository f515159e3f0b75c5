"""OpenID tokens of our homeserver, by which others can tell who a user is (client-server API, "OpenID")."""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import quote

from msgspec import Struct

from ..net.errors import OutboundError
from ..net.http_client import Http

T = TypeVar("T")


class _Whoami(Struct):
    user_id: str


async def request_token(http: Http, homeserver_url: str, access_token: str) -> dict[str, object]:
    """
    A new OpenID token for the user whom an access token belongs to, as others want to have it.

    Raises :class:`OutboundError`.
    """

    async def call(method: str, path: str, shape: type[T], body: object = None) -> T:
        headers = {"Authorization": f"Bearer {access_token}"}
        answer = await http.request(method, f"{homeserver_url}/_matrix/client/v3{path}", headers=headers, json=body)
        if answer.status != 200:
            raise OutboundError(f"{answer.url} answered with status {answer.status}: no OpenID token is to be had")
        return answer.decode(shape)

    user_id = (await call("GET", "/account/whoami", _Whoami)).user_id
    return await call("POST", f"/user/{quote(user_id, safe='')}/openid/request_token", dict[str, object], {})
