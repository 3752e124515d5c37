"""The licence server is attacked over HTTP; each attack is refused with its one word, and the log says why."""

from __future__ import annotations

import base64
import http.client
import importlib.util
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import pytest

from imdskit.clock import ManualClock
from imdskit.emulator.authority import Authority, signed_document
from imdskit.protocol import attested
from imdskit.verify import Trust
from imdskit.verify.stores.sqlite import SqliteStore

ROOT = Path(__file__).parent.parent.parent
FILE = ROOT / "examples" / "licence_server" / "licence_server.py"
AT = 1_790_000_000
VM, OTHER_VM = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
SUBSCRIPTION = "00000000-0000-4000-8000-0000000000aa"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("licence_server", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(ManualClock(AT), "http://127.0.0.1:8080", seed=21)


class Service:
    """The server under attack, with a clock that is moved by hand."""

    def __init__(self, authority: Authority, path: Path) -> None:
        self.clock = ManualClock(AT)
        self.store = SqliteStore(path, clock=self.clock)
        self.authority = authority
        trust = Trust((authority.root,), (authority.issuing,))
        module = load()
        self.licences = module.Licences(frozenset({SUBSCRIPTION}), self.store, trust, self.clock)
        self.server = module.server(self.licences)
        Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.store.close()

    def send(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=10)
        try:
            connection.request("POST", path, body)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def challenge(self, vm_id: str = VM) -> str:
        status, body = self.send("/challenge", json.dumps({"vmId": vm_id}).encode())
        assert status == 200
        return str(body["nonce"])

    def activate(self, nonce: str, document: str, vm_id: str = VM) -> tuple[int, dict[str, Any]]:
        return self.send("/activate", json.dumps({"vmId": vm_id, "nonce": nonce, "document": document}).encode())

    def document(self, nonce: str, *, vm_id: str = VM, subscription: str = SUBSCRIPTION, by: Authority | None = None, age: int = 0) -> str:
        members = {"vmId": vm_id, "subscriptionId": subscription}
        content = attested.content(members, "2021-02-01", self.clock.now() - age, nonce)
        return attested.envelope(signed_document.message((by or self.authority).signer(), content)).decode()


@pytest.fixture
def service(authority: Authority, tmp_path: Path) -> Iterator[Service]:
    running = Service(authority, tmp_path / "used.db")
    yield running
    running.stop()


REFUSED = (403, {"error": "refused"})


def test_a_machine_with_a_licence_gets_a_token_for_itself_and_an_hour(service: Service) -> None:
    nonce = service.challenge()
    status, body = service.activate(nonce, service.document(nonce))
    assert (status, body["expiresIn"]) == (200, 3600)
    assert service.licences.holder(body["token"]) == VM
    text, _, tag = body["token"].partition(".")
    forged = base64.urlsafe_b64encode(base64.urlsafe_b64decode(text).replace(VM.encode(), OTHER_VM.encode())).decode()
    assert [service.licences.holder(token) for token in (f"{forged}.{tag}", "", "a.b", "é.é", f"{text}.")] == [None] * 5
    service.clock.advance(3601)
    assert service.licences.holder(body["token"]) is None


def test_a_replay_is_refused_even_in_other_wrapping(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    nonce = service.challenge()
    document = service.document(nonce)
    assert service.activate(nonce, document)[0] == 200
    assert service.activate(nonce, document) == REFUSED
    assert service.activate(nonce, json.loads(document)["signature"]) == REFUSED
    assert caplog.text.count("replayed") == 2


def test_a_second_document_for_the_same_nonce_is_refused(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    nonce = service.challenge()
    assert service.activate(nonce, service.document(nonce))[0] == 200
    service.clock.advance(1)
    assert service.activate(nonce, service.document(nonce)) == REFUSED
    assert "replayed" in caplog.text


def test_what_was_used_stays_used_after_a_restart(service: Service, tmp_path: Path) -> None:
    nonce = service.challenge()
    assert service.activate(nonce, service.document(nonce))[0] == 200
    other = Service(service.authority, tmp_path / "used.db")
    other.licences._issuer = service.licences._issuer  # one key for nonces, as its README says of several processes
    try:
        assert other.activate(nonce, service.document(nonce)) == REFUSED
    finally:
        other.stop()


def flipped(document: str) -> str:
    """One octet of the signed content changed."""
    members = json.loads(document)
    der = base64.b64decode(members["signature"])
    return json.dumps({**members, "signature": base64.b64encode(der.replace(b'"vmId":"0', b'"vmId":"1')).decode()})


ATTACKS: dict[str, tuple[Any, str]] = {
    "document for another nonce": (lambda s, n, foreign: (n, s.document(s.challenge()), VM), "nonce-mismatch"),
    "document without nonce": (lambda s, n, foreign: (n, s.document(""), VM), "nonce-mismatch"),
    "nonce that was made up": (lambda s, n, foreign: ("a" * 32, s.document("a" * 32), VM), "nonce-unknown"),
    "nonce that the service would have made": (lambda s, n, foreign: ("4071882193", s.document("4071882193"), VM), "nonce-unknown"),
    "nonce of another machine": (lambda s, n, foreign: (s.challenge(OTHER_VM), s.document(n), VM), "nonce-unknown"),
    "document of another machine": (lambda s, n, foreign: (n, s.document(n, vm_id=OTHER_VM), VM), "that of machine"),
    "document six hours old": (lambda s, n, foreign: (n, s.document(n, age=6 * 3600 + 121), VM), "document-expired"),
    "document ten minutes old": (lambda s, n, foreign: (n, s.document(n, age=600), VM), "document-too-old"),
    "document from the future": (lambda s, n, foreign: (n, s.document(n, age=-600), VM), "document-not-yet-valid"),
    "content changed": (lambda s, n, foreign: (n, flipped(s.document(n)), VM), "bad-signature"),
    "foreign authority": (lambda s, n, foreign: (n, s.document(n, by=foreign), VM), "chain"),
    "rubbish": (lambda s, n, foreign: (n, "rubbish!", VM), "bad-base64"),
    "nothing": (lambda s, n, foreign: (n, "", VM), "empty"),
    "deep JSON": (lambda s, n, foreign: (n, '{"a":' * 5000, VM), "bad-json"),
    "document too large for a document": (lambda s, n, foreign: (n, "A" * 70_000, VM), "too-large"),
}


@pytest.fixture(scope="module")
def foreign() -> Authority:
    return Authority(ManualClock(AT), "http://127.0.0.1:8080", seed=22)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_with_one_word_and_the_log_says_why(
    name: str, service: Service, foreign: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    attack, why = ATTACKS[name]
    nonce = service.challenge()
    assert service.activate(*attack(service, nonce, foreign)) == REFUSED
    assert why in caplog.text


def test_a_challenge_ends_after_five_minutes(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    nonce = service.challenge()
    service.clock.advance(301)
    assert service.activate(nonce, service.document(nonce)) == REFUSED
    assert "nonce-expired" in caplog.text


def test_a_genuine_machine_of_somebody_else_has_no_licence(service: Service) -> None:
    nonce = service.challenge()
    assert service.activate(nonce, service.document(nonce, subscription=OTHER_VM)) == (403, {"error": "no-licence"})


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/activate", b"", (400, "bad-request")),
        ("/activate", b"[]", (400, "bad-request")),
        ("/activate", b"{}", (400, "bad-request")),
        ("/activate", b"\xff\xfe", (400, "bad-request")),
        ("/activate", b"[" * 90_000, (400, "bad-request")),
        ("/activate", b'{"vmId":1,"nonce":2,"document":3}', (400, "bad-request")),
        ("/challenge", b'{"vmId":"\\ud800"}', (400, "bad-request")),
        ("/activate", b" " * 200_000, (413, "too-large")),
        ("/other", b"{}", (404, "not-found")),
    ],
    ids=["nothing", "a list", "no members", "no text", "deep", "numbers", "half a character", "too large", "another path"],
)
def test_what_is_no_request_is_told_so(service: Service, path: str, body: bytes, expected: tuple[int, str]) -> None:
    status, answer = service.send(path, body)
    assert (status, answer) == (expected[0], {"error": expected[1]})


def test_nobody_is_admitted_while_the_store_is_away(service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    nonce = service.challenge()
    service.store.close()
    for file in tmp_path.glob("used.db*"):
        file.unlink()
    (tmp_path / "used.db").mkdir()
    assert service.activate(nonce, service.document(nonce)) == (503, {"error": "unavailable"})
    assert "store-unreachable" in caplog.text


def test_a_line_feed_from_outside_does_not_make_a_line_of_the_log(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    service.activate("a" * 32, "x", vm_id="a\nadmitted")
    assert all("\n" not in record.getMessage() for record in caplog.records if record.name == "licence_server")
    assert "nonce-unknown" in caplog.text


def test_the_demonstration_of_its_readme_runs() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    done = subprocess.run([sys.executable, str(FILE)], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["challenge", "token for", "the same document once more"]
    assert "403" in lines[2]
    assert "replayed" in done.stderr
