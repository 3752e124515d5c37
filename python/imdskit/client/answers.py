"""What an answer means: a body, or the error that it stands for.

Other programs answer at the service's address too: forgotten proxies, captive portals, other clouds. The service answers JSON, or text
where it was asked for, and never HTML; what does not look like that is ``not-imds``.

Source: IMDS documentation, "Errors and debugging"; recorded errors.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from imdskit.errors import ClientError

Json = Any
"""A value as ``json.loads`` makes it."""

_QUOTED = 200
"""Characters of a service's own words that go into an error."""


class Answer(NamedTuple):
    """What came back.

    Attributes:
        status: the status code.
        media_type: of ``Content-Type``, lower case without parameters; ``""`` if there was none.
        body: the whole body.
        place: the URL that was asked, for errors.
        retry_after: seconds that ``Retry-After`` asks to wait, or None.
    """

    status: int
    media_type: str
    body: bytes
    place: str
    retry_after: float | None = None


def parsed(answer: Answer) -> Json:
    """The JSON object or array of a good answer.

    Raises:
        ClientError: the answer is an error, or no JSON.
    """
    check(answer)
    value = _json(answer.body)
    if not isinstance(value, dict | list):
        raise foreign(answer, "The answer is not a JSON object or array.")
    return value


def text(answer: Answer) -> str:
    """The text of a good answer.

    Raises:
        ClientError: the answer is an error, or no text.
    """
    check(answer)
    try:
        return answer.body.decode("utf-8")
    except UnicodeDecodeError:
        raise foreign(answer, "The answer is not UTF-8.") from None


def foreign(answer: Answer, message: str) -> ClientError:
    """Something answered that is not the service."""
    hint = "Something else answers at this address: a proxy, a portal, another cloud's metadata service. Look at `body`."
    return _error("not-imds", answer, message, hint)


def check(answer: Answer) -> None:
    """Return if the status is 200 and the body is no web page.

    Raises:
        ClientError: with the code that the status stands for.
    """
    status = answer.status
    said = _words(answer)
    if status == 429:
        hint = "The service takes 5 requests a second, and 20 below /identity. Wait, then ask again."
        raise _error("throttled", answer, "Too many requests.", hint)
    if status == 410:
        raise _error("gone", answer, "The service is being updated.", "Ask again for up to 70 seconds.")
    if status >= 500:
        raise _error("server-error", answer, f"The service failed with status {status}{said}.", "Ask again after a second or more.")
    if 300 <= status < 400:
        message = f"Status {status} points elsewhere, and redirects are never followed."
        raise _error("redirected", answer, message, "The service does not redirect: something else answers at this address.")
    if answer.media_type == "text/html" or _is_page(answer.body):
        raise foreign(answer, f"A web page came back, with status {status}.")
    if status == 200:
        return
    if status in (400, 404):
        _check_version(answer, said)
    if status == 400:
        hint = "A single value is given as text only (format text); see also the parameters."
        raise _error("bad-request", answer, f"The service does not accept the request{said}.", hint)
    if status == 404:
        hint = "Is the member younger than the api-version? Names are spelt exactly, letter case included."
        raise _error("not-found", answer, f"There is nothing at this path{said}.", hint)
    hint = "The service does not document this status for such a request."
    if status in (401, 403):
        hint = "Is the Metadata Security Protocol enforced on this machine? Its agent decides which programs may ask."
    raise _error("unexpected-status", answer, f"Status {status}{said}.", hint)


def _check_version(answer: Answer, said: str) -> None:
    """The service of today answers 400 with a list of versions, that of 2017 to 2020 a 404 in these words (spec of errors, recordings)."""
    body = _json(answer.body)
    if not isinstance(body, dict):
        return
    words = body.get("error")
    newest = body.get("newest-versions")
    about_version = isinstance(words, str) and ("api-version is invalid" in words or "Invalid version requested" in words)
    if not about_version and newest is None:
        return
    hint = "Ask /metadata/versions for the versions that this machine's host knows."
    if isinstance(newest, list) and newest and all(isinstance(version, str) for version in newest):
        hint = "The newest that this machine's host knows: " + ", ".join(newest[:10])[:_QUOTED] + "."
    raise _error("unsupported-version", answer, f"The service does not know this api-version{said}.", hint)


def _words(answer: Answer) -> str:
    """What the service itself says of an error, to be put behind a sentence."""
    body = _json(answer.body) if answer.status != 200 else None
    if not isinstance(body, dict):
        return ""
    words = [body[name] for name in ("error", "error_description") if isinstance(body.get(name), str)]
    return f' ("{": ".join(words)[:_QUOTED]}")' if words else ""


def _is_page(body: bytes) -> bool:
    return body[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype", b"<html"))


def _json(body: bytes) -> Json:
    """The value, or None for what is no JSON; the service never sends ``null``."""
    try:
        return json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return None


def _error(code: str, answer: Answer, message: str, hint: str) -> ClientError:
    return ClientError(
        code, message, location=answer.place, hint=hint, status=answer.status, body=answer.body, retry_after=answer.retry_after
    )
