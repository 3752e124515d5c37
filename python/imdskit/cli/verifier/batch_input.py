"""Input of ``verify --batch``. The documents are the lines of a file, the lines of standard input,
or the files of a folder. They are read one at a time, and always in the same order.

A line is either a document, or a JSON object that contains a document and optionally its id, time
and nonce. A line in another form is passed unchanged to the verifier, which refuses it with a
reason.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import BinaryIO, NamedTuple

from imdskit import arguments
from imdskit.cli.shared import inputs
from imdskit.clock import LAST_SECOND
from imdskit.errors import UsageError
from imdskit.verify import signed_content

LONGEST_LINE = 256 * 1024
"""Maximum length of a line in bytes. This is four times the maximum size of a document, because a
line can also contain an id and JSON escapes. A longer line is refused as ``too-large``."""


class Item(NamedTuple):
    """One document and its origin.

    Attributes:
        where: origin of the document, as members of the result. For a line, the member ``line`` is
            its number, counted from 1. The member ``id`` is added if the line contains an id. For a
            file, the member ``file`` is its path relative to the folder.
        document: document to verify. None if it could not be read.
        failure: text that says why the document could not be read, or ``""``.
        position: number of bytes of the input up to the end of this document. For a folder, this is
            the number of files so far.
        at: time in the line, in Unix seconds, as of which the document is judged. None if the line
            has no time.
        nonce: nonce in the line, which the document must contain. None if the line has no nonce.
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
        items: iterator over the documents.
        size: total size in the unit of :attr:`Item.position`. None if it is unknown.
        unused: how often each unknown JSON member occurred in the lines that were read so far.
    """

    items: Iterator[Item]
    size: int | None
    unused: Counter[str]


@contextmanager
def opened(path: str, document_bytes: int) -> Iterator[Source]:
    """Yield the documents at ``path``.

    Args:
        path: path of a folder, or of a file with one document per line. ``-`` is standard input.
        document_bytes: maximum size of a document in bytes. One more byte is read from each file,
            so that the verifier detects a document that is too large.

    Raises:
        UsageError: ``path`` cannot be read.
    """
    unused: Counter[str] = Counter()
    if path == "-":
        yield Source(_lines(inputs.standard_input(), path, unused), None, unused)
    elif os.path.isdir(path):
        yield Source(_files(path, document_bytes), None, unused)
    else:
        try:
            file = open(path, "rb")  # noqa: SIM115  # `with` is outside of `try`, which must handle only errors of `open`
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
            while line and not line.endswith(b"\n"):  # skip the rest of a line that is too long
                line = stream.readline(LONGEST_LINE)
                position += len(line)
        except OSError as failure:
            raise _unreadable(failure, path) from None
        if not kept:
            return
        number += 1
        if number == 1:
            kept = kept.removeprefix(b"\xef\xbb\xbf")  # ignore a byte order mark (RFC 8259 section 8.1)
            _check_first(kept, path)
        text = kept.strip(b" \t\r\n")
        if text:
            yield _item(number, text, position, unused)


_OTHER_FILES = (
    (
        b"PAR1",
        "a Parquet file",
        "imdskit.arrow verifies the documents in the columns of the file, with a time and a nonce for each row; see docs/engines.md.",
    ),
    (b"ARROW1", "an Apache Arrow file", "imdskit.arrow verifies the documents in the columns of the file; see docs/engines.md."),
    (
        b"\xff\xff\xff\xff",
        "an Apache Arrow stream",
        "imdskit.arrow verifies the documents in the columns of the file; see docs/engines.md.",
    ),
    (b"FEA1", "a Feather file", "imdskit.arrow verifies the documents in the columns of the file; see docs/engines.md."),
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
    """Raise UsageError if the first line shows that the input does not have one document per line,
    for example because it is a ZIP archive. Without this check, the verifier would refuse every
    line."""
    what, remedy = next(((what, remedy) for magic, what, remedy in _OTHER_FILES if line.startswith(magic)), ("", ""))
    text = line.strip(b" \t\r\n")
    if text in (b"{", b"["):
        what, remedy = "JSON over several lines", "Write each document on one line: `jq -c . FILE`, or `jq -c '.[]' FILE` for an array."
    elif not what and _COLUMN_NAMES.fullmatch(text):
        what, remedy = "CSV", 'Write its rows as lines of JSON: {"id": ..., "document": ..., "at": ..., "nonce": ...}.'
    if what:
        raise UsageError("bad-argument", f"The input must have one document per line; it is {what}.", location=path, hint=remedy)


def _item(number: int, line: bytes, position: int, unused: Counter[str]) -> Item:
    """Return the document in a line, and its id, time and nonce.

    If the line is neither a JSON string nor a JSON object, the whole line is the document.
    """
    where: dict[str, int | str] = {"line": number}
    unchanged = Item(where, line, "", position)
    # The service's JSON contains exactly eight quotation marks. To save time, a line that begins
    # with `{` and contains eight quotation marks is not parsed: the whole line is the document. The
    # line is parsed nevertheless if it contains `"document"`.
    if not line.startswith(b'"') and not (line.startswith(b"{") and (b'"document"' in line or line.count(b'"') != 8)):
        return unchanged
    try:
        value = signed_content.loads(line)
    except (ValueError, RecursionError):
        return unchanged
    if isinstance(value, str):
        return Item(where, value, "", position)
    if not isinstance(value, dict) or not ("document" in value or "signature" in value):
        return unchanged
    name = value.get("id")
    if not isinstance(name, int | str | None) or isinstance(name, bool):
        return unchanged
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
            document = line  # the verifier refuses this line
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
"""Maximum number of unknown JSON members that are counted separately. All further ones are counted
together."""
_LONGEST_NAME = 60


def _count(unused: Counter[str], members: Iterable[str], known: tuple[str, ...], prefix: str = "") -> None:
    for member in members:
        if member not in known:
            name = prefix + member[:_LONGEST_NAME]
            unused[name if name in unused or len(unused) < MOST_NAMES else "(others)"] += 1


_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _second(at: object) -> int | None:
    """Return the time ``at`` in Unix seconds. ``at`` must be a whole number of Unix seconds, or a
    date-time of RFC 3339. Return None for anything else."""
    if isinstance(at, str) and not isinstance(at, signed_content.Number) and _TIME.fullmatch(at):
        try:
            at = (datetime.fromisoformat(at.upper()) - _EPOCH) // timedelta(seconds=1)
        except (ValueError, OverflowError):
            return None
    return at if type(at) is int and 0 <= at <= LAST_SECOND else None


def _files(top: str, document_bytes: int) -> Iterator[Item]:
    """Yield the files in a folder and its subfolders, depth first and sorted by name. The function
    does not follow symbolic links to folders."""
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
                failure = "not a regular file"
        except OSError as error:
            if name == "":
                raise _unreadable(error, top) from None
            failure = error.strerror or str(error)
        position += 1
        yield Item({"file": name}, document, failure, position)


def _unreadable(failure: OSError | ValueError, path: str) -> UsageError:
    why = failure.strerror if isinstance(failure, OSError) and failure.strerror else str(failure)
    return UsageError("bad-argument", f"The input cannot be read: {why}.", location=path, hint="Check its path and permissions.")
