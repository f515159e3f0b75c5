"""``invite``: the life of a 3PID invite, and who may invite whom."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Literal

from msgspec.structs import replace

from .engine.section import Finding, Secret, Section, Value
from .engine.values import Days, Duration, LanguageTag, Minutes, Positive, UserId, within


class Expiration(Section):
    enabled: bool = True
    after: Minutes = timedelta(days=7)
    resolve_to: UserId = ""

    def unused(self) -> Iterable[str]:
        return () if self.enabled else ("",)


class Resolution(Section):
    recursive: bool = True
    timer: Annotated[int, Value(within(1, 1_000_000_000))] = 1
    period: Literal["minutes", "seconds"] = "minutes"

    @property
    def interval(self) -> timedelta:
        """The time between lookups of pending invites."""
        return self.timer * (timedelta(minutes=1) if self.period == "minutes" else timedelta(seconds=1))

    def cautions(self) -> Iterable[Finding]:
        if not self.recursive:
            yield Finding("recursive", "only identity stores are asked for the addresses of pending invites")


class Delivery(Section):
    """``concurrency`` is for each homeserver."""

    give_up_after: Duration = timedelta(days=7)
    concurrency: Positive = 4


class History(Section):
    days: Days = timedelta(days=90)


class Reminder(Section):
    """``before`` the invite expires."""

    before: Minutes | None = None


class IfSender(Section):
    """``has_role``: who has none of these may not invite; if it is empty nobody may, if it is unset everybody."""

    has_role: tuple[str, ...] | None = None

    def cautions(self) -> Iterable[Finding]:
        if self.has_role == ():
            yield Finding("hasRole", "empty: nobody may invite an address")


class Rule(Section):
    """What to do with an invite of which all conditions hold; a condition is a list of patterns, one of which fits."""

    action: Literal["allow", "deny"]
    sender: tuple[str, ...] = ()
    server: tuple[str, ...] = ()
    role: tuple[str, ...] = ()
    room: tuple[str, ...] = ()
    medium: tuple[str, ...] = ()
    address: tuple[str, ...] = ()


class Policy(Section):
    """``token`` is for those who ask what the policy says; without one nobody may."""

    if_sender: IfSender = IfSender()
    rules: tuple[Rule, ...] = ()
    token: Secret | None = None

    @property
    def judges(self) -> bool:
        """Whether any invite could be refused."""
        return self.if_sender.has_role is not None or bool(self.rules)


class Invite(Section):
    """``language`` is that of messages about invites, whose readers nobody knows yet."""

    expiration: Expiration = Expiration()
    resolution: Resolution = Resolution()
    delivery: Delivery = Delivery()
    history: History = History()
    reminder: Reminder = Reminder()
    policy: Policy = Policy()
    full_display_name: bool = False
    language: LanguageTag | None = None

    def mistakes(self) -> Iterable[Finding]:
        before = self.reminder.before
        if before is not None and before >= self.expiration.after:
            after, found = (duration // timedelta(minutes=1) for duration in (self.expiration.after, before))
            yield Finding("reminder.before", f"expected less than invite.expiration.after ({after}), found {found}")

    def cautions(self) -> Iterable[Finding]:
        if self.reminder.before is not None and not self.expiration.enabled:
            yield Finding("reminder.before", "nobody is reminded, since invites do not expire")

    @property
    def remind_after(self) -> timedelta | None:
        """The time from an invite to its reminder; ``None`` if there is none."""
        if self.reminder.before is None or not self.expiration.enabled:
            return None
        return self.expiration.after - self.reminder.before

    def resolved(self, expiry_user: str) -> Invite:
        resolve_to = self.expiration.resolve_to or expiry_user
        return replace(self, expiration=replace(self.expiration, resolve_to=resolve_to))
