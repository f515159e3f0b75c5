"""``policy``: the terms of service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .engine.section import Finding, Section
from .engine.values import Expression, Text, Url


class Term(Section):
    """A policy in one language."""

    name: Text
    url: Url


class Policy(Section):
    """``regexp``: the paths that need it to be accepted; all, if there are none."""

    version: Text
    terms: Mapping[str, Term]
    regexp: tuple[Expression, ...] = ()

    def mistakes(self) -> Iterable[Finding]:
        if not self.terms:
            yield Finding("terms", "required: expected a name and a URL for at least one language, such as en")


class Policies(Section):
    policies: Mapping[str, Policy] = {}
