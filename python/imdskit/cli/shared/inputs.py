"""What the command line reads: files in bounded size, times. Every mistake is a sentence.

What belongs here: reading. What is read is judged by the part that it is for.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from imdskit.errors import UsageError


def read(path: str, limit: int) -> bytes:
    """The content of a file, or of standard input for ``-``; at most ``limit`` octets and one more, which shows that there are more.

    Raises:
        UsageError: it cannot be read.
    """
    if path == "-" and sys.stdin is None:
        raise UsageError("bad-argument", "Standard input is closed.", location="-")
    try:
        if path == "-":
            return sys.stdin.buffer.read(limit + 1)
        with open(path, "rb") as file:
            return file.read(limit + 1)
    except (OSError, ValueError) as failure:
        why = failure.strerror if isinstance(failure, OSError) and failure.strerror else str(failure)
        raise UsageError("bad-argument", f"The file cannot be read: {why}.", location=path) from None


def write(path: str, data: bytes) -> None:
    """Replace the content of a file. Raises UsageError if that cannot be done."""
    try:
        Path(path).write_bytes(data)
    except (OSError, ValueError) as failure:
        why = failure.strerror if isinstance(failure, OSError) and failure.strerror else str(failure)
        raise UsageError("bad-argument", f"The file cannot be written: {why}.", location=path) from None


def time(text: str) -> datetime:
    """A time in ISO 8601. Without zone it is UTC, a date alone is its midnight.

    Raises:
        UsageError: it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        hint = "Write it in ISO 8601, like 2025-11-19T13:53:30Z, 2025-11-19T14:53:30+01:00 or 2025-11-19."
        raise UsageError("bad-argument", f"Not a time: {text!r}.", location="--at", hint=hint) from None
