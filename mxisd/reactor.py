"""The reactor, as one interface: what mxisd uses of it."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.interfaces import (
    IReactorCore,
    IReactorFDSet,
    IReactorPluggableNameResolver,
    IReactorProcess,
    IReactorSocket,
    IReactorTCP,
    IReactorThreads,
    IReactorTime,
    IReactorUNIX,
)

from .clock import SteadyClock


class IReactor(
    IReactorCore,
    IReactorTime,
    IReactorTCP,
    IReactorUNIX,
    IReactorSocket,
    IReactorFDSet,
    IReactorThreads,
    IReactorProcess,
    IReactorPluggableNameResolver,
):
    """A reactor of a POSIX system.  Where time is all that is needed, ``IReactorTime`` says so."""


def installed_reactor() -> IReactor:
    """
    The reactor of this process; it is installed if there is none yet, so that this is not called on import.

    Its time is that of a :class:`~mxisd.clock.SteadyClock`.
    """
    from twisted.internet import reactor

    installed = cast("Any", reactor)
    if not isinstance(installed.seconds, SteadyClock):
        installed.seconds = SteadyClock()
    return cast("IReactor", reactor)
