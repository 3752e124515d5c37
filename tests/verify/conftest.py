"""Fixtures of the verifier's tests."""

from __future__ import annotations

import pytest

from .aia_scene import Scene


@pytest.fixture
def scene() -> Scene:
    return Scene()
