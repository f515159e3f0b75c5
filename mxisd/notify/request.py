"""Messages handed over by an HTTP request: what the providers have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..net.errors import OutboundError
from ..net.http_client import Http, HttpResponse
from .notifier import SendFailed

# Whoever asked for the message waits for it.  Seconds.
TIMEOUT = 20.0

# They are about the message itself; a key that is not accepted, say, can be put right.
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
    Send a request that has to be answered with success.

    ``reason`` finds in another answer what is the matter.  Raises :class:`SendFailed`.
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
    """The first line of an answer that has no form we know."""
    return " ".join(answer.body[:500].decode("utf-8", "replace").split())[:200]
