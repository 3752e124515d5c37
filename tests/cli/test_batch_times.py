"""Tests of ``imdskit verify --batch`` with a time and a nonce on each line."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from imdskit.backends.contract import Backend
from imdskit.cli.verifier import batch

from .batch_results import record, results, short

Run = Callable[..., Any]


CREATED = "%m/%d/%y %H:%M:%S %z"


@pytest.fixture
def created(run: Run, envelope: bytes, root: str) -> int:
    """Return the Unix second in which the document was created."""
    return int(
        datetime.strptime(
            json.loads(run("verify", "-", "--trust", root, stdin=envelope).out)["timeStamp"]["createdOn"], CREATED
        ).timestamp()
    )


def test_each_line_is_verified_at_its_own_time(run: Run, envelope: bytes, root: str, created: int, backend: Backend) -> None:
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
def test_invalid_time_affects_only_its_line(run: Run, envelope: bytes, root: str, value: object) -> None:
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


def test_unknown_members_are_reported_once_with_counts(run: Run, envelope: bytes, root: str) -> None:
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


def test_many_unknown_members_use_bounded_memory(run: Run, envelope: bytes, root: str) -> None:
    lines = [record(document="MIIB", **{f"{'x' * 100}{number}": 1, f"name {number}\x1b": 1}) for number in range(500)]
    err = run("verify", "--batch", "-", "--trust", root, stdin=b"\n".join(lines)).err
    warning = err.splitlines()[-1]
    assert "x" * 60 + " (500)" in warning
    assert "(others) (401)" in warning
    assert "\x1b" not in warning


def test_run_with_own_times_resumes_after_interruption(
    run: Run, envelope: bytes, root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, created: int
) -> None:
    monkeypatch.setattr(batch, "CHUNK", 5)
    document = json.loads(envelope)
    lines = [record(document=document, at=created + 600 * number, nonce="4071882193") for number in range(48)]
    lines[20:] = [line if number % 3 else record(document=document) for number, line in enumerate(lines[20:])]
    (tmp_path / "in").write_bytes(b"\n".join(lines))
    given = ("verify", "--batch", tmp_path / "in", "--trust", root)
    complete = run(*given, "--at", "2001-02-03T04:05:06Z")
    expected = complete.out.encode()
    ends = [at + 1 for at, octet in enumerate(expected) if octet == 10]
    for cut in (0, ends[3], ends[18], ends[18] + 7, ends[30], len(expected)):
        (tmp_path / "out").write_bytes(expected[:cut])
        again = run(*given, "--at", "2001-02-03T04:05:06Z", "--output", tmp_path / "out", "--resume")
        assert (again.status, again.err) == (complete.status, complete.err)
        assert (tmp_path / "out").read_bytes() == expected, cut
    # If --at is absent, the resumed run finds the time of the first run in the results of lines
    # without a time.
    (tmp_path / "out").write_bytes(expected[: ends[30]])
    assert run(*given, "--output", tmp_path / "out", "--resume").status == complete.status
    assert (tmp_path / "out").read_bytes() == expected
    # If the times in the input have changed, the existing results belong to another run.
    (tmp_path / "in").write_bytes(b"\n".join([record(document=document, at=created + 1), *lines[1:]]))
    (tmp_path / "out").write_bytes(expected[: ends[18]])
    assert run(*given, "--output", tmp_path / "out", "--resume").status == 2
