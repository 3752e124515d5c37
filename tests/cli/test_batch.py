"""Tests of ``imdskit verify --batch``: each document gets one verdict, in order, for any input and after any interruption."""

from __future__ import annotations

import base64
import gzip
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imdskit.backends.contract import Backend
from imdskit.cli.verifier import batch
from imdskit.reasons import Reason

from .batch_results import program, record, results, short, text

PYTHON = Path(__file__).parent.parent.parent / "python"

Run = Callable[..., Any]


def test_accepts_every_form_of_a_line(run: Run, envelope: bytes, root: str, tmp_path: Path) -> None:
    signature = text(envelope)
    lines = [
        envelope,
        signature.encode(),
        json.dumps(signature).encode(),
        json.dumps({"id": "a", "document": json.loads(envelope)}).encode(),
        json.dumps({"id": 7, "document": signature}).encode() + b"\r",
        b"",
        json.dumps({"document": envelope.decode(), "received": 1}).encode(),
    ]
    (tmp_path / "lines").write_bytes(b"\n".join(lines))
    status, out, err = run("verify", "--batch", tmp_path / "lines", "--trust", root)
    assert (status, err) == (0, "6 documents: 6 accepted, 0 refused\nwarning: unknown members of lines were ignored: received (1)\n")
    assert short(out) == [
        (1, None, "accepted"),
        (2, None, "accepted"),
        (3, None, "accepted"),
        (4, "a", "accepted"),
        (5, 7, "accepted"),
        (7, None, "accepted"),
    ]
    first = results(out)[0]
    assert (first["cloud"], first["name"], first["claims"]["nonce"]) == ("public", "westeurope.metadata.azure.com", "4071882193")
    assert first["issuer"]
    assert first["issuer"] not in first["name"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"id": 1}', "bad-envelope"),
        (b'{"id": 1, "document": 5}', "bad-envelope"),
        (b'{"id": true, "document": "MII="}', "bad-envelope"),
        (b'{"id": [1], "document": "MII="}', "bad-envelope"),
        (b'{"id": 1, "document": {"encoding": "pkcs7", "encoding": "pkcs7", "signature": "MII="}}', "bad-json"),
        (b'{"id": 1, "document": ', "bad-json"),
        (b'{"document":' * 30_000, "too-large"),
        (b'{"document":' * 20_000, "too-large"),
        (b'{"document":' * 2_000, "bad-json"),
        (b"A" * 70_000, "too-large"),
        (b"A" * 10_000_000, "too-large"),
        (b'"' + b"A" * 70_000 + b'"', "too-large"),
        (b'"MII', "bad-base64"),
        (b'"\\ud800"', "bad-base64"),
        (b'{"document": ""}', "empty"),
        (b"\xff\xfe\x00", "bad-base64"),
        (b'{"document": "\xff"}', "bad-json"),
        (b"[1]", "bad-base64"),
        (b"MIIB", "bad-der"),
    ],
    ids=lambda value: repr(value[:24]) + str(len(value)) if isinstance(value, bytes) else value,
)
def test_invalid_line_affects_only_itself(run: Run, envelope: bytes, root: str, line: bytes, reason: str) -> None:
    status, out, _ = run("verify", "--batch", "-", "--trust", root, stdin=envelope + b"\n" + line + b"\n" + envelope)
    assert status == 1
    assert [(number, why) for number, _, why in short(out)] == [(1, "accepted"), (2, reason), (3, "accepted")]


def test_refusal_has_stage_location_and_detail(run: Run, envelope: bytes) -> None:
    status, out, err = run("verify", "--batch", "-", "--at", "2026-11-23", stdin=b'{"id":"x","document":' + envelope + b"}\nMIIB\nMIIB\n")
    first = results(out)[0]
    assert status == 1
    assert first.pop("detail")
    assert "An emulator of imdskit, not Azure, created this document." in first.pop("hint")
    assert first == {
        "line": 1,
        "id": "x",
        "verdict": "refused",
        "reason": "unknown-issuer",
        "stage": "chain",
        "location": "chain[0].issuer",
        "at": "2026-11-23T00:00:00+00:00",
    }
    assert err.splitlines() == [
        "3 documents: 0 accepted, 3 refused",
        f"         2  bad-der: {Reason.BAD_DER.sentence}",
        f"         1  unknown-issuer: {Reason.UNKNOWN_ISSUER.sentence}",
    ]


def test_folder_is_read_depth_first_and_by_name(run: Run, envelope: bytes, root: str, tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    (folder / "b" / "a").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "b" / "a" / "one.json").write_bytes(envelope)
    (folder / "a.der").write_bytes(base64.b64decode(text(envelope)))
    (folder / "b" / "large").write_bytes(b"A" * 70_000)
    (folder / "c.txt").write_text(text(envelope) + "\n")
    (folder / "link").symlink_to(folder / "c.txt")
    (folder / "loop").symlink_to(folder)
    (folder / "nowhere").symlink_to(folder / "nothing")
    os.mkfifo(folder / "pipe")
    status, out, err = run("verify", "--batch", folder, "--trust", root)
    assert status == 1
    assert short(out) == [
        ("a.der", None, "accepted"),
        ("b/a/one.json", None, "accepted"),
        ("b/large", None, "too-large"),
        ("c.txt", None, "accepted"),
        ("link", None, "accepted"),
        ("loop", None, "unreadable"),
        ("nowhere", None, "unreadable"),
        ("pipe", None, "unreadable"),
    ]
    assert {one["verdict"] for one in results(out)} == {"accepted", "refused", "unread"}
    assert "         3  unreadable: The file cannot be read." in err.splitlines()


def test_output_is_independent_of_backend_and_threads(run: Run, envelope: bytes, root: str, backend: Backend, at: tuple[str, str]) -> None:
    lines = b"\n".join([envelope, b"MIIB", envelope.replace(b"M", b"N", 1), b"{}", envelope] * 5)
    common = ("verify", "--batch", "-", "--trust", root, *at)
    expected = run(*common, "--backend", "python", stdin=lines).out
    assert [one["verdict"] for one in results(expected)][:5] == ["accepted", "refused", "refused", "refused", "accepted"]
    assert len(results(expected)) == 25
    for threads in ([], ["--threads", "1"], ["--threads", "3"]):
        assert run(*common, "--backend", backend.name, *threads, stdin=lines).out == expected


def lines_of_many(envelope: bytes, number: int) -> bytes:
    every = [b'{"id":"machine %d","document":"MII%04d"}' % (one, one % 10_000) for one in range(number)]
    every[::97] = [b'{"id":%d,"document":%s}' % (one, envelope) for one in range(len(every[::97]))]
    every[5::50] = [b""] * len(every[5::50])
    return b"\n".join(every) + b"\n"


def test_resumed_run_has_no_lost_or_duplicate_results(
    run: Run, envelope: bytes, root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: tuple[str, str]
) -> None:
    monkeypatch.setattr(batch, "CHUNK", 40)
    (tmp_path / "in").write_bytes(lines_of_many(envelope, 150))
    complete = run("verify", "--batch", tmp_path / "in", "--trust", root, *at)
    expected = complete.out.encode()
    assert len(results(complete.out)) == 147
    ends = [at + 1 for at, octet in enumerate(expected) if octet == 10]
    cuts = {
        0,
        1,
        6,
        7,
        8,
        *ends[:3],
        ends[70] - 1,
        ends[70],
        ends[70] + 1,
        *range(500, len(expected), 2500),
        len(expected) - 1,
        len(expected),
    }
    for cut in sorted(cuts):
        (tmp_path / "out").write_bytes(expected[:cut])
        status, out, err = run("verify", "--batch", tmp_path / "in", "--trust", root, *at, "--output", tmp_path / "out", "--resume")
        assert (status, out, err) == (complete.status, "", complete.err), cut
        assert (tmp_path / "out").read_bytes() == expected, cut


def test_resumed_run_verifies_at_the_original_time(run: Run, envelope: bytes, root: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes((envelope + b"\n") * 4)
    long_ago = run("verify", "--batch", tmp_path / "in", "--trust", root, "--at", "2001-02-03T04:05:06Z").out
    assert {one["reason"] for one in results(long_ago)} == {"not-yet-valid"}
    (tmp_path / "out").write_text(long_ago[: len(long_ago) // 2])
    assert run("verify", "--batch", tmp_path / "in", "--trust", root, "--output", tmp_path / "out", "--resume").status == 1
    assert (tmp_path / "out").read_text() == long_ago


def test_killed_run_resumes_without_lost_or_duplicate_results(envelope: bytes, root: str, tmp_path: Path, at: tuple[str, str]) -> None:
    data = lines_of_many(envelope, 12_000)
    (tmp_path / "in").write_bytes(data)
    options = ("--trust", root, *at)
    expected = program(tmp_path / "in", *options, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).communicate(timeout=120)[0]
    killed = program("-", *options, "--output", tmp_path / "out", stdin=subprocess.PIPE)
    assert killed.stdin is not None
    # A pipe buffers only 64 KiB. After this write, the program has therefore read at least two
    # chunks of lines, and it has verified the first one.
    killed.stdin.write(data[: len(data) * 2 // 3])
    killed.stdin.flush()
    killed.kill()
    killed.wait(timeout=60)
    killed.stdin.close()
    left = (tmp_path / "out").read_bytes()
    assert 0 < len(left) < len(expected)
    assert expected.startswith(left)
    resumed = program(tmp_path / "in", *options, "--output", tmp_path / "out", "--resume", stderr=subprocess.PIPE)
    _, printed = resumed.communicate(timeout=120)
    assert resumed.returncode == 1
    assert (tmp_path / "out").read_bytes() == expected
    assert printed.decode().startswith(f"{len(expected.splitlines())} documents: 121 accepted, ")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: lines[:2], "Line 3 is not the result of document 3."),
        (lambda lines: [lines[0], b'{"id":9,"document":"AAAA"}', *lines[2:]], "Line 2 is not the result of document 2."),
        (lambda lines: [*lines[:3], b"MIIB"], "Verifying the last documents again gave other results."),
    ],
    ids=["shorter", "another-id", "another-document"],
)
def test_results_of_another_input_are_not_changed(
    run: Run, envelope: bytes, root: str, tmp_path: Path, change: Callable[[list[bytes]], list[bytes]], words: str, at: tuple[str, str]
) -> None:
    lines = [envelope, b'{"id":2,"document":"AAAA"}', envelope, envelope]
    out = tmp_path / "out"
    (tmp_path / "in").write_bytes(b"\n".join(lines))
    assert run("verify", "--batch", tmp_path / "in", "--trust", root, *at, "--output", out).status == 1
    before = out.read_bytes()
    (tmp_path / "in").write_bytes(b"\n".join(change(lines)))
    status, _, err = run("verify", "--batch", tmp_path / "in", "--trust", root, *at, "--output", out, "--resume")
    assert (status, out.read_bytes()) == (2, before)
    assert words in err


@pytest.mark.parametrize("options", [("--at", "2001-01-01"), ("--cloud", "china"), ()], ids=["time", "cloud", "trust"])
def test_results_of_other_options_are_not_changed(run: Run, envelope: bytes, root: str, tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "in").write_bytes(envelope)
    out = tmp_path / "out"
    assert run("verify", "--batch", tmp_path / "in", "--trust", root, "--output", out).status == 0
    before = out.read_bytes()
    others = ("--trust", root, *options) if options else ()
    status, _, err = run("verify", "--batch", tmp_path / "in", *others, "--output", out, "--resume")
    assert (status, out.read_bytes()) == (2, before)
    assert "Verifying the last documents again gave other results." in err


@pytest.mark.parametrize(
    "content",
    [
        b"my diary",
        b"my diary\n",
        b'{"line":1}\n',
        b"[1]\n",
        b"[" * 9000 + b"\n",
        b'{"line":1,"at":1,"reason":[]}\n',
        b'{"line":1,"at":"noon"}\n',
        b"\x00\n",
    ],
)
def test_other_files_are_not_changed(run: Run, envelope: bytes, tmp_path: Path, content: bytes) -> None:
    out = tmp_path / "out"
    out.write_bytes(content)
    for options in ([], ["--resume"]):
        status, printed, err = run("verify", "--batch", "-", "--output", out, *options, stdin=envelope)
        assert (status, printed, out.read_bytes()) == (2, "", content)
        assert ("another run" if options else "The file for the results already exists.") in err


def test_full_disk_is_reported_with_advice(envelope: bytes, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(lines_of_many(envelope, 5000))
    limited = f"ulimit -f 64; exec {sys.executable} -m imdskit verify --batch in --output out"
    # The limit is 64 blocks, which have 512 bytes or 1 KiB in different shells. Python ignores
    # SIGXFSZ.
    done = subprocess.run(
        ["sh", "-c", limited], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(PYTHON)}, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert b"The results cannot be written: File too large." in done.stderr
    assert b"--resume" in done.stderr
    assert program(tmp_path / "in", "--output", tmp_path / "out", "--resume", stderr=subprocess.DEVNULL).wait(timeout=60) == 1
    assert len((tmp_path / "out").read_bytes().splitlines()) == 4900


def test_two_runs_cannot_write_to_one_file(run: Run, envelope: bytes, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with batch._results(str(out), 0, False):
        status, _, err = run("verify", "--batch", "-", "--output", out, "--resume", stdin=envelope)
    assert (status, out.read_bytes()) == (2, b"")
    assert "Another run is writing to this file." in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["x", "--threads", "2"], "--threads needs --batch."),
        (["x", "--output", "y"], "--output needs --batch."),
        (["x", "--resume"], "--resume needs --batch."),
        (["x", "--batch", "--nonce", "1"], "--nonce has no effect with --batch."),
        (["x", "--batch", "--explain"], "--explain has no effect with --batch."),
        (["x", "--batch", "--resume"], "--resume needs --output."),
        (["-", "--batch", "--threads", "0"], "`--threads` must be a whole number from 1 to 1024"),
        (["-", "--batch", "--threads", "-1"], "`--threads` must be a whole number from 1 to 1024"),
        (["no-such-file", "--batch"], "The input cannot be read: No such file or directory."),
        (["a\0b", "--batch"], "The input cannot be read: "),
        (["-", "--batch"], "The input contains no documents."),
        ([".", "--batch", "--output", "./out"], "The file for the results is inside the folder of documents."),
        (["-", "--batch", "--output", "no-such-folder/out"], "The results cannot be written: No such file or directory."),
    ],
    ids=lambda value: " ".join(value).replace("\0", "0") if isinstance(value, list) else "",
)
def test_reports_mistakes(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = run("verify", *arguments, stdin=b"\n \n")
    assert (status, out) == (2, "")
    assert words in err


def test_results_list_the_relaxed_checks(run: Run) -> None:
    sample = Path(batch.__file__).parent.parent / "emulator" / "documentation-sample.json"
    line = json.dumps(json.loads(sample.read_bytes()))
    status, out, err = run("verify", "--batch", "-", "--preset", "legacy_sample", stdin=line.encode())
    assert status == 0
    assert results(out)[0]["relaxed"]
    assert results(out)[0]["issuer"] == ""  # there is no issuer, because the chain is not verified
    assert err.splitlines()[-1].startswith("warning: not checked by this policy: ")


def through_a_terminal(tmp_path: Path, data: bytes, *options: str, out: bool = False) -> str:
    """Return everything that a terminal shows during a run."""
    (tmp_path / "in").write_bytes(data)
    ours, theirs = pty.openpty()
    running = program(tmp_path / "in", *options, stdout=theirs if out else subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # the other end is closed
        pass
    running.wait(timeout=60)
    os.close(ours)
    return shown.decode()


OTHER_INPUTS = {
    "Parquet": (b"PAR1\x15\x04\x15\n", "a Parquet file", "imdskit.arrow"),
    "Arrow": (b"ARROW1\0\0", "an Apache Arrow file", "imdskit.arrow"),
    "an Arrow stream": (b"\xff\xff\xff\xff\x10\0", "an Apache Arrow stream", "imdskit.arrow"),
    "gzip": (gzip.compress(b"{}\n", mtime=0), "compressed with gzip", "gzip -dc"),
    "Zstandard": (b"\x28\xb5\x2f\xfd\0", "compressed with Zstandard", "zstd -dc"),
    "ZIP": (b"PK\x03\x04\x14\0", "a ZIP archive", "Unpack it"),
    "CSV": (b"id,document,at\n1,MIIB,7\n", "CSV", "lines of JSON"),
    "quoted CSV": (b'"id";"document"\r\n', "CSV", "lines of JSON"),
    "TSV": (b"id\tdocument\n", "CSV", "lines of JSON"),
    "UTF-16": ('{"document":"MIIB"}\n'.encode("utf-16"), "UTF-16 text", "iconv"),
    "an object over several lines": (b'{\n  "encoding": "pkcs7"\n}\n', "JSON over several lines", "jq -c"),
    "an array over several lines": (b"[\n{}\n]\n", "JSON over several lines", "jq -c"),
}


@pytest.mark.parametrize(("data", "what", "remedy"), OTHER_INPUTS.values(), ids=OTHER_INPUTS)
def test_names_a_file_without_document_lines(run: Run, tmp_path: Path, data: bytes, what: str, remedy: str) -> None:
    (tmp_path / "in").write_bytes(data)
    for status, out, err in (run("verify", "--batch", tmp_path / "in"), run("verify", "--batch", "-", stdin=data)):
        assert (status, out) == (2, "")
        assert f"The input must have one document per line; it is {what}." in err
        assert remedy in err


def test_byte_order_mark_is_ignored(run: Run, envelope: bytes, root: str) -> None:
    for line in (envelope, record(id="x", document=json.loads(envelope)), text(envelope).encode()):
        assert run("verify", "--batch", "-", "--trust", root, stdin=b"\xef\xbb\xbf" + line + b"\r\n" + line).status == 0


def test_line_in_a_wrong_form_has_a_hint(run: Run, envelope: bytes, root: str) -> None:
    lines = [
        record(document=text(envelope).replace("+", " ")),
        envelope.replace(b'"', b"'"),
        b"%7B%22encoding%22",
        record(document="\ufeff" + envelope.decode()),
        b"MIIB",
    ]
    _, out, _ = run("verify", "--batch", "-", "--trust", root, stdin=b"\n".join(lines))
    words = ["plus signs were replaced by blanks", "single quotes", "percent-encoded", "byte order mark"]
    assert all(word in one["hint"] for word, one in zip(words, results(out), strict=False))


def test_large_numbers_in_a_line_are_ignored(run: Run, envelope: bytes, root: str) -> None:
    digits = b"9" * 5000
    lines = [
        b'{"document":' + envelope[:-1] + b',"x":' + digits + b',"y":1e999}}',
        b'{"document":' + envelope + b',"id":' + digits + b"}",
        b'{"document":' + envelope + b',"x":[1e999,-0]}',
    ]
    status, out, _ = run("verify", "--batch", "-", "--trust", root, stdin=b"\n".join(lines))
    assert status == 0
    assert short(out)[1] == (2, digits.decode(), "accepted")


def test_progress_is_shown_and_erased_on_a_terminal(envelope: bytes, tmp_path: Path) -> None:
    shown = through_a_terminal(tmp_path, lines_of_many(envelope, 3000))
    first, *_, last = shown.split("\r\x1b[K")
    assert first == ""
    assert " documents, " in shown.split("\r\x1b[K")[1]
    assert last.startswith("2940 documents: ")


def test_no_progress_is_shown_with_results_on_a_terminal(envelope: bytes, tmp_path: Path) -> None:
    assert "\x1b" not in through_a_terminal(tmp_path, b"MIIB\n", out=True)


def test_memory_does_not_grow_with_the_input(tmp_path: Path) -> None:
    """Compare two inputs. The second one is four times as long, and takes 120 MB on disk."""
    # The value of getrusage for a child includes the memory that its parent had.
    code = "import sys; from imdskit.cli import main; main(sys.argv[1:]); print(open('/proc/self/status').read())"
    peaks, sizes = [], []
    for times in (20_000, 80_000):
        sizes.append((tmp_path / "in").write_bytes((b"A" * 1500 + b"!\n") * times) // 1024)
        done = subprocess.run(
            [sys.executable, "-c", code, "verify", "--batch", tmp_path / "in", "--output", tmp_path / f"out{times}"],
            env={**os.environ, "PYTHONPATH": str(PYTHON)},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        assert len((tmp_path / f"out{times}").read_bytes().splitlines()) == times
        peaks.append(int(done.stdout.split("VmHWM:")[1].split()[0]))
    # A run that kept its input in memory would need 90 MB more for the second input. The margin is
    # for garbage collection, which starts later since Python 3.13. Memory then still grows by 16 MB
    # between these two inputs, but no further for larger ones.
    assert peaks[1] - peaks[0] < (sizes[1] - sizes[0]) / 3
