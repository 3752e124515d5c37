"""Tests of ``imdskit trust``: lists, and updates from a refused document, from files and from this release."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from imdskit.cli.verifier import trust as verb
from imdskit.emulator import Emulator
from imdskit.verify import Trust, pem
from imdskit.verify.aia import AiaFetcher, FetchBudget, Location
from imdskit.verify.bundles import bundle
from imdskit.verify.bundles.bundle import Bundle

from .conftest import Outcome

Run = Callable[..., Outcome]
OCSP = [f"Microsoft TLS G2 RSA CA OCSP {number:02}" for number in range(2, 17, 2)]
DAY = "2026-11-30"


@pytest.fixture
def link(tmp_path: Path, emulator: Emulator) -> Path:
    """Return a symbolic link to a bundle that contains only the emulator's root."""
    (tmp_path / "trust.1").mkdir()
    anchors = pem.certificates(emulator.authority.root_pem.encode(), "root")
    bundle.write(tmp_path / "trust.1", Bundle("2026-01-01", anchors, ()))
    (tmp_path / "trust").symlink_to("trust.1")
    return tmp_path / "trust"


@pytest.fixture
def local(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the fetcher connect only to the emulator's server."""
    places = (Location("127.0.0.1", "/pki/", int(emulator.url.rsplit(":", 1)[1])),)
    monkeypatch.setattr(verb, "AiaFetcher", partial(AiaFetcher, locations=places, allow_addresses=("127.0.0.1",), budget=FetchBudget()))


def test_lists_the_eight_signing_authorities(run: Run) -> None:
    status, out, err = run("trust", "list", "--at", DAY)
    assert (status, err) == (0, "")
    signing = out.split("signs documents:\n")[1].split("helps to reach an anchor:")[0]
    assert [line.split("  ")[-1].rsplit(" (", 1)[0] for line in signing.splitlines()][-8:] == OCSP
    assert "Microsoft Azure ECC TLS Issuing CA 03" in out.split("audits only:")[1]


def test_json_list_has_each_certificate_once_with_evidence(run: Run) -> None:
    response = json.loads(run("trust", "list", "--at", DAY, "--json").out)
    found = {one["sha256"]: one for one in response["certificates"]}
    trust = Trust.bundled()
    assert list(found) == [sha256(der).hexdigest() for der in (*trust.anchors, *trust.intermediates)]
    assert {one["name"] for one in found.values() if one["evidence"]} == {one.name for one in trust.signing}
    assert response["trust"] == {"origin": "bundled with imdskit", "date": trust.date}


def test_list_of_another_bundle_omits_empty_sections(run: Run, link: Path) -> None:
    out = run("trust", "list", "--bundle", link).out
    assert " ".join(out.split()).startswith(f"bundle {link}, of 2026-01-01: 1 anchors, 0 intermediates anchor: ")
    assert "audits only" not in out


@pytest.mark.usefixtures("local")
def test_update_fetches_the_issuer_of_a_refused_document(run: Run, link: Path, document: str) -> None:
    assert run("verify", document, "--bundle", link).err.startswith("refused: unknown-issuer")
    status, out, err = run("trust", "update", "--bundle", link, "--document", document)
    assert (status, err) == (0, "")
    assert out.startswith("added: imdskit ")
    assert run("verify", document, "--bundle", link).status == 0
    assert run("trust", "update", "--bundle", link, "--document", document).out.startswith("nothing to add to ")


@pytest.mark.usefixtures("local")
def test_update_adds_no_issuer_below_an_unknown_anchor(run: Run, link: Path, document: str) -> None:
    """Remove the link, so that the update starts with the bundled anchors. None of them certified
    the issuer of the document, so the update does not add the fetched certificate."""
    link.unlink()
    status, out, err = run("trust", "update", "--bundle", link, "--document", document, "--json")
    assert (status, out) == (2, "")
    assert err.startswith("error: bad-intermediate: No path leads from the certificate to an anchor of the bundle: ")
    assert not link.exists()


def test_update_names_an_issuer_on_a_forbidden_host(run: Run, link: Path, document: str) -> None:
    """Use the real fetcher, which connects only to hosts of Microsoft and DigiCert, so it does not fetch the emulator's issuer."""
    status, _, err = run("trust", "update", "--bundle", link, "--document", document)
    assert status == 2
    assert "error: issuer-not-found: " in err
    assert "hint: The missing authority is 'imdskit " in err


def test_update_reports_refusals_with_other_reasons(run: Run, link: Path, tmp_path: Path) -> None:
    path = tmp_path / "document.json"
    path.write_text("{}")
    status, out, err = run("trust", "update", "--bundle", link, "--document", path)
    assert (status, out) == (1, "")
    assert err.startswith(f"{path}: this document is refused for another reason than a missing certificate.")
    assert "refused: bad-envelope" in err


def test_update_from_files_as_json(run: Run, link: Path, emulator: Emulator, tmp_path: Path) -> None:
    path = tmp_path / "chain.pem"
    path.write_text(emulator.trust_pem)
    response = json.loads(run("trust", "update", "--bundle", link, "--from", path, "--json").out)
    assert response["bundle"] == str(link)
    assert [one["sha256"] for one in response["added"]] == [sha256(der).hexdigest() for der in Trust.from_bundle(link).intermediates]
    assert Path(response["folder"]).resolve() == link.resolve()


def test_update_adds_what_the_doctor_misses_from_the_release(run: Run, tmp_path: Path) -> None:
    bundled = Trust.bundled()
    left = tuple(der for der in bundled.intermediates if not sha256(der).hexdigest().startswith("ea7a2525"))
    (tmp_path / "trust.1").mkdir()
    bundle.write(tmp_path / "trust.1", Bundle(bundled.date, bundled.anchors, left, bundled.signing, bundled.audit))
    (tmp_path / "trust").symlink_to("trust.1")
    status, out, _ = run("doctor", "--at", DAY, "--bundle", tmp_path / "trust")
    assert status == 1
    assert "to do: Microsoft TLS G2 RSA CA OCSP 02 signs documents, but the bundle has" in out
    assert run("trust", "update", "--bundle", tmp_path / "trust", "--at", DAY).out.startswith(
        "added: Microsoft TLS G2 RSA CA OCSP 02 (ea7a2525"
    )
    assert run("doctor", "--at", DAY, "--bundle", tmp_path / "trust").status == 0


def test_first_update_creates_the_link(run: Run, tmp_path: Path) -> None:
    assert run("trust", "update", "--bundle", tmp_path / "trust", "--at", DAY).status == 0
    assert run("doctor", "--bundle", tmp_path / "trust", "--at", DAY).out.endswith("nothing to do\n")


MISTAKES: dict[str, tuple[list[str], str]] = {
    "no action": ([], "required: ACTION"),
    "an unknown action": (["remove"], "invalid choice"),
    "list with a document": (["list", "--document", "x"], "unrecognized arguments: --document"),
    "list with a file": (["list", "--from", "x"], "unrecognized arguments: --from"),
    "list of a missing bundle": (["list", "--bundle", "nowhere"], "bad-bundle"),
    "no bundle": (["update"], "`trust update` needs --bundle"),
    "no such document": (["update", "--bundle", "new", "--document", "nowhere"], "cannot be read"),
    "no such file": (["update", "--bundle", "new", "--from", "nowhere"], "cannot be read"),
    "an invalid time": (["list", "--at", "noon"], "must be a time in ISO 8601"),
}


@pytest.mark.parametrize(("arguments", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_explains_mistakes(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = run("trust", *arguments)
    assert (status, out) == (2, "")
    assert words in err
    assert not list(tmp_path.iterdir())


def test_update_does_not_replace_a_folder(run: Run, tmp_path: Path) -> None:
    with as_file(files("imdskit.verify") / "roots") as roots:
        shutil.copytree(roots, tmp_path / "trust")
    status, _, err = run("trust", "update", "--bundle", tmp_path / "trust")
    assert status == 2
    assert f"mv {tmp_path / 'trust'} {tmp_path / 'trust'}.1 && ln -s trust.1 {tmp_path / 'trust'}" in err


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "bad-trust"), (b"hello", "bad-trust"), (b"-" * (pem.MAX_BYTES + 1), "bad-trust"), (b"0\x80", "bad-trust")],
    ids=["empty", "not PEM", "huge", "not DER"],
)
def test_update_rejects_file_without_certificates(run: Run, link: Path, tmp_path: Path, content: bytes, code: str) -> None:
    (tmp_path / "x.pem").write_bytes(content)
    status, _, err = run("trust", "update", "--bundle", link, "--from", tmp_path / "x.pem")
    assert status == 2
    assert err.startswith(f"error: {code}: ")
    assert link.readlink() == Path("trust.1")
