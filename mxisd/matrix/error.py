"""Standard errors (specification: client-server API, "Standard error response"): ours, and those of other servers."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from ..clock import DAY


class MatrixError(Exception):
    """
    A standard error answer: an HTTP status, an ``errcode`` and a message for humans.

    Further fields of the answer (``mxid`` beside ``M_THREEPID_IN_USE``, say) are keyword arguments.
    """

    def __init__(self, status: int, errcode: str, message: str, **fields: object) -> None:
        super().__init__(status, errcode, message)
        self.status = status
        self.errcode = errcode
        self.message = message
        self.fields = fields

    def body(self) -> dict[str, object]:
        """The JSON object of the answer."""
        return {"errcode": self.errcode, "error": self.message, **self.fields}

    def __str__(self) -> str:
        return f"{self.status} {self.errcode}: {self.message}"


class ErrorBody(msgspec.Struct, frozen=True):
    """What another server says of an error; ``errcode`` is empty if it says nothing in the standard form."""

    errcode: str = ""
    error: str = ""
    retry_after_ms: float = 0

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.errcode, self.error))) or "no reason given"


# The other form of a Retry-After header, a date, is not for us.
_SECONDS = re.compile(r"[0-9]{1,9}")


def retry_after(headers: Mapping[str, str], error: ErrorBody) -> int:
    """
    Milliseconds until one may ask again, a day at most; 0 if nothing is said.

    They are in the header or, as it was before version 1.10, in the body.
    """
    header = headers.get("retry-after", "")
    asked = int(header) * 1000 if _SECONDS.fullmatch(header) else int(error.retry_after_ms)
    return min(max(asked, 0), DAY)


def read_error(body: bytes) -> ErrorBody:
    """The error that the body of an answer tells of, whatever it is."""
    try:
        return msgspec.json.decode(body, type=ErrorBody)
    except (ValueError, RecursionError):
        return ErrorBody()
