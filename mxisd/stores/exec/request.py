"""The command line, environment and input of a program."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from msgspec import json

from ...config.exec import Process, Token


class Request:
    """
    A question to a program.

    ``values`` are what tokens stand for; ``body`` is said in JSON, and ``plain`` in lines of text, the last one
    without an end: programs that read to the end of the input take it for a part of the password.
    """

    def __init__(self, values: Mapping[str, str], body: object, plain: str) -> None:
        self._values = values
        self._body = body
        self._plain = plain

    def command(self, process: Process, tokens: Mapping[Token, str]) -> list[str]:
        """The program and its arguments."""
        return [self._filled(text, tokens) for text in (process.command or "", *process.args)]

    def environment(self, process: Process, tokens: Mapping[Token, str]) -> dict[str, str]:
        return {name: self._filled(value, tokens) for name, value in process.env.items()}

    def input(self, process: Process, tokens: Mapping[Token, str]) -> bytes:
        """What is written to its standard input: nothing, unless the type of the input is set."""
        type_, template = process.input.type, process.input.template
        if type_ is None:
            return b""
        if type_ == "json":
            if template is None:
                return json.encode(self._body)
            return self._filled(template, tokens, lambda value: json.encode(value).decode()[1:-1]).encode()
        text = self._plain if template is None else self._filled(template, tokens)
        return text.encode("utf-8", "surrogatepass")

    def _filled(self, text: str, tokens: Mapping[Token, str], escape: Callable[[str], str] = str) -> str:
        # In one pass: what a value says is no token.
        by_token = {token: self._values[name] for name, token in tokens.items() if token and name in self._values}
        if not by_token:
            return text
        pattern = "|".join(re.escape(token) for token in sorted(by_token, key=len, reverse=True))
        return re.sub(pattern, lambda match: escape(by_token[match[0]]), text)
