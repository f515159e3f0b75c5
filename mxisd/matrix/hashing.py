"""Hashed lookups (specification: identity service API, "Association lookup", algorithm ``sha256``)."""

from __future__ import annotations

import hashlib

from .threepid import ThreePid


def digest(threepid: ThreePid, pepper: str) -> bytes:
    """The SHA-256 of ``address medium pepper``."""
    return hashlib.sha256(f"{threepid.address} {threepid.medium} {pepper}".encode("utf-8", "surrogatepass")).digest()
