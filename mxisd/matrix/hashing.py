"""Hashed lookups (specification: identity service API, "Association lookup", algorithm ``sha256``)."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256

from .threepid import ThreePid


def digest(threepid: ThreePid, pepper: str) -> str:
    """The SHA-256 of ``address medium pepper``, in URL-safe unpadded base64 as it goes over the wire."""
    text = f"{threepid.address} {threepid.medium} {pepper}"
    return urlsafe_b64encode(sha256(text.encode("utf-8", "surrogatepass")).digest()).rstrip(b"=").decode()
