"""Where the service is, and what a path means: from what people write to what is sent.

Source: IMDS documentation, "Access Azure Instance Metadata Service" and "Endpoint categories".
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from imdskit import versions
from imdskit.errors import UsageError

SERVICE = "http://169.254.169.254"
"""The address of the service in every Azure cloud; it answers only inside of the machine."""

VARIABLES = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "IMDS_ENDPOINT")
"""Variables of the environment that say where the service is, the first that is set and not empty. The former is read by azure-identity and
msal of several languages; the latter is set by the agent of Azure Arc, and read by azure-identity (sources of azure-identity 1.27.0)."""

_CATEGORIES = {name.lower() for name in (*versions.ENDPOINTS, "versions", "scheduledevents", "THIM", "reprovisiondata")}
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]", re.ASCII)
_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|$))(?!metadata(?:/|$))[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*", re.ASCII | re.IGNORECASE)
"""Segments of a path, none of them ``.``, ``..`` or ``metadata``."""
_FORBIDDEN = re.compile(r"[?#\x00-\x20\x7f\ud800-\udfff]")


def base(url: str) -> str:
    """Return ``url`` as ``http://host[:port][/prefix]``. A machine of a fleet has a prefix, such as ``/m/17``.

    Raises:
        UsageError: it is something else: another scheme, a path with ``/metadata``, a query, a user, an invalid port.
    """
    wrong = UsageError(
        "bad-argument",
        f"`base_url` must be an address such as http://169.254.169.254; got {url!r}.",
        location="base_url",
        hint="Give the part before /metadata: http://host, http://host:port or http://host:port/prefix.",
    )
    if not isinstance(url, str) or _FORBIDDEN.search(url):
        raise wrong
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong from None
    host = parts.netloc if port is None else parts.netloc.rpartition(":")[0]
    prefix = parts.path.removesuffix("/")
    if parts.scheme != "http" or not _PREFIX.fullmatch(prefix) or port == 0 or not _HOST.fullmatch(host):
        raise wrong
    return (f"http://{host}" if port is None else f"http://{host}:{port}") + prefix


def from_environment() -> str:
    """Where the environment says that the service is (:data:`VARIABLES`), else :data:`SERVICE`.

    Raises:
        UsageError: a variable is set to what is no base address; ``location`` names it.
    """
    for name in VARIABLES:
        if url := os.environ.get(name):
            try:
                return base(url)
            except UsageError as error:
                error.location = name
                raise
    return SERVICE


def full_path(path: str) -> str:
    """``path`` below ``/metadata``, for what may be written shorter.

    ``/metadata/...`` stays as it is. A path that begins with an endpoint's name (``instance``, ``attested``, ``versions``...) is below
    ``/metadata``, any other below ``/metadata/instance``: ``compute/vmId`` is ``/metadata/instance/compute/vmId``.

    Raises:
        UsageError: there is a query, a fragment, white space or a control character in it.
    """
    if not isinstance(path, str) or _FORBIDDEN.search(path):
        hint = "Give the path without a query. The version is `api_version` (--api-version), the format is `format` (--format)."
        raise UsageError(
            "bad-argument", f"The path must consist of names separated by `/`, without a query; got {path!r}.", location="path", hint=hint
        )
    segments = [segment for segment in path.split("/") if segment]
    first = segments[0].lower() if segments else ""
    if first == "metadata":
        segments = segments[1:]
    elif first not in _CATEGORIES:
        segments = ["instance", *segments]
    return "/".join(["/metadata", *segments])


def category_of(url: str) -> str:
    """Return the endpoint that a whole URL belongs to, in lower case; ``""`` if it is below no ``/metadata``."""
    path = urlsplit(url).path.lower()
    return category(path[path.index("/metadata") :]) if "/metadata" in path else ""


def category(full: str) -> str:
    """The endpoint that a full path belongs to, in lower case; ``""`` for ``/metadata`` itself."""
    return [*full.lower().split("/"), "", ""][2]


def target(full: str, parameters: Mapping[str, str]) -> str:
    """Path and query in origin form (RFC 9112 section 3.2.1)."""
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters.items())
    return quote(full) + ("?" + query if query else "")
