"""Files that only their owner may read: state files, which hold the admin token, and snapshots."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from imdskit.errors import UsageError


def write(path: str | Path, data: bytes) -> None:
    """Put ``data`` at ``path`` in one step, with mode 0600 whatever was there: a reader sees the old file or the new one, never half of one.

    Raises:
        UsageError: it cannot be written.
    """
    target = Path(path)
    beside = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, target)
        except OSError:
            with suppress(OSError):
                os.unlink(beside)
            raise
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError("bad-argument", f"The file cannot be written: {why}.", location=str(path)) from None


def remove(path: str | Path) -> None:
    """Take a file away, if it is there and may be."""
    with suppress(OSError):
        os.unlink(path)
