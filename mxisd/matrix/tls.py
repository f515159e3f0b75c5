"""Whom to believe that they are who we asked for."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from OpenSSL import SSL
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions, OpenSSLDefaultPaths, optionsForClientTLS
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer


class _SystemAndFile(OpenSSLDefaultPaths):
    """The certificate authorities of the system, and those in a PEM file."""

    def __init__(self, ca_file: str | Path) -> None:
        self._ca_file = ca_file

    def _addCACertsToContext(self, context: SSL.Context) -> None:
        OpenSSLDefaultPaths._addCACertsToContext(self, context)
        context.load_verify_locations(self._ca_file)


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    def __init__(self, host: str) -> None:
        self._host = host

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:  # noqa: N803
        connection = SSL.Connection(CertificateOptions(verify=False).getContext(), None)
        if not isIPAddress(self._host) and not isIPv6Address(self._host):
            connection.set_tlsext_host_name(self._host.encode("ascii"))
        return connection


class CaFileError(Exception):
    """The file of certificate authorities cannot be used."""


class Trust:
    """
    The authorities of the system, those in ``ca_file`` besides, and no check at all for the hosts in ``insecure``.

    An entry of ``insecure`` is a host, for all its ports, or ``host:port``.  Raises :class:`CaFileError`.
    """

    def __init__(self, ca_file: str | Path | None = None, insecure: Collection[str] = ()) -> None:
        self._insecure = frozenset(entry.lower() for entry in insecure)
        self._root = OpenSSLDefaultPaths() if ca_file is None else _SystemAndFile(ca_file)
        try:
            CertificateOptions(trustRoot=self._root).getContext()
        except SSL.Error as error:
            raise CaFileError(f"{ca_file} holds no certificates in PEM form, or cannot be read") from error

    def connection_to(self, host: str, port: int) -> IOpenSSLClientConnectionCreator:
        """How to start TLS with a host, given by name or by address without brackets."""
        bracketed = f"[{host}]" if ":" in host else host
        if not self._insecure.isdisjoint((bracketed.lower(), f"{bracketed}:{port}".lower())):
            return _Unverified(host)
        return optionsForClientTLS(host, self._root)
