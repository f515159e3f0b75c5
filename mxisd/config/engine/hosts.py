"""The kinds of values that say where something is in the network: hosts, URLs, networks and endpoints."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

from twisted.internet.endpoints import serverFromString

from ...masking import masked, masked_url
from ...net.hosts import BadHost, HostPort, host_port
from ...net.networks import Network
from .section import Secret, Told, Unfit, Value
from .values import within

SERVER_NAME = "%SERVER_NAME%"
"""What stands for ``server.name`` in ``server.publicUrl``."""


def host_pattern(text: str) -> str:
    """In lower case: a host, ``.example.org`` for those below it, ``*`` for any."""
    if text == "*":
        return text
    try:
        name = str(HostPort(host(re.sub(r"^\*?\.", "", text).removesuffix(".")))).lower()
    except Unfit:
        raise Unfit("a host such as app.example.org, '*.example.org' for those below it, or '*' for any") from None
    return f".{name}" if text.startswith((".", "*.")) else name


def url(text: str) -> str:
    if not _is_http(text):
        raise Unfit("a URL such as https://example.org/path", masked_url(text))
    return text


def secret_url(text: str) -> Secret:
    """A URL with a key in its path or query."""
    return Secret(url(text))


def base_url(text: str) -> str:
    """A URL to put paths behind: it comes without a slash at its end."""
    if not _is_http(text) or "?" in text or "#" in text:
        raise Unfit("the base of URLs, such as https://example.org", masked_url(text))
    return text.rstrip("/")


def identity_server(text: str) -> Any:
    """The base of its URLs, or nothing: mxisd could not ask at one that is none, and nobody is told what nobody was."""
    try:
        return base_url(text)
    except Unfit as unfit:
        return Told("", f"it is not asked, as in mxisd: expected {unfit}, found {unfit.found or masked(text)!r}")


def public_url(text: str) -> Any:
    """The same, in which ``%SERVER_NAME%`` stands for ``server.name``; mxisd did not mind if the scheme was missing."""
    url = text.rstrip("/") if "://" in text else f"https://{text.rstrip('/')}"
    try:
        base_url(url.replace(SERVER_NAME, "localhost"))
    except Unfit as unfit:
        raise Unfit(str(unfit), masked_url(text)) from None
    return url if "://" in text else Told(url, f"read as {url}")


def _with_scheme(scheme: str, text: str) -> str:
    """A base URL, whose scheme may be missing."""
    try:
        return base_url(text if "://" in text else f"{scheme}://{text}")
    except Unfit as unfit:
        raise Unfit(str(unfit), masked_url(text)) from None


def overwrite(text: str) -> Any:
    """Where a homeserver is reached by server name; mxisd did not read it if the scheme was missing."""
    url = _with_scheme("https", text)
    return url if "://" in text else Told(url, f"read as {url}: mxisd had no use for it without a scheme")


def client_overwrite(text: str) -> Any:
    """The same by the name that clients use; of a URL mxisd took the host and the port."""
    url = _with_scheme("http", text)
    parts = urlsplit(url)
    host = f"{parts.scheme}://{parts.netloc}"
    if "://" not in text:
        return Told(host, f"read as {host}: mxisd failed at it without a scheme")
    return url if host == url else Told(host, f"read as {host}: mxisd took no path from it either")


def terms_url(text: str) -> Any:
    """A URL that clients show; ma1sd passed on whatever it was."""
    if _is_http(text):
        return text
    # Nothing with a scheme of its own: clients follow it.
    if not re.fullmatch(r"[!-~]+", text) or ":" in re.split("[/?#]", text, maxsplit=1)[0] or text.startswith("//"):
        raise Unfit("a URL such as https://example.org/path", masked_url(text))
    return Told(text, "has no scheme and no host: it depends on the client where it leads; write https://…")


def _is_http(text: str) -> bool:
    try:
        parts = urlsplit(text)
        host_port(parts.netloc)
    except ValueError:
        return False
    is_plain = text.isascii() and text.isprintable() and " " not in text
    return parts.scheme in {"http", "https"} and is_plain


def redis_url(text: str) -> Secret:
    try:
        parts = urlsplit(text)
        if parts.scheme == "unix":
            fits, database = bool(parts.path), parse_qs(parts.query).get("db", [""])[0]
        else:
            fits, database = parts.scheme in {"redis", "rediss"}, parts.path.strip("/")
            host_port(parts.netloc.rpartition("@")[2])
        fits = fits and re.fullmatch(r"[0-9]{0,5}", database) is not None
    except ValueError:
        fits = False
    if not fits:
        raise Unfit("a URL such as redis://localhost:6379/0, rediss://… or unix:/path")
    return Secret(text)


def network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise Unfit(f"a network such as 10.0.0.0/8 or ::1/128 ({masked(str(error))})") from None


def network_around(text: str) -> Any:
    """A network, or an address in it with the length of its prefix, as mxisd took it."""
    try:
        found = ip_network(text, strict=False)
    except ValueError:
        return network(text)
    return found if str(found) == text or "/" not in text else Told(found, f"{text} is read as {found}")


def name_server(text: str) -> tuple[str, int]:
    try:
        host, port = host_port(text)
        return str(ip_address(host)), port or 53
    except ValueError:
        raise Unfit("the address of a name server, such as 127.0.0.1:53 or [::1]:53") from None


def host(text: str) -> str:
    """A host whose port has a key of its own; what comes is without brackets, and in ASCII."""
    expected = "the name or the address of a host"
    if "://" in text:
        raise Unfit(f"{expected} without {text.partition('://')[0]}:// in front")
    try:
        found = host_port(text)
    except BadHost:
        raise Unfit(expected) from None
    if found.port is not None:
        raise Unfit(f"{expected} alone: the port goes to the key 'port' beside it")
    return found.host


def host_and_port(text: str) -> HostPort:
    try:
        return host_port(text)
    except BadHost as error:
        raise Unfit(f"a host such as example.org, or host:port ({error})") from None


def endpoint(text: str) -> str:
    """A Twisted endpoint, as far as one can judge without a reactor."""
    no_reactor: Any = None
    try:
        serverFromString(no_reactor, text)
    except AttributeError:
        return text  # One from a plugin, that wants a reactor: to be judged at start.
    except Exception as error:
        # Of any kind: it is OpenSSL's own for a certificate, and who knows what plugins raise.
        # What systemd hands over is there only when systemd starts us.
        if not (isinstance(error, LookupError) and text.startswith("systemd:")):
            example = "tcp:8090:interface=127.0.0.1 or unix:/run/mxisd.sock"
            raise Unfit(f"a Twisted endpoint such as {example} ({masked(str(error))})") from None
    return text


def listening_host(text: str) -> str:
    """An address or a name to listen on, or the path of a socket."""
    if text.startswith("/"):
        return text
    try:
        return host(text)
    except Unfit:
        raise Unfit("an address such as 127.0.0.1 or ::1, or the path of a socket") from None


Port = Annotated[int, Value(within(1, 65535, "a port"))]
Host = Annotated[str, Value(host)]
"""The name or the address of a host: no port, which has a key of its own, and no scheme."""
HostAndPort = Annotated[HostPort, Value(host_and_port)]
"""A host, with a port or without."""
ListeningHost = Annotated[str, Value(listening_host)]
HostPattern = Annotated[str, Value(host_pattern)]
Url = Annotated[str, Value(url)]
BaseUrl = Annotated[str, Value(base_url)]
IdentityServer = Annotated[str, Value(identity_server)]
PublicUrl = Annotated[str, Value(public_url)]
TermsUrl = Annotated[str, Value(terms_url)]
SecretUrl = Annotated[Secret, Value(secret_url)]
RedisUrl = Annotated[Secret, Value(redis_url)]
Cidr = Annotated[Network, Value(network)]
CidrAround = Annotated[Network, Value(network_around)]
"""A network; bits of a host in it are of no matter."""
NameServer = Annotated[tuple[str, int], Value(name_server)]
Endpoint = Annotated[str, Value(endpoint)]
