"""http: raw requests for the emulator."""

from __future__ import annotations

from collections.abc import Iterable

from scoring import Score, Suite


def score(suite: Suite, scopes: Iterable[str], backend: str) -> Score:
    raise NotImplementedError
