"""Files that only their owner may read: state files, which contain the admin token, and snapshots."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from imdskit.errors import UsageError


def write(path: str | Path, data: bytes) -> None:
    """Replace a file atomically. The new file has mode 0600, whatever mode an existing file had.

    Another program that reads the path sees either the whole old file or the whole new one.

    Raises:
        UsageError: The file cannot be written.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except OSError:
            with suppress(OSError):
                os.unlink(temporary)
            raise
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError("bad-argument", f"The file cannot be written: {why}.", location=str(path)) from None


def remove(path: str | Path) -> None:
    """Remove a file. If it does not exist or cannot be removed, do nothing."""
    with suppress(OSError):
        os.unlink(path)
