"""Whether a certificate is for a host (RFC 6125 section 6, RFC 9525 section 6): asked by suites only. The verifier has
``imdskit.pki.x509.host_names``, which asks whether a certificate bears a name below a domain."""

from __future__ import annotations

import ipaddress
import re

from imdskit.pki.x509.certificate import Certificate

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


def matches(certificate: Certificate, peer: dict[str, str]) -> bool:
    """``peer`` is {kind: DNS or IP, value}. The common name is never looked at (RFC 9525 section 2)."""
    names = certificate.subject_alt_name or ()
    if peer["kind"] == "IP":
        wanted = ipaddress.ip_address(peer["value"]).packed
        return any(name.kind == "iPAddress" and name.value == wanted for name in names)
    if peer["kind"] == "DNS":
        return any(name.kind == "dNSName" and _matches_name(name.text.lower(), peer["value"].lower()) for name in names)
    return False


def _matches_name(presented: str, wanted: str) -> bool:
    """A wildcard stands for one whole left-most label, above at least two others; all labels are letters, digits and hyphens."""
    labels, others = presented.split("."), wanted.split(".")
    if labels[0] == "*":
        if len(labels) < 3 or len(others) != len(labels):
            return False
        labels, others = labels[1:], others[1:]
    return labels == others and all(_LABEL.fullmatch(label) for label in labels)
