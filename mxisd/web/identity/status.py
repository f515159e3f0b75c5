"""``versions``, and the status checks of both generations."""

from __future__ import annotations

from ..endpoint import Call

# v2 is the same in all of these, but for what the newest one takes away and we still serve.
VERSIONS = ["r0.1.0", "r0.2.0", "r0.2.1", "r0.3.0", *(f"v1.{minor}" for minor in range(1, 19))]


async def status(call: Call) -> object:
    """An identity server is here."""
    return {}


async def versions(call: Call) -> object:
    """The versions of the specification that are served."""
    return {"versions": VERSIONS}
