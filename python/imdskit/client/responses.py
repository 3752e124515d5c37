"""Interpretation of responses.

:func:`parsed` and :func:`text` return the content of a successful response. For every other
response, they raise an error.

Other programs may respond at the service's address, too: forgotten proxies, captive portals, the
metadata services of other clouds. The metadata service sends JSON, or text if the client requests
it, but never HTML. If a response is clearly from another program, the error is ``not-imds``.

Source: IMDS documentation, "Errors and debugging"; managed identities documentation; recorded
errors.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from imdskit.client import address
from imdskit.codes import ClientCode
from imdskit.errors import ClientError

Json = Any
"""A value that ``json.loads`` returns."""

ARC_AGENT = "The agent of Azure Arc"
_ARC = re.compile(r'\s*basic\s+realm\s*=\s*"?(?:/|[a-z]:[\\/]|[^"]*\.key\b)', re.IGNORECASE)
"""Pattern of the challenge in ``WWW-Authenticate`` by which the agent of Azure Arc is recognised.

The realm is the path of a file, for example ``Basic realm=/var/opt/azcmagent/tokens/...key`` (Azure
Arc documentation, managed identity). The realm of a proxy is a title.
"""
_MICROSOFT = (
    b"http error 503. the service is unavailable",
    b"<h1>server error</h1>",
    b"<h2>service unavailable</h2>",
    b"iis detailed error",
)
"""Texts in lower case by which error pages of HTTP.sys and IIS, the web servers of Microsoft, are
recognised."""
_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml\b[^>]*>\s*)?(?:<!--.*?-->\s*)?<(?:!doctype|html)\b", re.IGNORECASE | re.DOTALL)
"""Beginning of a web page. An XML declaration or a comment may come first."""

_ARC_HINT = (
    "Azure Arc responded, so this machine does not run on Azure. Arc sends tokens only to programs that read the file named in "
    "`WWW-Authenticate`, which imdskit does not do. Use azure-identity instead."
)

_HINTS_BY_TEXT = (
    ("Required metadata header", "Look for a proxy that removes the header `Metadata: true`."),
    ("Identity not found", "Assign a managed identity to the machine, or name one that it has by client_id, object_id or msi_res_id."),
    ("Multiple user assigned", "Name one of the machine's identities by client_id, object_id or msi_res_id."),
    ("'resource' is missing", "Say what the token is for, such as https://vault.azure.net."),
    ("invalid_resource", "Check the resource: it must be an application that the directory of the identity knows."),
    ("AADSTS", "The service passed the request to Entra ID, which refused it. Look the code up in the documentation of Entra ID."),
)
"""Pairs of a text and a hint. If an error response of the service contains the text, the error gets
this hint, whatever the status.

The first text that is found counts.
"""

_BY_CATEGORY = {
    400: {
        "": "Check the parameters of the request.",
        "identity": "Check the resource, and name at most one identity by client_id, object_id or msi_res_id.",
        "attested": "Check the nonce: 1 to 32 letters and digits.",
        "scheduledevents": "Approve events by their ids, and only events that are still listed. `imdskit get scheduledevents` lists them.",
    },
    404: {
        "": "Check the path. Not every machine has every endpoint.",
        "identity": "Check that the machine has a managed identity. After one is assigned, it can take minutes until the service knows it.",
        "attested": "Attested documents exist from api-version 2018-10-01 on.",
        "scheduledevents": "Scheduled events have separate api-versions, such as 2020-07-01.",
        "loadbalancer": "The machine has no load balancer, or one of the basic SKU, which the service does not show.",
        "versions": "Hosts before 2020 have no list of api-versions.",
        "instance": "Check that this api-version has the member. The letter case of names matters.",
    },
}
"""Hints by status and category, which is the name of the endpoint. The category ``""`` stands for
all other endpoints."""

_QUOTED = 200
"""Maximum number of characters that an error quotes from a response."""


class Response(NamedTuple):
    """Response of the service, or of another program at its address.

    Attributes:
        status: the status code.
        media_type: media type in the header ``Content-Type``, in lower case and without parameters.
            ``""`` if there is no such header.
        body: the whole body.
        url: the requested URL, which error messages name.
        retry_after: number of seconds to wait according to the header ``Retry-After``, or None.
        challenge: value of the header ``WWW-Authenticate``, or ``""``.
    """

    status: int
    media_type: str
    body: bytes
    url: str
    retry_after: float | None = None
    challenge: str = ""


def parsed(response: Response) -> Json:
    """Return the JSON object or array of a successful response.

    Raises:
        ClientError: the response is an error, or its body is not a JSON object or array.
    """
    check(response)
    value = _json(response.body)
    if not isinstance(value, dict | list):
        raise foreign(response, "The response is not a JSON object or array.")
    return value


def text(response: Response) -> str:
    """Return the text of a successful response.

    Raises:
        ClientError: the response is an error, or its body is not UTF-8.
    """
    check(response)
    try:
        return response.body.decode("utf-8")
    except UnicodeDecodeError:
        raise foreign(response, "The response is not UTF-8.") from None


def foreign(response: Response, message: str) -> ClientError:
    """Return the error for a response of another program."""
    hint = (
        "Another program responds at this address, such as a proxy, a portal or another cloud's metadata service. "
        "The attribute `body` of the error contains the response."
    )
    return _error(ClientCode.NOT_IMDS, response, message, hint)


def check(response: Response) -> None:
    """Check that a response has the status 200 and is not a web page.

    Raises:
        ClientError: the response has another status or is a web page. The code of the error depends
            on the status.
    """
    status = response.status
    quoted = quoted_error(response)
    if is_gateway_error(response):
        raise foreign(response, f"The response is an error page of a proxy with status {status}{quoted}.")
    if status == 429:
        hint = "The service accepts 5 requests per second, and 20 below /identity. Wait, then retry."
        raise _error(ClientCode.THROTTLED, response, f"Too many requests{quoted}.", hint)
    if status == 410:
        raise _error(ClientCode.GONE, response, f"The service is being updated{quoted}.", "Retry for up to 70 seconds.")
    if status >= 500:
        raise _error(
            ClientCode.SERVER_ERROR, response, f"The service failed with status {status}{quoted}.", "Retry after a second or more."
        )
    if 300 <= status < 400:
        message = f"Status {status} is a redirect, and redirects are never followed."
        raise _error(ClientCode.REDIRECTED, response, message, "The service never redirects. Another program responds at this address.")
    if response.media_type == "text/html" or is_page(response.body):
        raise foreign(response, f"The response is a web page with status {status}.")
    if status == 200:
        return
    if status in (400, 404):
        _check_version(response, quoted)
        code = ClientCode.BAD_REQUEST if status == 400 else ClientCode.NOT_FOUND
        what = "The service does not accept the request" if status == 400 else "There is nothing at this path"
        raise _error(code, response, f"{what}{quoted}.", _hint(response.url, status, quoted))
    if status == 401 and _ARC.match(response.challenge):
        raise _error(
            ClientCode.UNEXPECTED_STATUS, response, f"{ARC_AGENT} requires its own kind of authentication, status 401{quoted}.", _ARC_HINT
        )
    hint = "The service does not document this status for such a request."
    if response.challenge:
        hint = "The service never demands a login. Look for a proxy that responds instead."
    elif status in (401, 403):
        hint = (
            "Check whether the Metadata Security Protocol is enforced on this machine. Its agent decides which programs may send requests."
        )
    raise _error(ClientCode.UNEXPECTED_STATUS, response, f"Status {status}{quoted}.", hint)


def _check_version(response: Response, quoted: str) -> None:
    """Raise ``unsupported-version`` if the service refused the api-version.

    Today, the service sends 400 with a list of versions. From 2017 to 2020, it sent 404 (recorded
    responses).
    """
    body = _json(response.body)
    if not isinstance(body, dict):
        return
    message = body.get("error")
    newest = body.get("newest-versions")
    about_version = isinstance(message, str) and ("api-version is invalid" in message or "Invalid version requested" in message)
    if not about_version and newest is None:
        return
    hint = "Request /metadata/versions for the versions that the service on this machine supports."
    if isinstance(newest, list) and newest and all(isinstance(version, str) for version in newest):
        hint = "The newest versions that the service on this machine supports: " + ", ".join(newest[:10])[:_QUOTED] + "."
    raise _error(ClientCode.UNSUPPORTED_VERSION, response, f"The service does not know this api-version{quoted}.", hint)


def quoted_error(response: Response) -> str:
    """Return the error text of a response in brackets. The caller appends it to a sentence.

    The text is one line without control characters. If the response contains no such text, for
    example because it is a web page, return ``""``.
    """
    if response.status == 200 or response.media_type == "text/html" or is_page(response.body):
        return ""
    try:
        text = response.body[: 16 * _QUOTED].decode("utf-8-sig", "ignore" if len(response.body) > 16 * _QUOTED else "strict")
    except UnicodeDecodeError:
        return ""
    body = _json(response.body)
    if body == {}:
        return ""
    if isinstance(body, dict):
        inner = body.get("error")
        members = inner if isinstance(inner, dict) else body
        found = [
            members[name] for name in ("error", "code", "error_description", "message", "Message") if isinstance(members.get(name), str)
        ]
        text = ": ".join(found) if found else text
    elif "<Message>" in text:  # an error of the Azure host's web server is XML
        text = text.partition("<Message>")[2].partition("</Message>")[0]
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return f' ("{text[:_QUOTED]}")' if text else ""


def is_gateway_error(response: Response) -> bool:
    """Return whether a proxy sent this response, and its status is 408, 410, 429 or 5xx.

    These statuses usually mean a temporary failure of the service, but if a proxy sends them, a
    retry is useless.

    The service itself sends no HTML with these statuses. While the service is down, the web server
    of the Azure host may send its own HTML pages, which are recognised by :data:`_MICROSOFT`. All
    other HTML comes from a proxy. A response with the status 502 or 504 also counts as one of a
    proxy, because neither the service nor the web server is a gateway. There are two exceptions for
    502 and 504: an empty body, and the service's JSON (Azure/azure-sdk-for-js#20223).
    """
    if response.status in (502, 504):
        return bool(response.body.strip()) and not _has_error(response.body)
    if response.status not in (408, 410, 429) and response.status < 500:
        return False
    if response.media_type == "text/html" or is_page(response.body):
        return not any(mark in response.body.lower() for mark in _MICROSOFT)
    return False


def is_request_timeout(error: ClientError) -> bool:
    """Return whether an error is a response with status 408: the request did not arrive in time, so
    a later one may succeed."""
    return error.code == ClientCode.UNEXPECTED_STATUS and error.status == 408


def _has_error(body: bytes) -> bool:
    value = _json(body)
    return isinstance(value, dict) and "error" in value


def is_page(body: bytes) -> bool:
    """Return whether a body is HTML."""
    return _PAGE.match(body[:2048]) is not None


def _json(body: bytes) -> Json:
    """Return the JSON value of a body, or None if the body is not JSON.

    The service never sends ``null``, so None is not ambiguous.
    """
    try:
        return json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return None


def _error(code: ClientCode, response: Response, message: str, hint: str) -> ClientError:
    return ClientError(
        code, message, location=response.url, hint=hint, status=response.status, body=response.body, retry_after=response.retry_after
    )


def _hint(url: str, status: int, quoted: str) -> str:
    """Return the hint for an error response: what the caller can do.

    Args:
        url: the requested URL.
        status: 400 or 404.
        quoted: error text of the service, or ``""``.
    """
    category = address.category_of(url)
    for text, hint in _HINTS_BY_TEXT:
        if text in quoted:
            return hint
    is_below_instance = category == "instance" and len(address.segments_of(url)) > 1
    if status == 400 and is_below_instance and "format=text" not in url:
        return "The service returns single values only as text. Request it with format text."
    return _BY_CATEGORY[status].get(category) or _BY_CATEGORY[status][""]
