"""Email by SendGrid's v3 API (https://www.twilio.com/docs/sendgrid/api-reference/mail-send)."""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage

import msgspec
from msgspec import Struct

from ..net.errors import NotJson
from ..net.http_client import Http, HttpResponse
from .notifier import HandingOver, unnoticed
from .request import beginning, hand_over
from .smtp import mailable

API = "https://api.sendgrid.com"


class _Problem(Struct):
    message: str


class _Errors(Struct):
    errors: list[_Problem]


class SendGridConnector:
    """Sends subject, text and HTML to SendGrid, which makes the message."""

    def __init__(self, http: Http, key: str, sender: Address, api: str = API) -> None:
        self._http = http
        self._url = f"{api}/v3/mail/send"
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._sender = {"email": sender.addr_spec} | ({"name": sender.display_name} if sender.display_name else {})

    async def deliver(
        self, address: str, content: EmailMessage, reference: str = "", handing_over: HandingOver = unnoticed
    ) -> None:
        """See :class:`~mxisd.notify.notifier.Connector`."""
        recipient, _ = mailable(address)
        body = {
            "personalizations": [{"to": [{"email": recipient}]}],
            "from": self._sender,
            "subject": str(content["Subject"]),
            "content": _texts(content),
            "headers": {"Auto-Submitted": "auto-generated"},
            # Otherwise links would lead through SendGrid, which would see their tokens.
            "tracking_settings": {
                "click_tracking": {"enable": False, "enable_text": False},
                "open_tracking": {"enable": False},
            },
        }
        await handing_over()
        await hand_over(self._http, "POST", self._url, self._headers, msgspec.json.encode(body), _reason)


def _texts(content: EmailMessage) -> list[dict[str, str]]:
    # The API requires plain text first.
    bodies = ((f"text/{subtype}", content.get_body((subtype,))) for subtype in ("plain", "html"))
    return [{"type": type_, "value": body.get_content()} for type_, body in bodies if body is not None]


def _reason(answer: HttpResponse) -> str:
    try:
        return "; ".join(problem.message for problem in answer.decode(_Errors).errors)
    except NotJson:
        return beginning(answer)
