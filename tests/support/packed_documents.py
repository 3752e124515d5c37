"""The valid and invalid documents of ``tests/vectors/attested`` in one buffer, and the setup for
checking them."""

from __future__ import annotations

import base64
from array import array
from collections.abc import Iterable

from attested_vectors import CASES, SETTING

from imdskit.backends.contract import PackedDocuments, Setup

SETUP = Setup(
    anchors=tuple(map(base64.b64decode, SETTING["anchors"])),
    intermediates=tuple(map(base64.b64decode, SETTING["intermediates"])),
    names=tuple((domain, domain) for domain in SETTING["names"]),
)
DOCUMENTS = [base64.b64decode(case["document"]) for case in CASES if not {"intermediates", "crls", "at", "nonce"} & case.keys()]
GOOD = DOCUMENTS[0]


def packed(documents: Iterable[bytes], before: bytes = b"") -> PackedDocuments:
    """Return the documents in a writable buffer that begins with the bytes of ``before``."""
    buffer, offsets = bytearray(before), array("q", [len(before)])
    for document in documents:
        buffer += document
        offsets.append(len(buffer))
    return PackedDocuments(memoryview(buffer), offsets)
