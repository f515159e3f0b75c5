"""What can go wrong between us and another server."""

from __future__ import annotations


class OutboundError(Exception):
    """
    A request that brought no usable answer; the message names what was reached for, never a query or a secret.

    ``retryable`` tells whether the same request may succeed later without anyone changing a configuration.
    """

    retryable = True
    sent = False
    """Whether the other side may have got a request that has a body, and acted on it."""


class TimedOut(OutboundError):
    """The answer was not complete within the time given."""


class ConnectionFailed(OutboundError):
    """No connection, or a broken one."""


class NameUnknown(OutboundError):
    """DNS says that the host does not exist, or has no address."""

    retryable = False


class AddressRefused(OutboundError):
    """The host has only addresses in networks that strangers may not lead us to."""

    retryable = False


class UrlRefused(OutboundError):
    """Not a URL of http or https; or a redirect to something else than https."""

    retryable = False


class TlsFailed(OutboundError):
    """The certificate is not trusted, or not of this host; that is mended where the certificate is."""


class TooLarge(OutboundError):
    """The answer was larger than any that makes sense, and was cut off."""

    retryable = False


class NotJson(OutboundError):
    """The answer is no JSON, or not of the form expected."""

    retryable = False
