"""Address of the metadata service, and the paths of requests to it.

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
"""Address of the service in every Azure cloud. It is reachable only from inside a machine."""

VARIABLES = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "IMDS_ENDPOINT")
"""Environment variables that may contain the address of the service.

The client uses the first variable that is set and not empty.

The libraries azure-identity and msal, which exist for several languages, read
``AZURE_POD_IDENTITY_AUTHORITY_HOST``. The agent of Azure Arc sets ``IMDS_ENDPOINT``, and
azure-identity 1.27.0 reads it.
"""

_CATEGORIES = {name.lower() for name in (*versions.ENDPOINTS, "versions", "scheduledevents", "THIM", "reprovisiondata")}
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]", re.ASCII)
_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|$))(?!metadata(?:/|$))[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*", re.ASCII | re.IGNORECASE)
"""Pattern of the path prefix in a base address. No segment of the prefix is ``.``, ``..`` or
``metadata``."""
_FORBIDDEN = re.compile(r"[?#\x00-\x20\x7f\ud800-\udfff]")


def base(url: str) -> str:
    """Return ``url`` as ``http://host[:port][/prefix]``.

    Each machine of an emulated fleet has a path prefix, such as ``/m/17``.

    Raises:
        UsageError: the address does not have this form. For example, it has another scheme, a path
            with ``/metadata``, a query, a user name or an invalid port.
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
    """Return the address from the environment (:data:`VARIABLES`).

    If no variable is set, return :data:`SERVICE`.

    Raises:
        UsageError: a variable has an invalid value; ``location`` names the variable.
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
    """Return the full path below ``/metadata`` for a path that may be abbreviated.

    A path that begins with ``/metadata/`` is returned unchanged. If a path begins with the name of
    an endpoint (``instance``, ``attested``, ``versions``...), ``/metadata/`` is put before it. All
    other paths are below ``/metadata/instance``: for ``compute/vmId``, the result is
    ``/metadata/instance/compute/vmId``.

    Raises:
        UsageError: the path contains a query, a fragment, white space or a control character.
    """
    if not isinstance(path, str) or _FORBIDDEN.search(path):
        hint = (
            "Give the path without a query. Give the version with `api_version` (--api-version), and the format with `format` (--format)."
        )
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
    """Return the name of the endpoint that a complete URL is for, in lower case.

    For example, the name is ``instance`` for ``http://169.254.169.254/metadata/instance/compute``.
    Return ``""`` for URLs outside ``/metadata``.
    """
    return (segments_of(url) or ("",))[0].lower()


def segments_of(url: str) -> tuple[str, ...]:
    """Return the segments that follow ``/metadata`` in the path of a complete URL.

    A path prefix of the base address may come before ``/metadata``. It never contains a segment
    ``metadata``, so the function looks for the first segment with this name.
    """
    found = urlsplit(url).path.split("/")
    start = next((index for index, segment in enumerate(found) if segment.lower() == "metadata"), len(found))
    return tuple(segment for segment in found[start + 1 :] if segment)


def category(full: str) -> str:
    """Return the name of the endpoint that a full path is for, in lower case.

    For example, the name is ``instance`` for ``/metadata/instance/compute``. Return ``""`` for
    ``/metadata`` itself.
    """
    return [*full.lower().split("/"), "", ""][2]


def target(full: str, parameters: Mapping[str, str]) -> str:
    """Return the percent-encoded path and query parameters in origin form (RFC 9112 section
    3.2.1)."""
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters.items())
    return quote(full) + ("?" + query if query else "")
