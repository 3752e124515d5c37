"""Adapter of the kind chain. A case has a leaf, other certificates, anchors, a time and sometimes a name. It passes if there is a valid path
exactly when the suite expects one."""

from __future__ import annotations

from collections.abc import Iterable

from scoring import ACCEPT, Case, Suite, Verdict

from adapters import conditions, host
from imdskit.backends.contract import Limits
from imdskit.errors import DerError, VerificationError
from imdskit.pki.path import building
from imdskit.pki.revocation.crl import CertificateList, parse_crl
from imdskit.pki.revocation.revocation import Lists
from imdskit.pki.x509.certificate import Certificate
from imdskit.pki.x509.parser import parse_certificate


def judge(case: Case, suite: Suite, *, crls: bool = False) -> Verdict:
    """Return the verdict of path building, path validation and, if the case has a peer name, the name check.

    With ``crls``, the revocation lists of the case are used, if it has any.
    """
    try:
        leaf = parse_certificate(suite.blob(case["leaf"]))
    except DerError as error:
        return Verdict(False, str(error))
    return judge_path(leaf, (), case, suite, crls=crls)


def judge_path(
    leaf: Certificate,
    embedded: Iterable[Certificate],
    case: Case,
    suite: Suite,
    key_usage: frozenset[str] = frozenset(),
    *,
    crls: bool = False,
) -> Verdict:
    """Return the verdict of :func:`judge` for a leaf that is already parsed. The path may also
    contain certificates of ``embedded`` as intermediates."""
    chain = case.get("chain", case)
    found = conditions.of(suite.name, case, key_usage)
    anchors = _parse_all(chain["anchors"], suite)
    try:
        building.build(
            leaf,
            anchors=anchors if found.pinning else [anchor for anchor in anchors if anchor.der != leaf.der],
            intermediates=(*embedded, *_parse_all(chain["intermediates"], suite)),
            inputs=found.inputs,
            limits=Limits(),
            min_rsa_bits=found.min_rsa_bits,
            accept_weak=found.accept_weak,
            lists=Lists(_lists(chain["crls"], suite)) if crls and chain.get("crls") else None,
        )
    except VerificationError as error:
        return Verdict(False, f"{error}; {error.detail}")
    if chain.get("peer_name") and not host.matches(leaf, chain["peer_name"]):
        return Verdict(False, "another name")
    return ACCEPT


def _parse_all(keys: Iterable[str], suite: Suite) -> list[Certificate]:
    """Return the certificates that can be parsed. The others can be on no path, so they are ignored."""
    found = []
    for key in keys:
        try:
            found.append(parse_certificate(suite.blob(key)))
        except DerError:
            continue
    return found


def _lists(keys: Iterable[str], suite: Suite) -> list[CertificateList]:
    """Return the revocation lists that can be parsed."""
    found = []
    for key in keys:
        try:
            found.append(parse_crl(suite.blob(key)))
        except DerError:
            continue
    return found
