"""Tests of ``imdskit detect``: it shows the evidence, and its exit status is the outcome."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from imdskit.client.detect import CHASSIS_TAG, TAG_FILE
from imdskit.emulator import Emulator

from .conftest import Outcome

Run = Callable[..., Outcome]
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def machine(tmp_path: Path) -> Callable[[str], Path]:
    def make(tag: str) -> Path:
        file = tmp_path / TAG_FILE
        file.parent.mkdir(parents=True)
        file.write_text(tag + "\n")
        return tmp_path

    return make


def test_prints_one_line_per_step_and_a_conclusion(run: Run, emulator: Emulator, tmp_path: Path) -> None:
    done = run("detect", "--base-url", emulator.url, "--root", tmp_path)
    assert (done.status, done.err) == (0, "")
    assert [line.split()[:2] for line in done.out.splitlines() if not line.startswith(" ")] == [
        ["chassis", "unknown"],
        ["address", "yes"],
        ["shape", "yes"],
        ["an", "Azure"],
    ]
    assert done.out.endswith("an Azure machine: likely\n")


def test_evidence_can_be_printed_as_json(run: Run, emulator: Emulator, tmp_path: Path) -> None:
    done = run("detect", "--base-url", emulator.url, "--root", tmp_path, "--json")
    found = json.loads(done.out)
    assert (done.status, found["conclusion"], len(found["steps"])) == (0, "likely", 3)
    assert found["vmId"]


def test_valid_document_is_proof(run: Run, emulator: Emulator, root: str, tmp_path: Path) -> None:
    done = run("detect", "--attested", "--trust", root, "--base-url", emulator.url, "--root", tmp_path)
    assert done.status == 0
    out = " ".join(done.out.split())
    assert out.endswith(f"an Azure machine: proved, if the certificates in {root} are Azure's")
    assert f"An authority that is trusted only because of --trust ({root})" in out
    assert "Azure signed" not in done.out
    found = json.loads(run("detect", "--attested", "--trust", root, "--base-url", emulator.url, "--root", tmp_path, "--json").out)
    assert found["conclusion"] == "proved"
    assert root in found["steps"][-1]["seen"]


def test_attested_option_requires_proof(run: Run, emulator: Emulator, tmp_path: Path) -> None:
    """Verify with the bundled roots, which did not certify the emulator's issuer."""
    done = run("detect", "--attested", "--base-url", emulator.url, "--root", tmp_path)
    assert "unknown-issuer" in done.out
    assert done.status == 3


@pytest.mark.parametrize(("tag", "status"), [(CHASSIS_TAG, 0), ("None", 1), ("", 3)], ids=["azure", "other", "empty"])
def test_exit_status_is_the_outcome(run: Run, machine: Callable[[str], Path], tag: str, status: int) -> None:
    assert run("detect", "--base-url", NOBODY, "--root", machine(tag)).status == status


@pytest.mark.parametrize(
    "arguments", [("--base-url", "ftp://x"), ("--attested", "--trust", "/nonexistent"), ("--what",)], ids=["scheme", "no file", "no option"]
)
def test_rejects_invalid_arguments(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("detect", *arguments).status == 2


def test_names_an_invalid_environment_variable(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMDS_ENDPOINT", "nonsense")
    monkeypatch.delenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", raising=False)
    done = run("detect")
    assert done.status == 2
    assert "IMDS_ENDPOINT" in done.err
