"""What other servers say of errors."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mxisd.matrix.error import ErrorBody, read_error


class ErrorBodyTests(SynchronousTestCase):
    def test_read(self) -> None:
        body = b'{"errcode": "M_LIMIT_EXCEEDED", "error": "Too many", "retry_after_ms": 1500, "more": []}'
        error = read_error(body)
        self.assertEqual(error, ErrorBody("M_LIMIT_EXCEEDED", "Too many", 1500))
        self.assertEqual(str(error), "M_LIMIT_EXCEEDED: Too many")

    def test_nothing_in_the_standard_form(self) -> None:
        for body in (b"", b"<html>", b"[]", b'{"errcode": 5}', b"\xff", b'{"errcode": "\xff"}', b"[" * 100_000):
            error = read_error(body)
            self.assertEqual((error.errcode, str(error)), ("", "no reason given"), body[:20])
