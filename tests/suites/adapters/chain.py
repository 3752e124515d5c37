"""chain: a leaf, a pool, anchors, a time, perhaps a name: is there a good path?"""

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
    """The verdict of path building, path validation and, where the case names a peer, the name check. ``crls``: with the revocation lists of the
    case, where it has any."""
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
    """The same for a leaf that is parsed already; ``embedded`` joins the pool."""
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
    """The certificates that are any; one that is none helps nobody and harms nobody."""
    found = []
    for key in keys:
        try:
            found.append(parse_certificate(suite.blob(key)))
        except DerError:
            continue
    return found


def _lists(keys: Iterable[str], suite: Suite) -> list[CertificateList]:
    """The same for revocation lists."""
    found = []
    for key in keys:
        try:
            found.append(parse_crl(suite.blob(key)))
        except DerError:
            continue
    return found
