"""What the configuration knows and mxisd does not do yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

NOT_BUILT: tuple[tuple[str, str], ...] = (
    ("forward", "asking other identity servers"),
    ("hashing.enabled", "switching hashed lookups off"),
    ("hashing.rotationPolicy", "new peppers from time to time"),
    ("hashing.hashStorageType", "hashes elsewhere than in the storage"),
    ("hashing.delay", "new peppers from time to time"),
    ("hashing.requests", "new peppers from time to time"),
    ("hashing.algorithms", "a choice of algorithms"),
    ("hashing.refresh", "hashes of identity stores"),
    ("hashing.rotation", "new peppers from time to time"),
    ("internal", "endpoints for the administrator"),
    ("logging", "levels of the log"),
    ("lookup", "asking other identity servers"),
)
"""Keys, sections included, and what is missing.  Who builds it deletes the line here, and documents the keys."""


def unbuilt(given: Iterable[str]) -> Iterator[str]:
    """A warning for each entry of the list that one of the given keys is, or is part of."""
    keys = tuple(given)
    for entry, missing in NOT_BUILT:
        if any(key == entry or key.startswith((f"{entry}.", f"{entry}[")) for key in keys):
            yield f"{entry}: accepted, but without effect: not built yet ({missing})"
