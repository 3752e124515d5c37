"""Single parts of the extension, which are available only in builds with the cargo feature
``parts``."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from imdskit.backends.contract import Limits
from imdskit.pki.path.validation import Inputs
from imdskit.pki.revocation.crl import CertificateList
from imdskit.pki.x509.certificate import Certificate


def build(
    leaf: Certificate,
    anchors: Iterable[Certificate],
    intermediates: Iterable[Certificate],
    inputs: Inputs,
    lists: Iterable[CertificateList] | None = None,
    *,
    require_lists: bool = True,
) -> None:
    """Search for a path like :func:`imdskit.pki.path.building.build`, but in the extension.
    ``inputs.policies`` is ignored."""
    import imdskit._native

    if not hasattr(imdskit._native, "parts"):
        pytest.fail("imdskit._native was built without the feature `parts`, which release wheels do not have; build it with `make native`")
    pools = ([one.der for one in certificates] for certificates in (anchors, intermediates))
    rules = {"policies": None, "limits": Limits(), "min_rsa_bits": 2048, "accept_weak": False, "require_lists": require_lists}
    imdskit._native.parts.path(leaf.der, *pools, None if lists is None else [one.der for one in lists], inputs, rules)
