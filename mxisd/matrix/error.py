"""The one error that reaches clients."""

from __future__ import annotations


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
