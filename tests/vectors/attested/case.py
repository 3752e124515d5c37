"""The type of a case, before its document is verified."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One case of the vectors.

    If ``reason`` is None, any reason of ``stage`` is correct, because different parsers may correctly find different faults.
    """

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


def accept(id: str, comment: str, document: bytes, **more: object) -> Case:  # the name of the member in the vectors
    return Case(id, comment, document, "accept", **more)  # type: ignore[arg-type]


def reject(id: str, comment: str, document: bytes, reason: str | None, **more: object) -> Case:
    return Case(id, comment, document, "reject", reason, **more)  # type: ignore[arg-type]
