"""Requests signed by homeservers (specification: server-server API, "Request Authentication")."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple, Protocol

from .error import MatrixError
from .ids import InvalidIdentifier, split_server_name
from .signing import normal_base64, verify

_TCHAR = r"!#$%&'*+.^_`|~0-9A-Za-z-"
_CONTROL = r"\x00-\x08\x0a-\x1f\x7f"
_SCHEME = re.compile(r"X-Matrix +", re.IGNORECASE)
# The value is a quoted string, or a token; in that, older servers have colons too.
_PARAMETER = re.compile(
    rf"""[ \t,]*([{_TCHAR}]+)[ \t]*=[ \t]*"""
    rf"""(?:"((?:[^"\\{_CONTROL}]|\\[^{_CONTROL}])*)"|([:{_TCHAR}]+))[ \t]*(?=,|\Z)"""
)
_ESCAPED = re.compile(r"\\(.)")
_SIGNATURE_DIGITS = 86  # of 64 bytes


def unverified(server_name: str) -> MatrixError:
    """
    The one answer to a signature that is not known to be good.

    It does not say why: whether a server answers, refuses, or is in a private network is not for strangers to learn.
    """
    return MatrixError(403, "M_FORBIDDEN", f"The signature of {server_name} cannot be verified")


class VerifyKeys(Protocol):
    """What is wanted from :class:`~mxisd.matrix.federation.FederationClient`."""

    async def verify_keys(self, server_name: str, key_id: str) -> str: ...


class XMatrix(NamedTuple):
    """The parameters of the header; ``signature`` is unpadded base64."""

    origin: str
    destination: str | None
    key_id: str
    signature: str


def parse(header: str) -> XMatrix:
    """Read the value of an ``Authorization`` header.  Raises :class:`MatrixError` with 401 if it is ill-formed."""
    scheme = _SCHEME.match(header)
    if scheme is None:
        raise _malformed("the scheme is not X-Matrix")
    parameters: dict[str, str] = {}
    for name, value in _parameters(header, scheme.end()):
        if name in parameters:
            raise _malformed(f"{name} is given twice")
        parameters[name] = value
    # The specification's list of parameters calls it "signature", its example and all servers "sig".
    parameters.setdefault("sig", parameters.get("signature", ""))
    missing = [name for name in ("origin", "key", "sig") if not parameters.get(name)]
    if missing:
        raise _malformed(f"{', '.join(missing)} missing")
    try:
        split_server_name(parameters["origin"])
        signature = normal_base64(parameters["sig"])
    except (InvalidIdentifier, ValueError) as error:
        raise _malformed(str(error)) from None
    if not parameters["key"].startswith("ed25519:") or len(signature) != _SIGNATURE_DIGITS:
        raise _malformed("it is no ed25519 signature")
    return XMatrix(parameters["origin"], parameters.get("destination"), parameters["key"], signature)


async def authenticate(
    keys: VerifyKeys, header: str, method: str, uri: str, content: object, origin: str, our_names: Collection[str]
) -> None:
    """
    Check that the homeserver ``origin`` signed a request to us.

    ``uri`` is the path with the query, as it was on the wire, ``content`` the parsed body or ``None`` without one, and
    ``our_names`` are the names by which clients know us.  The destination may be signed as ``destination``, as
    ``destination_is``, which Synapse does for identity servers, or not at all.  Raises :class:`MatrixError`: 401 for an
    ill-formed header or another destination, 403 for a signature that is wrong or cannot be checked.
    """
    claim = parse(header)
    ours = {name.lower() for name in our_names}
    if claim.destination is not None and claim.destination.lower() not in ours:
        raise MatrixError(401, "M_UNAUTHORIZED", "The request is signed for another server")
    # Before anything is asked of a server that only the request names.
    if claim.origin != origin:
        raise MatrixError(403, "M_FORBIDDEN", f"The request is not signed by {origin}")
    public_key = await keys.verify_keys(claim.origin, claim.key_id)
    signed: dict[str, object] = {
        "method": method,
        "uri": uri,
        "origin": claim.origin,
        "signatures": {claim.origin: {claim.key_id: claim.signature}},
    }
    if content is not None:
        signed["content"] = content
    names = our_names if claim.destination is None else [claim.destination]
    for destination in _destinations(names):
        if verify({**signed, **destination}, claim.origin, claim.key_id, public_key):
            return
    raise unverified(claim.origin)


def _destinations(names: Collection[str]) -> Iterator[dict[str, str]]:
    for name in names:
        yield {"destination_is": name}
        yield {"destination": name}
    yield {}


def _parameters(header: str, position: int) -> Iterator[tuple[str, str]]:
    """The parameters (RFC 9110, section 11.4), names in lower case and values unescaped."""
    while header[position:].strip(" \t,"):
        parameter = _PARAMETER.match(header, position)
        if parameter is None:
            raise _malformed(f"no parameter at {header[position : position + 20]!r}")
        name, quoted, token = parameter.groups()
        yield name.lower(), token if quoted is None else _ESCAPED.sub(r"\1", quoted)
        position = parameter.end()


def _malformed(problem: str) -> MatrixError:
    return MatrixError(401, "M_UNAUTHORIZED", f"The Authorization header is ill-formed: {problem}")
