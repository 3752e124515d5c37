"""Parsers of request bodies. A body must be strict JSON, and each of its members is validated."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import NamedTuple

from imdskit import strict_json
from imdskit.attestation_service.http.messages import Problem
from imdskit.clock import LAST_SECOND

MAX_BINDING = 256
"""Maximum number of characters in the text to which a nonce is bound, such as an order number."""

BRACKETS = 80
"""Maximum number of opening braces and brackets in a request body, per document in the body. Braces
and brackets inside of strings count as well, so those in the JSON of the document are included. For
the JSON of one document, the verifier has a separate limit of 64."""

_INTEGER = re.compile(r"-?\d{1,20}(\.0{1,20})?", re.ASCII)


class NonceRequest(NamedTuple):
    """Body of a request for a nonce. ``binding`` is the text to which the nonce is bound, such as
    an order number. The request to verify the document must repeat this text."""

    binding: str


class AttestationRequest(NamedTuple):
    """Body of a request to verify a document and mark it as used. ``binding`` is the text from the
    request for the nonce."""

    nonce: str
    document: str
    binding: str


class Audited(NamedTuple):
    """Document to audit.

    Attributes:
        document: document as it was received.
        at: time when the document was received, in Unix seconds. None stands for the current time.
        nonce: nonce that the document must contain; None means that any nonce is accepted.
    """

    document: str
    at: int | None
    nonce: str | None


def nonce_request(data: bytes) -> NonceRequest:
    """Parse the body of a request for a nonce. An empty body counts as an empty object.

    Raises:
        Problem: The body is not strict JSON (400), or a member is invalid (422).
    """
    members = _object(_parsed(data or b"{}", BRACKETS), "", {"binding"})
    return NonceRequest(_text(members, "", "binding", default="", limit=MAX_BINDING))


def attestation_request(data: bytes) -> AttestationRequest:
    """Parse the body of a request to verify a document and mark it as used.

    Raises:
        Problem: The body is not strict JSON (400), or a member is invalid (422).
    """
    members = _object(_parsed(data, BRACKETS), "", {"nonce", "document", "binding"})
    binding = _text(members, "", "binding", default="", limit=MAX_BINDING)
    return AttestationRequest(_text(members, "", "nonce"), _text(members, "", "document"), binding)


def verdicts_request(data: bytes, limit: int) -> list[Audited]:
    """Parse the body of a request for verdicts, and return the documents to audit.

    Args:
        data: request body.
        limit: maximum number of documents.

    Raises:
        Problem: The body is not strict JSON (400), or a member is invalid (422).
    """
    documents = _object(_parsed(data, BRACKETS * (limit + 1)), "", {"documents"}).get("documents")
    if not isinstance(documents, list) or not 1 <= len(documents) <= limit:
        raise _invalid("/documents", f"must be a list of 1 to {limit} objects")
    return [_audited(value, f"/documents/{index}") for index, value in enumerate(documents)]


def _audited(value: object, location: str) -> Audited:
    members = _object(value, location, {"document", "at", "nonce"})
    nonce = _text(members, location, "nonce") if "nonce" in members else None
    at = _time(members["at"], f"{location}/at") if "at" in members else None
    return Audited(_text(members, location, "document"), at, nonce)


def _parsed(data: bytes, brackets: int) -> object:
    try:
        return strict_json.loads(data, brackets)
    except strict_json.JsonError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "bad-json", f"The body is not strict JSON. {error.args[0]}") from None


def _object(value: object, location: str, known: set[str]) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _invalid(location, "must be an object")
    for name in value:
        if name not in known:
            pointer = name[:40].replace("~", "~0").replace("/", "~1")  # RFC 6901 section 3
            raise _invalid(f"{location}/{pointer}", f"is not a known member; known members are {', '.join(sorted(known))}")
    return value


def _text(members: dict[str, object], location: str, name: str, *, default: str | None = None, limit: int | None = None) -> str:
    value = members.get(name, default)
    if not isinstance(value, str) or (limit is not None and len(value) > limit):
        raise _invalid(f"{location}/{name}", "must be a string" + ("" if limit is None else f" of at most {limit} characters"))
    return value


def _time(value: object, location: str) -> int:
    """Return a time in Unix seconds. ``1.0`` is accepted as 1, because JSON Schema treats both as
    the same integer."""
    if isinstance(value, strict_json.Number) and _INTEGER.fullmatch(value.text):
        seconds = int(value.text.partition(".")[0])
        if 0 <= seconds <= LAST_SECOND:
            return seconds
    raise _invalid(location, f"must be a whole number of Unix seconds from 0 to {LAST_SECOND}")


def _invalid(location: str, rule: str) -> Problem:
    subject = f"`{location}`" if location else "The body"
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-member", f"{subject} {rule}.", location=location)
