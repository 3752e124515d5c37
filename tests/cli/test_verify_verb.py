"""Tests of exit status, outputs and options of ``imdskit verify``, also with hostile input."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from imdskit import cli
from imdskit.emulator import Emulator
from imdskit.reasons import Reason

PYTHON = Path(__file__).parent.parent.parent / "python"
SAMPLE = Path(cli.__file__).parent / "emulator" / "documentation-sample.json"
MIB = 1024 * 1024
Run = Callable[..., Any]


def test_accepted_document_prints_its_claims(run: Run, document: str, root: str) -> None:
    status, out, err = run("verify", document, "--trust", root, "--nonce", "4071882193")
    assert (status, err) == (0, "")
    claims = json.loads(out)
    assert claims["nonce"] == "4071882193"
    assert set(claims) == {"licenseType", "nonce", "plan", "sku", "subscriptionId", "timeStamp", "vmId"}


def test_accepts_all_three_forms_of_a_document(run: Run, document: str, root: str, tmp_path: Path) -> None:
    text = json.loads(Path(document).read_bytes())["signature"]
    (tmp_path / "base64").write_text(text + "\n")
    (tmp_path / "der").write_bytes(base64.b64decode(text))
    outputs = {run("verify", path, "--trust", root).out for path in (document, tmp_path / "base64", tmp_path / "der")}
    assert len(outputs) == 1
    assert json.loads(outputs.pop())["vmId"]


def test_reads_standard_input(run: Run, document: str, root: str) -> None:
    data = Path(document).read_bytes()
    der = base64.b64decode(json.loads(data)["signature"])
    for stdin in (data, data + b"\n", der):
        assert run("verify", "-", "--trust", root, stdin=stdin).status == 0


def test_refusal_has_reason_stage_location_and_hint(run: Run, document: str) -> None:
    status, out, err = run("verify", document)
    assert (status, out) == (1, "")
    lines = err.splitlines()
    assert lines[0] == f"refused: unknown-issuer: {Reason.UNKNOWN_ISSUER.sentence}"
    assert lines[1:3] == ["  stage: chain", "  location: chain[0].issuer"]
    assert lines[-1].startswith("  hint: An emulator of imdskit, not Azure, created this document. Its issuer is 'imdskit ")


def test_refusal_can_be_printed_as_json(run: Run, document: str) -> None:
    status, out, err = run("verify", document, "--json")
    assert (status, err) == (1, "")
    response = json.loads(out)
    assert (response["verified"], response["reason"], response["stage"]) == (False, "unknown-issuer", "chain")
    assert "give the emulator's root with `--trust`" in response["hint"]


def test_acceptance_can_be_printed_as_json(run: Run, document: str, root: str) -> None:
    status, out, err = run("verify", document, "--trust", root, "--json")
    assert (status, err) == (0, "")
    response = json.loads(out)
    assert (response["verified"], response["cloud"], response["claims"]["nonce"]) == (True, "public", "4071882193")


def test_explanation_lists_every_check(run: Run, document: str, root: str) -> None:
    status, out, err = run("verify", document, "--trust", root, "--explain")
    assert (status, err) == (0, "")
    assert out.startswith("pass  envelope: ")
    assert out.endswith("accepted\n")
    status, out, err = run("verify", document, "--explain")
    assert status == 1
    assert "\nFAIL  chain: " in out
    assert err.startswith("refused: unknown-issuer")


def test_explanation_can_be_printed_as_json(run: Run, document: str, root: str) -> None:
    accepted = json.loads(run("verify", document, "--trust", root, "--explain", "--json").out)
    assert (accepted["verified"], accepted["report"]["ok"]) == (True, True)
    refused = json.loads(run("verify", document, "--explain", "--json").out)
    assert (refused["verified"], refused["report"]["ok"]) == (False, False)
    assert [check["check"] for check in refused["report"]["checks"]] == [check["check"] for check in accepted["report"]["checks"]]


REFUSALS = {
    "another nonce": (["--nonce", "1"], "nonce-mismatch"),
    "a nonce that is not UTF-8": (["--nonce", "\udcff"], "nonce-mismatch"),
    "an empty nonce": (["--nonce", ""], "nonce-mismatch"),
    "another cloud": (["--cloud", "AzureUSGovernmentCloud"], "wrong-name"),
    "before its creation": (["--at", "2010-01-01"], "not-yet-valid"),
    "when the signer has expired": (["--at", "2100-01-01T00:00:00Z"], "expired"),
    "no nonce with the preset online": (["--preset", "online"], "nonce-required"),
}


@pytest.mark.parametrize("arguments", [("verify", "-"), ("verify", "--batch", "-"), ("report", "-")], ids=" ".join)
def test_closed_standard_input_is_reported_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert cli.main(arguments) == 2
    assert capsys.readouterr().err.count("error: bad-argument: Standard input is closed.") == 1


@pytest.fixture
def at(run: Run, document: str, root: str) -> tuple[str, str]:
    """Return the option ``--at`` with the second after the creation of the document.

    All tests share one document. They may take longer than the maximum age that a preset accepts.
    """
    created = json.loads(run("verify", document, "--trust", root).out)["timeStamp"]["createdOn"]
    return "--at", (datetime.strptime(created, "%m/%d/%y %H:%M:%S %z") + timedelta(seconds=1)).isoformat()


@pytest.mark.parametrize(("options", "reason"), REFUSALS.values(), ids=REFUSALS.keys())
def test_options_can_cause_a_refusal(run: Run, document: str, root: str, at: tuple[str, str], options: list[str], reason: str) -> None:
    status, out, err = run("verify", document, "--trust", root, *at, *options)
    assert (status, out) == (1, "")
    assert err.startswith(f"refused: {reason}: ")


ACCEPTANCES = {
    "the cloud of the document": ["--cloud", "public"],
    "another name of the cloud": ["--cloud", "AZUREPUBLICCLOUD"],
    "online": ["--preset", "online", "--nonce", "4071882193"],
    "offline": ["--preset", "offline_audit"],
    "the Python backend": ["--backend", "python"],
    "any backend": ["--backend", "auto"],
}


@pytest.mark.parametrize("options", ACCEPTANCES.values(), ids=ACCEPTANCES.keys())
def test_options_can_cause_acceptance(run: Run, document: str, root: str, at: tuple[str, str], options: list[str]) -> None:
    assert run("verify", document, "--trust", root, *at, *options).status == 0


def test_trust_option_replaces_the_bundled_roots(run: Run, shared: Path, root: str) -> None:
    genuine = next((shared / "corpus" / "attested").glob("21-*7.json"))
    assert run("verify", genuine, "--at", "2025-11-19T14:00:00Z").status == 0
    status, _, err = run("verify", genuine, "--at", "2025-11-19T14:00:00Z", "--trust", root)
    assert status == 1
    assert err.startswith(("refused: untrusted-root", "refused: unknown-issuer"))


def test_genuine_document_is_verified_at_the_given_time(run: Run, shared: Path) -> None:
    genuine = next((shared / "corpus" / "attested").glob("21-*7.json"))
    made = json.loads(genuine.with_suffix(".meta.json").read_text())["created_on"]
    assert made.startswith("11/19/25 ")
    hour = int(made[9:11])
    for text in (f"2025-11-19T{hour + 1:02}:30:00Z", f"20251119T{hour + 2:02}3000+0100", f"2025-11-19 {hour + 1:02}:30"):
        assert run("verify", genuine, "--at", text).status == 0, text
    status, _, err = run("verify", genuine, "--at", "2025-11-20T20:00:00Z")
    assert status == 1
    assert err.startswith("refused: document-expired")


def test_reads_roots_and_intermediates_from_several_files(run: Run, emulator: Emulator, document: str, root: str, tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_text(emulator.authority.root_pem)
    (tmp_path / "issuing.pem").write_text(emulator.authority.issuing_pem)
    (tmp_path / "issuing.der").write_bytes(emulator.authority.issuing)
    only_root, issuing, der = tmp_path / "root.pem", tmp_path / "issuing.pem", tmp_path / "issuing.der"
    assert run("verify", document, "--trust", only_root).err.startswith("refused: unknown-issuer")
    assert run("verify", document, "--intermediate", issuing).err.startswith("refused: u")
    for path in (issuing, der):
        assert run("verify", document, "--trust", only_root, "--intermediate", path).status == 0
        assert run("verify", document, "--trust", only_root, "--trust", path).status == 0


def test_sample_is_refused_by_default_and_accepted_by_legacy_preset(run: Run) -> None:
    status, out, err = run("verify", SAMPLE)
    assert (status, out) == (1, "")
    assert err.startswith("refused: signature-key")
    status, out, err = run("verify", SAMPLE, "--preset", "legacy_sample")
    assert status == 0
    assert json.loads(out)["nonce"] == "1234566766"
    assert err.startswith("warning: not checked by this policy: the chain to a trust anchor")
    assert json.loads(run("verify", SAMPLE, "--preset", "legacy_sample", "--json").out)["verified"] is False


@pytest.mark.parametrize("at", ["0001-01-01", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_accepts_the_earliest_and_latest_times(run: Run, at: str) -> None:
    assert run("verify", SAMPLE, "--preset", "legacy_sample", "--json", "--at", at).status == 0


NO_TIMES = ["", "now", "yesterday", "2025-13-01", "2025-11-31", "25:00", "2025-11-19T25:00", "0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00",
            "1763560410", "2025-11-19T13:53:30ZZ", "\udcff", "2025-11-19T13:53:30+99:99", "9" * 10_000]  # fmt: skip


@pytest.mark.parametrize("at", NO_TIMES, ids=lambda at: repr(at)[:30])
def test_rejects_invalid_times(run: Run, document: str, at: str) -> None:
    status, out, err = run("verify", document, "--at", at)
    assert (status, out) == (2, "")
    assert err.startswith("error: bad-argument: `--at` must be a time in ISO 8601; got ")


def test_rejects_unknown_cloud(run: Run, document: str) -> None:
    status, out, err = run("verify", document, "--cloud", "aws")
    assert (status, out) == (2, "")
    assert "Names: public, usgovernment, china, germany." in err


CERTIFICATE = b"-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n"
NO_CERTIFICATES = {
    "empty": b"",
    "text": b"certificate",
    "not UTF-8": b"\xff\xfe",
    "a key": b"-----BEGIN PUBLIC KEY-----\nMII=\n-----END PUBLIC KEY-----\n",
    "cut": b"-----BEGIN CERTIFICATE-----\nMIIB",
    "not base64": CERTIFICATE % b"!!!",
    "base64 of nothing": CERTIFICATE % b"",
    "base64 of something else": CERTIFICATE % b"MAA=",
    "DER of something else": b"0\x03\x02\x01\x01",
    "a digit": b"0",
    "five mebibytes": b"A" * 5 * MIB,
    "five mebibytes of DER": b"0" * 5 * MIB,
    "many BEGIN lines": b"-----BEGIN CERTIFICATE-----\n" * 10_000,
}


@pytest.mark.parametrize("option", ["--trust", "--intermediate"])
@pytest.mark.parametrize("content", NO_CERTIFICATES.values(), ids=NO_CERTIFICATES.keys())
def test_rejects_file_without_certificates(run: Run, document: str, tmp_path: Path, option: str, content: bytes) -> None:
    file = tmp_path / "bad.pem"
    file.write_bytes(content)
    start = time.process_time()
    status, out, err = run("verify", document, option, file)
    assert time.process_time() - start < 1
    assert (status, out) == (2, "")
    assert err.startswith("error: bad-trust: ")
    assert str(file) in err


@pytest.mark.parametrize("option", [[], ["--trust"], ["--intermediate"]], ids=["document", "trust", "intermediate"])
def test_reports_unreadable_file(run: Run, document: str, tmp_path: Path, option: list[str]) -> None:
    before = [document] if option else []
    for path in (tmp_path / "missing", tmp_path, document + "/x", "a\0b", "x" * 5000, "\udcff"):
        status, out, err = run("verify", *before, *option, path)
        assert (status, out) == (2, "")
        assert err.startswith("error: bad-argument: The file cannot be read: ")


DOCUMENTS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "empty"),
    "white space": (b" \n\t\r\n", "empty"),
    "ten mebibytes of letters": (b"A" * 10 * MIB, "too-large"),
    "ten mebibytes of braces": (b"{" * 10 * MIB, "too-large"),
    "ten mebibytes of zeros": (bytes(10 * MIB), "too-large"),
    "one byte too many": (b"A" * (64 * 1024 + 1), "too-large"),
    "an opening brace": (b"{", "bad-json"),
    "deep objects": (b'{"a":' * 9000, "bad-json"),
    "deep arrays": (b'{"a":' + b"[" * 60_000, "bad-json"),
    "not UTF-8 in JSON": (b'{"signature":"\xff"}', "bad-json"),
    "half a surrogate pair": (b'{"encoding":"\\ud800","signature":""}', "bad-json"),
    "a number for a signature": (b'{"encoding":"pkcs7","signature":1}', "bad-envelope"),
    "a list for a signature": (b'{"encoding":"pkcs7","signature":["MII="]}', "bad-envelope"),
    "null for an encoding": (b'{"encoding":null,"signature":"MII="}', "bad-envelope"),
    "an error of the service": (b'{"error":"Not found"}', "bad-envelope"),
    "an unknown encoding": (b'{"encoding":"cose","signature":"MII="}', "bad-encoding"),
    "a list": (b'[{"encoding":"pkcs7"}]', "bad-base64"),
    "a number": (b"1", "bad-base64"),
    "the URL alphabet": (b"MI_-", "bad-base64"),
    "not UTF-8": (b"\xff\xfe\x80", "bad-base64"),
    "zeros": (bytes(100), "bad-base64"),
    "an HTML page": (b"<html></html>", "bad-base64"),
    "base64 of text": (b"c29tZXRoaW5nIGVsc2U=", "bad-der"),
    "deep DER": (b"0\x80" * 30_000, "bad-der"),
    "a length of four gibibytes": (b"0\x84\xff\xff\xff\xff", "bad-der"),
    "an empty sequence": (b"0\0", "bad-der"),
}


@pytest.mark.parametrize(("content", "reason"), DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_refuses_hostile_input_within_a_second(run: Run, tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "document"
    file.write_bytes(content)
    for arguments, stdin in (([file], b""), (["-"], content), ([file, "--explain"], b""), ([file, "--json", "--explain"], b"")):
        start = time.process_time()
        status, out, err = run("verify", *arguments, stdin=stdin)
        assert time.process_time() - start < 1
        assert status == 1
        if "--json" in arguments:
            assert json.loads(out)["reason"] == reason
        else:
            assert err.startswith(f"refused: {reason}: ")
            assert "\n  stage: " in err
            assert "\n  location: " in err
            assert "\n  hint: " in err


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/urandom"])
def test_stops_reading_an_endless_file(run: Run, name: str) -> None:
    if not Path(name).exists():
        pytest.skip(f"there is no {name}")
    assert run("verify", name).err.startswith("refused: too-large")


def test_stops_reading_endless_standard_input() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "imdskit", "verify", "-"],
        env={"PYTHONPATH": str(PYTHON)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(b"A" * (64 * 1024 + 1))
    process.stdin.flush()  # standard input stays open
    assert process.wait(timeout=30) == 1
    assert process.stderr is not None
    assert process.stderr.read().startswith(b"refused: too-large")
    for stream in (process.stdin, process.stdout, process.stderr):
        assert stream is not None
        stream.close()


def test_example_sample_equals_the_packaged_one() -> None:
    example = PYTHON.parent / "examples" / "attested" / "documentation-sample.json"
    assert example.read_bytes() == SAMPLE.read_bytes()


def test_bundle_option_replaces_the_bundled_trust(run: Run, document: str, emulator: Emulator, tmp_path: Path) -> None:
    anchor, issuing = emulator.authority.root, emulator.authority.issuing
    (tmp_path / "anchors.pem").write_bytes(anchor)
    (tmp_path / "intermediates.pem").write_bytes(issuing)
    manifest = {"format": "imdskit-trust-bundle/1", "date": "2027-01-31"}
    lists = {"anchors": [sha256(anchor).hexdigest()], "intermediates": [sha256(issuing).hexdigest()]}
    (tmp_path / "bundle.json").write_text(json.dumps({**manifest, **lists}))
    assert run("verify", document, "--bundle", tmp_path).status == 0
    (tmp_path / "bundle.json").write_text("{}")
    status, _, err = run("verify", document, "--bundle", tmp_path)
    assert status == 2
    assert "bundle-format" in err
