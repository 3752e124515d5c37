"""Comparison of the DNS names in a signer's certificate with the domain of a cloud's metadata
service (RFC 6125 section 6.4, IMDS documentation "Attested data").

Names are compared label by label. A comparison of the ends of two strings would accept
``evilexample.com`` for ``example.com``.
"""

from __future__ import annotations

import re

from imdskit.pki.x509.certificate import Certificate

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)


def labels(name: str) -> tuple[str, ...] | None:
    """Return the labels of a DNS name in lower case, or None if the text is not a DNS name.

    A DNS name must have at least two labels, separated by dots. Each label must be a valid part of
    a host name, but the first one may be the wildcard ``*``. The text must be ASCII even before it
    is converted to lower case: the lower-case form of the Kelvin sign (U+212A) is the ASCII letter
    k.
    """
    parts = tuple(name.lower().split("."))
    if not name.isascii() or len(name) > 253 or len(parts) < 2:
        return None
    first, rest = parts[0], parts[1:]
    if not all(_LABEL.fullmatch(label) for label in rest):
        return None
    return parts if first == "*" or _LABEL.fullmatch(first) else None


def dns_names(certificate: Certificate, *, allow_common_name: bool = False) -> tuple[str, ...]:
    """Return the DNS names in the certificate's subject alternative name.

    If the certificate has no subject alternative name and ``allow_common_name`` is True, return its
    common names instead.
    """
    if certificate.subject_alt_name is None:
        return certificate.subject.common_names if allow_common_name else ()
    return tuple(name.text for name in certificate.subject_alt_name if name.kind == "dNSName")


def matching_name(certificate: Certificate, domain: str, *, allow_common_name: bool = False) -> str | None:
    """Return the first DNS name of the certificate that is equal to ``domain`` or below it. Return
    None if there is none.

    A wildcard name such as ``*.example.com`` stands for names below ``example.com``. Such a name is
    returned if ``example.com`` is equal to the domain or below it.
    """
    domain = domain.lower()
    wanted = tuple(domain.split("."))
    for name in dns_names(certificate, allow_common_name=allow_common_name):
        if not name.lower().endswith(domain):
            continue  # This fast test skips most names, because a certificate can have thousands.
        found = labels(name)
        if found is not None and len(found) >= len(wanted) and found[len(found) - len(wanted) :] == wanted:
            return name
    return None
