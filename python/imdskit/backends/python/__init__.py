"""The pure Python backend. It specifies the results that every backend returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imdskit.backends.contract import Backend, Setup
from imdskit.backends.python.bucket import Bucket
from imdskit.backends.python.document import Document

if TYPE_CHECKING:
    from imdskit.backends.python.checker import Checker


def new_checker(setup: Setup) -> Checker:
    """Return a checker.

    The module of the checker is imported on first use. An emulator, or a verifier with the Rust
    backend, does not need this module, and starts 17 ms faster without it.
    """
    from imdskit.backends.python.checker import Checker

    return Checker(setup)


BACKEND = Backend("python", Document, Bucket, new_checker)
