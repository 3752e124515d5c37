"""DNS names of a signer, compared with those of a cloud's metadata service (RFC 6125 section 6.4, IMDS documentation "Attested data").

Names are compared label by label, never as text with a suffix.
"""

from __future__ import annotations

import re

from imdskit.pki.x509.certificate import Certificate

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)


def labels(name: str) -> tuple[str, ...] | None:
    """The labels of a DNS name in lower case; None where it is none: empty labels, other characters, no dot. A wildcard may be the first.

    What is not ASCII is refused before letters are made small: the Kelvin sign would become a k.
    """
    parts = tuple(name.lower().split("."))
    if not name.isascii() or len(name) > 253 or len(parts) < 2:
        return None
    first, rest = parts[0], parts[1:]
    if not all(_LABEL.fullmatch(label) for label in rest):
        return None
    return parts if first == "*" or _LABEL.fullmatch(first) else None


def dns_names(certificate: Certificate, *, allow_common_name: bool = False) -> tuple[str, ...]:
    """The DNS names of a certificate: those of its subject alternative name. Its common names only where the caller allows it, and the
    certificate has no subject alternative name at all."""
    if certificate.subject_alt_name is None:
        return certificate.subject.common_names if allow_common_name else ()
    return tuple(name.text for name in certificate.subject_alt_name if name.kind == "dNSName")


def matching_name(certificate: Certificate, domain: str, *, allow_common_name: bool = False) -> str | None:
    """The first DNS name of the certificate that is ``domain`` or lies below it. A wildcard stands for names below its parent, so its
    parent must be the domain or lie below it."""
    domain = domain.lower()
    wanted = tuple(domain.split("."))
    for name in dns_names(certificate, allow_common_name=allow_common_name):
        if not name.lower().endswith(domain):
            continue  # nearly every name, so that thousands of them need not be taken to pieces
        found = labels(name)
        if found is not None and len(found) >= len(wanted) and found[len(found) - len(wanted) :] == wanted:
            return name
    return None
