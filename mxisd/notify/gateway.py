"""SMS by any gateway that accepts messages as HTTP requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from urllib.parse import quote_plus
from xml.sax.saxutils import escape as escape_xml

from ..masking import Secret
from ..net.http_client import Http
from .notifier import HandingOver, unnoticed
from .request import beginning, hand_over
from .template import fill

PLACEHOLDERS = frozenset({"RECIPIENT_ADDRESS", "TEXT"})
"""``RECIPIENT_ADDRESS`` is the number in international form without ``+``, ``TEXT`` the message."""


class GatewayConnector:
    """Puts the number and the text into a URL and a body, escaped for their place."""

    def __init__(
        self, http: Http, url: str, method: str = "POST", headers: Mapping[str, str] | None = None, body: str = ""
    ) -> None:
        """The ``Content-Type`` header tells how values in the body are escaped: as JSON, a form, XML, or not at all."""
        self._http = http
        self._url = url
        self._method = method
        self._headers = headers or {}
        self._body = body
        types = (value for name, value in self._headers.items() if name.lower() == "content-type")
        self._escape = _escape(next(types, ""))

    async def deliver(
        self, address: str, content: str, reference: str = "", handing_over: HandingOver = unnoticed
    ) -> None:
        """See :class:`~mxisd.notify.notifier.Connector`."""
        values = {"RECIPIENT_ADDRESS": address, "TEXT": content}
        body = fill(self._body, values, self._escape).encode() if self._body else None
        # The key of an account is often in the path.
        url = Secret(fill(self._url, values, quote_plus))
        await handing_over()
        await hand_over(self._http, self._method, url, self._headers, body, beginning)


def _escape(content_type: str) -> Callable[[str], str]:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "application/x-www-form-urlencoded":
        return quote_plus
    if media_type.endswith(("/json", "+json")):
        return lambda value: json.dumps(value)[1:-1]
    if media_type.endswith(("/xml", "+xml")):
        return lambda value: escape_xml(value, {'"': "&quot;", "'": "&apos;"})
    return str
