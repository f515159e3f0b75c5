"""Hosts as an administrator names them, with or without a port."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

import idna

_LABEL = re.compile(r"[0-9A-Za-z_]([0-9A-Za-z_-]*[0-9A-Za-z_])?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
# What DNS can hold (RFC 1035, section 2.3.4).
_MAX_LABEL = 63
_MAX_NAME = 253


class BadHost(ValueError):
    """A text that names no host, or no port; the message says why."""


class HostPort(NamedTuple):
    """``host`` is an address without brackets, or a name as DNS has it; ``port`` is ``None`` if none is named."""

    host: str
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def host_port(text: str) -> HostPort:
    """
    Read ``host`` or ``host:port``.

    Wider than the server names of Matrix (:func:`mxisd.matrix.ids.split_server_name`): names may have underscores, as
    services of Compose do, or characters beyond ASCII, and an IPv6 address without a port needs no brackets.  Raises
    :class:`BadHost`.
    """
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise BadHost("expected an IPv6 address in brackets, and a port at most behind them")
        return HostPort(_ipv6(host), _port(rest[1:]) if rest else None)
    if text.count(":") > 1:
        return HostPort(_ipv6(text))
    host, colon, port = text.partition(":")
    return HostPort(_name(host), _port(port) if colon else None)


def _ipv6(text: str) -> str:
    try:
        IPv6Address(text)
    except ValueError:
        raise BadHost(f"{text!r} is no IPv6 address") from None
    return text


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise BadHost(f"{text!r} is no port from 1 to 65535")
    return int(text)


def _name(text: str) -> str:
    """A name, or an IPv4 address."""
    try:
        name = ".".join(map(_label, text.removesuffix(".").split(".")))
        # What ends in a number is taken for an address everywhere, and must be a whole one.
        if name.rpartition(".")[2].isdecimal():
            IPv4Address(name)
    except ValueError:
        raise BadHost(f"{text!r} is no name of a host, and no address") from None
    if len(name) > _MAX_NAME:
        raise BadHost("the name of the host is too long")
    return name


def _label(text: str) -> str:
    # idna takes no underscores, which are in many names without being in any standard.
    label = text if text.isascii() else idna.encode(text, uts46=True).decode("ascii")
    if not _LABEL.fullmatch(label) or len(label) > _MAX_LABEL:
        raise ValueError(text)
    return label
