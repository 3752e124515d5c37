"""The pure Python backend: the specification of what every backend answers."""

from __future__ import annotations

from imdskit.backends.contract import Backend, Setup
from imdskit.backends.contract import Checker as CheckerProtocol
from imdskit.backends.python.bucket import Bucket
from imdskit.backends.python.document import Document


def _checker(setup: Setup) -> CheckerProtocol:
    # Imported late: an emulator without verification, or a client, never loads the cryptography.
    from imdskit.backends.python.checker import Checker

    return Checker(setup)


BACKEND = Backend("python", Document, Bucket, _checker)
