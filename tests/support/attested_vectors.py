"""Test vectors of attested documents, read once for all tests. ``tests/vectors/attested/README.md``
describes them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from imdskit.backends.contract import Setup
from imdskit.verify import Trust

FILE = Path(__file__).parents[1] / "vectors" / "attested" / "vectors.ndjson"

SETTING: dict[str, Any]
CASES: list[dict[str, Any]]
SETTING, *CASES = (json.loads(line) for line in FILE.read_text(encoding="ascii").splitlines())

AT: int = SETTING["at"]
"""Unix time at which documents are checked unless a case says otherwise."""

ANCHORS, INTERMEDIATES = (tuple(map(base64.b64decode, SETTING[kind])) for kind in ("anchors", "intermediates"))
TRUST = Trust(ANCHORS, INTERMEDIATES)


def setup_of(case: dict[str, Any], **changes: Any) -> Setup:
    """Return the setup of a case. ``{}`` stands for a case without special settings."""
    lists = {kind: tuple(map(base64.b64decode, case[kind])) for kind in ("intermediates", "crls") if kind in case}
    names = tuple((domain, domain) for domain in SETTING["names"])
    return Setup(**({"anchors": ANCHORS, "intermediates": INTERMEDIATES, "names": names} | lists | changes))


def case(name: str) -> dict[str, Any]:
    """Return the case with this id. Raises StopIteration if there is none."""
    return next(one for one in CASES if one["id"] == name)


def document(name: str) -> bytes:
    """Return the document of the case with this id."""
    return base64.b64decode(case(name)["document"])
