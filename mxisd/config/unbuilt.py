"""What the configuration knows and mxisd does not do yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

NOT_BUILT: tuple[tuple[str, str], ...] = (
    ("internal", "endpoints for the administrator"),
    ("logging.requests", "a log of requests"),
    ("logging.root", "levels of the log of libraries"),
)
"""Keys, sections included, and what is missing.  Who builds it deletes the line here, and documents the keys."""


def unbuilt(given: Iterable[str]) -> Iterator[str]:
    """A warning for each entry of the list that one of the given keys is, or is part of."""
    keys = tuple(given)
    for entry, missing in NOT_BUILT:
        if any(key == entry or key.startswith((f"{entry}.", f"{entry}[")) for key in keys):
            yield f"{entry}: accepted, but without effect: not built yet ({missing})"
