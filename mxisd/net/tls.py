"""Which TLS certificates are accepted."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal, TypeAlias
from weakref import ref

from cryptography.x509 import ExtendedKeyUsage, ExtensionNotFound
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL
from OpenSSL.crypto import (
    FILETYPE_ASN1,
    X509,
    X509Store,
    X509StoreContext,
    X509StoreContextError,
    X509StoreFlags,
    load_certificate,
)
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions, OpenSSLDefaultPaths, VerificationError
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from ..errors import StartError
from .hosts import HostPort

TlsVerification: TypeAlias = Literal["full", "chain", "none"]
"""What a certificate is checked for: its authority and the name of the host, its authority, or nothing."""


class _SystemAndFile(OpenSSLDefaultPaths):
    """The certificate authorities of the system, and those in a PEM file."""

    def __init__(self, ca_file: str | Path) -> None:
        self._ca_file = ca_file

    def _addCACertsToContext(self, context: SSL.Context) -> None:
        OpenSSLDefaultPaths._addCACertsToContext(self, context)
        context.load_verify_locations(self._ca_file)


def _connection_to(host: str, options: CertificateOptions) -> SSL.Connection:
    connection = SSL.Connection(options.getContext(), None)
    # Servers with several certificates choose by it; an address is none of their names (RFC 6066, section 3).
    if not _is_address(host):
        connection.set_tlsext_host_name(host.encode("ascii"))
    return connection


def _is_address(host: str) -> bool:
    return isIPAddress(host) or isIPv6Address(host)


_NOT_A_SERVERS = 26
# Codes of OpenSSL (its x509_vfy.h) that administrators meet.
_UNTRUSTED = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is signed by itself, not by an authority",
    19: "the authority that signed it is not trusted",
    20: "the authority that signed it is not known, or the server does not send the certificates in between",
    _NOT_A_SERVERS: "it is not for servers",
    21: "the server does not send the certificate of the authority that signed it",
}


class UntrustedCertificate(SSL.Error):
    """
    A certificate that no trusted authority vouches for now; the message says why.

    ``is_unknown_authority``: it would be accepted if its authority were among the trusted ones.
    """

    def __init__(self, code: int) -> None:
        cause = _UNTRUSTED.get(code, f"error {code} of OpenSSL")
        # In the form of pyOpenSSL's own errors, for those who look into them.
        super().__init__([("SSL routines", "", f"certificate verify failed: {cause}")])
        self.is_unknown_authority = 18 <= code <= 21

    def __str__(self) -> str:
        return str(self.args[0][0][-1])


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    def __init__(self, host: str) -> None:
        self._host = host

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:  # noqa: N803
        return _connection_to(self._host, CertificateOptions(verify=False))


@implementer(IOpenSSLClientConnectionCreator)
class _Verified:
    """
    Like Twisted's ``optionsForClientTLS``, with a stricter look at the names of the certificate.

    Twisted's own takes a trusted certificate without names, or with one that cannot be read, to be of any host; and it
    connects to no host with an underscore in its name.
    """

    def __init__(self, host: str, root: OpenSSLDefaultPaths, *, names: bool = True) -> None:
        """``names`` is whether the certificate has to be for this host."""
        self._host = host
        self._names = names
        self._options = CertificateOptions(trustRoot=root)

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:  # noqa: N803
        connection = _connection_to(self._host, self._options)
        check_name = self._names
        identity = IPAddress_ID(self._host) if _is_address(self._host) else DNS_ID(self._host)
        # The connection, which keeps the callback, is the protocol's.
        protocol = ref(tlsProtocol)

        def fail(error: Exception) -> bool:
            # What is raised in a callback is lost in OpenSSL.
            if (failing := protocol()) is not None:
                failing.failVerification(Failure(error))
            return False

        def verify(_: SSL.Connection, certificate: X509, error: int, depth: int, trusted: int) -> bool:
            if not trusted:
                return fail(UntrustedCertificate(error))
            if depth or not check_name:
                return True
            try:
                verify_service_identity(extract_patterns(certificate), [identity], [])
            except Exception:
                return fail(VerificationError([]))
            return True

        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, verify)
        return connection


class CaFileError(StartError):
    """The file of certificate authorities cannot be used."""


class Trust:
    """
    The authorities of the system, those in ``ca_file`` besides, and no check at all for the hosts in ``insecure``.

    An entry of ``insecure`` without a port is for all ports of the host.  Raises :class:`CaFileError`.
    """

    def __init__(self, ca_file: str | Path | None = None, insecure: Collection[HostPort] = ()) -> None:
        self._insecure = frozenset(HostPort(host.lower(), port) for host, port in insecure)
        self._root = OpenSSLDefaultPaths() if ca_file is None else _SystemAndFile(ca_file)
        try:
            CertificateOptions(trustRoot=self._root).getContext()
        except SSL.Error as error:
            raise CaFileError(f"{ca_file} holds no certificates in PEM form, or cannot be read") from error

    def connection_to(self, host: str, port: int, verify: TlsVerification = "full") -> IOpenSSLClientConnectionCreator:
        """How to start TLS with a host, given by name or by address without brackets."""
        if verify == "none" or not self._insecure.isdisjoint((HostPort(host.lower()), HostPort(host.lower(), port))):
            return _Unverified(host)
        return _Verified(host, self._root, names=verify == "full")


def check_chain(certificate: bytes, ca_file: str | Path | None) -> None:
    """
    Raise :class:`UntrustedCertificate` unless an authority vouches for a server's certificate (DER), of whatever host.

    The authorities are those in ``ca_file``, else those of the system; any in between have to be among them, too.
    """
    context = SSL.Context(SSL.TLS_METHOD)
    if ca_file is None:
        context.set_default_verify_paths()
    else:
        context.load_verify_locations(ca_file)
    # It has one from the start.
    store, leaf = context.get_cert_store() or X509Store(), load_certificate(FILETYPE_ASN1, certificate)
    store.set_flags(X509StoreFlags.PARTIAL_CHAIN)
    try:
        X509StoreContext(store, leaf).verify_certificate()
    except X509StoreContextError as error:
        raise UntrustedCertificate(error.errors[0]) from None
    try:
        usage = leaf.to_cryptography().extensions.get_extension_for_class(ExtendedKeyUsage)
    except ExtensionNotFound:
        return
    if ExtendedKeyUsageOID.SERVER_AUTH not in usage.value:
        raise UntrustedCertificate(_NOT_A_SERVERS)
