"""The web page of the admin API, without a browser: which files are served to whom, with which
headers.

The tests in tests/page open the page in a browser.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from imdskit.clock import ManualClock
from imdskit.emulator import Emulator
from imdskit.emulator.admin import page
from imdskit.emulator.http.messages import Request, Response
from imdskit.verify import Policy, Trust, Verifier
from imdskit.verify.inspection import inspect_document

NOON = 1_767_268_800
FOLDER = Path(page.__file__).parent


@pytest.fixture(scope="module")
def imds() -> Iterator[Emulator]:
    emulator = Emulator("linux", seed=1, clock=ManualClock(NOON), admin_port=0, rate_limit=False)
    yield emulator
    emulator.stop()


@pytest.fixture
def ask(imds: Emulator) -> Callable[..., Response]:
    def call(target: str, method: str = "GET", body: bytes = b"", **headers: str) -> Response:
        assert imds.admin is not None
        return imds.admin.handle(Request(method, target, tuple({"Host": "127.0.0.1:1", **headers}.items()), body))

    return call


def token(imds: Emulator) -> dict[str, str]:
    assert imds.admin is not None
    return {"Authorization": f"Bearer {imds.admin.token}", "Content-Type": "application/json"}


@pytest.mark.parametrize("target", page.FILES)
def test_serves_each_file_without_a_token(target: str, ask: Any, imds: Emulator) -> None:
    response = ask(target)
    name, kind = page.FILES[target]
    assert (response.status, response.body) == (200, (FOLDER / name).read_bytes())
    assert response.header_values("Content-Type") == (kind,)
    assert {**dict(response.headers)}.items() >= dict(page.HEADERS).items()
    assert imds.admin is not None
    assert imds.admin.token.encode() not in response.body


def test_serves_every_file_of_the_folder() -> None:
    assert {name for name, _ in page.FILES.values()} == {
        path.name for path in FOLDER.iterdir() if path.suffix not in (".py", "") and path.is_file()
    }


def test_serves_the_page_over_http() -> None:
    with Emulator("linux", seed=1, admin_port=0) as imds:
        assert imds.admin is not None
        connection = http.client.HTTPConnection(imds.admin.url.removeprefix("http://"), timeout=30)
        connection.request("GET", "/")
        reply = connection.getresponse()
        assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert reply.read() == (FOLDER / "index.html").read_bytes()
        connection.close()


REFUSED: dict[str, tuple[str, str, dict[str, str], int]] = {
    "another name": ("GET", "/", {"Host": "imds.example.com"}, 421),
    "another page": ("GET", "/", {"Origin": "http://127.0.0.1:2"}, 403),
    "another method": ("POST", "/", {}, 401),
    "a query": ("GET", "/?token=x", {}, 401),
    "a path to the parent folder": ("GET", "/../page.js", {}, 401),
    "another file": ("GET", "/__init__.py", {}, 401),
}


@pytest.mark.parametrize(("method", "target", "headers", "status"), REFUSED.values(), ids=REFUSED)
def test_serves_nothing_else_without_a_token(method: str, target: str, headers: dict[str, str], status: int, ask: Any) -> None:
    assert ask(target, method, **headers).status == status


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1:1", "http://127.0.0.1:1", 200),
        ("localhost:1", "http://localhost:1", 200),
        ("LOCALHOST:1", "http://localhost:1", 200),
        ("[::1]:1", "http://[::1]:1", 200),
        ("127.0.0.1:1", "http://localhost:1", 403),
        ("127.0.0.1:1", "http://127.0.0.1:11", 403),
        ("127.0.0.1:1", "http://127.0.0.1", 403),
        ("127.0.0.1:1", "https://127.0.0.1:1", 403),
        ("127.0.0.1:1", "null", 403),
        ("127.0.0.1:1", "", 403),
        ("imds.example.com:1", "http://imds.example.com:1", 421),
        ("", "http://", 421),
    ],
)
def test_accepts_requests_only_from_its_own_origin(host: str, origin: str, status: int, ask: Any, imds: Emulator) -> None:
    assert ask("/v1/clock", Host=host, Origin=origin, **token(imds)).status == status
    assert ask("/v1/clock", Host=host, Origin=origin).status == (401 if status == 200 else status)


def test_the_policy_forbids_foreign_and_inline_content() -> None:
    directives = dict(directive.strip().partition(" ")[::2] for directive in page.POLICY.split(";"))
    assert directives["default-src"] == "'none'"
    assert {value for name, value in directives.items() if name.endswith("-src") and name != "default-src"} == {"'self'"}
    assert directives["require-trusted-types-for"] == "'script'"


def test_the_files_comply_with_the_policy() -> None:
    markup = (FOLDER / "index.html").read_text("utf-8")
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script[^>]*>[^<]|https?:", markup)
    scripts = "\n".join((FOLDER / name).read_text("utf-8") for name in page.SCRIPTS)
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(|localStorage|sessionStorage|cookie", scripts
    )
    assert [address for address in re.findall(r"https?://[^\"'\s]+", scripts) if address != "http://www.w3.org/2000/svg"] == []
    styles = (FOLDER / "page.css").read_text("utf-8")
    assert not re.search(r"url\(|@import", styles)


def inspected(ask: Any, imds: Emulator, body: bytes) -> dict[str, Any]:
    import json

    response = ask("/v1/attested", "POST", body, **token(imds))
    assert response.status == 200, response.body
    found: dict[str, Any] = json.loads(response.body)
    return found


def test_returns_only_the_document_without_a_verifier(ask: Any, imds: Emulator) -> None:
    found = inspected(ask, imds, b"{}")
    assert (found["canExplain"], found["inspection"], found["request"]["status"]) == (False, None, 200)
    assert found["document"].startswith('{"encoding":"pkcs7"')


@pytest.fixture
def explaining(imds: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    trust = Trust.from_pem([imds.authority.root_pem.encode()], [imds.authority.issuing_pem.encode()])
    monkeypatch.setattr(imds, "explain", partial(inspect_document, Verifier(trust, Policy.offline_audit(), clock=imds.clock)))
    return imds


def test_inspects_a_document(ask: Any, explaining: Emulator) -> None:
    found = inspected(ask, explaining, b'{"nonce": "1234567890"}')["inspection"]
    assert found["report"]["ok"]
    assert (found["content"]["members"]["nonce"], found["content"]["bytes"]) == ("1234567890", len(found["content"]["text"]))
    assert [one["trusted"] for one in found["chain"]] == [False, False, True]
    assert [one["subject"] for one in found["chain"][1:]] == [one["issuer"] for one in found["chain"][:-1]]
    assert (len(found["certificates"]), found["certificates"][0]) == (1, found["chain"][0])
    assert "westeurope.metadata.azure.com" in found["chain"][0]["names"]


DOCUMENT_FAULTS = [("broken-signature", "bad-signature", 3), ("expired-leaf", "expired", None), ("unknown-root", "unknown-issuer", None)]


@pytest.mark.parametrize(("fault", "reason", "chain"), DOCUMENT_FAULTS, ids=[fault for fault, _, _ in DOCUMENT_FAULTS])
def test_reports_a_document_fault_and_shows_the_rest(fault: str, reason: str, chain: int | None, ask: Any, explaining: Emulator) -> None:
    explaining.faults.load([{"times": 1, "fault": {"document": fault}}])
    found = inspected(ask, explaining, b"{}")
    assert found["request"]["fault"] == "document"
    assert [one["reason"] for one in found["inspection"]["report"]["checks"] if one["outcome"] == "fail"] == [reason]
    assert chain == (None if found["inspection"]["chain"] is None else len(found["inspection"]["chain"]))
    assert found["inspection"]["content"]["members"]["vmId"]


@pytest.mark.parametrize("document", ["", "AAAA", "{", "\\ud800", '{\\"signature\\": 1}', "MIIB" * 4000])
def test_refuses_input_that_is_not_a_document(document: str, ask: Any, explaining: Emulator) -> None:
    found = inspected(ask, explaining, b'{"document": "%b"}' % document.encode())
    assert (found["inspection"]["report"]["ok"], found["inspection"]["certificates"], found["inspection"]["chain"]) == (False, [], None)


def test_does_not_inspect_an_error_response(ask: Any, explaining: Emulator) -> None:
    explaining.faults.load([{"times": 1, "fault": {"status": 410}}, {"times": 1, "fault": {"delay": 3600}}])
    found = inspected(ask, explaining, b"{}")
    assert (found["request"]["status"], found["inspection"]) == (410, None)
    found = inspected(ask, explaining, b"{}")
    assert found["inspection"]["report"]["ok"]  # A delay has no effect, because the service does not send this document.
    assert found["request"]["fault"] == ""


def test_reports_the_rule_that_refused_the_request(ask: Any, explaining: Emulator) -> None:
    found = inspected(ask, explaining, b'{"nonce": "%b"}' % (b"1" * 33))
    assert (found["request"]["status"], found["request"]["rule"], found["inspection"]) == (400, "nonce", None)
    assert inspected(ask, explaining, b'{"nonce": "%b"}' % (b"Az0-._~1" * 4))["request"]["rule"] == ""
