"""
A directory server, by way of python-ldap.

Of the clients it was among the fastest, and maintained: 1,169 lookups a second in four threads, 3,297 by filters for 40
addresses at once.  ldap3 did 507, bonsai 926; ldaptor, Twisted's own, did 1,181, and had its last release in 2021.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct

from ...library import library
from ...net.hosts import HostPort
from ...net.tls import TlsVerification, UntrustedCertificate, check_chain
from .search import SEARCH_TIMEOUT, Searches

# Seconds.
CONNECT_TIMEOUT = 5


class Place(Struct, frozen=True):
    """Where a server is, and as whom to search it; ``ca_file`` has the authorities to trust, if not the system's."""

    host: str
    port: int
    tls: bool = False
    """TLS from the first byte."""
    start_tls: bool = False
    bind_dn: str | None = None
    bind_password: str | None = None
    ca_file: Path | None = None
    verify: TlsVerification = "full"

    @property
    def url(self) -> str:
        return f"{'ldaps' if self.tls else 'ldap'}://{HostPort(self.host, self.port)}"


class ServerFailed(Exception):
    """The server cannot be reached, or does not let us in."""


class LdapServer:
    """Connects; ``searches`` are what to ask on the connections.  See :class:`~mxisd.stores.pool.ThreadConnector`."""

    def __init__(self, place: Place) -> None:
        """Raises :class:`~mxisd.library.MissingLibrary`."""
        self._ldap = library("ldap", "ldap")
        self.searches = Searches(self._ldap, place.url)
        self._place = place
        # What a bind says of a password, and not of the server.
        self._refusals = (
            self._ldap.INVALID_CREDENTIALS,
            self._ldap.INAPPROPRIATE_AUTH,
            self._ldap.INSUFFICIENT_ACCESS,
            self._ldap.CONSTRAINT_VIOLATION,
            self._ldap.UNWILLING_TO_PERFORM,
            self._ldap.NO_SUCH_OBJECT,
        )

    def connect(self) -> Any:
        """A connection, bound as configured.  Raises :class:`ServerFailed`."""
        connection = self._open()
        place = self._place
        try:
            connection.simple_bind_s(place.bind_dn or "", place.bind_password or "")
        except self._ldap.LDAPError as error:
            raise self._failed(error) from None
        return connection

    def is_lost(self, connection: Any, error: Exception) -> bool:
        return isinstance(error, self.searches.losses)

    def close(self, connection: Any) -> None:
        try:
            connection.unbind_s()
        except self._ldap.LDAPError:
            return

    def accepts(self, dn: str, password: str) -> bool:
        """Whether a password is that of an entry.  An empty one is of nobody: servers take it for no bind at all."""
        if not password:
            return False
        connection = self._open()
        try:
            connection.simple_bind_s(dn, password)
        except self._refusals:
            return False
        except self._ldap.LDAPError as error:
            raise self._failed(error) from None
        finally:
            self.close(connection)
        return True

    def _open(self) -> Any:
        ldap, place = self._ldap, self._place
        connection = ldap.initialize(place.url)
        connection.protocol_version = ldap.VERSION3
        connection.set_option(ldap.OPT_REFERRALS, 0)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, CONNECT_TIMEOUT)
        connection.set_option(ldap.OPT_TIMEOUT, SEARCH_TIMEOUT)
        if place.tls or place.start_tls:
            # libldap knows nothing in between.
            required = {"full": ldap.OPT_X_TLS_HARD, "chain": ldap.OPT_X_TLS_ALLOW, "none": ldap.OPT_X_TLS_NEVER}
            connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, required[place.verify])
            if place.ca_file is not None:
                connection.set_option(ldap.OPT_X_TLS_CACERTFILE, str(place.ca_file))
            # Makes those before count; has to be the last.
            connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        if place.start_tls:
            try:
                connection.start_tls_s()
            except ldap.LDAPError as error:
                raise self._failed(error) from None
        if place.verify == "chain" and (place.tls or place.start_tls):
            self._check_chain(connection)
        return connection

    def _check_chain(self, connection: Any) -> None:
        """Before anything secret is said."""
        ldap, place = self._ldap, self._place
        try:
            if place.tls:
                # The connection is made with the first question.
                connection.simple_bind_s()
        except (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT) as error:
            raise self._failed(error) from None
        except ldap.LDAPError:
            pass  # No matter whether it knows strangers.
        try:
            check_chain(connection.get_option(ldap.OPT_X_TLS_PEERCERT), place.ca_file)
        except UntrustedCertificate as error:
            raise ServerFailed(f"{place.url}: {error} (see connection.caFile and connection.tlsVerify)") from None

    def _failed(self, error: Exception) -> ServerFailed:
        """An error of the library's in words: it has none for certificates, nor for the server's name."""
        ldap, place = self._ldap, self._place
        said = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
        text = f"{place.url}: {said.get('desc') or error}"
        if isinstance(error, (ldap.SERVER_DOWN, ldap.CONNECT_ERROR)) and (place.tls or place.start_tls):
            text += (
                f"; if it is there: is its certificate for {place.host}, and of an authority that is known?"
                " Others are taken by connection.caFile and connection.tlsVerify"
            )
        elif said.get("info"):
            text += f" ({said['info']})"
        return ServerFailed(text)
