"""Error responses of the service, with the evidence for each of them.

The bodies equal those of the service byte for byte. The older part of the service writes blanks
inside the braces, as in ``{ "error": "..." }``, and the rest writes compact JSON. The service sends
JSON even if the client requested text; the only exception is :data:`TOO_MANY_TEXT`. The web server
of the Azure host, which passes requests to the service, sends its errors as XML, HTML or plain
text. The emulator's rules decide when to send which response.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus

from imdskit import versions
from imdskit.emulator.http.messages import Response
from imdskit.protocol.json_writer import compact

SERVER = "IMDS/150.870.65.1854"
"""Value of the header ``Server``, with a build number.

It was observed in responses of 2025 and 2026.
"""
HOST_SERVER = "Microsoft-IIS/10.0"
"""Value of the header ``Server`` in responses of the Azure host's web server.

That server passes most requests to the service, and responds to some itself.
"""

JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
XML = "text/xml; charset=utf-8"
HTML = "text/html"


class Evidence(StrEnum):
    """Kind of evidence for a body."""

    DOCUMENTED = "documented"
    """The body is in Microsoft's documentation or in a published interface description."""
    OBSERVED = "observed"
    """The body is in a recorded response of the real service, or a widely used client depends on
    it."""
    INFERRED = "inferred"
    """There is no evidence. The body is our best guess."""


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """Error response of the service.

    Attributes:
        name: stable name of the response. :mod:`imdskit.emulator.service.rules` and
            ``docs/fidelity.md`` use it.
        status: the status code.
        body: the exact body.
        evidence: kind of evidence for the body.
        source: document or recording that contains the body.
        content_type: value of the header ``Content-Type``.
        server: value of the header ``Server``.
        headers: further headers, as pairs of name and value.
    """

    name: str
    status: int
    body: bytes
    evidence: Evidence
    source: str
    content_type: str = JSON
    server: str = SERVER
    headers: tuple[tuple[str, str], ...] = ()

    def response(self) -> Response:
        """Return the response to send."""
        return Response(self.status, (("Content-Type", self.content_type), ("Server", self.server), *self.headers), self.body)


def spaced(text: str) -> bytes:
    """Return the body ``{ "error": "..." }``, formatted as by the older part of the service."""
    return b'{ "error": ' + json.dumps(text).encode() + b" }"


def identity_error(error: str, description: str) -> bytes:
    """Return the body ``{"error":"...","error_description":"..."}``, formatted as by
    ``/metadata/identity`` (RFC 6749 section 5.2)."""
    return compact({"error": error, "error_description": description})


_D, _O, _I = Evidence


def _identity(name: str, status: int, description: str, evidence: Evidence, source: str, error: str = "invalid_request") -> ErrorResponse:
    return ErrorResponse(name, status, identity_error(error, description), evidence, source)


def _xml(code: str, message: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<Error xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">\n'
        f"    <Code>{code}</Code>\n    <Message>{message}</Message>\n    <Details></Details>\n</Error>"
    ).encode()


BAD_REQUEST = ErrorResponse("bad-request", 400, spaced("Bad request"), _O, "RedHatInsights/insights-core#3251")
NO_METADATA_HEADER = ErrorResponse(
    "no-metadata-header", 400, spaced("Bad request: . Required metadata header not specified"), _O, "recordings of 2018, 2022 and 2025"
)
BAD_VERSION = ErrorResponse(
    "bad-version",
    400,
    b'{"error":"Bad request. api-version is invalid or was not specified in the request. For more information refer to '
    b'aka.ms/azureimds","newest-versions":["...","...","..."]}',
    _O,
    "recordings of 2020-12 and 2025-07",
)
BAD_VERSION_2021 = ErrorResponse(
    "bad-version-2021",
    400,
    b'{"error":"Bad request. api-version was not specified in the request. For more information refer to aka.ms/azureimds",'
    b'"newest-versions":["...","...","..."]}',
    _D,
    "IMDS documentation of February 2021",
)
FORBIDDEN = ErrorResponse("forbidden", 403, b'{"error":"Forbidden"}', _D, "interface description")
NOT_FOUND = ErrorResponse("not-found", 404, spaced("Not found"), _O, "MicrosoftDocs/azure-docs#15282")
NOT_ALLOWED = ErrorResponse(
    "not-allowed", 405, spaced("Not allowed"), _D, "interface description; the blanks and the header Allow are inferred"
)
GONE = ErrorResponse("gone", 410, b'{"error":"Gone"}', _I, "IMDS documentation for the status; no source shows the body")
TOO_MANY = ErrorResponse("too-many-requests", 429, b'{"error":"Too many requests"}', _D, "interface description")
TOO_MANY_TEXT = ErrorResponse("too-many-requests-text", 429, b"Too many requests", _O, "SUSE-Enceladus/cloud-netconfig", TEXT)
SERVER_ERROR = ErrorResponse("server-error", 500, b'{"error":"Server error"}', _D, "interface description")
UNAVAILABLE = ErrorResponse("service-unavailable", 503, b'{"error":"Service unavailable"}', _D, "interface description")

IDENTITY_NO_METADATA_HEADER = _identity(
    "identity-no-metadata-header", 400, "Required metadata header not specified", _O, "Azure/azure-sdk-for-js#11369: 88 bytes"
)
IDENTITY_NO_RESOURCE = _identity(
    "identity-no-resource", 400, "Required query variable 'resource' is missing", _O, "Azure/aad-pod-identity#450"
)
IDENTITY_NOT_ASSIGNED = _identity("identity-not-assigned", 400, "Identity not found", _O, "recordings of 2022 and 2023: 68 bytes")
IDENTITY_AMBIGUOUS = _identity(
    "identity-ambiguous",
    400,
    "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request",
    _O,
    "logs of AKS nodes",
)
IDENTITY_BAD_REQUEST = _identity("identity-bad-request", 400, "Bad request", _D, "example in the interface description")
IDENTITY_UNKNOWN_RESOURCE = ErrorResponse(
    "identity-unknown-resource",
    400,
    b'{"error":"invalid_resource","error_description":"AADSTS500011: The resource principal named ... was not found in the tenant named ... '
    b"This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the "
    b"tenant. You might have sent your authentication request to the wrong tenant.\\r\\nTrace ID: ...\\r\\nCorrelation ID: ...\\r\\n"
    b'Timestamp: ...","error_codes":[500011],"timestamp":"...","trace_id":"...","correlation_id":"...","error_uri":"..."}',
    _O,
    "recordings of 2022 and 2023; only that of 2022 has the line ends in the description, and the members after the description",
)
IDENTITY_NOT_FOUND = ErrorResponse("identity-not-found", 404, b'{"error":"Not Found"}', _O, "recordings of 2018 and 2023")
IDENTITY_NOT_ALLOWED = _identity(
    "identity-not-allowed", 405, "Not allowed", _D, "interface description; the header Allow is inferred", "method_not_allowed"
)
IDENTITY_TOO_MANY = _identity(
    "identity-too-many-requests", 429, "Temporarily throttled, too many requests", _O, "Azure/azure-sdk-for-net#39574: 90 bytes"
)
IDENTITY_FORBIDDEN = _identity(
    "identity-forbidden", 403, "Forbidden", _I, "interface description for `error`; the rest is inferred", "forbidden"
)
IDENTITY_GONE = ErrorResponse(
    "identity-gone",
    410,
    _xml("ResourceNotAvailable", "The resource requested is no longer available. Please refresh your cache."),
    _O,
    "Azure/azure-storage-azcopy#2486; the media type and the header Server are inferred from other XML responses of the host",
    XML,
    HOST_SERVER,
)
IDENTITY_SERVER_ERROR = _identity("identity-server-error", 500, "Server error", _D, "example in the interface description", "server_error")
IDENTITY_UNAVAILABLE = _identity(
    "identity-service-unavailable",
    503,
    "Service unavailable",
    _I,
    "interface description for `error`; the rest is inferred",
    "service_unavailable",
)

EVENTS_NOT_FOUND = ErrorResponse(
    "events-not-found", 404, b'{"error":"Not found"}', _O, "recording of 2023-10, which does not show whether there are blanks"
)

NO_LOAD_BALANCER = ErrorResponse(
    "no-load-balancer",
    404,
    spaced("No load balancer metadata is found. Please check if your VM is using any non-basic SKU load balancer and retry later."),
    _O,
    "recordings of 2021 and 2023",
)
LOAD_BALANCER_NOT_FOUND = ErrorResponse(
    "loadbalancer-not-found", 404, spaced('API is not found: Path = "...", Method = "..."'), _D, "load balancer documentation"
)
LOAD_BALANCER_NOT_ALLOWED = ErrorResponse(
    "loadbalancer-not-allowed",
    405,
    spaced('Http method is not allowed: Path = "...", Method = "..."'),
    _D,
    "load balancer documentation; the header Allow is inferred",
)
LOAD_BALANCER_TOO_MANY = ErrorResponse(
    "loadbalancer-too-many-requests", 429, spaced("Too many requests"), _D, "load balancer documentation"
)
LOAD_BALANCER_UNAVAILABLE = ErrorResponse(
    "loadbalancer-unavailable", 503, spaced("Internal service unavailable. Please retry later"), _D, "load balancer documentation"
)

HOST_BAD_REQUEST = ErrorResponse(
    "host-bad-request",
    400,
    b"\xef\xbb\xbf%b\n" % _xml("MissingOrIncorrectVersionHeader", "The versioning header is not specified or was specified incorrectly."),
    _I,
    "status, headers and length of 323 bytes were recorded in 2025; no source shows the text",
    XML,
    HOST_SERVER,
)
OUTSIDE = ErrorResponse(
    "outside",
    404,
    (
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">\n'
        '<html xmlns="http://www.w3.org/1999/xhtml">\n'
        "<head>\n"
        '<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-1"/>\n'
        "<title>404 - File or directory not found.</title>\n"
        '<style type="text/css">\n'
        "<!--\n"
        "body{margin:0;font-size:.7em;font-family:Verdana, Arial, Helvetica, sans-serif;background:#EEEEEE;}\n"
        "fieldset{padding:0 15px 10px 15px;} \n"
        "h1{font-size:2.4em;margin:0;color:#FFF;}\n"
        "h2{font-size:1.7em;margin:0;color:#CC0000;} \n"
        "h3{font-size:1.2em;margin:10px 0 0 0;color:#000000;} \n"
        '#header{width:96%;margin:0 0 0 0;padding:6px 2% 6px 2%;font-family:"trebuchet MS", Verdana, sans-serif;color:#FFF;\n'
        "background-color:#555555;}\n"
        "#content{margin:0 0 0 2%;position:relative;}\n"
        ".content-container{background:#FFF;width:96%;margin-top:8px;padding:10px;position:relative;}\n"
        "-->\n"
        "</style>\n"
        "</head>\n"
        "<body>\n"
        '<div id="header"><h1>Server Error</h1></div>\n'
        '<div id="content">\n'
        ' <div class="content-container"><fieldset>\n'
        "  <h2>404 - File or directory not found.</h2>\n"
        "  <h3>The resource you are looking for might have been removed, had its name changed, or is temporarily unavailable.</h3>\n"
        " </fieldset></div>\n"
        "</div>\n"
        "</body>\n"
        "</html>\n"
    )
    .replace("\n", "\r\n")
    .encode(),
    _O,
    "error page of the host's web server in DataDog/datadog-agent#2861 and signalfx/signalfx-agent#1625",
    HTML,
    HOST_SERVER,
)
HOST_ERROR = ErrorResponse(
    "host-error",
    500,
    b"Internal Server Error",
    _I,
    "AzureAD/microsoft-authentication-library-for-dotnet for status and headers while the service restarts; no source shows the text",
    TEXT,
    HOST_SERVER,
)
WRONG_HOST = ErrorResponse(
    "wrong-host",
    421,
    b'{"error":"The emulator does not accept this Host. Give the name with --allow-host."}',
    _I,
    "added by the emulator (RFC 9110 section 15.5.20); IMDS does not check the Host",
)

ERROR_RESPONSES: tuple[ErrorResponse, ...] = tuple(value for value in list(globals().values()) if isinstance(value, ErrorResponse))
"""All error responses above, in this order.

If a body contains ``...``, one of the functions below replaces these dots before the response is
sent.
"""


def bad_version(enabled: Sequence[str], error: ErrorResponse = BAD_VERSION) -> ErrorResponse:
    """Return the error response for an invalid api-version.

    It lists the three newest of the ``enabled`` versions, newest first. ``error`` selects one of
    the texts that the service uses for this error.
    """
    body = json.loads(error.body)
    body["newest-versions"] = versions.newest(enabled)
    return replace(error, body=compact(body))


def not_allowed(error: ErrorResponse, methods: Sequence[str]) -> ErrorResponse:
    """Return ``error`` with the header ``Allow``, which names the allowed ``methods``.

    RFC 9110 section 15.5.6 requires this header.
    """
    return replace(error, headers=(("Allow", ", ".join(methods)),))


def failure(status: int, category: str | None, text: bool = False) -> ErrorResponse:
    """Return the error response with ``status``.

    If no source shows how the service responds with this status, the result has the same form as
    the service's other error responses (inferred).

    Args:
        status: error status, from 400 to 599.
        category: path segment after ``/metadata``, such as ``identity``.
        text: whether the request is for text from ``/metadata/instance``.
    """
    if text and status == TOO_MANY_TEXT.status:
        return TOO_MANY_TEXT
    own = _FAILURES.get(category or "", {})
    error = own.get(status) or (_FAILURES[""].get(status) if category != "identity" else None)
    if error is not None:
        return error
    phrase = _PHRASES.get(status, "Error")
    body = identity_error(phrase.lower().replace(" ", "_"), phrase) if category == "identity" else spaced(phrase)
    return ErrorResponse(f"status-{status}", status, body, Evidence.INFERRED, "like the other responses")


def host_failure(status: int) -> ErrorResponse:
    """Return an error response with ``status``, as the Azure host's web server sends it.

    The body is plain text.
    """
    return replace(HOST_ERROR, status=status, body=_PHRASES.get(status, "Error").encode())


_PHRASES = {status.value: status.phrase for status in HTTPStatus}


def _by_status(*errors: ErrorResponse) -> dict[int, ErrorResponse]:
    return {error.status: error for error in errors}


_FAILURES: dict[str, dict[int, ErrorResponse]] = {
    "": _by_status(BAD_REQUEST, FORBIDDEN, NOT_FOUND, NOT_ALLOWED, GONE, TOO_MANY, SERVER_ERROR, UNAVAILABLE),
    "identity": _by_status(
        IDENTITY_BAD_REQUEST,
        IDENTITY_FORBIDDEN,
        IDENTITY_NOT_FOUND,
        IDENTITY_NOT_ALLOWED,
        IDENTITY_GONE,
        IDENTITY_TOO_MANY,
        IDENTITY_SERVER_ERROR,
        IDENTITY_UNAVAILABLE,
    ),
    "scheduledevents": _by_status(EVENTS_NOT_FOUND),
    "loadbalancer": _by_status(NO_LOAD_BALANCER, LOAD_BALANCER_TOO_MANY, LOAD_BALANCER_UNAVAILABLE),
}


def unknown_resource(resource: str, tenant: str, time: str, trace: str, correlation: str, location: str) -> ErrorResponse:
    """Return the error response for a token request that names an unknown resource.

    The service passes on the error of Entra ID.

    Args:
        resource: requested resource.
        tenant: display name of the directory.
        time: time of the refusal in the format of :func:`entra_time`.
        trace: trace id of Entra ID, a UUID.
        correlation: correlation id of Entra ID, a UUID.
        location: region of the machine, and of the Entra ID server.
    """
    body = json.loads(IDENTITY_UNKNOWN_RESOURCE.body)
    pieces = body["error_description"].split("...")
    values = (resource, f"{tenant}.", trace, correlation, time)
    body["error_description"] = "".join(piece + value for piece, value in zip(pieces, (*values, ""), strict=True))
    body |= {"timestamp": time, "trace_id": trace, "correlation_id": correlation}
    body["error_uri"] = f"https://{location}.login.microsoft.com/error?code=500011"
    return replace(IDENTITY_UNKNOWN_RESOURCE, body=compact(body))


def entra_time(at: int) -> str:
    """Format Unix seconds as in errors of Entra ID: ``YYYY-MM-DD HH:MM:SSZ``."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def about_request(error: ErrorResponse, path: str, method: str) -> ErrorResponse:
    """Return ``error`` with the path and the method of the request filled in.

    ``error`` is an error of the load balancer endpoint.
    """
    before, between, after = json.loads(error.body)["error"].split('"..."')
    return replace(error, body=spaced(f'{before}"{path}"{between}"{method}"{after}'))
