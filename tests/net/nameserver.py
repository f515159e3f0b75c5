"""A name server on loopback, for tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.names import common, dns, server
from twisted.names.error import DNSNameError, DNSServerError
from twisted.python.failure import Failure

_RECORDS: dict[str, Callable[..., Any]] = {
    "A": dns.Record_A,
    "AAAA": dns.Record_AAAA,
    "CNAME": dns.Record_CNAME,
    "SRV": lambda priority, weight, port, target, ttl: dns.Record_SRV(
        int(priority), int(weight), int(port), target.removesuffix("."), ttl
    ),
}


class _Factory(server.DNSServerFactory):
    def gotResolverError(self, failure: Failure, protocol: Any, message: Any, address: Any) -> None:
        # As inherited, but any other error than "no such name" is the server's fault, and nothing to log.
        message.rCode = dns.ENAME if failure.check(DNSNameError) else dns.ESERVER
        self.sendReply(protocol, message, address)


class NameServer(common.ResolverBase):
    """
    Answers from ``zone``: a name's records as in a zone file, ``SRV 10 5 8448 host.example`` say.

    ``asked`` lists the questions; names in ``failing`` get an error, those in ``silent`` no answer.
    """

    def __init__(self, reactor: Any) -> None:
        super().__init__()
        self.zone: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.failing: set[str] = set()
        self.silent: set[str] = set()
        factory = _Factory(clients=[self])
        factory.noisy = False
        protocol = dns.DNSDatagramProtocol(factory)
        protocol.noisy = False
        self._port = reactor.listenUDP(0, protocol, interface="127.0.0.1")
        self.address = ("127.0.0.1", self._port.getHost().port)

    def stop(self) -> Any:
        return self._port.stopListening()

    def _lookup(self, name: bytes, cls: int, type: int, timeout: object) -> Deferred[Any]:  # noqa: A002
        host = name.decode()
        self.asked.append(f"{dns.QUERY_TYPES[type]} {host}")
        if host in self.silent:
            return Deferred()
        if host in self.failing:
            return fail(DNSServerError())
        if host not in self.zone:
            return fail(DNSNameError())
        records = [line.split() for line in self.zone[host]]
        return succeed(
            (
                [
                    dns.RRHeader(host, getattr(dns, kind), dns.IN, 60, _RECORDS[kind](*values, ttl=60))
                    for kind, *values in records
                    if kind in ("CNAME", dns.QUERY_TYPES[type])
                ],
                [],
                [],
            )
        )
