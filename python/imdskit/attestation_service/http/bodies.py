"""The bodies of requests: strict JSON, checked member by member."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import NamedTuple

from imdskit import strict_json
from imdskit.attestation_service.http.messages import Problem

MAX_BINDING = 256
"""Characters of the text that a nonce can be bound to."""

BRACKETS = 80
"""Opening braces and brackets per document, those inside of its text included. The verifier itself takes 64 in a document."""

MAX_TIME = 253_402_300_799
"""The end of the year 9999, in Unix seconds."""

_INTEGER = re.compile(r"-?\d{1,20}(\.0{1,20})?", re.ASCII)


class NonceRequest(NamedTuple):
    """Body of a request for a nonce."""

    binding: str


class AttestationRequest(NamedTuple):
    """Body of a request to verify a document and use it up."""

    nonce: str
    document: str
    binding: str


class Audited(NamedTuple):
    """A document to audit. Attributes: ``at``, Unix seconds, None for now; ``nonce`` that it must carry, None for any."""

    document: str
    at: int | None
    nonce: str | None


def nonce_request(data: bytes) -> NonceRequest:
    """Return what a caller sends to have a nonce issued. An empty body is an empty object.

    Raises:
        Problem: 400 or 422.
    """
    members = _object(_parsed(data or b"{}", BRACKETS), "", {"binding"})
    return NonceRequest(_text(members, "", "binding", default="", limit=MAX_BINDING))


def attestation_request(data: bytes) -> AttestationRequest:
    """Return what a caller sends to have a document verified and used up.

    Raises:
        Problem: 400 or 422.
    """
    members = _object(_parsed(data, BRACKETS), "", {"nonce", "document", "binding"})
    binding = _text(members, "", "binding", default="", limit=MAX_BINDING)
    return AttestationRequest(_text(members, "", "nonce"), _text(members, "", "document"), binding)


def verdicts_request(data: bytes, limit: int) -> list[Audited]:
    """Return the documents that an operator sends to be audited.

    Raises:
        Problem: 400 or 422.
    """
    documents = _object(_parsed(data, BRACKETS * (limit + 1)), "", {"documents"}).get("documents")
    if not isinstance(documents, list) or not 1 <= len(documents) <= limit:
        raise _invalid("/documents", f"must be a list of 1 to {limit} objects")
    return [_audited(value, f"/documents/{index}") for index, value in enumerate(documents)]


def _audited(value: object, place: str) -> Audited:
    members = _object(value, place, {"document", "at", "nonce"})
    nonce = _text(members, place, "nonce") if "nonce" in members else None
    return Audited(_text(members, place, "document"), _time(members["at"], f"{place}/at") if "at" in members else None, nonce)


def _parsed(data: bytes, brackets: int) -> object:
    try:
        return strict_json.loads(data, brackets)
    except strict_json.JsonError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "bad-json", f"The body is not strict JSON. {error.args[0]}") from None


def _object(value: object, place: str, known: set[str]) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _invalid(place, "must be an object")
    for name in value:
        if name not in known:
            pointer = name[:40].replace("~", "~0").replace("/", "~1")  # RFC 6901 section 3
            raise _invalid(f"{place}/{pointer}", f"is not known; the object may have {', '.join(sorted(known))}")
    return value


def _text(members: dict[str, object], place: str, name: str, *, default: str | None = None, limit: int | None = None) -> str:
    value = members.get(name, default)
    if not isinstance(value, str) or (limit is not None and len(value) > limit):
        raise _invalid(f"{place}/{name}", "must be a text" + ("" if limit is None else f" of at most {limit} characters"))
    return value


def _time(value: object, place: str) -> int:
    """JSON does not tell 1 from 1.0, and neither does JSON Schema."""
    if isinstance(value, strict_json.Number) and _INTEGER.fullmatch(value.text):
        seconds = int(value.text.partition(".")[0])
        if 0 <= seconds <= MAX_TIME:
            return seconds
    raise _invalid(place, f"must be a whole number of Unix seconds from 0 to {MAX_TIME}")


def _invalid(place: str, rule: str) -> Problem:
    where = f"`{place}`" if place else "The body"
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-member", f"{where} {rule}.", location=place)
