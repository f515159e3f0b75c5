"""
What is counted, for Prometheus: each instrument once, by the name that dashboards and alerts know it by.

Like the log, it is there for the whole process.  Where several processes serve, each writes its numbers to files in a
folder of theirs all (:data:`FOLDER`), and whichever is asked adds them up.
"""

from __future__ import annotations

import os

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from . import __version__

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that names it: prometheus_client reads it when it is imported."""

REQUESTS = Counter("mxisd_requests", "Requests, by endpoint, method and status.", ["endpoint", "method", "status"])
REQUEST_SECONDS = Histogram(
    "mxisd_request_seconds",
    "From a request to its answer.",
    ["endpoint"],
    buckets=(0.001, 0.0025, 0.01, 0.025, 0.1, 0.25, 1, 2.5, 10, 30),
)
LOOKUPS = Counter("mxisd_lookups", "Addresses that a source was asked about, by what came of it.", ["source", "result"])
CIRCUIT_OPEN = Gauge(
    "mxisd_circuit_open", "1 while a source is not asked, since it failed.", ["source"], multiprocess_mode="livemax"
)
INVITES = Gauge("mxisd_invites", "Invites that are stored.", ["state"], multiprocess_mode="mostrecent")
INVITES_ENDED = Counter("mxisd_invites_ended", "Invites that have ended, by how.", ["end"])
QUEUED = Gauge("mxisd_deliveries_queued", "Deliveries that wait.", ["kind"], multiprocess_mode="mostrecent")
OVERDUE_SECONDS = Gauge(
    "mxisd_deliveries_overdue_seconds",
    "For how long the oldest delivery that is due has been.",
    ["kind"],
    multiprocess_mode="mostrecent",
)
DELIVERIES = Counter("mxisd_deliveries", "Attempts at deliveries, by what came of them.", ["kind", "outcome"])
MESSAGES = Counter("mxisd_messages", "Emails and text messages, by what came of them.", ["medium", "outcome"])
RESOLUTION_SECONDS = Histogram(
    "mxisd_resolution_seconds",
    "A round of lookups for all pending invites.",
    buckets=(0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300),
)
RATE_LIMITED = Counter("mxisd_rate_limited", "Requests that were refused for a rate limit.", ["limit"])
REACTOR_LAG_SECONDS = Histogram(
    "mxisd_reactor_lag_seconds",
    "How late a call comes that is due now: work that held up all else.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
Gauge("mxisd_build", "The version that serves.", ["version"], multiprocess_mode="livemax").labels(__version__).set(1)


def exposition() -> bytes:
    """All numbers in Prometheus' text format, those of the other processes included."""
    registry = REGISTRY
    if FOLDER in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def forget_process(pid: int, folder: str) -> None:
    """A process has ended: what it told of the moment counts no more."""
    mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
