"""The pure Python backend: the specification of what every backend answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imdskit.backends.contract import Backend, Setup
from imdskit.backends.python.bucket import Bucket
from imdskit.backends.python.document import Document

if TYPE_CHECKING:
    from imdskit.backends.python.checker import Checker


def new_checker(setup: Setup) -> Checker:
    """Return a checker. Its import is late because an emulator, or a verifier with the Rust backend, never needs it: 17 ms."""
    from imdskit.backends.python.checker import Checker

    return Checker(setup)


BACKEND = Backend("python", Document, Bucket, new_checker)
