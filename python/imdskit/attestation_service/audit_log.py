"""The audit log: one line of JSON for each decision. It is the only place that says why a document was refused.

Neither the document nor the nonce is written, only the document's SHA-256. Texts are shortened, and characters that are not printable are
replaced, so that no reader of a line can be deceived, whichever program shows it.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from datetime import UTC, datetime
from threading import Lock
from typing import NamedTuple

from imdskit.errors import UsageError

MAX_CHARACTERS = 200
"""Maximum length of each text in a line."""


class Entry(NamedTuple):
    """A decision.

    Attributes:
        operation: ``attestation`` or ``verdict``.
        decision: ``accepted``, ``refused``, or ``undecided``: the store could not tell.
        key: name of the caller's key.
        reason: code of the refusal; ``""`` if the document was accepted.
        stage, place, detail: of the refusal.
        vm_id, subscription_id, cloud: of an accepted document, else ``""``.
        document: SHA-256 of the document as it was sent, in hexadecimal digits.
    """

    operation: str
    decision: str
    key: str
    document: str
    reason: str = ""
    stage: str = ""
    place: str = ""
    detail: str = ""
    vm_id: str = ""
    subscription_id: str = ""
    cloud: str = ""


_NAMES = {"vm_id": "vmId", "subscription_id": "subscriptionId", "place": "location"}


class AuditLog:
    """Appends to a file, or to standard error. Safe to share between threads, and between processes that append to the same file.

    A file that was moved away is created anew within a second, as log rotation expects.

    Args:
        target: path of the file, or ``-`` for standard error.

    Raises:
        UsageError: the file cannot be opened.
    """

    def __init__(self, target: str) -> None:
        self._path = None if target == "-" else target
        self._lock = Lock()
        self._file = -1
        self._identity: tuple[int, int] | None = None
        self._looked_at: int | None = None
        if self._path is not None:
            try:
                self._reopen(self._path)
            except OSError as error:
                raise UsageError("bad-argument", f"`audit_log` cannot be opened: {error.strerror}.", location=target) from None

    def write(self, entry: Entry, now: int) -> None:
        """Append a line.

        Raises:
            OSError: it cannot be written. The decision must not be told to the caller then.
        """
        data = line(entry, now)
        with self._lock:
            if self._path is None:
                sys.stderr.write(data)
                sys.stderr.flush()
                return
            if now != self._looked_at:
                self._looked_at = now
                if self._moved(self._path):
                    self._reopen(self._path)
            # A single call, so that lines of several processes are never mixed.
            if os.write(self._file, data.encode("ascii")) != len(data):
                raise OSError(errno.ENOSPC, "the line was written in part")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file, self._identity, self._looked_at = -1, None, None

    def _moved(self, path: str) -> bool:
        try:
            there = os.stat(path)
        except FileNotFoundError:
            return True
        return (there.st_dev, there.st_ino) != self._identity

    def _reopen(self, path: str) -> None:
        opened = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        if self._file >= 0:
            os.close(self._file)
        state = os.fstat(opened)
        self._file, self._identity = opened, (state.st_dev, state.st_ino)


def line(entry: Entry, now: int) -> str:
    """Return the line of an entry, in ASCII, with its line feed. Members without a value are left out."""
    members = {"time": datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")}
    members.update((_NAMES.get(name, name), _safe(value)) for name, value in entry._asdict().items() if value)
    return json.dumps(members) + "\n"


def _safe(text: str) -> str:
    if len(text) <= MAX_CHARACTERS and text.isprintable():
        return text
    shown = "".join(character if character.isprintable() else "\ufffd" for character in text[: MAX_CHARACTERS + 1])
    return shown if len(shown) <= MAX_CHARACTERS else shown[: MAX_CHARACTERS - 1] + "\u2026"
