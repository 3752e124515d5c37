"""The access log of `serve`: one line on standard error for each request that the journal
records."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from imdskit.emulator.journal import Entry

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def listener(name: str) -> Callable[[Entry], None]:
    """Return a function for ``Journal.listener`` that writes entries in the format called ``name``.

    A lock prevents two threads from mixing their lines.
    """
    form, lock = FORMATS[name], threading.Lock()

    def write(entry: Entry) -> None:
        line = form(entry) + "\n"
        with lock, suppress(OSError, ValueError, AttributeError):  # standard error may be closed
            sys.stderr.write(line)
            sys.stderr.flush()

    return write


def common(entry: Entry) -> str:
    """Return the log line for an entry, in the Common Log Format of Apache and the W3C.

    The line always says HTTP/1.1, because the journal does not record the HTTP version of a
    request.
    """
    at = datetime.fromtimestamp(entry.time, UTC)
    time = f"{at:%d}/{_MONTHS[at.month - 1]}/{at:%Y:%H:%M:%S} +0000"
    request = _escaped(f"{entry.method} {entry.target}")
    return f'{entry.source or "-"} - - [{time}] "{request} HTTP/1.1" {entry.status} {entry.body_bytes or "-"}'


def json_line(entry: Entry) -> str:
    """Return the log line for an entry, as a JSON object in ASCII characters."""
    members = {
        "time": datetime.fromtimestamp(entry.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "source": entry.source,
        "method": entry.method,
        "target": entry.target,
        "status": entry.status,
        "bytes": entry.body_bytes,
        "durationMs": round(entry.duration_ns / 1e6, 3),
        "machine": entry.machine,
        "rule": entry.rule,
        "fault": entry.fault,
        "userAgent": entry.header("User-Agent"),
    }
    return json.dumps(members)


def _escaped(text: str) -> str:
    """Return ``text`` with escape sequences for all characters that are not printable ASCII, and
    for quotation marks and backslashes. Apache does the same. Without the escapes, a request could
    forge a line of the log."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else f"\\x{ord(c):02x}" for c in text)


FORMATS: dict[str, Callable[[Entry], str]] = {"common": common, "json": json_line}
"""Mapping from the name of a format to the function that formats an entry."""
