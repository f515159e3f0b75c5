"""``session``, ``view``: what validation sessions are for, and the pages that their links lead to."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from .engine.hosts import HostPattern
from .engine.section import Finding, Section
from .engine.values import LanguageTag, Positive, Replacement, ServerNameOrAny


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


class SessionPolicy(Section):
    validation: Validation = Validation()
    next_link: NextLink = NextLink()
    bind: Bind = Bind()
    unbind: Unbind = Unbind()


class Session(Section):
    """``session``: what may be done with validation sessions."""

    policy: SessionPolicy = SessionPolicy()
    max_per_address: Positive = 20

    def resolved(self, domain: str) -> Session:
        bind = Bind(domains=self.policy.bind.domains or (domain,))
        return replace(self, policy=replace(self.policy, bind=bind))


class OwnPages(Section):
    """Files to show instead of the built-in pages."""

    success: Replacement = None
    failure: Replacement = None


class OnTokenSubmit(OwnPages):
    """``confirm`` is whether the link leads to a page that asks first, and ``confirm_page`` a file to show there."""

    confirm: bool = True
    confirm_page: Replacement = None


class Local(Section):
    on_token_submit: OwnPages = OwnPages()


class SessionPages(Section):
    """``local`` is where mxisd had the same keys before."""

    on_token_submit: OnTokenSubmit = OnTokenSubmit()
    local: Local = Local()


class View(Section):
    """``view``: the pages that a validation link leads to; ``language`` is for those who ask for none that we have."""

    session: SessionPages = SessionPages()
    language: LanguageTag | None = None

    def resolved(self) -> View:
        own, old = self.session.on_token_submit, self.session.local.on_token_submit
        pages = replace(own, success=own.success or old.success, failure=own.failure or old.failure)
        return replace(self, session=replace(self.session, on_token_submit=pages))
