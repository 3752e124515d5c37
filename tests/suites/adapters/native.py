"""Adapters for the Rust extension, one for each kind of suite except ``http``. The Python adapter
of the same kind describes the cases.

The extension gets the bytes of the suite and does all parsing. The adapter itself compares host
names, because the verifier has no such comparison.
"""

from __future__ import annotations

from scoring import ACCEPT, Case, Suite, Verdict

import imdskit._native as native
from adapters import conditions, host
from adapters.cms import SIGNER_USAGE
from adapters.sig_verify import hash_name
from imdskit.backends.contract import Limits
from imdskit.errors import DerError, VerificationError
from imdskit.pki.path.policies import ANY
from imdskit.pki.x509.parser import parse_certificate

parts = getattr(native, "parts", None)
if parts is None:
    raise ImportError(
        "imdskit._native was built without the feature `parts`, which release wheels do not have; build it with `make native`"
    )


def sig_verify(case: Case, suite: Suite) -> Verdict:
    """See :func:`adapters.sig_verify.judge`."""
    mask = (hash_name(case["mgf_hash"]), case["salt_len"]) if case["alg"] == "rsa-pss" else None
    message, signature = bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
    try:
        good = parts.verify(case["alg"], hash_name(case["hash"]), suite.blob(case["spki"]), message, signature, mask)
    except DerError as error:
        return Verdict(False, str(error))
    return ACCEPT if good else Verdict(False, "the signature does not match")


def x509_sig(case: Case, suite: Suite) -> Verdict:
    """See :func:`adapters.x509_sig.judge`."""
    names = ("algid", "spki", "data", "sig_bitstring")
    try:
        fault = parts.signature_fault(*(suite.blob(case[name]) for name in names))
    except DerError as error:
        return Verdict(False, str(error))
    return ACCEPT if fault is None else Verdict(False, fault)


def der(case: Case, suite: Suite) -> Verdict:
    """See :func:`adapters.der.judge`."""
    data = suite.blob(case["der"])
    try:
        if case["grammar"] == "certificate":
            faults, unknown = parts.certificate(data)
            faults = [f"{field}: {problem}" for field, problem in faults if field != "serialNumber"]
            faults += [f"{oid} is critical and not known" for oid in unknown]
            if faults:
                return Verdict(False, faults[0])
        else:
            {"cms": parts.message, "any": parts.any}[case["grammar"]](data)
    except DerError as error:
        return Verdict(False, str(error))
    return ACCEPT


def chain(case: Case, suite: Suite, *, crls: bool = False) -> Verdict:
    """See :func:`adapters.chain.judge`."""
    return _judge_path(suite.blob(case["leaf"]), [], case, suite, crls=crls)


def cms(case: Case, suite: Suite) -> Verdict:
    """See :func:`adapters.cms.judge`."""
    try:
        if case.get("parse_only"):
            parts.message(suite.blob(case["cms"]))
        else:
            _signed_message(case, suite)
    except (DerError, VerificationError) as error:
        return Verdict(False, str(error))
    return ACCEPT


def cms_chain(case: Case, suite: Suite, *, crls: bool = False) -> Verdict:
    """See :func:`adapters.cms.judge_chain`."""
    try:
        certificates, signers = _signed_message(case, suite)
    except (DerError, VerificationError) as error:
        return Verdict(False, str(error))
    for signer in signers:
        verdict = _judge_path(signer, certificates, case, suite, SIGNER_USAGE, crls=crls)
        if not verdict.accepted:
            return verdict
    return ACCEPT


def _signed_message(case: Case, suite: Suite) -> tuple[list[bytes], list[bytes]]:
    """Return the certificates in the message, and those of its signers."""
    content = None if case["content"] is None else suite.blob(case["content"])
    extra = [suite.blob(key) for key in case["extra_certs"]]
    found, certificates, signers = parts.signed_message(suite.blob(case["cms"]), content, extra, bool(case.get("require_signer")))
    if case.get("expected_content") and found != suite.blob(case["expected_content"]):
        raise DerError("not the content that was signed", 0)
    return certificates, signers


def _judge_path(
    leaf: bytes, embedded: list[bytes], case: Case, suite: Suite, key_usage: frozenset[str] = frozenset(), *, crls: bool
) -> Verdict:
    chain = case.get("chain", case)
    found = conditions.of(suite.name, case, key_usage)
    anchors = [suite.blob(key) for key in chain["anchors"]]
    lists = [suite.blob(key) for key in chain["crls"]] if crls and chain.get("crls") else None
    try:
        parts.path(
            leaf,
            anchors if found.pinning else [anchor for anchor in anchors if anchor != leaf],
            embedded + [suite.blob(key) for key in chain["intermediates"]],
            lists,
            found.inputs,
            {
                "policies": None if found.inputs.policies == ANY else sorted(found.inputs.policies),
                "limits": Limits(),
                "min_rsa_bits": found.min_rsa_bits,
                "accept_weak": found.accept_weak,
                "require_lists": True,
            },
        )
    except (DerError, VerificationError) as error:
        return Verdict(False, f"{error}")
    if chain.get("peer_name") and not host.matches(parse_certificate(leaf), chain["peer_name"]):
        return Verdict(False, "another name")
    return ACCEPT
