"""The errors of requests to other servers."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.internet.ssl import VerificationError


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


class RequestRefused(OutboundError):
    """The server is there, and answered this request with a status below 500 that is no success."""


def status_error(status: int, message: str) -> OutboundError:
    """The error of an answer whose status is no success."""
    # Too many requests are not one too many of this kind.
    return RequestRefused(message) if status < 500 and status != 429 else OutboundError(message)


def explained(error: Exception, url: str) -> OutboundError:
    """Any failure of Twisted's HTTP client as one of ours; ``url`` is for the message."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, OutboundError):
            return type(cause)(f"cannot reach {url}: {cause}")
    for cause in causes:
        if isinstance(cause, VerificationError):
            return TlsFailed(f"cannot reach {url}: its certificate is for another host")
        if isinstance(cause, SSL.Error):
            return TlsFailed(f"cannot reach {url}: TLS failed: {_openssl(cause)}")
    return ConnectionFailed(f"cannot reach {url}: {causes[-1] or type(causes[-1]).__name__}")


def _causes(error: BaseException) -> list[BaseException]:
    """The exception, or those that it wraps."""
    wrapped = [cause for each in getattr(error, "reasons", []) for cause in _causes(each.value)]
    return wrapped or [error]


def _openssl(error: SSL.Error) -> str:
    details = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return "; ".join(str(detail[-1]) for detail in details) or "the connection was closed"
