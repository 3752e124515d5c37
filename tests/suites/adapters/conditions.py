"""The conditions under which a suite expects its verdicts, as inputs of the path validator.

The notes of some suites and the flags of their cases name such conditions. For all other suites,
the conditions are those of the verifier: SHA-2, RSA of at least 2048 bits, and anchors whose
certificates constrain the path.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from scoring import Case

from imdskit.asn1 import oids
from imdskit.pki.path.policies import ANY
from imdskit.pki.path.validation import Inputs

PURPOSES = {
    "serverAuth": oids.SERVER_AUTH,
    "clientAuth": oids.CLIENT_AUTH,
    "codeSigning": "1.3.6.1.5.5.7.3.3",
    "emailProtection": "1.3.6.1.5.5.7.3.4",
    "timeStamping": "1.3.6.1.5.5.7.3.8",
    "ocspSigning": "1.3.6.1.5.5.7.3.9",
}


@dataclass(frozen=True)
class Conditions:
    """Arguments of :func:`imdskit.pki.path.building.build` other than certificates."""

    inputs: Inputs
    min_rsa_bits: int = 2048
    accept_weak: bool = False
    pinning: bool = True
    """True if a leaf that is itself an anchor is trusted."""


def of(suite: str, case: Case, key_usage: frozenset[str]) -> Conditions:
    """Return the conditions of one case. ``key_usage`` is the required key usage if the case does
    not name one."""
    chain = case.get("chain", case)
    policy = chain.get("policy") or {}
    purpose = chain["purpose"]
    inputs = Inputs(
        at=None if chain["time"] is None else int(datetime.fromisoformat(chain["time"]).timestamp()),
        purpose=None if purpose is None else PURPOSES.get(purpose, f"unknown {purpose}"),
        key_usage=frozenset(chain.get("key_usage") or key_usage),
        policies=frozenset(policy.get("initial_policy_set") or ANY),
        explicit_policy=policy.get("require_explicit", False),
        inhibit_mapping=policy.get("inhibit_mapping", False),
        inhibit_any=policy.get("inhibit_any", False),
        max_path_length=chain.get("max_depth"),
    )
    adjust = _SUITES.get(suite)
    return adjust(Conditions(inputs), case) if adjust else Conditions(inputs)


def _x509test(found: Conditions, case: Case) -> Conditions:
    """Require that every certificate is for a TLS server."""
    return replace(found, inputs=replace(found.inputs, purpose=oids.SERVER_AUTH))


def _openssl(found: Conditions, case: Case) -> Conditions:
    """Apply the flags, which are options of ``openssl verify``. It accepts a common name as host name if there is no other name."""
    flags = case["flags"]
    inputs = replace(
        found.inputs,
        common_names=True,
        anchor_authority=True,
        explicit_policy="-explicit_policy" in flags,
    )
    if "-policy" in flags:
        inputs = replace(inputs, policies=frozenset({flags[flags.index("-policy") + 1]}))
    if "-verify_depth" in flags:
        inputs = replace(inputs, max_path_length=int(flags[flags.index("-verify_depth") + 1]))
    weak = "-auth_level" in flags and flags[flags.index("-auth_level") + 1] == "0"
    return Conditions(inputs, min_rsa_bits=512 if weak else 2048, accept_weak=weak)


def _gnutls(found: Conditions, case: Case) -> Conditions:
    """Apply the flags, which are those of ``gnutls_certificate_verify_flags``. A common name is accepted as host name if there is no other
    name."""
    flags = case["flags"]
    weak = "GNUTLS_VERIFY_ALLOW_BROKEN" in flags
    inputs = replace(found.inputs, common_names=True, anchor_authority="GNUTLS_VERIFY_DO_NOT_ALLOW_X509_V1_CA_CRT" in flags)
    pinning = "GNUTLS_VERIFY_DO_NOT_ALLOW_SAME" not in flags
    return Conditions(inputs, min_rsa_bits=1024 if weak else 2048, accept_weak=weak, pinning=pinning)


def _boringssl(found: Conditions, case: Case) -> Conditions:
    """Apply the anchor mode and the flags of the case.

    RSA keys of 1024 bits are accepted. Unless a flag forbids SHA-1, it is accepted, too. Unless the
    anchor mode demands more, only the name and the key of an anchor are used.
    """
    mode, flags = case["anchor_mode"], case["flags"]
    inputs = replace(
        found.inputs,
        anchor_validity="expiration" in mode,
        anchor_constraints="constraints" in mode,
        any_purpose=True,
        anchor_authority="require_basic_constraints" in mode,
    )
    return Conditions(inputs, min_rsa_bits=1024, accept_weak="digest_policy=STRONG" not in flags)


_SUITES = {
    "x509test": _x509test,
    "openssl-verify": _openssl,
    "gnutls-chains": _gnutls,
    "boringssl-chain": _boringssl,
}
