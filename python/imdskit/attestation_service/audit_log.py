"""Audit log with one line of JSON for each decision. A line contains the reason of a refusal, which
the response to the client does not contain.

A line contains the SHA-256 of the document, but neither the document nor the nonce. Long texts are
truncated. Non-printable characters are replaced, so that control characters in a document can
neither forge log lines nor control a terminal.
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
"""Maximum number of characters in each text of a line."""


class Entry(NamedTuple):
    """Entry of the audit log, which records one decision.

    Attributes:
        operation: ``attestation`` or ``verdict``.
        decision: ``accepted``, ``refused``, or ``undecided`` if the store could not tell whether
            the document was used before.
        key: name of the caller's key.
        document: SHA-256 of the document as received, in hexadecimal digits.
        reason: code of the error; ``""`` if the document was accepted.
        stage, location, detail: further information about the error; ``""`` if the document was
            accepted.
        vm_id, subscription_id: claims of an accepted document; ``""`` for other documents.
        cloud: name of the cloud of an accepted document; ``""`` for other documents.
    """

    operation: str
    decision: str
    key: str
    document: str
    reason: str = ""
    stage: str = ""
    location: str = ""
    detail: str = ""
    vm_id: str = ""
    subscription_id: str = ""
    cloud: str = ""


_NAMES = {"vm_id": "vmId", "subscription_id": "subscriptionId"}
"""Maps an attribute of :class:`Entry` to its JSON member, if the two have different names."""


class AuditLog:
    """Audit log that appends lines to a file or to standard error.

    The object is safe to share between threads. Several processes may append to the same file. A
    program such as logrotate may move the file. Before the first line in each second, the object
    checks whether the file was moved. If so, the object creates a new file at the same path and
    continues there.

    Args:
        target: path of the file, or ``-`` for standard error.

    Raises:
        UsageError: The file cannot be opened.
    """

    def __init__(self, target: str) -> None:
        self._path = None if target == "-" else target
        self._lock = Lock()
        self._file = -1
        self._identity: tuple[int, int] | None = None
        self._checked_at: int | None = None
        if self._path is not None:
            try:
                self._reopen(self._path)
            except OSError as error:
                raise UsageError("bad-argument", f"`audit_log` cannot be opened: {error.strerror}.", location=target) from None

    def write(self, entry: Entry, now: int) -> None:
        """Append a line for a decision.

        Args:
            entry: decision to record.
            now: time of the decision in Unix seconds.

        Raises:
            OSError: The line cannot be written completely. In this case, the service must not send
                the decision to the caller.
        """
        data = line(entry, now)
        with self._lock:
            if self._path is None:
                sys.stderr.write(data)
                sys.stderr.flush()
                return
            if now != self._checked_at:
                self._checked_at = now
                if self._moved(self._path):
                    self._reopen(self._path)
            # The line is written by a single call, so that lines of several processes are not
            # mixed.
            if os.write(self._file, data.encode("ascii")) != len(data):
                raise OSError(errno.ENOSPC, "only a part of the line was written")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file, self._identity, self._checked_at = -1, None, None

    def _moved(self, path: str) -> bool:
        try:
            state = os.stat(path)
        except FileNotFoundError:
            return True
        return (state.st_dev, state.st_ino) != self._identity

    def _reopen(self, path: str) -> None:
        opened = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        if self._file >= 0:
            os.close(self._file)
        state = os.fstat(opened)
        self._file, self._identity = opened, (state.st_dev, state.st_ino)


def line(entry: Entry, now: int) -> str:
    """Return the line for a decision, in ASCII and with a line feed at its end. Members whose value
    would be empty are left out."""
    members = {"time": datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")}
    members.update((_NAMES.get(name, name), _safe(value)) for name, value in entry._asdict().items() if value)
    return json.dumps(members) + "\n"


def _safe(text: str) -> str:
    if len(text) <= MAX_CHARACTERS and text.isprintable():
        return text
    shown = "".join(character if character.isprintable() else "\ufffd" for character in text[: MAX_CHARACTERS + 1])
    return shown if len(shown) <= MAX_CHARACTERS else shown[: MAX_CHARACTERS - 1] + "\u2026"
