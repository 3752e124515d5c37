"""Implementation of ``verify --batch``. It writes one line of JSON with the result for each
document, in the order of the input.

Documents are verified in chunks, so that only one chunk is in memory at a time. If a run is
interrupted, a later run can resume it. :mod:`imdskit.cli.verifier.batch_input` reads the documents.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import BinaryIO, NamedTuple

from imdskit.cli.shared import inputs, output
from imdskit.cli.shared.layout import wrapped
from imdskit.cli.shared.progress import Progress
from imdskit.cli.verifier import batch_input
from imdskit.cli.verifier.batch_input import Item, Source
from imdskit.clock import Clock, SystemClock
from imdskit.errors import UsageError, VerificationError
from imdskit.pki.x509.parser import parse_certificate
from imdskit.reasons import Reason
from imdskit.verify import Attestation, Verifier, signed_content

if sys.platform != "win32":
    import fcntl

CHUNK = 2048
"""Maximum number of documents in a chunk."""
CHUNK_BYTES = 8 * 1024 * 1024
"""Size of a chunk in bytes. When the documents of a chunk reach this size, no further document is
added. With its last document, a chunk can therefore be larger."""
VERIFIED_AGAIN = 64
"""Number of documents that a resumed run verifies again. They are the last ones of the interrupted
run. If the results are the same as before, the trust, the policy and the input have probably not
changed."""
ACCEPTED, REFUSED, UNREAD = "accepted", "refused", "unread"
UNREADABLE, BAD_LINE = "unreadable", "bad-line"
"""Two reasons that only this module reports, in addition to :class:`imdskit.reasons.Reason`.
``UNREADABLE``: a file cannot be read. ``BAD_LINE``: the time or the nonce in a line is invalid."""
SENTENCES = {UNREADABLE: "The file cannot be read.", BAD_LINE: "The time or the nonce of the line is invalid."}
"""Maps each of these two reasons to a sentence that explains it."""
REASONS = {*SENTENCES, *map(str, Reason)}
"""Reasons in the results of documents that were not accepted."""
_BEGINNINGS = (b'{"line":', b'{"file":')


class Results(NamedTuple):
    """File to which results are appended."""

    file: BinaryIO
    path: str

    def append(self, data: bytes) -> None:
        """Append data without buffering. If the run is interrupted, no finished result is lost."""
        try:
            while data:
                data = data[self.file.write(data) :]
        except OSError as failure:
            message = f"The results cannot be written: {failure.strerror or failure}."
            raise UsageError("bad-argument", message, location=self.path, hint="Free some space, then continue with --resume.") from None


class Tally:
    """Numbers of documents by result.

    Attributes:
        reasons: maps a reason to the number of documents that were refused for this reason. The key
            ``""`` stands for accepted documents.
    """

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()

    @property
    def all(self) -> int:
        return self.reasons.total()

    @property
    def refused(self) -> int:
        """Number of documents that were not accepted, including those that could not be read."""
        return self.all - self.reasons[""]

    def lines(self) -> Iterator[str]:
        """Yield the lines of a summary for people. The most frequent reason comes first."""
        yield f"{self.all} documents: {self.reasons['']} accepted, {self.refused} refused"
        for reason, count in sorted(self.reasons.items(), key=lambda pair: (-pair[1], pair[0])):
            if reason:
                yield f"{count:10}  {reason}: {SENTENCES.get(reason) or Reason(reason).sentence}"


def run(
    verifier: Verifier,
    path: str,
    at: datetime | None,
    *,
    results: str | None = None,
    resume: bool = False,
    threads: int | None = None,
    clock: Clock | None = None,
) -> int:
    """Verify every document at ``path``.

    Args:
        verifier: verifier for the documents.
        path: path of a folder, or of a file with one document per line. ``-`` is standard input.
        at: time as of which a document is judged if its line in the input contains no time. None
            means the start of the run, in whole seconds. A resumed run uses the time of the
            interrupted run.
        results: path of the file for the results. None means standard output.
        resume: whether to continue after the last complete line of ``results``, if that file
            exists.
        threads: maximum number of threads. None means one thread per processor.
        clock: clock for the start of the run, and for the documents per second in the progress
            line.

    Returns:
        0 if every document was accepted, otherwise 1.

    Raises:
        UsageError: there are no documents, a file cannot be read or written, or the file to resume
            contains the results of another run.
    """
    clock = clock or SystemClock()
    if results is not None and os.path.isdir(path) and os.path.realpath(results).startswith(os.path.join(os.path.realpath(path), "")):
        raise UsageError(
            "bad-argument",
            "The file for the results is inside the folder of documents.",
            location=results,
            hint="Choose a file outside of this folder.",
        )
    tally, complete, moment = Tally(), 0, at
    with batch_input.opened(path, verifier.policy.limits.document_bytes) as source:
        if resume and results is not None and os.path.exists(results):
            tally, complete, moment = _resumed(verifier, source, results, at, clock)
        second = clock.now() if moment is None else int(moment.timestamp())
        progress = Progress(clock, source.size, tally.all) if results is not None or not _is_terminal(sys.stdout) else None
        try:
            if results is None:
                _verify_all(verifier, source, second, threads, tally, progress, _to_standard_output)
            else:
                with _results(results, complete, resume) as file:
                    _verify_all(verifier, source, second, threads, tally, progress, Results(file, results).append)
        except KeyboardInterrupt:
            if results is not None:
                output.note("interrupted: repeat the command with --resume to continue")
            raise
        finally:
            if progress:
                progress.end()
    if not tally.all:
        raise UsageError(
            "bad-argument",
            "The input contains no documents.",
            location=path,
            hint="Name a folder of documents, or a file with one document per line.",
        )
    for line in tally.lines():
        output.note(wrapped(line, 12))
    if source.unused:
        names = ", ".join(f"{name} ({count})" for name, count in sorted(source.unused.items(), key=lambda pair: (-pair[1], pair[0])))
        output.note(f"warning: unknown members of lines were ignored: {names}")
    return 1 if tally.refused else 0


def _verify_all(
    verifier: Verifier,
    source: Source,
    second: int,
    threads: int | None,
    tally: Tally,
    progress: Progress | None,
    write: Callable[[bytes], None],
) -> None:
    for chunk in _chunks(source.items):
        lines = []
        for reason, line in _verified(verifier, chunk, second, threads):
            tally.reasons[reason] += 1
            lines.append(line)
        write(b"".join(lines))
        if progress:
            progress.show(tally.all, tally.refused, chunk[-1].position)


def _chunks(items: Iterator[Item]) -> Iterator[list[Item]]:
    while chunk := list(islice(items, 1)):
        size = len(chunk[0].document or b"")
        for item in islice(items, CHUNK - 1):
            chunk.append(item)
            size += len(item.document or b"")
            if size >= CHUNK_BYTES:
                break
        yield chunk


def _verified(verifier: Verifier, chunk: list[Item], second: int, threads: int | None) -> Iterator[tuple[str, bytes]]:
    """Yield two values for each document: the reason why it was not accepted, and its result as one
    line of JSON. The reason is ``""`` for an accepted document. ``second`` is the time, in Unix
    seconds, as of which a document is judged if its line in the input contains no time."""
    read = [item for item in chunk if item.document is not None]
    verdicts = verifier.verify_many(
        (item.document for item in read if item.document is not None),
        at=[second if item.at is None else item.at for item in read],
        nonces=[item.nonce for item in read],
        threads=threads,
    )
    for item in chunk:
        claims = ""
        if item.document is None:
            reason = UNREADABLE if "file" in item.where else BAD_LINE
            result: dict[str, object] = {"verdict": UNREAD, "reason": reason, "stage": None, "location": "", "detail": item.failure}
        else:
            reason, result, claims = _verdict(next(verdicts))
        nonce = {} if item.nonce is None else {"nonce": item.nonce}
        moment = datetime.fromtimestamp(second if item.at is None else item.at, UTC).isoformat()
        line = json.dumps({**item.where, **result, **nonce, "at": moment}, separators=(",", ":"))
        yield reason, (f'{line[:-1]},"claims":{claims}}}\n' if claims else line + "\n").encode("ascii")


def _verdict(verdict: Attestation | VerificationError) -> tuple[str, dict[str, object], str]:
    """Return the reason, the members of the result, and the claims as JSON text. For an accepted
    document, the reason is ``""``. For a refused document, the claims are ``""``."""
    if isinstance(verdict, VerificationError):
        why = {"reason": verdict.code, "stage": verdict.stage.value, "location": verdict.location, "detail": verdict.detail}
        hint = {} if verdict.hint == verdict.reason.hint else {"hint": verdict.hint}
        return verdict.code, {"verdict": REFUSED, **why, **hint}, ""
    relaxed = {"relaxed": list(verdict.relaxed)} if verdict.relaxed else {}
    issuer = _common_name(verdict.chain[1]) if len(verdict.chain) > 1 else ""
    whose = {"cloud": verdict.cloud.name, "name": verdict.name, "issuer": issuer}
    return "", {"verdict": ACCEPTED, **whose, **relaxed}, signed_content.line(verdict.content)


@lru_cache(maxsize=64)
def _common_name(der: bytes) -> str:
    """Return the common name in the certificate of an authority, or ``""`` if it contains none."""
    return next(iter(parse_certificate(der).subject.common_names), "")


def _resumed(verifier: Verifier, source: Source, path: str, at: datetime | None, clock: Clock) -> tuple[Tally, int, datetime | None]:
    """Read the results of an interrupted run, and skip the documents in ``source`` that already
    have a result.

    Returns:
        The counts so far, the size of all complete lines of results in bytes, and a time. Documents
        are judged as of this time if their line in the input contains no time. It is None if ``at``
        is None and every line so far contains a time.

    Raises:
        UsageError: the file does not contain results, or its results were made with other
            documents, another time or other options.
    """
    tally, complete = Tally(), 0
    last: deque[tuple[Item, bytes]] = deque(maxlen=VERIFIED_AGAIN)
    moment = at
    progress = Progress(clock, source.size, 0)
    try:
        with open(path, "rb") as file:
            while (line := file.readline(batch_input.LONGEST_LINE * 8)).endswith(b"\n"):
                item = next(source.items, None)
                result = _result(line)
                when, reason = result.get("at"), str(result.get("reason", ""))
                about = {name: result[name] for name in ("line", "file", "id") if name in result}
                if item is None or about != item.where or not isinstance(when, str) or (reason and reason not in REASONS):
                    raise _other(path, f"Line {tally.all + 1} is not the result of document {tally.all + 1}.")
                if moment is None and item.at is None:
                    try:
                        moment = inputs.time(when)
                    except ValueError:
                        raise _other(path, f"The member `at` of line {tally.all + 1} is not a time in ISO 8601.") from None
                tally.reasons[reason] += 1
                complete += len(line)
                last.append((item, line))
                progress.show(tally.all, tally.refused, item.position)
            if not line.startswith(_BEGINNINGS) and not any(beginning.startswith(line) for beginning in _BEGINNINGS):
                # The caller removes an incomplete last line. This is safe only if the line is the
                # beginning of a result.
                raise _other(path, "Its last line is not a result.")
    except OSError as failure:
        message = f"The results cannot be read: {failure.strerror or failure}."
        raise UsageError("bad-argument", message, location=path, hint="Check its path and permissions.") from None
    finally:
        progress.end()
    if last:
        # If `moment` is None, every line of the input so far contains a time, so the value 0 is not
        # used.
        again = _verified(verifier, [item for item, _ in last], 0 if moment is None else int(moment.timestamp()), 1)
        if [line for _, line in again] != [line for _, line in last]:
            raise _other(path, "Verifying the last documents again gave other results.")
    return tally, complete, moment


def _result(line: bytes) -> dict[str, object]:
    """Parse a line of results. Return an empty dict if the line is not a JSON object."""
    try:
        value = signed_content.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _other(path: str, message: str) -> UsageError:
    hint = "Give the same input, time and options as before, or remove the file to start again."
    return UsageError("bad-argument", f"The file contains the results of another run. {message}", location=path, hint=hint)


def _results(path: str, complete: int, resume: bool) -> BinaryIO:
    """Open the file of results for appending. Its first ``complete`` bytes are complete lines. The
    incomplete line after them, if any, is removed. If the system supports it, the file is locked,
    so that no second run can write to it."""
    try:
        file = open(path, "r+b" if resume and os.path.exists(path) else "xb", buffering=0)  # noqa: SIM115  # the caller closes it
        _lock(file, path)
        file.seek(complete)
        file.truncate()
    except FileExistsError:
        hint = "Continue with --resume, or remove the file."
        raise UsageError("bad-argument", "The file for the results already exists.", location=path, hint=hint) from None
    except OSError as failure:
        message = f"The results cannot be written: {failure.strerror or failure}."
        raise UsageError("bad-argument", message, location=path, hint="Check its path and permissions.") from None
    return file


def _lock(file: BinaryIO, path: str) -> None:
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise UsageError("bad-argument", "Another run is writing to this file.", location=path, hint="Wait until it ends.") from None


def _to_standard_output(data: bytes) -> None:
    output.write_bytes(data.removesuffix(b"\n"))
    output.flush()


def _is_terminal(stream: object) -> bool:
    return bool(getattr(stream, "isatty", lambda: False)())
