"""Tests of replacing keys and trusted certificates while the service runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from imdskit.attestation_service.configuration import keys
from imdskit.attestation_service.configuration.keys import Role
from imdskit.clock import ManualClock
from imdskit.emulator.authority import Authority
from imdskit.errors import TrustError, UsageError
from imdskit.verify import Trust
from imdskit.verify.bundles import bundle

from .conftest import NOW, Service


def write_bundle(folder: Path, authority: Authority) -> Path:
    """Write a trust bundle with the authority's root as anchor and its issuing certificate as
    intermediate."""
    import json
    from hashlib import sha256

    from imdskit.verify import pem

    folder.mkdir()
    root, issuing = authority.root_pem, authority.issuing_pem
    listed = {
        name: [sha256(der).hexdigest() for der in pem.certificates(text.encode(), name)]
        for name, text in (("anchors", root), ("intermediates", issuing))
    }
    (folder / "bundle.json").write_text(json.dumps({"format": bundle.FORMAT_OF_PEM, "date": "2026-09-01", **listed}))
    (folder / "anchors.pem").write_text(root)
    (folder / "intermediates.pem").write_text(issuing)
    return folder


@pytest.fixture(scope="module")
def second() -> Authority:
    return Authority(ManualClock(NOW), "http://127.0.0.1:8080", seed=42)


def accepted(service: Service, authority: Authority) -> bool:
    nonce = service.nonce()
    before, service.authority = service.authority, authority
    document = service.document(nonce)
    service.authority = before
    return service.attest(nonce, document).status == 200


def swap(link: Path, target: Path) -> None:
    """Replace a symbolic link atomically, as ``imdskit trust update`` does."""
    new = link.with_name("new")
    new.symlink_to(target)
    os.replace(new, link)


def test_bundle_is_reloaded_when_its_link_changes(service: Service, clock: ManualClock, second: Authority) -> None:
    folder, first = service.folder, service.authority
    link = folder / "current"
    link.symlink_to(write_bundle(folder / "one", first))
    write_bundle(folder / "two", second)
    service.configure(trust_anchors=None, trust_bundle=str(link))
    assert [accepted(service, first), accepted(service, second)] == [True, False]
    assert service.metric("imdskit_trust_bundle_age_seconds") == NOW - 1_788_220_800
    swap(link, folder / "two")
    clock.advance(9)
    assert [accepted(service, first), accepted(service, second)] == [True, False]  # The files are not checked again yet.
    clock.advance(1)
    assert [accepted(service, first), accepted(service, second)] == [False, True]


def test_invalid_bundle_leaves_the_previous_one_in_use(
    service: Service, clock: ManualClock, second: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    folder, first = service.folder, service.authority
    link = folder / "current"
    link.symlink_to(write_bundle(folder / "one", first))
    broken = write_bundle(folder / "two", second)
    (broken / "anchors.pem").write_text(first.root_pem)
    service.configure(trust_anchors=None, trust_bundle=str(link))
    _ = service.application
    swap(link, broken)
    clock.advance(10)
    assert [accepted(service, first), accepted(service, second)] == [True, False]
    assert service.metric("imdskit_reload_failing", file="trust") == 1
    assert "The previous state stays in use" in caplog.text
    (broken / "anchors.pem").write_text(second.root_pem)
    clock.advance(10)
    assert [accepted(service, first), accepted(service, second)] == [False, True]
    assert service.metric("imdskit_reload_failing", file="trust") == 0


def test_returning_to_the_previous_bundle_clears_the_failure(service: Service, clock: ManualClock) -> None:
    folder = service.folder
    link = folder / "current"
    link.symlink_to(write_bundle(folder / "one", service.authority))
    (folder / "empty").mkdir()
    service.configure(trust_anchors=None, trust_bundle=str(link))
    _ = service.application
    for target, failing in (("empty", 1), ("one", 0)):
        swap(link, folder / target)
        clock.advance(10)
        assert accepted(service, service.authority)
        assert service.metric("imdskit_reload_failing", file="trust") == failing


def test_all_files_are_read_from_the_folder_resolved_first(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = service.folder
    link = folder / "current"
    link.symlink_to(write_bundle(folder / "one", service.authority))
    (folder / "empty").mkdir()
    read = Trust.from_bundle

    def swapped_meanwhile(path: Path) -> Trust:
        swap(link, folder / "empty")
        return read(path)

    monkeypatch.setattr(Trust, "from_bundle", swapped_meanwhile)
    service.configure(trust_anchors=None, trust_bundle=str(link))
    assert accepted(service, service.authority)


def test_removed_bundle_leaves_the_previous_one_in_use(service: Service, clock: ManualClock) -> None:
    folder, first = service.folder, service.authority
    there = write_bundle(folder / "one", first)
    service.configure(trust_anchors=None, trust_bundle=str(there))
    assert accepted(service, first)
    shutil.rmtree(there)
    clock.advance(10)
    assert accepted(service, first)
    assert service.metric("imdskit_reload_failing", file="trust") == 1


def test_pem_files_are_reloaded(service: Service, clock: ManualClock, second: Authority) -> None:
    assert [accepted(service, service.authority), accepted(service, second)] == [True, False]
    (service.folder / "root.pem").write_text(second.trust_pem())
    clock.advance(10)
    assert [accepted(service, service.authority), accepted(service, second)] == [False, True]


def test_additional_intermediates_are_used(service: Service) -> None:
    (service.folder / "root.pem").write_text(service.authority.root_pem)
    assert not accepted(service, service.authority)
    (service.folder / "issuing.pem").write_text(service.authority.issuing_pem)
    service.configure(trust_intermediates=str(service.folder / "issuing.pem"))
    assert accepted(service, service.authority)


def test_unreadable_trust_at_start_is_an_error(service: Service) -> None:
    for settings in ({"trust_bundle": str(service.folder), "trust_anchors": None}, {"trust_anchors": str(service.folder / "absent")}):
        with pytest.raises(TrustError):
            service.configure(trust_bundle=None).configure(**settings).use()


def test_keys_can_be_revoked_and_added_without_restart(service: Service, clock: ManualClock) -> None:
    path = service.folder / "keys"
    assert service.call("POST", "/v1/challenges", key="client").status == 200
    new, line = keys.new("new", frozenset({Role.CLIENT}))
    path.write_text(line + "\n")
    clock.advance(10)
    assert service.call("POST", "/v1/challenges", key="client").status == 401
    assert service.call("POST", "/v1/challenges", key=new).status == 200


def test_invalid_key_file_leaves_the_previous_keys_in_use(service: Service, clock: ManualClock) -> None:
    assert service.call("POST", "/v1/challenges", key="client").status == 200
    (service.folder / "keys").write_text("rubbish\n")
    clock.advance(10)
    assert service.call("POST", "/v1/challenges", key="client").status == 200
    assert service.metric("imdskit_reload_failing", file="keys") == 1


def test_missing_key_file_at_start_is_an_error(service: Service) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        service.configure(keys_file=str(service.folder / "absent")).use()
