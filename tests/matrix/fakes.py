"""The world outside, as a test says it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec
from twisted.internet.defer import Deferred

from mxisd.net.dns import DnsError, SrvRecord
from mxisd.net.errors import ConnectionFailed
from mxisd.net.http_client import HttpResponse


class Sent(NamedTuple):
    method: str
    url: str
    connect_to: tuple[str, int] | None
    json: object
    headers: Mapping[str, str]
    timeout: float


class FakeHttp:
    """
    Answers by (method, URL): with what is there, or what that returns or raises; nobody is at any other URL.

    ``sent`` lists the requests.  Where an answer is a Deferred, the test has it answer.
    """

    def __init__(self) -> None:
        self.answers: dict[
            tuple[str, str], HttpResponse | Exception | Deferred[HttpResponse] | Callable[[Sent], HttpResponse]
        ] = {}
        self.sent: list[Sent] = []

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        json: object = None,
        timeout: float = 10.0,
        max_bytes: int = 0,
        redirects: int = 0,
        connect_to: tuple[str, int] | None = None,
    ) -> HttpResponse:
        sent = Sent(method, url, connect_to, json, headers or {}, timeout)
        self.sent.append(sent)
        answer = self.answers.get((method, url))
        if answer is None:
            raise ConnectionFailed(f"nobody is at {url}")
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Deferred):
            return await answer
        return answer if isinstance(answer, HttpResponse) else answer(sent)

    @property
    def urls(self) -> list[str]:
        return [sent.url for sent in self.sent]


def answer(body: object, status: int = 200, **headers: str) -> HttpResponse:
    """An answer with JSON; header names have underscores for dashes."""
    return HttpResponse(
        status, {name.replace("_", "-"): value for name, value in headers.items()}, msgspec.json.encode(body)
    )


class FakeServices:
    """SRV records by name; ``asked`` lists the names."""

    def __init__(self) -> None:
        self.records: dict[str, list[SrvRecord] | DnsError] = {}
        self.asked: list[str] = []

    async def services(self, name: str) -> list[SrvRecord]:
        self.asked.append(name)
        found = self.records.get(name, [])
        if isinstance(found, DnsError):
            raise found
        return found
