"""Sending messages by HTTP requests, for all providers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..net.errors import OutboundError
from ..net.http_client import Http, HttpResponse
from .notifier import SendFailed

# Seconds; somebody may be waiting for the message.
TIMEOUT = 20.0

# About the message itself.  Other statuses, such as 401 for a wrong key, are about what can be corrected.
_PERMANENT = (400, 413, 422)


async def hand_over(
    http: Http,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
    reason: Callable[[HttpResponse], str],
) -> None:
    """
    Send a request, and return if it is answered with a 2xx status.

    ``reason`` extracts an explanation from any other answer.  Raises :class:`SendFailed`.
    """
    try:
        answer = await http.request(method, url, headers=headers, body=body, timeout=TIMEOUT)
    except OutboundError as error:
        raise SendFailed(permanent=False, reason=str(error)) from error
    if not 200 <= answer.status < 300:
        raise SendFailed(
            permanent=answer.status in _PERMANENT, reason=f"{answer.url} answered {answer.status}: {reason(answer)}"
        )


def beginning(answer: HttpResponse) -> str:
    """The beginning of an answer in an unknown format, as one line."""
    return " ".join(answer.body[:500].decode("utf-8", "replace").split())[:200]
