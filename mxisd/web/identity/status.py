"""``versions``, the status checks of both versions of the API, and those of mxisd and ma1sd."""

from __future__ import annotations

from ... import __version__
from ..endpoint import Call

# The newest minor release of the specification.  v2 is the same in all of them, but for what a later one takes away and
# we still serve.
NEWEST = 19
VERSIONS = ["r0.1.0", "r0.2.0", "r0.2.1", "r0.3.0", *(f"v1.{minor}" for minor in range(1, NEWEST + 1))]


async def status(call: Call) -> object:
    """An identity server is here."""
    return {}


async def versions(call: Call) -> object:
    """The versions of the specification that are served."""
    return {"versions": VERSIONS}


async def health(call: Call) -> object:
    """What health checks of the old servers ask."""
    return {"status": {"health": "OK"}}


async def version(call: Call) -> object:
    """Which server this is."""
    return {"server": {"name": "mxisd", "version": __version__}}
