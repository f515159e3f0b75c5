"""What the log says of each change, and of each refusal: enough to follow it, and no address in full."""

from __future__ import annotations

from typing import Any

from twisted.logger import capturedLogs, formatEvent

from tests.web.app import AppTestCase


class AuditTests(AppTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.events: Any = self.enterContext(capturedLogs())

    def told(self) -> list[str]:
        """The lines since this was asked last, each of which came of a request."""
        events = [event for event in self.events if event["log_namespace"] == "mxisd.audit"]
        self.events.clear()
        for event in events:
            self.assertRegex(event["request"], "^[0-9a-f]{8}$")
            self.assertRegex(event["client"], "/24$")
        lines = [formatEvent(event) for event in events]
        self.assertNotIn("@example.com", "".join(lines))
        return lines

    def test_the_way_of_an_address(self) -> None:
        self.register()
        self.assertEqual(self.told(), ["gave an access token to @alice:example.org"])
        self.invite("alice@example.com")
        self.assertEqual(self.told(), ["an invite of al…@exa… to !room:example.org by @alice:example.org is stored"])
        self.bind()
        self.assertEqual(
            self.told(), ["validated al…@exa…", "bound al…@exa… to @alice:example.org; 1 invites were waiting"]
        )

    def test_refusals(self) -> None:
        self.invite("bob@forbidden.example")
        (line,) = self.told()
        self.assertRegex(line, "^refused POST /_matrix/identity/.*store-invite: ")
