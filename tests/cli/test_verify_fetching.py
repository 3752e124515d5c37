"""Tests of ``imdskit verify`` with intermediates that it fetches from the emulator's server and stores in a folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import imdskit
from imdskit.emulator import Emulator
from imdskit.verify.aia import AiaFetcher, FetchBudget, Location


def test_unknown_issuer_is_fetched_on_request_and_cached(
    run: Callable[..., Any], emulator: Emulator, document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, cache = tmp_path / "root.pem", tmp_path / "cache"
    root.write_text(emulator.authority.root_pem)
    places = (Location("127.0.0.1", "/pki/", int(emulator.url.rsplit(":", 1)[1])),)
    here = partial(AiaFetcher, locations=places, allow_addresses=("127.0.0.1",), budget=FetchBudget())
    monkeypatch.setattr(imdskit, "AiaFetcher", here)
    common = ("verify", document, "--trust", root, "--intermediates-cache", cache)
    assert run(*common).status == 1
    assert not cache.exists()
    assert run(*common, "--fetch-intermediates").status == 0
    assert len(list(cache.iterdir())) == 1
    monkeypatch.setattr(imdskit, "AiaFetcher", None)
    assert run(*common).status == 0
