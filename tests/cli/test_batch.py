"""``imdskit verify --batch``: every document has its verdict, once and in order, whatever stands in the input and whenever it is interrupted."""

from __future__ import annotations

import base64
import gzip
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from imdskit.backends.contract import Backend
from imdskit.cli.verifier import batch
from imdskit.reasons import Reason

PYTHON = Path(__file__).parent.parent.parent / "python"
Run = Callable[..., Any]


@pytest.fixture
def envelope(document: str) -> bytes:
    return Path(document).read_bytes().strip()


@pytest.fixture
def at(run: Run, envelope: bytes, root: str) -> tuple[str, str]:
    """Arguments for the second after the document was made."""
    created = json.loads(run("verify", "-", "--trust", root, stdin=envelope).out)["timeStamp"]["createdOn"]
    return "--at", (datetime.strptime(created, "%m/%d/%y %H:%M:%S %z") + timedelta(seconds=1)).isoformat()


def text(envelope: bytes) -> str:
    signature: str = json.loads(envelope)["signature"]
    return signature


def results(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def short(out: str) -> list[tuple[object, object, object]]:
    return [(one.get("line", one.get("file")), one.get("id"), one.get("reason", one["verdict"])) for one in results(out)]


def program(*arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(PYTHON)}
    return subprocess.Popen([sys.executable, "-m", "imdskit", "verify", "--batch", *map(str, arguments)], env=environment, **options)


def test_every_form_of_a_line(run: Run, envelope: bytes, root: str, tmp_path: Path) -> None:
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
def test_a_line_that_is_no_document_is_refused_and_costs_its_neighbours_nothing(
    run: Run, envelope: bytes, root: str, line: bytes, reason: str
) -> None:
    status, out, _ = run("verify", "--batch", "-", "--trust", root, stdin=envelope + b"\n" + line + b"\n" + envelope)
    assert status == 1
    assert [(number, why) for number, _, why in short(out)] == [(1, "accepted"), (2, reason), (3, "accepted")]


def test_a_refusal_tells_stage_place_and_what_was_found(run: Run, envelope: bytes) -> None:
    status, out, err = run("verify", "--batch", "-", "--at", "2026-11-23", stdin=b'{"id":"x","document":' + envelope + b"}\nMIIB\nMIIB\n")
    first = results(out)[0]
    assert status == 1
    assert first.pop("detail")
    assert "made this document, not Azure" in first.pop("hint")
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


def test_a_folder_is_read_depth_first_and_by_name(run: Run, envelope: bytes, root: str, tmp_path: Path) -> None:
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


def test_both_backends_and_any_number_of_threads_write_the_same(
    run: Run, envelope: bytes, root: str, backend: Backend, at: tuple[str, str]
) -> None:
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


def test_a_run_that_was_cut_off_anywhere_goes_on_without_loss_and_doubles(
    run: Run, envelope: bytes, root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: tuple[str, str]
) -> None:
    monkeypatch.setattr(batch, "PIECE", 40)
    (tmp_path / "in").write_bytes(lines_of_many(envelope, 150))
    whole = run("verify", "--batch", tmp_path / "in", "--trust", root, *at)
    expected = whole.out.encode()
    assert len(results(whole.out)) == 147
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
        assert (status, out, err) == (whole.status, "", whole.err), cut
        assert (tmp_path / "out").read_bytes() == expected, cut


def test_a_run_that_goes_on_judges_as_of_the_time_at_which_it_began(run: Run, envelope: bytes, root: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes((envelope + b"\n") * 4)
    long_ago = run("verify", "--batch", tmp_path / "in", "--trust", root, "--at", "2001-02-03T04:05:06Z").out
    assert {one["reason"] for one in results(long_ago)} == {"not-yet-valid"}
    (tmp_path / "out").write_text(long_ago[: len(long_ago) // 2])
    assert run("verify", "--batch", tmp_path / "in", "--trust", root, "--output", tmp_path / "out", "--resume").status == 1
    assert (tmp_path / "out").read_text() == long_ago


def test_a_killed_run_goes_on_without_loss_and_doubles(envelope: bytes, root: str, tmp_path: Path, at: tuple[str, str]) -> None:
    data = lines_of_many(envelope, 12_000)
    (tmp_path / "in").write_bytes(data)
    options = ("--trust", root, *at)
    expected = program(tmp_path / "in", *options, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).communicate(timeout=120)[0]
    killed = program("-", *options, "--output", tmp_path / "out", stdin=subprocess.PIPE)
    assert killed.stdin is not None
    # A pipe takes 64 KiB: when the second half has been written, two pieces have been read, and so the first has been judged.
    killed.stdin.write(data[: len(data) * 2 // 3])
    killed.stdin.flush()
    killed.kill()
    killed.wait(timeout=60)
    killed.stdin.close()
    left = (tmp_path / "out").read_bytes()
    assert 0 < len(left) < len(expected)
    assert expected.startswith(left)
    resumed = program(tmp_path / "in", *options, "--output", tmp_path / "out", "--resume", stderr=subprocess.PIPE)
    _, said = resumed.communicate(timeout=120)
    assert resumed.returncode == 1
    assert (tmp_path / "out").read_bytes() == expected
    assert said.decode().startswith(f"{len(expected.splitlines())} documents: 121 accepted, ")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: lines[:2], "Line 3 does not belong to the next document."),
        (lambda lines: [lines[0], b'{"id":9,"document":"AAAA"}', *lines[2:]], "Line 2 does not belong to the next document."),
        (lambda lines: [*lines[:3], b"MIIB"], "Verifying the last documents again gave other results."),
    ],
    ids=["shorter", "another-id", "another-document"],
)
def test_results_of_another_input_are_left_alone(
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
def test_results_of_other_options_are_left_alone(run: Run, envelope: bytes, root: str, tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "in").write_bytes(envelope)
    out = tmp_path / "out"
    assert run("verify", "--batch", tmp_path / "in", "--trust", root, "--output", out).status == 0
    before = out.read_bytes()
    others = ("--trust", root, *options) if options else ()
    status, _, err = run("verify", "--batch", tmp_path / "in", *others, "--output", out, "--resume")
    assert (status, out.read_bytes()) == (2, before)
    assert "Verifying the last documents again gave other results." in err


@pytest.mark.parametrize(
    "content", [b"my diary", b"my diary\n", b'{"line":1}\n', b"[1]\n", b"[" * 9000 + b"\n", b'{"line":1,"at":1,"reason":[]}\n', b"\x00\n"]
)
def test_a_file_of_something_else_is_left_alone(run: Run, envelope: bytes, tmp_path: Path, content: bytes) -> None:
    out = tmp_path / "out"
    out.write_bytes(content)
    for options in ([], ["--resume"]):
        status, said, err = run("verify", "--batch", "-", "--output", out, *options, stdin=envelope)
        assert (status, said, out.read_bytes()) == (2, "", content)
        assert ("another run" if options else "The file for the results already exists.") in err


def test_a_full_disk_is_said_with_what_to_do(envelope: bytes, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(lines_of_many(envelope, 5000))
    limited = f"ulimit -f 64; exec {sys.executable} -m imdskit verify --batch in --output out"
    # 64 blocks of a KiB or half of one; Python leaves the signal that goes with it ignored
    done = subprocess.run(
        ["sh", "-c", limited], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(PYTHON)}, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert b"The results cannot be written: File too large." in done.stderr
    assert b"--resume" in done.stderr
    assert program(tmp_path / "in", "--output", tmp_path / "out", "--resume", stderr=subprocess.DEVNULL).wait(timeout=60) == 1
    assert len((tmp_path / "out").read_bytes().splitlines()) == 4900


def test_two_runs_do_not_write_into_one_file(run: Run, envelope: bytes, tmp_path: Path) -> None:
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
        (["x", "--batch", "--nonce", "1"], "--nonce applies to a single document."),
        (["x", "--batch", "--explain"], "--explain applies to a single document."),
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
def test_a_mistake_is_said(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = run("verify", *arguments, stdin=b"\n \n")
    assert (status, out) == (2, "")
    assert words in err


def test_a_policy_that_leaves_checks_out_says_so(run: Run) -> None:
    sample = Path(batch.__file__).parent.parent / "emulator" / "documentation-sample.json"
    line = json.dumps(json.loads(sample.read_bytes()))
    status, out, err = run("verify", "--batch", "-", "--preset", "legacy_sample", stdin=line.encode())
    assert status == 0
    assert results(out)[0]["relaxed"]
    assert results(out)[0]["issuer"] == ""  # nobody, where the chain is not looked at
    assert err.splitlines()[-1].startswith("warning: not checked by this policy: ")


def through_a_terminal(tmp_path: Path, data: bytes, *options: str, out: bool = False) -> str:
    """What a terminal shows of a run."""
    (tmp_path / "in").write_bytes(data)
    ours, theirs = pty.openpty()
    running = program(tmp_path / "in", *options, stdout=theirs if out else subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # the other end is closed
        pass
    running.wait(timeout=60)
    os.close(ours)
    return shown.decode()


CREATED = "%m/%d/%y %H:%M:%S %z"


@pytest.fixture
def created(run: Run, envelope: bytes, root: str) -> int:
    """Unix second in which the document was made."""
    return int(
        datetime.strptime(
            json.loads(run("verify", "-", "--trust", root, stdin=envelope).out)["timeStamp"]["createdOn"], CREATED
        ).timestamp()
    )


def record(**members: object) -> bytes:
    return json.dumps(members).encode()


def test_each_line_is_judged_at_its_own_time(run: Run, envelope: bytes, root: str, created: int, backend: Backend) -> None:
    document = json.loads(envelope)
    stamp = datetime.fromtimestamp(created + 60, UTC)
    lines = [
        record(id="seconds", document=document, at=created + 60),
        record(id="zulu", document=envelope.decode(), at=stamp.strftime("%Y-%m-%dT%H:%M:%SZ")),
        record(id="zone", document=document["signature"], at=stamp.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()),
        record(id="lower case", document=document, at=stamp.strftime("%Y-%m-%dt%H:%M:%S.999999999z")),
        record(id="blank", document=document, at=stamp.strftime("%Y-%m-%d %H:%M:%S+00:00")),
        record(id="too late", document=document, at=created + 7 * 3600),
        record(id="too early", document=document, at=created - 3600),
        record(id="none", document=document, at=None),
        record(id="absent", document=document),
        record(**document, at=created + 60, id="an envelope"),
        record(**document, at=created + 7 * 3600),
    ]
    given = ("--trust", root, "--backend", backend.name, "--at", datetime.fromtimestamp(created + 10 * 3600, UTC).isoformat())
    status, out, err = run("verify", "--batch", "-", *given, stdin=b"\n".join(lines))
    assert status == 1
    late, early = "document-expired", "document-not-yet-valid"
    assert [reason for *_, reason in short(out)] == [*["accepted"] * 5, late, early, late, late, "accepted", late]
    assert [name for _, name, _ in short(out)][-2:] == ["an envelope", None]
    assert [datetime.fromisoformat(one["at"]).timestamp() - created for one in results(out)] == [
        *[60] * 5,
        25200,
        -3600,
        36000,
        36000,
        60,
        25200,
    ]
    assert "warning" not in err


BAD_TIMES = [
    "yesterday",
    "",
    "2026-11-23",
    "2026-11-23T08:00:00",
    "2026-13-01T00:00:00Z",
    "2026-11-23T08:00:60Z",
    "0001-01-01T00:00:00+14:00",
    "1795000000",
    1795000000.5,
    1795000000000,
    -1,
    10**30,
    True,
    [],
    {},
    "2026-11-23T08:00:00Z ",
    "\u0662026-11-23T08:00:00Z",
]


@pytest.mark.parametrize("value", BAD_TIMES, ids=str)
def test_a_time_that_cannot_be_used_is_told_and_costs_its_neighbours_nothing(run: Run, envelope: bytes, root: str, value: object) -> None:
    lines = [envelope, record(id=7, document=json.loads(envelope), at=value), envelope]
    status, out, err = run("verify", "--batch", "-", "--trust", root, stdin=b"\n".join(lines))
    assert status == 1
    assert short(out) == [(1, None, "accepted"), (2, 7, "bad-line"), (3, None, "accepted")]
    second = results(out)[1]
    assert second["verdict"] == "unread"
    assert second["detail"].startswith("`at` must be Unix seconds or a time with a zone")
    assert "         1  bad-line: The time or the nonce of the line is invalid." in err.splitlines()


def test_each_line_may_have_its_own_nonce(run: Run, envelope: bytes, root: str, backend: Backend) -> None:
    document = json.loads(envelope)
    lines = [
        record(document=document, nonce="4071882193"),
        record(document=document, nonce="4071882194"),
        record(document=document, nonce=""),
        record(document=document, nonce=None),
        record(document=document),
        record(document=document, nonce=4071882193),
        record(document=document, nonce=["4071882193"]),
        record(**document, nonce="4071882193"),
        record(**document, nonce="another"),
        record(document="MIIB", nonce="4071882193"),
    ]
    for preset, without in (("offline_audit", "accepted"), ("online", "nonce-required")):
        options = ("--trust", root, "--backend", backend.name, "--preset", preset)
        now = json.loads(run("verify", "-", "--trust", root, stdin=envelope).out)["timeStamp"]["createdOn"]
        at = datetime.strptime(now, CREATED).isoformat()
        _, out, _ = run("verify", "--batch", "-", *options, "--at", at, stdin=b"\n".join(lines))
        assert [reason for *_, reason in short(out)] == [
            "accepted",
            "nonce-mismatch",
            "nonce-mismatch",
            without,
            without,
            "bad-line",
            "bad-line",
            "accepted",
            "nonce-mismatch",
            "bad-der",
        ]
        assert [one.get("nonce") for one in results(out)][:3] == ["4071882193", "4071882194", ""]
        assert results(out)[1]["location"] == "content.nonce"


def test_members_that_are_not_used_are_reported_once_with_counts(run: Run, envelope: bytes, root: str) -> None:
    document = json.loads(envelope)
    lines = [
        *[record(document=document, received=1, customer="x")] * 3,
        record(document=document, received=2, At=7),
        record(**document, received=3, Nonce="7"),
        record(document={**document, "at": 7}),
        envelope,
    ]
    status, out, err = run("verify", "--batch", "-", "--trust", root, stdin=b"\n".join(lines))
    assert (status, len(results(out))) == (0, 7)
    assert (
        err.splitlines()[-1]
        == "warning: unknown members of lines were ignored: received (5), customer (3), At (1), Nonce (1), document.at (1)"
    )


def test_unused_members_without_end_are_counted_in_bounded_memory(run: Run, envelope: bytes, root: str) -> None:
    lines = [record(document="MIIB", **{f"{'x' * 100}{number}": 1, f"name {number}\x1b": 1}) for number in range(500)]
    err = run("verify", "--batch", "-", "--trust", root, stdin=b"\n".join(lines)).err
    warning = err.splitlines()[-1]
    assert "x" * 60 + " (500)" in warning
    assert "(others) (401)" in warning
    assert "\x1b" not in warning


def test_a_run_with_times_of_its_own_goes_on_where_it_was_cut_off(
    run: Run, envelope: bytes, root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, created: int
) -> None:
    monkeypatch.setattr(batch, "PIECE", 5)
    document = json.loads(envelope)
    lines = [record(document=document, at=created + 600 * number, nonce="4071882193") for number in range(48)]
    lines[20:] = [line if number % 3 else record(document=document) for number, line in enumerate(lines[20:])]
    (tmp_path / "in").write_bytes(b"\n".join(lines))
    given = ("verify", "--batch", tmp_path / "in", "--trust", root)
    whole = run(*given, "--at", "2001-02-03T04:05:06Z")
    expected = whole.out.encode()
    ends = [at + 1 for at, octet in enumerate(expected) if octet == 10]
    for cut in (0, ends[3], ends[18], ends[18] + 7, ends[30], len(expected)):
        (tmp_path / "out").write_bytes(expected[:cut])
        again = run(*given, "--at", "2001-02-03T04:05:06Z", "--output", tmp_path / "out", "--resume")
        assert (again.status, again.err) == (whole.status, whole.err)
        assert (tmp_path / "out").read_bytes() == expected, cut
    # Without --at the time of the first run is found in a line that has none of its own.
    (tmp_path / "out").write_bytes(expected[: ends[30]])
    assert run(*given, "--output", tmp_path / "out", "--resume").status == whole.status
    assert (tmp_path / "out").read_bytes() == expected
    # Times that were changed since are another run.
    (tmp_path / "in").write_bytes(b"\n".join([record(document=document, at=created + 1), *lines[1:]]))
    (tmp_path / "out").write_bytes(expected[: ends[18]])
    assert run(*given, "--output", tmp_path / "out", "--resume").status == 2


OTHER_INPUTS = {
    "Parquet": (b"PAR1\x15\x04\x15\n", "a Parquet file", "imdskit.arrow"),
    "Arrow": (b"ARROW1\0\0", "an Apache Arrow file", "imdskit.arrow"),
    "a stream of Arrow": (b"\xff\xff\xff\xff\x10\0", "an Apache Arrow stream", "imdskit.arrow"),
    "gzip": (gzip.compress(b"{}\n", mtime=0), "compressed with gzip", "gzip -dc"),
    "Zstandard": (b"\x28\xb5\x2f\xfd\0", "compressed with Zstandard", "zstd -dc"),
    "ZIP": (b"PK\x03\x04\x14\0", "a ZIP archive", "Unpack it"),
    "CSV": (b"id,document,at\n1,MIIB,7\n", "CSV", "lines of JSON"),
    "CSV in quotes": (b'"id";"document"\r\n', "CSV", "lines of JSON"),
    "TSV": (b"id\tdocument\n", "CSV", "lines of JSON"),
    "UTF-16": ('{"document":"MIIB"}\n'.encode("utf-16"), "UTF-16 text", "iconv"),
    "JSON over lines": (b'{\n  "encoding": "pkcs7"\n}\n', "JSON over several lines", "jq -c"),
    "an array over lines": (b"[\n{}\n]\n", "JSON over several lines", "jq -c"),
}


@pytest.mark.parametrize(("data", "what", "remedy"), OTHER_INPUTS.values(), ids=OTHER_INPUTS)
def test_a_file_that_has_no_lines_of_documents_is_named(run: Run, tmp_path: Path, data: bytes, what: str, remedy: str) -> None:
    (tmp_path / "in").write_bytes(data)
    for status, out, err in (run("verify", "--batch", tmp_path / "in"), run("verify", "--batch", "-", stdin=data)):
        assert (status, out) == (2, "")
        assert f"The input must have one document per line; it is {what}." in err
        assert remedy in err


def test_a_byte_order_mark_before_the_first_line_is_no_part_of_it(run: Run, envelope: bytes, root: str) -> None:
    for line in (envelope, record(id="x", document=json.loads(envelope)), text(envelope).encode()):
        assert run("verify", "--batch", "-", "--trust", root, stdin=b"\xef\xbb\xbf" + line + b"\r\n" + line).status == 0


def test_a_line_in_a_wrong_form_has_a_hint(run: Run, envelope: bytes, root: str) -> None:
    lines = [
        record(document=text(envelope).replace("+", " ")),
        envelope.replace(b'"', b"'"),
        b"%7B%22encoding%22",
        record(document="\ufeff" + envelope.decode()),
        b"MIIB",
    ]
    _, out, _ = run("verify", "--batch", "-", "--trust", root, stdin=b"\n".join(lines))
    words = ["plus signs became blanks", "single quotes", "percent-encoded", "byte order mark"]
    assert all(word in one["hint"] for word, one in zip(words, results(out), strict=False))


def test_numbers_of_any_size_beside_a_document_change_nothing(run: Run, envelope: bytes, root: str) -> None:
    digits = b"9" * 5000
    lines = [
        b'{"document":' + envelope[:-1] + b',"x":' + digits + b',"y":1e999}}',
        b'{"document":' + envelope + b',"id":' + digits + b"}",
        b'{"document":' + envelope + b',"x":[1e999,-0]}',
    ]
    status, out, _ = run("verify", "--batch", "-", "--trust", root, stdin=b"\n".join(lines))
    assert status == 0
    assert short(out)[1] == (2, digits.decode(), "accepted")


def test_a_terminal_shows_progress_and_takes_it_away(envelope: bytes, tmp_path: Path) -> None:
    shown = through_a_terminal(tmp_path, lines_of_many(envelope, 3000))
    first, *_, last = shown.split("\r\x1b[K")
    assert first == ""
    assert " documents, " in shown.split("\r\x1b[K")[1]
    assert last.startswith("2940 documents: ")


def test_results_on_a_terminal_are_not_disturbed_by_progress(envelope: bytes, tmp_path: Path) -> None:
    assert "\x1b" not in through_a_terminal(tmp_path, b"MIIB\n", out=True)


def test_memory_does_not_grow_with_the_input(tmp_path: Path) -> None:
    """Of two inputs the second is eight times as long, and takes 60 MB on disk."""
    # What getrusage says of a child includes what its parent had.
    code = "import sys; from imdskit.cli import main; main(sys.argv[1:]); print(open('/proc/self/status').read())"
    peaks, sizes = [], []
    for times in (5_000, 40_000):
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
    # A run that kept its input would grow as the input does; when garbage is collected differs between versions of Python.
    assert peaks[1] - peaks[0] < (sizes[1] - sizes[0]) / 3
