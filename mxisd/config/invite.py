"""``invite``: the life of a 3PID invite, and who may invite whom."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec.structs import replace

from .engine.section import Finding, Secret, Section
from .engine.values import Duration, Positive, UserId


class Expiration(Section):
    """``after`` is in minutes."""

    enabled: bool = True
    after: Positive = 10080
    resolve_to: UserId = ""


class Resolution(Section):
    recursive: bool = True
    timer: Positive = 1
    period: Literal["minutes", "seconds"] = "minutes"

    @property
    def interval(self) -> int:
        """Seconds."""
        return self.timer * (60 if self.period == "minutes" else 1)

    def cautions(self) -> Iterable[Finding]:
        if not self.recursive:
            yield Finding("recursive", "only identity stores are asked for the addresses of pending invites")


class Delivery(Section):
    """``give_up_after`` is in seconds, ``concurrency`` for each homeserver."""

    give_up_after: Duration = 7 * 24 * 3600
    concurrency: Positive = 4


class History(Section):
    days: Positive = 90


class Reminder(Section):
    """``before`` is in minutes."""

    before: Positive | None = None


class IfSender(Section):
    has_role: tuple[str, ...] = ()


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


class Invite(Section):
    expiration: Expiration = Expiration()
    resolution: Resolution = Resolution()
    delivery: Delivery = Delivery()
    history: History = History()
    reminder: Reminder = Reminder()
    policy: Policy = Policy()
    full_display_name: bool = False

    def mistakes(self) -> Iterable[Finding]:
        before = self.reminder.before
        if before is not None and before >= self.expiration.after:
            yield Finding(
                "reminder.before",
                f"expected less than invite.expiration.after ({self.expiration.after}), found {before}",
            )

    def cautions(self) -> Iterable[Finding]:
        if self.reminder.before is not None and not self.expiration.enabled:
            yield Finding("reminder.before", "nobody is reminded, since invites do not expire")

    @property
    def remind_after(self) -> int | None:
        """Minutes from an invite to its reminder."""
        if self.reminder.before is None or not self.expiration.enabled:
            return None
        return self.expiration.after - self.reminder.before

    def resolved(self, expiry_user: str) -> Invite:
        resolve_to = self.expiration.resolve_to or expiry_user
        return replace(self, expiration=replace(self.expiration, resolve_to=resolve_to))
