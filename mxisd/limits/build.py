"""Puts the rate limits together."""

from __future__ import annotations

from ..core import Core
from .limits import RateLimits


def build(core: Core) -> RateLimits:
    """Those of the configuration, kept in the storage, so that all processes share them."""
    settings = core.config.rate_limit
    return RateLimits(settings.limits(), core.storage.buckets, core.reactor, settings.exempt, core.config.matrix.domain)
