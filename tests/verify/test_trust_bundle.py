"""A bundle is accepted only if it is complete and intact, and the bundled one is read like any other."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from imdskit.clock import ManualClock
from imdskit.emulator.authority import Authority
from imdskit.errors import TrustError, UsageError
from imdskit.verify import Trust, pem


@pytest.fixture(params=["pem", "der"])
def bundle(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a copy of the bundled one, in each format."""
    folder = tmp_path / "bundle"
    with as_file(files("imdskit.verify") / "roots") as roots:
        shutil.copytree(roots, folder)
    if request.param == "pem":
        for member in ("anchors", "intermediates"):
            (folder / f"{member}.der").unlink()
            (folder / f"{member}.pem").write_text("Ours:\n" + "".join(map(pem_of, getattr(Trust.bundled(), member))))
        change(folder, format="imdskit-trust-bundle/1")
    return folder


def pem_of(der: bytes) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(der).decode()}-----END CERTIFICATE-----\n"


def certificates(folder: Path, member: str) -> Path:
    """Return the path of the file of anchors or of intermediates."""
    [path] = folder.glob(f"{member}.*")
    return path


def change(folder: Path, **members: object) -> None:
    path = folder / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **members}))


def without_last(folder: Path, member: str) -> None:
    path = certificates(folder, member)
    data = path.read_bytes()
    length = len(getattr(Trust.bundled(), member)[-1])
    path.write_bytes(data[: data.rindex(b"-----BEGIN CERTIFICATE-----")] if path.suffix == ".pem" else data[:-length])


def exchange_anchor(folder: Path, der: bytes) -> None:
    """Replace all anchors by one, and update the manifest."""
    certificates(folder, "anchors").write_bytes(der)
    change(folder, anchors=[sha256(der).hexdigest()])


def test_the_bundled_trust_is_a_bundle_with_a_date(bundle: Path) -> None:
    read = Trust.from_bundle(bundle)
    bundled = Trust.bundled()
    assert (read.signing, read.audit) == (bundled.signing, bundled.audit)
    assert (read.anchors, read.intermediates, read.date) == (bundled.anchors, bundled.intermediates, "2026-11-30")
    assert bundled.date == read.date
    readme = (bundle / "README.md").read_text(encoding="utf-8")
    assert f"Date of the bundle: {read.date}." in readme


def test_a_bundle_replaces_the_bundled_one(bundle: Path) -> None:
    authority = Authority(ManualClock(1_790_000_000), "http://127.0.0.1:8080", seed=5)
    exchange_anchor(bundle, authority.root)
    change(bundle, intermediates=[], date="2027-01-31")
    certificates(bundle, "intermediates").unlink()
    trust = Trust.from_bundle(bundle)
    assert (trust.anchors, trust.intermediates, trust.date) == ((authority.root,), (), "2027-01-31")


def no_root(folder: Path) -> None:
    exchange_anchor(folder, Trust.bundled().intermediates[0])


def forged_root(folder: Path) -> None:
    der = Trust.bundled().anchors[0]
    exchange_anchor(folder, der[:-1] + bytes((der[-1] ^ 1,)))


def end_entity(folder: Path) -> None:
    authority = Authority(ManualClock(1_790_000_000), "http://127.0.0.1:8080", seed=5)
    der = authority.signer().certificate
    certificates(folder, "intermediates").write_bytes(der)
    change(folder, intermediates=[sha256(der).hexdigest()])


def no_certificate(folder: Path) -> None:
    exchange_anchor(folder, b"0\x03\x02\x01\x07")


def twice(folder: Path) -> None:
    path = certificates(folder, "anchors")
    path.write_bytes(path.read_bytes() * 2)


FIRST = sha256(Trust.bundled().anchors[0]).hexdigest()
FAULTS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no folder": (shutil.rmtree, "bad-bundle", "bundle.json"),
    "no manifest": (lambda f: (f / "bundle.json").unlink(), "bad-bundle", "bundle.json"),
    "not JSON": (lambda f: (f / "bundle.json").write_text("{"), "bad-bundle", "bundle.json"),
    "deep JSON": (lambda f: (f / "bundle.json").write_text("[" * 100_000), "bad-bundle", "bundle.json"),
    "a list": (lambda f: (f / "bundle.json").write_text("[]"), "bad-bundle", "bundle.json"),
    "member twice": (lambda f: (f / "bundle.json").write_text('{"date":"a","date":"b"}'), "bad-bundle", "bundle.json"),
    "huge manifest": (lambda f: (f / "bundle.json").write_text(" " * 1_100_000), "bad-bundle", "bundle.json"),
    "another format": (lambda f: change(f, format="imdskit-trust-bundle/3"), "bundle-format", "bundle.json"),
    "no date": (lambda f: change(f, date=None), "bad-bundle", "bundle.json"),
    "date in another format": (lambda f: change(f, date="20261123"), "bad-bundle", "bundle.json"),
    "no such day": (lambda f: change(f, date="2026-02-30"), "bad-bundle", "bundle.json"),
    "anchors that are not a list": (lambda f: change(f, anchors={}), "bad-bundle", "bundle.json"),
    "digest in upper case": (lambda f: change(f, anchors=[FIRST.upper()]), "bad-bundle", "bundle.json"),
    "listed twice": (lambda f: change(f, anchors=[FIRST, FIRST]), "bad-bundle", "bundle.json"),
    "signing that is not a list": (lambda f: change(f, signing={}), "bad-bundle", "bundle.json"),
    "signing without a key": (lambda f: change(f, signing=[{"name": "x", "evidence": "y"}]), "bad-bundle", "bundle.json"),
    "signing that is text": (lambda f: change(f, signing=["x"]), "bad-bundle", "bundle.json"),
    "signing with a short key": (lambda f: change(f, signing=[{"name": "x", "key": "0", "evidence": "y"}]), "bad-bundle", "bundle.json"),
    "audit with a malformed key": (lambda f: change(f, audit=["x"]), "bad-bundle", "bundle.json"),
    "no anchors": (lambda f: change(f, anchors=[]), "bad-bundle", "bundle.json"),
    "anchor not listed": (lambda f: change(f, anchors=[FIRST]), "bad-bundle", "anchors"),
    "anchor missing": (lambda f: without_last(f, "anchors"), "bad-bundle", "anchors"),
    "intermediate missing": (lambda f: without_last(f, "intermediates"), "bad-bundle", "intermediates"),
    "anchors twice": (twice, "bad-bundle", "anchors"),
    "no anchor file": (lambda f: certificates(f, "anchors").unlink(), "bad-bundle", "anchors"),
    "huge anchor file": (lambda f: certificates(f, "anchors").write_bytes(b"#" * (pem.MAX_BYTES + 1)), "bad-bundle", "anchors"),
    "text": (lambda f: certificates(f, "anchors").write_text("nothing"), "bad-trust", "anchors"),
    "truncated": (lambda f: certificates(f, "anchors").write_bytes(certificates(f, "anchors").read_bytes()[:-30]), "bad-trust", "anchors"),
    "not a certificate": (no_certificate, "bad-trust", "anchors[0]"),
    "anchor that is not a root": (no_root, "bad-bundle", "anchors[0]"),
    "anchor with a wrong signature": (forged_root, "bad-bundle", "anchors[0]"),
    "intermediate that is not an authority": (end_entity, "bad-bundle", "intermediates[0]"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_invalid_bundle_is_refused_with_the_location(name: str, bundle: Path) -> None:
    spoil, code, position = FAULTS[name]
    spoil(bundle)
    with pytest.raises(TrustError) as refusal:
        Trust.from_bundle(bundle)
    assert refusal.value.code == code
    location = refusal.value.location.replace(".pem", "").replace(".der", "")
    assert location.startswith(f"{bundle}/{position}")


def test_a_path_with_a_nul_character_is_refused() -> None:
    with pytest.raises(UsageError, match="without NUL"):
        Trust.from_bundle("bundle\0")


def test_older_bundle_has_empty_signing_and_audit_lists(bundle: Path) -> None:
    members = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps({name: members[name] for name in ("format", "date", "anchors", "intermediates")}))
    trust = Trust.from_bundle(bundle)
    assert (trust.signing, trust.audit) == ((), ())
