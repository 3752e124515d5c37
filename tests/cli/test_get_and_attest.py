"""Tests of the verbs that send requests to the service."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imdskit import versions
from imdskit.client import Client
from imdskit.emulator import Emulator

Run = Callable[..., Any]


@pytest.fixture
def ask(run: Run, emulator: Emulator) -> Run:
    return lambda *arguments: run(*arguments, "--base-url", emulator.url)


@pytest.mark.parametrize("path", ["compute/vmId", "instance/compute/vmId", "/metadata/instance/compute/vmId", "/compute/vmId"])
def test_single_value_needs_no_format_option(ask: Run, emulator: Emulator, path: str) -> None:
    vm_id = Client(emulator.url).instance()["compute"]["vmId"]
    assert ask("get", path) == (0, f"{vm_id}\n", "")
    assert ask("get", path, "--format", "text") == (0, f"{vm_id}\n", "")


def test_object_is_the_unchanged_json_of_the_service(ask: Run, emulator: Emulator) -> None:
    status, out, err = ask("get", "compute")
    assert (status, err) == (0, "")
    assert out.encode() == Client(emulator.url).get_bytes("compute") + b"\n"


@pytest.mark.parametrize("path", ["/", "instance", "/metadata/instance"])
def test_gets_the_whole_instance(ask: Run, path: str) -> None:
    assert list(json.loads(ask("get", path).out)) == ["compute", "network"]


def test_listing_is_text(ask: Run) -> None:
    assert ask("get", "instance", "--format", "text") == (0, "compute/\nnetwork/\n", "")


def test_empty_value_is_an_empty_line(ask: Run) -> None:
    assert ask("get", "compute/plan/name") == (0, "\n", "")


def test_versions_need_no_version(ask: Run) -> None:
    assert tuple(json.loads(ask("get", "versions").out)["apiVersions"]) == versions.API_VERSIONS


def test_older_version_has_fewer_members(ask: Run) -> None:
    assert "tags" not in json.loads(ask("get", "compute", "--api-version", "2017-04-02").out)


FAILURES = {
    "a leaf as JSON": (["get", "compute/vmId", "--format", "json"], 1, "bad-request"),
    "an unknown member": (["get", "compute/nothing"], 1, "not-found"),
    "below a leaf": (["get", "compute/vmId/x"], 1, "not-found"),
    "an unknown version": (["get", "compute", "--api-version", "2030-01-01"], 1, "unsupported-version"),
    "a malformed version": (["get", "compute", "--api-version", "yesterday"], 1, "unsupported-version"),
    "an empty version": (["get", "compute", "--api-version", ""], 2, "bad-argument"),
    "a query in the path": (["get", "compute?format=text"], 2, "bad-argument"),
    "a line feed in the path": (["get", "compute\n"], 2, "bad-argument"),
    "a byte that is not UTF-8": (["get", "\udcff"], 2, "bad-argument"),
    "text format for the versions": (["get", "versions", "--format", "text"], 2, "bad-argument"),
    "a nonce that is too long": (["attest", "--nonce", "1" * 33], 2, "bad-argument"),
    "a nonce with a blank": (["attest", "--nonce", "1 2"], 2, "bad-argument"),
    "an empty nonce": (["attest", "--nonce", ""], 2, "bad-argument"),
    "an output file in a missing folder": (["attest", "-o", "/no/such/folder/file"], 2, "bad-argument"),
}


@pytest.mark.parametrize(("arguments", "status", "code"), FAILURES.values(), ids=FAILURES.keys())
def test_failure_has_its_status_and_code(ask: Run, arguments: list[str], status: int, code: str) -> None:
    outcome = ask(*arguments)
    assert (outcome.status, outcome.out) == (status, "")
    assert outcome.err.startswith(f"error: {code}: ")


@pytest.mark.parametrize("url", ["", "127.0.0.1", "https://127.0.0.1", "http://127.0.0.1/metadata", "file:///etc/passwd", "http://a:b"])
def test_rejects_invalid_base_url(run: Run, url: str) -> None:
    for arguments in (["get", "compute"], ["attest"]):
        status, out, err = run(*arguments, "--base-url", url)
        assert (status, out) == (2, "")
        assert err.startswith("error: bad-argument: `base_url` must be an address such as")


def test_reports_missing_service(run: Run, tmp_path: Path) -> None:
    for arguments in (["get", "compute"], ["attest", "-o", str(tmp_path / "document")]):
        status, out, err = run(*arguments, "--base-url", "http://127.0.0.1:1")
        assert (status, out) == (1, "")
        assert err.startswith("error: unreachable: ")
        assert "\n  hint: " in err
    assert not (tmp_path / "document").exists()


def test_attested_document_is_unchanged(ask: Run, tmp_path: Path) -> None:
    file = tmp_path / "document.json"
    assert ask("attest", "--nonce", "1234567890", "-o", str(file)) == (0, "", "")
    assert file.read_bytes().startswith(b'{"encoding":"pkcs7","signature":"MII')
    assert file.read_bytes().endswith(b'"}')
    status, out, err = ask("attest", "--nonce", "1234567890")
    assert (status, err) == (0, "")
    assert len(out) == len(file.read_text()) + 1


def test_new_nonce_is_printed_and_is_in_the_document(ask: Run, run: Run, root: str, tmp_path: Path) -> None:
    file = str(tmp_path / "document.json")
    status, out, err = ask("attest", "--new-nonce", "-o", file)
    assert (status, out) == (0, "")
    nonce = err.removeprefix("nonce: ").removesuffix("\n")
    assert len(nonce) == 10
    assert nonce.isdigit()
    assert run("verify", file, "--trust", root, "--nonce", nonce).status == 0
