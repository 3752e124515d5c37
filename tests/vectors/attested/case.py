"""One case of the vectors, before its document is verified for the record."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """``reason`` None means: whatever reason of ``stage`` the verifier gives; used where several parsers may rightly see different faults."""

    id: str
    comment: str
    document: bytes
    expected: str
    reason: str | None = None
    stage: str | None = None
    at: int | None = None
    nonce: str | None = None
    intermediates: tuple[bytes, ...] | None = None
    crls: tuple[bytes, ...] = ()
    see: str | None = None


def accept(id: str, comment: str, document: bytes, **more: object) -> Case:  # the vectors' own word
    return Case(id, comment, document, "accept", **more)  # type: ignore[arg-type]


def reject(id: str, comment: str, document: bytes, reason: str | None, **more: object) -> Case:
    return Case(id, comment, document, "reject", reason, **more)  # type: ignore[arg-type]
