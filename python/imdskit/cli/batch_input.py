"""Where ``verify --batch`` finds documents: lines of a file or of standard input, or the files of a folder. One at a time, in an order that stays.

What belongs here: finding and unwrapping. What a document is worth is the verifier's business: a line that cannot be unwrapped is handed to it as it is,
and is refused with a reason.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

from imdskit.errors import UsageError

LONGEST_LINE = 256 * 1024
"""Octets of a line that are kept: four times the largest document, for its id and for JSON's escapes. A longer line is ``too-large``."""


class Item(NamedTuple):
    """One document and where it comes from.

    Attributes:
        where: ``{"line": N}``, from 1, or ``{"file": PATH}``, below the folder; and the ``id`` that a line gives.
        document: as it is to be verified; None if it could not be read.
        failure: why not, or ``""``.
        position: octets of the input up to its end; files, for a folder.
    """

    where: dict[str, int | str]
    document: bytes | str | None
    failure: str
    position: int


class Source(NamedTuple):
    """Documents, and how far there is to go: in the unit of :attr:`Item.position`, or None where nobody knows."""

    items: Iterator[Item]
    size: int | None


@contextmanager
def opened(path: str, document_bytes: int) -> Iterator[Source]:
    """The documents at ``path``, ``-`` for standard input.

    Args:
        path: a folder, or lines.
        document_bytes: the largest size of a document; of a file, that many octets are read, and one more, which shows that there are more.

    Raises:
        UsageError: it cannot be read.
    """
    if path == "-":
        if sys.stdin is None:
            raise UsageError("bad-argument", "Standard input is closed.", location="-")
        yield Source(_lines(sys.stdin.buffer, path), None)
    elif os.path.isdir(path):
        yield Source(_files(path, document_bytes), None)
    else:
        try:
            file = open(path, "rb")  # noqa: SIM115  # what goes wrong later is not about opening
        except (OSError, ValueError) as failure:
            raise _unreadable(failure, path) from None
        with file:
            status = os.fstat(file.fileno())
            yield Source(_lines(file, path), status.st_size if stat.S_ISREG(status.st_mode) else None)


def _lines(stream: BinaryIO, path: str) -> Iterator[Item]:
    position = number = 0
    while True:
        try:
            line = stream.readline(LONGEST_LINE + 1)
            kept, position = line, position + len(line)
            while line and not line.endswith(b"\n"):  # the rest of one that is too long, or the end of the input
                line = stream.readline(LONGEST_LINE)
                position += len(line)
        except OSError as failure:
            raise _unreadable(failure, path) from None
        if not kept:
            return
        number += 1
        content = kept.strip(b" \t\r\n")
        if content:
            name, document = _unwrapped(content)
            yield Item({"line": number} if name is None else {"line": number, "id": name}, document, "", position)


def _unwrapped(line: bytes) -> tuple[int | str | None, bytes | str]:
    """The id that a line gives, if any, and its document. A line that is neither a record nor a JSON string is a document as it stands."""
    if not line.startswith(b'"') and not (line.startswith(b"{") and b'"document"' in line):
        return None, line
    try:
        value = _DECODER.decode(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None, line
    if isinstance(value, str):
        return None, value
    name, document = value.get("id"), value.get("document")
    if not isinstance(name, int | str | None) or isinstance(name, bool):
        return None, line
    if isinstance(document, dict):
        return name, json.dumps(document, separators=(",", ":"))
    return (name, document) if isinstance(document, str) else (name, line)


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """No member twice: the verifier would not accept that of an envelope, so it must not be lost on the way to it."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


_DECODER = json.JSONDecoder(object_pairs_hook=_members)


def _files(top: str, document_bytes: int) -> Iterator[Item]:
    """Depth first, by name. The names of the folders on the way are in memory, nothing else. Links to folders are not followed."""
    position = 0
    ahead = [""]
    while ahead:
        name = ahead.pop()
        path = os.path.join(top, name)
        document, failure = None, ""
        try:
            mode = os.stat(path, follow_symlinks=name == "").st_mode
            if stat.S_ISDIR(mode):
                ahead += [f"{name}/{child}".lstrip("/") for child in sorted(os.listdir(path), reverse=True)]
                continue
            if stat.S_ISREG(os.stat(path).st_mode):
                with open(path, "rb") as file:
                    document = file.read(document_bytes + 1)
            else:
                failure = "Not a regular file"
        except OSError as error:
            if name == "":
                raise _unreadable(error, top) from None
            failure = error.strerror or str(error)
        position += 1
        yield Item({"file": name}, document, failure, position)


def _unreadable(failure: OSError | ValueError, path: str) -> UsageError:
    why = failure.strerror if isinstance(failure, OSError) and failure.strerror else str(failure)
    return UsageError("bad-argument", f"It cannot be read: {why}.", location=path)
