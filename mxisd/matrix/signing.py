"""Signed JSON (specification: appendices, "Signing JSON"), and the ed25519 keys to sign with."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from signedjson.key import (
    decode_signing_key_base64,
    decode_verify_key_bytes,
    encode_verify_key_base64,
    get_verify_key,
)
from signedjson.sign import SignatureVerifyException, sign_json, verify_signed_json
from signedjson.types import SigningKey
from unpaddedbase64 import encode_base64

_ALPHABETS = str.maketrans("-_ ", "+/+")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+")
# The integers that every JSON implementation holds exactly (appendices, "Canonical JSON").
_MAX_INTEGER = 2**53 - 1
_MAX_DEPTH = 100

KEY_BYTES = 32


@dataclass(frozen=True)
class Signer:
    """Signs as our server.  The first key signs; the others are published, so that old signatures stay good."""

    server_name: str
    keys: Sequence[SigningKey]

    @cached_property
    def key_id(self) -> str:
        """The ID of the key that signs, ``ed25519:…``."""
        return id_of(self.keys[0])

    @cached_property
    def _public_keys(self) -> dict[str, str]:
        return {id_of(key): encode_verify_key_base64(get_verify_key(key)) for key in self.keys}

    def public_key(self, key_id: str) -> str | None:
        """A public key in unpadded standard base64; ``None`` for an ID that is not ours."""
        return self._public_keys.get(key_id)

    def knows(self, public_key: str) -> bool:
        """Whether a public key, in any spelling of base64, is ours."""
        try:
            return normal_base64(public_key) in self._public_keys.values()
        except ValueError:
            return False

    def sign(self, content: Mapping[str, object], key_id: str | None = None) -> dict[str, object]:
        """
        The object with our signature added, by the key of this ID if there is one and it is still ours.

        Raises :class:`ValueError` for what canonical JSON cannot hold.
        """
        named = [key for key in self.keys if id_of(key) == key_id] if key_id else []
        return _signed(content, self.server_name, (named or self.keys)[0])


def ephemeral_key(random: Callable[[int], bytes]) -> tuple[str, str]:
    """Make a key pair from ``random(32)``: the private and the public key in unpadded base64."""
    private = encode_base64(random(KEY_BYTES))
    return private, public_key_of(private)


def sign_with_private(private_key: str, server_name: str, content: Mapping[str, object]) -> dict[str, object]:
    """
    Sign with a key that a client brings along, as ``ed25519:0`` of ``server_name``.

    Raises :class:`ValueError` for what is not the base64 of 32 bytes, and for what canonical JSON cannot hold.
    """
    return _signed(content, server_name, private_key_of(private_key, "0"))


def private_key_of(text: str, version: str) -> SigningKey:
    """
    A private key from its 32 bytes in any spelling of base64, with a version that makes its ID.

    Raises :class:`ValueError`, without the key in it.
    """
    key = normal_base64(text)
    if len(b64decode(key + "==")) != KEY_BYTES:
        raise ValueError(f"a private ed25519 key has {KEY_BYTES} bytes")
    return decode_signing_key_base64("ed25519", version, key)


def public_key_of(private_key: str) -> str:
    """The public half of a private key in any spelling of base64.  Raises :class:`ValueError`."""
    return encode_verify_key_base64(get_verify_key(private_key_of(private_key, "0")))


def normal_base64(text: str) -> str:
    """
    Bring any spelling of base64 to the standard alphabet without padding.

    Taken are the URL-safe alphabet, padding, and spaces where a query parser ate a ``+``.  Raises :class:`ValueError`.
    """
    digits = text.rstrip("=").translate(_ALPHABETS)
    if not _BASE64.fullmatch(digits) or len(digits) % 4 == 1:
        raise ValueError("expected unpadded base64")
    return encode_base64(b64decode(digits + "=="))


def verify(content: Mapping[str, object], server_name: str, key_id: str, public_key: str) -> bool:
    """Whether an object bears the signature of a server by one of its keys, given in unpadded base64."""
    try:
        _check(content)
        key = decode_verify_key_bytes(key_id, b64decode(normal_base64(public_key) + "=="))
        verify_signed_json(dict(content), server_name, key)
    except (SignatureVerifyException, ValueError, TypeError, LookupError, AttributeError):
        # Any part may be of any type in what a stranger sends: such an object is not signed.
        return False
    return True


def id_of(key: SigningKey) -> str:
    """The ID of a key, ``ed25519:…``."""
    return f"{key.alg}:{key.version}"


def _signed(content: Mapping[str, object], server_name: str, key: SigningKey) -> dict[str, object]:
    _check(content)
    signatures = content.get("signatures", {})
    if not isinstance(signatures, Mapping) or not all(isinstance(each, Mapping) for each in signatures.values()):
        raise ValueError("signatures is not an object of objects")
    copy = {name: dict(each) for name, each in signatures.items()}
    signed: dict[str, object] = sign_json({**content, "signatures": copy}, server_name, key)
    return signed


def _check(value: object, depth: int = 0) -> None:
    """Refuse what canonical JSON has no form for; the library would write floats, and keys that are no strings."""
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deep to be signed")
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int):
        if abs(value) > _MAX_INTEGER:
            raise ValueError("an integer beyond 2^53 cannot be signed")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError("a key that is no string cannot be signed")
            _check(item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _check(item, depth + 1)
    else:
        raise ValueError(f"a {type(value).__name__} cannot be signed")
