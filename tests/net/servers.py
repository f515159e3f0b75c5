"""Servers on loopback whose every byte is the test's, and certificates for them."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.internet import ssl
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import Site


class Authority:
    """A certificate authority, its own certificate in the file ``path``."""

    def __init__(self, path: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._sign("authority", self._key, x509.BasicConstraints(ca=True, path_length=0))
        self.path = str(path)
        path.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, *hosts: str, days: int = 1) -> ssl.CertificateOptions:
        """What a server for these names and addresses listens with; a negative number of days has it expired."""
        options: ssl.CertificateOptions = ssl.PrivateCertificate.loadPEM(self.pem(*hosts, days=days)).options()
        return options

    def pem(self, *hosts: str, days: int = 1) -> bytes:
        """The same as text: the certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        certificate = self._sign("server", key, names, days)
        return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def _sign(
        self, name: str, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType, days: int = 1
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name("authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=10))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


class Server:
    """Listens at a free port of ``interface``; ``connections`` counts all that ever came."""

    def __init__(
        self, reactor: Any, factory: Any, tls: ssl.CertificateOptions | None = None, interface: str = "127.0.0.1"
    ) -> None:
        self.connections = 0
        self._open: set[Any] = set()
        self._emptied: Deferred[None] | None = None
        if tls is not None:
            factory = TLSMemoryBIOFactory(tls, False, factory)
        counting: Any = WrappingFactory(factory)
        counting.noisy = False
        counting.protocol = lambda factory, wrapped: _Counted(factory, wrapped, self)
        self._port = reactor.listenTCP(0, counting, interface=interface)
        self.port: int = self._port.getHost().port

    async def stop(self) -> None:
        """Stop listening, and wait until all connections are gone."""
        await maybeDeferred(self._port.stopListening)
        if self._open:
            self._emptied = Deferred()
            for each in list(self._open):
                each.abortConnection()
            await self._emptied

    def hang_up(self) -> None:
        """Close all connections, as servers do after a while without requests."""
        for each in list(self._open):
            # Over TLS the protocol below says good-bye first.
            getattr(each.wrappedProtocol, "loseConnection", each.loseConnection)()

    def made(self, connection: Any) -> None:
        self.connections += 1
        self._open.add(connection)

    def lost(self, connection: Any) -> None:
        self._open.remove(connection)
        if not self._open and self._emptied is not None:
            self._emptied.callback(None)


class _Counted(ProtocolWrapper):
    def __init__(self, factory: Any, wrapped: Any, server: Server) -> None:
        ProtocolWrapper.__init__(self, factory, wrapped)
        self._server = server

    def makeConnection(self, transport: Any) -> None:
        self._server.made(self)
        ProtocolWrapper.makeConnection(self, transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        ProtocolWrapper.connectionLost(self, reason)
        self._server.lost(self)


class Script(Factory):
    """Sends ``answer`` for each request that it has got up to ``until``; then closes if told to."""

    noisy = False

    def __init__(self, answer: bytes = b"", *, close: bool = False, until: bytes = b"\r\n\r\n") -> None:
        self.answer = answer
        self.close = close
        self.until = until
        self.requests: list[bytes] = []
        self.asked: Deferred[None] = Deferred()
        self.hung_up: Deferred[None] = Deferred()

    def buildProtocol(self, addr: object) -> Protocol:
        return _Scripted(self)


class _Scripted(Protocol):
    def __init__(self, script: Script) -> None:
        self._script = script
        self._received = b""

    def dataReceived(self, data: bytes) -> None:
        script, transport = self._script, self.transport
        self._received += data
        if script.until not in self._received:
            return
        assert transport is not None
        script.requests.append(self._received)
        self._received = b""
        transport.write(script.answer)
        if script.close:
            transport.loseConnection()
        if not script.asked.called:
            script.asked.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self._script.hung_up.called:
            self._script.hung_up.callback(None)


def site(answer: Callable[[Any], bytes]) -> Site:
    """An HTTP server that answers any request with what ``answer`` makes of it."""

    class Root(Resource):
        isLeaf = True

        def render(self, request: Any) -> bytes:
            return answer(request)

    made = Site(Root())
    made.noisy = False
    return made
