"""``account``: who may have an account of the v2 API."""

from __future__ import annotations

from .engine.section import Section


class Account(Section):
    """``allow_only_trust_domains``: only users of ``matrix.domain``."""

    allow_only_trust_domains: bool = True
