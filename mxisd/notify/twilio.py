"""SMS by Twilio (https://www.twilio.com/docs/messaging/api/message-resource)."""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote, urlencode

from msgspec import Struct

from ..net.errors import NotJson
from ..net.http_client import Http, HttpResponse
from .notifier import HandingOver, unnoticed
from .request import beginning, hand_over

API = "https://api.twilio.com"


class _Error(Struct):
    message: str
    code: int | None = None


class TwilioConnector:
    """Sends text messages from a number, or by a messaging service."""

    def __init__(self, http: Http, account_sid: str, auth_token: str, number: str, api: str = API) -> None:
        """``number`` is in international form with a ``+``, an alphanumeric sender, or a messaging service's SID."""
        self._http = http
        self._url = f"{api}/2010-04-01/Accounts/{quote(account_sid, safe='')}/Messages.json"
        self._authorization = "Basic " + b64encode(f"{account_sid}:{auth_token}".encode()).decode()
        self._from = {"MessagingServiceSid" if number.startswith("MG") else "From": number}

    async def deliver(
        self, address: str, content: str, reference: str = "", handing_over: HandingOver = unnoticed
    ) -> None:
        """See :class:`~mxisd.notify.notifier.Connector`."""
        headers = {"Authorization": self._authorization, "Content-Type": "application/x-www-form-urlencoded"}
        form = urlencode({"To": f"+{address}", **self._from, "Body": content})
        await handing_over()
        await hand_over(self._http, "POST", self._url, headers, form.encode(), _reason)


def _reason(answer: HttpResponse) -> str:
    try:
        error = answer.decode(_Error)
    except NotJson:
        return beginning(answer)
    return error.message if error.code is None else f"{error.message} (error {error.code})"
