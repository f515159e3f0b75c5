"""Who may invite which address where: ``invite.policy`` of the configuration."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from ..config.invite import Policy, Rule
from ..log import Logger
from ..matrix.error import MatrixError
from ..matrix.threepid import ThreePid, a_labels, folded, spellings, u_labels
from ..patterns import glob
from ..stores.store import Roles
from ..stores.stores import StoreFailed

log = Logger()


class Attempt(Struct, frozen=True):
    """An invite that someone is about to send."""

    sender: str
    room_id: str | None
    """``None`` for a room that is yet to be created."""
    threepid: ThreePid | None
    """In the form in which addresses are compared; ``None`` where a client keeps it to itself."""


class Decision(Struct, frozen=True):
    """Whether an invite may be sent, and how that came out, a line a step."""

    allowed: bool
    steps: tuple[str, ...]


class InvitePolicy:
    """
    The condition on every sender, ``ifSender``, and the rules, of which the first that applies decides.

    Where no rule applies the invite is allowed.
    """

    def __init__(self, policy: Policy, profiles: Roles) -> None:
        self._required = policy.if_sender.has_role
        self._rules = [_Rule(number, rule) for number, rule in enumerate(policy.rules, start=1)]
        self._profiles = profiles
        self._asks_for_roles = bool(self._required) or any(rule.role for rule in policy.rules)

    async def require(self, *attempts: Attempt) -> None:
        """
        Let invites by one sender pass.

        Raises :class:`MatrixError` if one of them may not be sent, ``M_FORBIDDEN``, or if that cannot be told, 503.
        """
        sender = attempts[0].sender
        try:
            roles = await self._roles(sender)
        except StoreFailed as error:
            log.error("an invite by {sender} was not judged: {error}", sender=sender, error=error)
            raise MatrixError(503, "M_UNKNOWN", "Your roles cannot be told at the moment; please try again") from None
        for attempt in attempts:
            decision = self._judge(attempt, roles)
            if not decision.allowed:
                log.info("{sender} may not invite: {reason}", sender=sender, reason=decision.steps[-1])
                raise MatrixError(403, "M_FORBIDDEN", "Your account may not send this invite")

    async def decide(self, attempt: Attempt) -> Decision:
        """Judge an invite.  Raises :class:`StoreFailed` if the sender's roles matter and cannot be told."""
        return self._judge(attempt, await self._roles(attempt.sender))

    async def _roles(self, sender: str) -> frozenset[str]:
        return frozenset(await self._profiles.roles(sender)) if self._asks_for_roles else frozenset()

    def _judge(self, attempt: Attempt, roles: frozenset[str]) -> Decision:
        steps: list[str] = []
        if self._asks_for_roles:
            steps.append(f"the sender's roles: {_list(sorted(roles))}")
        if self._required is not None:
            if roles.isdisjoint(self._required):
                why = f"the sender has none of {_list(self._required)}" if self._required else "the list is empty"
                steps.append(f"ifSender.hasRole: refused, since {why}")
                return Decision(False, tuple(steps))
            steps.append(f"ifSender.hasRole: the sender has one of {_list(self._required)}")
        facts = _facts(attempt, roles)
        for rule in self._rules:
            applies, step = rule.judge(facts)
            steps.append(step)
            if applies:
                return Decision(rule.allows, tuple(steps))
        steps.append("no rule applies: allowed" if self._rules else "there are no rules: allowed")
        return Decision(True, tuple(steps))


# What is known of an invite, by the names of conditions; None where that is nothing.
_Facts = Mapping[str, Collection[str] | None]


def _facts(attempt: Attempt, roles: frozenset[str]) -> _Facts:
    threepid = attempt.threepid
    return {
        "sender": [attempt.sender],
        "server": [attempt.sender.partition(":")[2].lower()],
        "role": roles,
        "room": [attempt.room_id or ""],
        "medium": [threepid.medium] if threepid is not None else None,
        "address": [each.address for each in spellings(threepid)] if threepid is not None else None,
    }


class _Rule:
    """One rule, ready to be applied."""

    def __init__(self, number: int, rule: Rule) -> None:
        self.allows = rule.action == "allow"
        self._name = f"rule {number} ({rule.action})"
        conditions = [
            _Condition("sender", rule.sender),
            _Condition("server", map(str.lower, rule.server)),
            _Condition("role", rule.role),
            _Condition("room", rule.room),
            _Condition("medium", rule.medium),
            _Condition("address", (form for pattern in rule.address for form in _spelled(pattern))),
        ]
        self._conditions = [condition for condition in conditions if condition.patterns]

    def judge(self, facts: _Facts) -> tuple[bool, str]:
        """Whether the rule applies, and a line that says why."""
        for condition in self._conditions:
            met = condition.met(facts)
            # What is kept from us must not help: it meets the conditions of denials, and none of permissions.
            if not (not self.allows if met is None else met):
                why = "is not known" if met is None else f"matches none of {_list(condition.patterns)}"
                return False, f"{self._name}: does not apply, since the {condition.name} {why}"
        return True, f"{self._name}: applies"


class _Condition:
    """A thing about an invite that has to match one of the patterns."""

    def __init__(self, name: str, patterns: Iterable[str]) -> None:
        self.name = name
        self.patterns = tuple(patterns)
        self._tests = [glob(pattern) for pattern in self.patterns]

    def met(self, facts: _Facts) -> bool | None:
        """``None`` when it cannot be known."""
        values = facts[self.name]
        return None if values is None else any(test(value) for test in self._tests for value in values)


_PHONE = re.compile(r"\+[0-9*]+")


def _spelled(pattern: str) -> Iterable[str]:
    """
    The forms of a pattern that are to be compared with addresses.

    Phone numbers are without their plus; email addresses are in folded case, and their domains in A-labels or U-labels.
    """
    if _PHONE.fullmatch(pattern):
        return [pattern[1:]]
    local, at, domain = pattern.rpartition("@")
    if not at and not pattern.startswith("*"):
        # It begins as a local part does.
        return [folded(pattern)]
    # What has an asterisk in it is no whole label.
    labels = [label.lower() if "*" in label else a_labels(label) for label in domain.split(".")]
    forms = (".".join(labels), ".".join(map(u_labels, labels)))
    return dict.fromkeys(f"{folded(local)}{at}{form}" for form in forms)


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
