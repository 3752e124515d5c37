"""The cache of intermediates, in a directory that an attacker may have changed."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from imdskit.verify import Policy, Trust, Verifier
from imdskit.verify.intermediate_cache import MAX_BYTES, IntermediateCache

CERTIFICATES = Trust.bundled().intermediates
ONE, TWO, THREE = CERTIFICATES[:3]


def name(content: bytes) -> str:
    return f"{sha256(content).hexdigest()}.der"


def test_stored_certificates_are_loaded_again(tmp_path: Path) -> None:
    cache = IntermediateCache(tmp_path / "new" / "directory")
    assert cache.load() == ()
    for der in (ONE, TWO, ONE):
        cache.keep(der)
    again = IntermediateCache(tmp_path / "new" / "directory")
    assert set(again.load()) == {ONE, TWO}
    assert sorted(os.listdir(tmp_path / "new" / "directory")) == sorted([name(ONE), name(TWO)])
    assert not (tmp_path / "new" / "directory").stat().st_mode & 0o077


def test_cache_can_be_used_without_a_fetcher(tmp_path: Path) -> None:
    cache = IntermediateCache(tmp_path)
    cache.keep(ONE)
    trust = Trust(Trust.bundled().anchors).with_intermediates(*cache.load())
    assert trust.intermediates == (ONE,)
    Verifier(trust, Policy.offline_audit())


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (name(b"garbage"), b"garbage"),
        (name(b""), b""),
        (name(TWO), THREE),
        (name(TWO + b"\x00"), TWO + b"\x00"),
        (name(TWO[:-1]), TWO[:-1]),
        (name(b"0" * (MAX_BYTES + 1)), b"0" * (MAX_BYTES + 1)),
        (name(TWO).upper(), TWO),
        (name(TWO) + ".tmp", TWO),
        ("two.der", TWO),
        ("tmpabc.tmp", TWO),
    ],
    ids=[
        "garbage",
        "empty",
        "name of another file",
        "one byte more",
        "one byte less",
        "large",
        "upper case",
        "another suffix",
        "name that is not a digest",
        "incomplete file",
    ],
)
def test_file_whose_name_is_not_its_digest_is_ignored(tmp_path: Path, file: str, content: bytes) -> None:
    cache = IntermediateCache(tmp_path)
    cache.keep(ONE)
    (tmp_path / file).write_bytes(content)
    assert cache.load() == (ONE,)


@pytest.mark.skipif(os.name != "posix", reason="of POSIX file systems")
def test_directory_entries_that_are_not_regular_files_are_ignored(tmp_path: Path) -> None:
    cache = IntermediateCache(tmp_path / "cache")
    cache.keep(ONE)
    (tmp_path / "elsewhere").write_bytes(TWO)
    os.symlink(tmp_path / "elsewhere", tmp_path / "cache" / name(TWO))
    os.mkfifo(tmp_path / "cache" / name(b"a pipe"))
    os.mkdir(tmp_path / "cache" / name(b"a directory"))
    assert cache.load() == (ONE,)


def test_number_of_cached_files_is_limited(tmp_path: Path) -> None:
    cache = IntermediateCache(tmp_path, capacity=2)
    for der in (ONE, TWO, THREE):
        cache.keep(der)
    assert set(cache.load()) == {ONE, TWO}
    (tmp_path / name(THREE)).write_bytes(THREE)
    assert len(cache.load()) == 2


def test_unusable_directory_is_an_empty_cache(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = IntermediateCache(tmp_path / "file")
    cache.keep(ONE)
    assert cache.load() == ()
    assert "cannot store a certificate" in caplog.text


def test_failed_rename_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(os, "replace", fail)
    IntermediateCache(tmp_path).keep(ONE)
    assert os.listdir(tmp_path) == []


def test_many_threads_can_store_certificates_at_the_same_time(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(IntermediateCache(tmp_path).keep, CERTIFICATES * 4))
    assert set(IntermediateCache(tmp_path).load()) == set(CERTIFICATES)
