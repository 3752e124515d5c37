"""Metrics in the text format of Prometheus, version 0.0.4.

The values of each label come from a fixed set, so callers cannot create an unlimited number of time
series. Each process counts separately, and the label ``process`` distinguishes its time series from
those of other processes.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from threading import Lock
from typing import NamedTuple, TypeAlias

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the latency buckets in seconds."""

Labels: TypeAlias = tuple[tuple[str, str], ...]


class Family(NamedTuple):
    """Type and help text of a metric."""

    kind: str
    help: str


FAMILIES = {
    "imdskit_decisions_total": Family("counter", "Decisions on documents, by operation, decision, reason and cloud."),
    "imdskit_unknown_issuers_total": Family(
        "counter", "Documents that were refused because an issuer is unknown. If there are many, the trust bundle is probably out of date."
    ),
    "imdskit_nonces_total": Family("counter", "Nonces that were issued."),
    "imdskit_requests_total": Family("counter", "Requests, by operation and status."),
    "imdskit_request_seconds": Family("histogram", "Time from the call of the application to its response, by operation."),
    "imdskit_requests_in_progress": Family("gauge", "Requests that are being handled at present."),
    "imdskit_trust_bundle_age_seconds": Family(
        "gauge", "Age of the trust bundle, computed from its date. Absent if the trusted certificates are separate PEM files."
    ),
    "imdskit_reload_failing": Family("gauge", "1 if the files that the label `file` names have changed and cannot be used, otherwise 0."),
}


class Metrics:
    """Counters and histograms of one process. The object is safe to share between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[str, dict[Labels, int]] = {}
        self._latencies: dict[Labels, tuple[list[int], list[float]]] = {}

    def count(self, name: str, **labels: str) -> None:
        """Add one to a counter."""
        key = tuple(labels.items())
        with self._lock:
            series = self._counts.setdefault(name, {})
            series[key] = series.get(key, 0) + 1

    def request(self, operation: str, status: int, seconds: float) -> None:
        """Count a request to an operation. ``status`` is the status of its response, and
        ``seconds`` is its duration."""
        self.count("imdskit_requests_total", operation=operation, status=str(status))
        key = (("operation", operation),)
        with self._lock:
            buckets, total = self._latencies.setdefault(key, ([0] * (len(BUCKETS) + 1), [0.0]))
            buckets[bisect_left(BUCKETS, seconds)] += 1
            total[0] += seconds

    def text(self, gauges: Mapping[str, Mapping[Labels, float]]) -> str:
        """Return all metrics as text. ``gauges`` contains the current values of the gauges, by name
        and labels."""
        with self._lock:
            counts = {name: dict(series) for name, series in self._counts.items()}
            latencies = {key: (list(buckets), total[0]) for key, (buckets, total) in self._latencies.items()}
        process = (("process", str(os.getpid())),)
        lines = []
        for name, family in FAMILIES.items():
            lines += [f"# HELP {name} {_escape(family.help)}", f"# TYPE {name} {family.kind}"]
            if family.kind == "histogram":
                lines += _histogram(name, latencies, process)
            else:
                series: Mapping[Labels, float] = gauges.get(name) or counts.get(name, {})
                lines += (_sample(name, key + process, value) for key, value in series.items())
        return "\n".join(lines) + "\n"


def _histogram(name: str, latencies: Mapping[Labels, tuple[list[int], float]], process: Labels) -> Iterator[str]:
    for key, (buckets, total) in latencies.items():
        count = 0
        for bound, in_bucket in zip([*map(str, BUCKETS), "+Inf"], buckets, strict=True):
            count += in_bucket
            yield _sample(f"{name}_bucket", (*key, *process, ("le", bound)), count)
        yield _sample(f"{name}_sum", key + process, total)
        yield _sample(f"{name}_count", key + process, count)


def _sample(name: str, labels: Iterable[tuple[str, str]], value: float) -> str:
    pairs = ",".join(f'{label}="{_escape(text, quote=True)}"' for label, text in labels)
    return f"{name}{{{pairs}}} {value!r}"


def _escape(text: str, *, quote: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quote else text
