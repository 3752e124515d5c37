"""Where ``verify --batch`` finds documents: lines of a file or of standard input, or the files of a folder. One at a time, in an order that stays.

What belongs here: finding and unwrapping. What a document is worth is the verifier's business: a line that cannot be unwrapped is handed to it as it is,
and is refused with a reason.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import BinaryIO, NamedTuple

from imdskit import arguments
from imdskit.errors import UsageError
from imdskit.verify import signed_content
from imdskit.verify.verifier import LAST_SECOND

LONGEST_LINE = 256 * 1024
"""Octets of a line that are kept: four times the largest document, for its id and for JSON's escapes. A longer line is ``too-large``."""


class Item(NamedTuple):
    """One document and where it comes from.

    Attributes:
        where: ``{"line": N}``, from 1, or ``{"file": PATH}``, below the folder; and the ``id`` that a line gives.
        document: as it is to be verified; None if it could not be read.
        failure: why not, or ``""``.
        position: octets of the input up to its end; files, for a folder.
        at: Unix second that the line gives as the time of the check, or None.
        nonce: nonce that the line gives, or None.
    """

    where: dict[str, int | str]
    document: bytes | str | None
    failure: str
    position: int
    at: int | None = None
    nonce: str | None = None


class Source(NamedTuple):
    """Documents in the order of the input.

    Attributes:
        items: the documents, one at a time.
        size: how far there is to go, in the unit of :attr:`Item.position`; None where nobody knows.
        unused: members of the lines so far that are not used, with how often each occurs.
    """

    items: Iterator[Item]
    size: int | None
    unused: Counter[str]


@contextmanager
def opened(path: str, document_bytes: int) -> Iterator[Source]:
    """The documents at ``path``, ``-`` for standard input.

    Args:
        path: a folder, or lines.
        document_bytes: the largest size of a document; of a file, that many octets are read, and one more, which shows that there are more.

    Raises:
        UsageError: it cannot be read.
    """
    unused: Counter[str] = Counter()
    if path == "-":
        if sys.stdin is None:
            raise UsageError("bad-argument", "Standard input is closed.", location="-")
        yield Source(_lines(sys.stdin.buffer, path, unused), None, unused)
    elif os.path.isdir(path):
        yield Source(_files(path, document_bytes), None, unused)
    else:
        try:
            file = open(path, "rb")  # noqa: SIM115  # what goes wrong later is not about opening
        except (OSError, ValueError) as failure:
            raise _unreadable(failure, path) from None
        with file:
            status = os.fstat(file.fileno())
            yield Source(_lines(file, path, unused), status.st_size if stat.S_ISREG(status.st_mode) else None, unused)


def _lines(stream: BinaryIO, path: str, unused: Counter[str]) -> Iterator[Item]:
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
        if number == 1:
            kept = kept.removeprefix(b"\xef\xbb\xbf")  # a mark of the file and no part of a document (RFC 8259 section 8.1)
            _check_first(kept, path)
        text = kept.strip(b" \t\r\n")
        if text:
            yield _item(number, text, position, unused)


_OTHER_FILES = (
    (
        b"PAR1",
        "a Parquet file",
        "imdskit.arrow verifies the documents in its columns, with a time and a nonce for each row; see docs/engines.md.",
    ),
    (b"ARROW1", "an Apache Arrow file", "imdskit.arrow verifies the documents in its columns; see docs/engines.md."),
    (b"\xff\xff\xff\xff", "an Apache Arrow stream", "imdskit.arrow verifies the documents in its columns; see docs/engines.md."),
    (b"FEA1", "a Feather file", "imdskit.arrow verifies the documents in its columns; see docs/engines.md."),
    (b"ORC", "an ORC file", "Read it with pyarrow, and verify its columns with imdskit.arrow; see docs/engines.md."),
    (b"Obj\x01", "an Avro file", "Write its records as lines of JSON."),
    (b"SQLite format 3\0", "an SQLite database", "Write its rows as lines of JSON."),
    (b"\x1f\x8b", "compressed with gzip", "Decompress it on the way: `gzip -dc FILE | imdskit verify --batch -`."),
    (b"BZh", "compressed with bzip2", "Decompress it on the way: `bzip2 -dc FILE | imdskit verify --batch -`."),
    (b"\xfd7zXZ\0", "compressed with xz", "Decompress it on the way: `xz -dc FILE | imdskit verify --batch -`."),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard", "Decompress it on the way: `zstd -dc FILE | imdskit verify --batch -`."),
    (b"PK\x03\x04", "a ZIP archive", "Unpack it into a folder, and give the folder."),
    (b"\xff\xfe", "UTF-16 text", "Convert it on the way: `iconv -f UTF-16 -t UTF-8 FILE | imdskit verify --batch -`."),
    (b"\xfe\xff", "UTF-16 text", "Convert it on the way: `iconv -f UTF-16 -t UTF-8 FILE | imdskit verify --batch -`."),
)
_COLUMN_NAMES = re.compile(rb"\"?[A-Za-z_][A-Za-z0-9_. -]{0,60}\"?(?:[,;\t]\"?[A-Za-z0-9_. -]{0,60}\"?){1,500}")


def _check_first(line: bytes, path: str) -> None:
    """Raise UsageError if the first line shows that the input has no documents in lines, so that nobody gets a refusal for each line of it."""
    what, remedy = next(((what, remedy) for magic, what, remedy in _OTHER_FILES if line.startswith(magic)), ("", ""))
    text = line.strip(b" \t\r\n")
    if text in (b"{", b"["):
        what, remedy = "JSON over several lines", "Write each document on one line: `jq -c . FILE`, or `jq -c '.[]' FILE` for an array."
    elif not what and _COLUMN_NAMES.fullmatch(text):
        what, remedy = "CSV", 'Write its rows as lines of JSON: {"id": ..., "document": ..., "at": ..., "nonce": ...}.'
    if what:
        raise UsageError("bad-argument", f"The input is {what}; expected are lines with one document each.", location=path, hint=remedy)


def _item(number: int, line: bytes, position: int, unused: Counter[str]) -> Item:
    """Return the document of a line, with what else the line says of it. A line that is neither a JSON string nor an object is a document as it stands."""
    where: dict[str, int | str] = {"line": number}
    as_it_stands = Item(where, line, "", position)
    # Eight quotation marks are those of an envelope that has no other members.
    if not line.startswith(b'"') and not (line.startswith(b"{") and (b'"document"' in line or line.count(b'"') != 8)):
        return as_it_stands
    try:
        value = signed_content.loads(line)
    except (ValueError, RecursionError):
        return as_it_stands
    if isinstance(value, str):
        return Item(where, value, "", position)
    if not isinstance(value, dict) or not ("document" in value or "signature" in value):
        return as_it_stands
    name = value.get("id")
    if not isinstance(name, int | str | None) or isinstance(name, bool):
        return as_it_stands
    if name is not None:
        where["id"] = name
    document: object = line
    if "document" in value:
        document = value["document"]
        _count(unused, value, ("id", "document", "at", "nonce"))
        if isinstance(document, dict):
            _count(unused, document, ("encoding", "signature"), "document.")
            document = json.dumps(document, separators=(",", ":"))
        elif not isinstance(document, str):
            document = line  # which the verifier refuses
    else:
        _count(unused, value, ("encoding", "signature", "id", "at", "nonce"))
    assert isinstance(document, bytes | str)
    at, nonce = value.get("at"), value.get("nonce")
    second = None if at is None else _second(at)
    if at is not None and second is None:
        failure = f"`at` must be Unix seconds or a time with a zone, such as 2025-11-19T13:53:30Z; got {arguments.shown(at)}."
        return Item(where, None, failure, position)
    if not isinstance(nonce, str | None) or isinstance(nonce, signed_content.Number):
        return Item(where, None, f"`nonce` must be a string; got {arguments.shown(nonce)}.", position)
    return Item(where, document, "", position, second, nonce)


MOST_NAMES = 100
"""Different names of unused members that are counted each; further ones are counted as one."""
_LONGEST_NAME = 60


def _count(unused: Counter[str], members: Iterable[str], known: tuple[str, ...], prefix: str = "") -> None:
    for member in members:
        if member not in known:
            name = prefix + member[:_LONGEST_NAME]
            unused[name if name in unused or len(unused) < MOST_NAMES else "(others)"] += 1


_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _second(at: object) -> int | None:
    """Return the Unix second of whole seconds or of a date-time of RFC 3339; None for anything else."""
    if isinstance(at, str) and not isinstance(at, signed_content.Number) and _TIME.fullmatch(at):
        try:
            at = (datetime.fromisoformat(at.upper()) - _EPOCH) // timedelta(seconds=1)
        except (ValueError, OverflowError):
            return None
    return at if type(at) is int and 0 <= at <= LAST_SECOND else None


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
