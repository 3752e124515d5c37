"""A hostile issuer server on loopback: every document of a batch still gets its verdict, and the log stays readable."""

from __future__ import annotations

import logging
import random
import sys
from pathlib import Path

import pytest

from imdskit.backends.contract import Backend
from imdskit.clock import ManualClock
from imdskit.errors import FetchError, ImdskitError, VerificationError
from imdskit.reasons import Reason
from imdskit.verify import Policy, Trust, Verifier
from imdskit.verify.aia import AiaFetcher, FetchBudget, Location, Target
from imdskit.verify.aia.transport import HEAD_BYTES, SystemResolver, _Incoming, _response
from imdskit.verify.log_entries import LONGEST, one_line

sys.path.insert(0, str(Path(__file__).parent))  # to import neighbouring modules by name

from aia_scene import document, make
from test_aia_transport import Connection, Server

AT = 1_790_000_000
SECOND = 1_000_000_000
LIMIT = 16 * 1024
CONTROLS = "\r\n\x1b[2J\x00\x07\x7f\x85\x9b31m\u2028\u2029\u202e\u2066\ufeff"

LINES = (
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 200\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 301 Moved\r\n",
    b"HTTP/9.9 200 OK\r\n",
    b"HTTP/1.1 \r\n",
    b"Content-Length: 4\r\n",
    b"Content-Length: -4\r\n",
    b"Content-Length: 99999999999999999999999\r\n",
    b"Content-Length: \xb2\r\n",
    b"Content-Length: 1_0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"Transfer-Encoding: identity\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Content-Type: multipart/mixed; boundary*0*=\xff''%ff; boundary=\r\n",
    b"Content-Type: message/delivery-status\r\n",
    b"Location: http://127.0.0.1/\r\n",
    b"Set-Cookie: \x1b]0;x\x07\r\n",
    b": empty name\r\n",
    b"no colon\r\n",
    b" folded\r\n",
    b"\xc2\x85: \xe2\x80\xae\r\n",
    b"X: " + b"x" * 9000 + b"\r\n",
    b"X: y\r\n" * 200,
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\x00",
    b"\x1b[31mred\x1b[0m\r\n",
    b"4\r\n",
    b"-5\r\n",
    b"+5\r\n",
    b"0x4\r\n",
    b"ffffffffffffffff\r\n",
    b"fffffffffffffffffffffffffffffffff\r\n",
    b"4;a=b\r\n",
    b"0\r\n\r\n",
    b"1\r\nx\r\n" * 3000,
    b"abcd\r\n",
    b"\x30\x82\x00\x00",
    b"\x1f\x8b\x08\x00",
    b"x" * 20_000,
)


def responses(count: int) -> list[bytes]:
    rng = random.Random(20261130)
    made = []
    for _ in range(count):
        pieces = [rng.choice(LINES[:6])] if rng.random() < 0.8 else []
        pieces += [rng.choice(LINES) if rng.random() < 0.9 else rng.randbytes(rng.randrange(40)) for _ in range(rng.randrange(8))]
        data = bytearray(b"".join(pieces))
        if data and rng.random() < 0.3:
            data[rng.randrange(len(data))] = rng.randrange(256)
        made.append(bytes(data[: rng.randrange(len(data) + 1)] if rng.random() < 0.1 else data))
    return made


def test_hostile_responses_give_a_response_or_a_fetch_error() -> None:
    ends: dict[str, int] = {}
    for response in responses(6000):
        clock = ManualClock(AT)
        incoming = _Incoming(Connection(response), LIMIT + HEAD_BYTES, clock, clock.monotonic_ns() + SECOND)  # type: ignore[arg-type]  # like one
        try:
            result = _response(incoming, Target("authority.example", 80, "/a"), LIMIT)
        except FetchError as error:
            assert str(error).isascii()
            assert str(error).isprintable()
            ends[error.code] = ends.get(error.code, 0) + 1
        else:
            assert len(result.body) <= LIMIT
            ends[str(result.status)] = ends.get(str(result.status), 0) + 1
    assert {"200", "301", "not-http", "too-large"} <= ends.keys()


class Scripted(Server):
    """Server that sends the next of several responses for each connection, whatever the request is."""

    def __init__(self, script: list[bytes]) -> None:
        self.script = iter(script)
        super().__init__(lambda connection: connection.sendall(next(self.script, b"")))


def batch(port: int, count: int) -> tuple[list[bytes], bytes]:
    """Return ``count`` documents, whose signers name different issuer addresses, and the root."""
    root = make("Root")
    issuer = make("Issuing CA", root)
    leaves = [
        make("metadata.azure.com", issuer, ca=False, addresses=[f"http://127.0.0.1:{port}/pki/{number}.crt"]) for number in range(count)
    ]
    return [document(leaf) for leaf in leaves], root.der


def test_no_response_aborts_a_batch_and_log_entries_stay_on_one_line(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    script = [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n0\r\n\r\n",
        b"HTTP/1.1 200\x1b[2J\rOK\r\n\r\n",
        CONTROLS.encode("latin-1", "replace") + b"\r\n\r\n",
        *responses(37),
    ]
    server = Scripted(script)
    try:
        documents, root = batch(server.port, len(script))
        clock = ManualClock(AT)
        fetcher = AiaFetcher(
            locations=[Location("127.0.0.1", "/pki/", server.port)],
            allow_addresses=["127.0.0.1"],
            budget=FetchBudget(1000, clock=clock),
            clock=clock,
        )
        verifier = Verifier(Trust((root,)), Policy(), backend=backend, clock=clock, aia=fetcher)
        with caplog.at_level(logging.DEBUG, "imdskit"):
            verdicts = list(verifier.verify_many(documents))
    finally:
        server.close()
    assert len(server.requests) == len(script)
    assert [verdict.reason for verdict in verdicts if isinstance(verdict, VerificationError)] == [Reason.UNKNOWN_ISSUER] * len(script)
    assert len(caplog.records) >= len(script)
    assert all(record.getMessage().isprintable() for record in caplog.records)


def test_log_entry_escapes_all_nonprintable_characters() -> None:
    text = one_line(f"a{CONTROLS}b\ud800")
    assert text.isprintable()
    assert text == "a\\r\\n\\x1b[2J\\x00\\x07\\x7f\\x85\\x9b31m\\u2028\\u2029\\u202e\\u2066\\ufeffb\\ud800"
    assert one_line(FetchError("unreachable", "Zürich 北京")) == "unreachable: Zürich 北京"
    assert len(one_line("x" * 10_000)) == LONGEST


class Talking:
    """Custom resolver and transport whose errors contain text from an attacker."""

    def resolve(self, host: str, timeout_ns: int) -> list[str]:
        raise OSError(CONTROLS)


def test_error_of_a_custom_resolver_is_logged_on_one_line(caplog: pytest.LogCaptureFixture) -> None:
    (signed,), root = batch(8080, 1)
    fetcher = AiaFetcher(locations=[Location("127.0.0.1", "/pki/", 8080)], resolver=Talking(), clock=ManualClock(AT), budget=FetchBudget())
    with caplog.at_level(logging.DEBUG, "imdskit"), pytest.raises(VerificationError):
        Verifier(Trust((root,)), Policy.offline_audit(), clock=ManualClock(AT), aia=fetcher).verify(signed)
    assert "unreachable: The name cannot be resolved: \\r\\n\\x1b[2J" in caplog.text
    assert all(record.getMessage().isprintable() for record in caplog.records)


def test_a_resolver_without_a_thread_is_a_fetch_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refuse)
    with pytest.raises(FetchError) as error:
        SystemResolver().resolve("authority.example", SECOND)
    assert error.value.code == "unreachable"
    assert isinstance(error.value, ImdskitError)
