"""What a response means: a body, or an error.

Other programs respond at the service's address too: forgotten proxies, captive portals, other clouds. The service sends JSON, or text
on request, and never HTML; anything else is ``not-imds``.

Source: IMDS documentation, "Errors and debugging"; recorded errors.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from imdskit.codes import ClientCode
from imdskit.errors import ClientError

Json = Any
"""A value as ``json.loads`` makes it."""

_QUOTED = 200
"""Characters of a service's own words that go into an error."""


class Response(NamedTuple):
    """A response of the service, or of whatever listens at its address.

    Attributes:
        status: the status code.
        media_type: of ``Content-Type``, lower case without parameters; ``""`` if there was none.
        body: the whole body.
        url: the requested URL, for errors.
        retry_after: seconds that ``Retry-After`` asks to wait, or None.
    """

    status: int
    media_type: str
    body: bytes
    url: str
    retry_after: float | None = None


def parsed(response: Response) -> Json:
    """The JSON object or array of a good response.

    Raises:
        ClientError: the response is an error, or no JSON.
    """
    check(response)
    value = _json(response.body)
    if not isinstance(value, dict | list):
        raise foreign(response, "The response is not a JSON object or array.")
    return value


def text(response: Response) -> str:
    """The text of a good response.

    Raises:
        ClientError: the response is an error, or no text.
    """
    check(response)
    try:
        return response.body.decode("utf-8")
    except UnicodeDecodeError:
        raise foreign(response, "The response is not UTF-8.") from None


def foreign(response: Response, message: str) -> ClientError:
    """Something answered that is not the service."""
    hint = "Something else answers at this address: a proxy, a portal, another cloud's metadata service. Look at `body`."
    return _error(ClientCode.NOT_IMDS, response, message, hint)


def check(response: Response) -> None:
    """Return if the status is 200 and the body is no web page.

    Raises:
        ClientError: with the code that the status stands for.
    """
    status = response.status
    said = _words(response)
    if status == 429:
        hint = "The service takes 5 requests a second, and 20 below /identity. Wait, then ask again."
        raise _error(ClientCode.THROTTLED, response, "Too many requests.", hint)
    if status == 410:
        raise _error(ClientCode.GONE, response, "The service is being updated.", "Ask again for up to 70 seconds.")
    if status >= 500:
        raise _error(
            ClientCode.SERVER_ERROR, response, f"The service failed with status {status}{said}.", "Ask again after a second or more."
        )
    if 300 <= status < 400:
        message = f"Status {status} points elsewhere, and redirects are never followed."
        raise _error(ClientCode.REDIRECTED, response, message, "The service does not redirect: something else answers at this address.")
    if response.media_type == "text/html" or _is_page(response.body):
        raise foreign(response, f"A web page came back, with status {status}.")
    if status == 200:
        return
    if status in (400, 404):
        _check_version(response, said)
    if status == 400:
        hint = "A single value is given as text only (format text); see also the parameters."
        raise _error(ClientCode.BAD_REQUEST, response, f"The service does not accept the request{said}.", hint)
    if status == 404:
        hint = "Is the member younger than the api-version? Names are spelt exactly, letter case included."
        raise _error(ClientCode.NOT_FOUND, response, f"There is nothing at this path{said}.", hint)
    hint = "The service does not document this status for such a request."
    if status in (401, 403):
        hint = "Is the Metadata Security Protocol enforced on this machine? Its agent decides which programs may ask."
    raise _error(ClientCode.UNEXPECTED_STATUS, response, f"Status {status}{said}.", hint)


def _check_version(response: Response, said: str) -> None:
    """The service of today answers 400 with a list of versions, that of 2017 to 2020 a 404 in these words (spec of errors, recordings)."""
    body = _json(response.body)
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
    raise _error(ClientCode.UNSUPPORTED_VERSION, response, f"The service does not know this api-version{said}.", hint)


def _words(response: Response) -> str:
    """What the service itself says of an error, to be put behind a sentence."""
    body = _json(response.body) if response.status != 200 else None
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


def _error(code: ClientCode, response: Response, message: str, hint: str) -> ClientError:
    return ClientError(
        code, message, location=response.url, hint=hint, status=response.status, body=response.body, retry_after=response.retry_after
    )
