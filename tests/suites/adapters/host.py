"""Comparison of a certificate with a host name (RFC 6125 section 6, RFC 9525 section 6). Only the suites need it.

The verifier uses ``imdskit.pki.x509.host_names`` instead, which looks for a name below a domain.
"""

from __future__ import annotations

import ipaddress
import re

from imdskit.pki.x509.certificate import Certificate

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


def matches(certificate: Certificate, peer: dict[str, str]) -> bool:
    """Return True if the certificate is for the peer.

    ``peer`` has a kind, DNS or IP, and a value. The common name is never used (RFC 9525 section 2).
    """
    names = certificate.subject_alt_name or ()
    if peer["kind"] == "IP":
        wanted = ipaddress.ip_address(peer["value"]).packed
        return any(name.kind == "iPAddress" and name.value == wanted for name in names)
    if peer["kind"] == "DNS":
        return any(name.kind == "dNSName" and _matches_name(name.text.lower(), peer["value"].lower()) for name in names)
    return False


def _matches_name(presented: str, wanted: str) -> bool:
    """Return True if the names match.

    A wildcard stands for one complete left-most label and must be followed by at least two labels. Labels consist of letters, digits and
    hyphens.
    """
    labels, others = presented.split("."), wanted.split(".")
    if labels[0] == "*":
        if len(labels) < 3 or len(others) != len(labels):
            return False
        labels, others = labels[1:], others[1:]
    return labels == others and all(_LABEL.fullmatch(label) for label in labels)
