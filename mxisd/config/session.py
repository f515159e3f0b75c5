"""``session``: what may be done with validation sessions."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from .engine.section import Finding, Section
from .engine.values import HostPattern, ServerNameOrAny


class Validation(Section):
    enabled: bool = True


class Bind(Section):
    """The domains whose user IDs may be bound and unbound; ``*`` for any."""

    domains: tuple[ServerNameOrAny, ...] = ()

    def cautions(self) -> Iterable[Finding]:
        if "*" in self.domains:
            yield Finding("domains", "addresses are bound to user IDs of any homeserver")


class Fraudulent(Section):
    send_warning: bool = True


class Unbind(Section):
    enabled: bool = True
    notifications: bool = True
    fraudulent: Fraudulent = Fraudulent()


class NextLink(Section):
    """The hosts that clients may have their users sent to after a validation; any if there are none."""

    allowed: tuple[HostPattern, ...] = ()

    def cautions(self) -> Iterable[Finding]:
        if not self.allowed:
            yield Finding("allowed", "not set: after a validation people are sent wherever the client says")


class Policy(Section):
    validation: Validation = Validation()
    next_link: NextLink = NextLink()
    bind: Bind = Bind()
    unbind: Unbind = Unbind()


class Session(Section):
    policy: Policy = Policy()

    def resolved(self, domain: str) -> Session:
        bind = Bind(domains=self.policy.bind.domains or (domain,))
        return replace(self, policy=replace(self.policy, bind=bind))
