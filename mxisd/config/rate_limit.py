"""``rateLimit``: how often something may be asked for; :mod:`mxisd.limits` keeps to it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from .engine.hosts import Cidr
from .engine.section import Section, Unfit, Value
from .engine.values import duration, within

_MILLISECONDS = re.compile(r"\s*([0-9]{1,10})\s*ms\s*", re.ASCII)
# The milliseconds in which a million of these flow back are a number that Lua holds exactly.
_LONGEST = timedelta(days=100)


def interval(text: str) -> timedelta:
    """A duration that is not 0, in the usual form or in milliseconds."""
    match = _MILLISECONDS.fullmatch(text)
    try:
        found = timedelta(milliseconds=int(match[1])) if match else duration(text)
    except Unfit:
        found = timedelta(0)
    if not timedelta(0) < found <= _LONGEST:
        raise Unfit("a duration such as '5ms', '10s' or '1h 30m', of at most 100d")
    return found


Burst = Annotated[int, Value(within(1, 1_000_000))]
Interval = Annotated[timedelta, Value(interval)]


class Limit(Section):
    """``burst`` at once, and one more every ``per``."""

    burst: Burst
    per: Interval


class MailPerAddress(Limit):
    burst: Burst = 5
    per: Interval = timedelta(minutes=10)


class MailPerClient(Limit):
    burst: Burst = 20
    per: Interval = timedelta(minutes=1)


class MailPerDomain(Limit):
    burst: Burst = 200
    per: Interval = timedelta(seconds=2)


class MailTotal(Limit):
    burst: Burst = 1000
    per: Interval = timedelta(seconds=1)


class SmsPerNumber(Limit):
    burst: Burst = 5
    per: Interval = timedelta(hours=1)


class SmsPerCountry(Limit):
    burst: Burst = 50
    per: Interval = timedelta(minutes=1)


class SmsPerClient(Limit):
    burst: Burst = 10
    per: Interval = timedelta(minutes=10)


class SmsTotal(Limit):
    burst: Burst = 200
    per: Interval = timedelta(seconds=10)


class InvitePerSender(Limit):
    burst: Burst = 30
    per: Interval = timedelta(minutes=1)


class InvitePerAddress(Limit):
    burst: Burst = 10
    per: Interval = timedelta(minutes=10)


class Lookup(Limit):
    """Of addresses, not of requests."""

    burst: Burst = 20_000
    per: Interval = timedelta(milliseconds=5)


class Register(Limit):
    burst: Burst = 30
    per: Interval = timedelta(seconds=2)


class SubmitToken(Limit):
    burst: Burst = 30
    per: Interval = timedelta(minutes=5)


class RateLimit(Section):
    """``rateLimit``: clients in the ``exempt`` networks are not limited by their addresses."""

    enabled: bool = True
    exempt: tuple[Cidr, ...] = ()
    mail_per_address: MailPerAddress = MailPerAddress()
    mail_per_client: MailPerClient = MailPerClient()
    mail_per_domain: MailPerDomain = MailPerDomain()
    mail_total: MailTotal = MailTotal()
    sms_per_number: SmsPerNumber = SmsPerNumber()
    sms_per_country: SmsPerCountry = SmsPerCountry()
    sms_per_client: SmsPerClient = SmsPerClient()
    sms_total: SmsTotal = SmsTotal()
    invite_per_sender: InvitePerSender = InvitePerSender()
    invite_per_address: InvitePerAddress = InvitePerAddress()
    lookup: Lookup = Lookup()
    register: Register = Register()
    submit_token: SubmitToken = SubmitToken()

    def limits(self) -> dict[str, Limit]:
        """By their names; none if they are switched off."""
        values = {name: getattr(self, name) for name in self.__struct_fields__} if self.enabled else {}
        keys = dict(zip(self.__struct_fields__, self.__struct_encode_fields__, strict=True))
        return {keys[name]: value for name, value in values.items() if isinstance(value, Limit)}
