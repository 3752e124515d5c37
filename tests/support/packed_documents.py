"""The good and bad documents of ``tests/vectors/attested`` in one buffer, and the setup that they are judged under."""

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
    """Documents in a buffer that can be written into, after some other bytes."""
    octets, offsets = bytearray(before), array("q", [len(before)])
    for document in documents:
        octets += document
        offsets.append(len(octets))
    return PackedDocuments(memoryview(octets), offsets)
