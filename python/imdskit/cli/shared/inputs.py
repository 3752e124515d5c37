"""Input and output of files for the command line, and parsers of whole numbers and times."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from imdskit.errors import UsageError


def read(path: str, limit: int) -> bytes:
    """Return the content of a file, or of standard input if ``path`` is ``-``. At most
    ``limit + 1`` bytes are read. If the result has more than ``limit`` bytes, the caller must treat
    the file as too large.

    Raises:
        UsageError: the file cannot be read.
    """
    stream = standard_input() if path == "-" else None
    try:
        if stream is not None:
            return stream.read(limit + 1)
        with open(path, "rb") as file:
            return file.read(limit + 1)
    except (OSError, ValueError) as failure:
        why = failure.strerror if isinstance(failure, OSError) and failure.strerror else str(failure)
        raise UsageError(
            "bad-argument", f"The file cannot be read: {why}.", location=path, hint="Check its path and permissions."
        ) from None


def standard_input() -> BinaryIO:
    """Return standard input as a binary file. Raise UsageError if it is closed."""
    if sys.stdin is None:
        raise UsageError("bad-argument", "Standard input is closed.", location="-", hint="Redirect it, or name a file.")
    return sys.stdin.buffer


def write(path: str, data: bytes) -> None:
    """Replace the content of a file. Raise UsageError if the file cannot be written."""
    try:
        Path(path).write_bytes(data)
    except (OSError, ValueError) as failure:
        why = failure.strerror if isinstance(failure, OSError) and failure.strerror else str(failure)
        raise UsageError(
            "bad-argument", f"The file cannot be written: {why}.", location=path, hint="Check its path and permissions."
        ) from None


def whole(name: str, least: int = 0, most: float = math.inf) -> Callable[[str], int]:
    """Return a function that converts text to a whole number from ``least`` to ``most``. The
    function is meant for the parameter ``type`` of argparse's ``add_argument``.

    For an invalid value, the error message of argparse contains ``name``, such as "port", and the
    range.
    """

    def convert(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise ValueError
        return number

    convert.__name__ = f"{name} ({least} to {most})" if most < math.inf else f"{name} ({least} or more)"
    return convert


def time(text: str) -> datetime:
    """Parse a time in ISO 8601, and return it in UTC. A text without a time zone counts as UTC. A
    text with only a date means midnight.

    Raises:
        ValueError: the text is not a time in ISO 8601, or the year in UTC is not from 1 to 9999.
    """
    moment = datetime.fromisoformat(text)
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from None


def time_option(text: str) -> datetime:
    """Parse the value of the option ``--at``, as :func:`time` does. Raise UsageError if it is not a
    time."""
    try:
        return time(text)
    except ValueError:
        hint = "Write it like 2025-11-19T13:53:30Z, 2025-11-19T14:53:30+01:00 or 2025-11-19."
        raise UsageError("bad-argument", f"`--at` must be a time in ISO 8601; got {text!r:.80}.", location="--at", hint=hint) from None
