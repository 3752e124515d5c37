"""Validation of one certification path (RFC 5280 section 6.1).

The first certificate of a path, ``chain[0]``, is the signer's, and the last one is the anchor.
:mod:`imdskit.pki.path.building` verifies the signatures while it builds a path. It also checks each
certificate with :func:`check_signer`, :func:`check_certificate`, :func:`check_authority` and
:func:`check_anchor`. When a path is complete, it calls :func:`check_path`, which checks the path as
a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imdskit.asn1 import oids
from imdskit.errors import VerificationError
from imdskit.pki.path.budget import Budget
from imdskit.pki.path.policies import ANY, PolicyState
from imdskit.pki.x509 import name_constraints
from imdskit.pki.x509.certificate import Certificate
from imdskit.pki.x509.name_constraints import PathConstraints
from imdskit.reasons import Reason


@dataclass(frozen=True, slots=True)
class Inputs:
    """Inputs of path validation (section 6.1.1), without the path.

    Attributes:
        at: time of validation in Unix seconds, or None to ignore validity periods (test suites
            only).
        purpose: object identifier of an extended key usage. If a certificate on the path has the
            extension extKeyUsage, the extension must allow this purpose. None allows every purpose.
        key_usage: names of bits. If the signer's certificate has the extension keyUsage, at least
            one of these bits must be set in it. An empty set allows every key usage.
        policies: the user-initial-policy-set.
        explicit_policy: the flag initial-explicit-policy.
        inhibit_mapping: the flag initial-policy-mapping-inhibit.
        inhibit_any: the flag initial-any-policy-inhibit.
        max_path_length: maximum number of intermediates that are not self-issued. With None, only
            the path length constraints in the certificates limit this number.
        anchor_validity: if True, the anchor's certificate must be within its validity period.
        anchor_authority: if True, the anchor must have basic constraints like every other
            authority. A version 1 certificate has none, so it is refused as an anchor.
        anchor_constraints: if True, the following extensions in the anchor's certificate apply to
            the path (RFC 5937): basic constraints, key usage, extended key usage, name constraints
            and the extensions about policies. An anchor with an unknown critical extension is
            refused. All other extensions of the anchor are ignored, because the anchor is trusted.
        any_purpose: if True, anyExtendedKeyUsage in the signer's certificate allows ``purpose``. In
            the certificate of an authority, anyExtendedKeyUsage always allows it.
        common_names: if True, name constraints on DNS names apply to common names as well. The
            caller sets this if it accepts a common name as the name of a host.
    """

    at: int | None
    purpose: str | None = oids.SERVER_AUTH
    key_usage: frozenset[str] = frozenset({"digitalSignature"})
    policies: frozenset[str] = ANY
    explicit_policy: bool = False
    inhibit_mapping: bool = False
    inhibit_any: bool = False
    max_path_length: int | None = None
    anchor_validity: bool = True
    anchor_authority: bool = False
    anchor_constraints: bool = True
    any_purpose: bool = False
    common_names: bool = False


class Refusal(Exception):  # noqa: N818 # the suffix Error is for exceptions that leave the package
    """Raised if a certificate or a path is not valid. The search for a path catches it and tries
    another path."""

    def __init__(self, reason: Reason, location: str, detail: str) -> None:
        super().__init__(reason, location, detail)
        self.reason = reason
        self.location = location
        self.detail = detail

    def error(self) -> VerificationError:
        return VerificationError(self.reason, location=self.location, detail=self.detail)

    def moved(self, first: int, index: int) -> Refusal:
        """Return the same refusal for the same certificate at another index of a path."""
        return Refusal(self.reason, f"chain[{index}]" + self.location.removeprefix(f"chain[{first}]"), self.detail)


# Each of the following functions raises Refusal if a check fails. Section numbers are those of RFC
# 5280.


def check_certificate(certificate: Certificate, index: int, inputs: Inputs) -> None:
    """Check those requirements that apply to the signer and to intermediates alike.

    These are the validity period (6.1.3 (a)(2)), critical extensions (6.1.4 (o), 6.1.5 (f)), and
    the faults that the parser recorded (4.1, 4.2.1).
    """
    here = f"chain[{index}]"
    _check_validity(certificate, here, inputs)
    _check_critical(certificate, here)
    if certificate.faults:
        field, problem = certificate.faults[0]
        raise Refusal(Reason.BAD_EXTENSION, f"{here}.{field}", problem)


def check_signer(certificate: Certificate, inputs: Inputs) -> None:
    """Check those requirements that apply only to the signer: key usage (4.2.1.3) and extended key
    usage (4.2.1.12)."""
    if inputs.key_usage and certificate.key_usage is not None and not inputs.key_usage & certificate.key_usage:
        raise Refusal(Reason.KEY_USAGE, "chain[0].keyUsage", f"none of {', '.join(sorted(inputs.key_usage))} is set")
    _check_purpose(certificate, "chain[0]", inputs.purpose, any_purpose=inputs.any_purpose)


def check_authority(certificate: Certificate, index: int, inputs: Inputs) -> None:
    """Check those requirements that apply only to authorities.

    These are basic constraints (6.1.4 (k)), key usage (6.1.4 (n)) and extended key usage
    (4.2.1.12).
    """
    here = f"chain[{index}]"
    # 6.1.4 (k): the basic constraints must say that the certificate belongs to an authority.
    # Certificates of version 1 and 2 have no extensions, so they are refused.
    if certificate.basic_constraints is None or not certificate.basic_constraints.ca:
        raise Refusal(Reason.NOT_A_CA, f"{here}.basicConstraints", "absent" if certificate.basic_constraints is None else "cA is FALSE")
    _check_issuing(certificate, here, inputs)


def check_anchor(certificate: Certificate, index: int, inputs: Inputs) -> None:
    """Check an anchor that signed another certificate.

    RFC 5280 uses only the name and the key of an anchor (6.1.1 (d)). RFC 5937 describes how the
    constraints in the anchor's certificate can apply to the path as well.
    """
    here = f"chain[{index}]"
    if inputs.anchor_validity:
        _check_validity(certificate, here, inputs)
    if inputs.anchor_authority:
        check_authority(certificate, index, inputs)
    if not inputs.anchor_constraints:
        return
    _check_critical(certificate, here)
    # An anchor without basic constraints, such as a version 1 certificate, counts as an authority,
    # because the caller trusts it as one. An anchor with basic constraints is refused if they say
    # that it is not an authority.
    if certificate.basic_constraints is not None and not certificate.basic_constraints.ca:
        raise Refusal(Reason.NOT_A_CA, f"{here}.basicConstraints", "cA is FALSE")
    _check_issuing(certificate, here, inputs)


def check_path(path: Sequence[Certificate], inputs: Inputs, budget: Budget) -> None:
    """Check the path as a whole.

    The function checks name constraints (6.1.3 (b), (c), 6.1.4 (g)), policies (6.1.3 (d) to (f),
    6.1.4 (a), (b), (h) to (j), 6.1.5), and path length constraints (6.1.4 (l), (m)).

    Raises:
        Refusal: the path is not valid.
        VerificationError: ``budget-spent``.
    """
    length = max(len(path) - 1, 1)  # 1 for a signer that is itself the anchor
    budget.spend_items(sum(len(c.certificate_policies or ()) + len(c.policy_mappings or ()) for c in path))
    constraints = PathConstraints(budget, common_names=inputs.common_names)
    policies = PolicyState(length, inputs.policies, inputs.explicit_policy, inputs.inhibit_mapping, inputs.inhibit_any)
    max_path_length = length if inputs.max_path_length is None else inputs.max_path_length  # 6.1.2 (k)
    if inputs.anchor_constraints and len(path) > 1:
        anchor = path[-1]
        constraints.add(anchor)
        if anchor.certificate_policies is not None:
            _demand(policies.process(anchor, last=False), Reason.POLICY, f"chain[{length}].certificatePolicies")
        _demand(policies.map(anchor), Reason.POLICY, f"chain[{length}].policyMappings")
        policies.restrict(anchor)
        max_path_length = _lower(max_path_length, anchor)
    for index in range(length - 1, 0, -1):
        authority = path[index]
        here = f"chain[{index}]"
        if not authority.self_issued:  # 6.1.3 (b), (c): name constraints do not apply to self-issued intermediates
            _demand(constraints.fault(authority), Reason.NAME_CONSTRAINTS, here)
        _demand(policies.process(authority, last=False), Reason.POLICY, f"{here}.certificatePolicies")
        _demand(policies.map(authority), Reason.POLICY, f"{here}.policyMappings")
        constraints.add(authority)
        policies.descend(authority)
        policies.restrict(authority)
        if not authority.self_issued:  # 6.1.4 (l)
            _demand(
                "the path length constraint of an authority above is exceeded" if max_path_length == 0 else None, Reason.PATH_LENGTH, here
            )
            max_path_length -= 1
        max_path_length = _lower(max_path_length, authority)
    signer = path[0]
    _demand(constraints.fault(signer), Reason.NAME_CONSTRAINTS, "chain[0]")
    _demand(policies.process(signer, last=True), Reason.POLICY, "chain[0].certificatePolicies")
    _demand(policies.wrap_up(signer), Reason.POLICY, "chain[0].certificatePolicies")


def _demand(problem: str | None, reason: Reason, location: str) -> None:
    if problem is not None:
        raise Refusal(reason, location, problem)


def _lower(max_path_length: int, authority: Certificate) -> int:
    """Return the smaller one of ``max_path_length`` and the path length constraint of
    ``authority``, if it has one (6.1.4 (m))."""
    basic = authority.basic_constraints
    return max_path_length if basic is None or basic.path_length is None else min(max_path_length, basic.path_length)


def _check_validity(certificate: Certificate, here: str, inputs: Inputs) -> None:
    """Check the validity period (6.1.3 (a)(2)). Both ends are inclusive (4.1.2.5)."""
    if inputs.at is None:
        return
    if inputs.at < certificate.not_before:
        raise Refusal(
            Reason.NOT_YET_VALID, f"{here}.notBefore", f"becomes valid {certificate.not_before - inputs.at} s after the time of the check"
        )
    if inputs.at > certificate.not_after:
        raise Refusal(Reason.EXPIRED, f"{here}.notAfter", f"expired {inputs.at - certificate.not_after} s before the time of the check")


def _check_critical(certificate: Certificate, here: str) -> None:
    """Refuse a certificate with an unknown critical extension (4.2)."""
    if certificate.unknown_critical:
        raise Refusal(Reason.UNKNOWN_CRITICAL_EXTENSION, f"{here}.extensions", certificate.unknown_critical[0])


def _check_issuing(certificate: Certificate, here: str, inputs: Inputs) -> None:
    """Check that an authority's certificate allows it to issue."""
    if certificate.key_usage is not None and "keyCertSign" not in certificate.key_usage:  # 6.1.4 (n)
        raise Refusal(Reason.KEY_USAGE, f"{here}.keyUsage", "keyCertSign is not set")
    # Section 6 does not require the following check, but all verifiers of server certificates make
    # it: an authority may issue certificates only for purposes that its own certificate allows.
    _check_purpose(certificate, here, inputs.purpose, any_purpose=True)
    if certificate.name_constraints is not None:
        _demand(name_constraints.malformed(certificate.name_constraints), Reason.NAME_CONSTRAINTS, f"{here}.nameConstraints")


def _check_purpose(certificate: Certificate, here: str, purpose: str | None, *, any_purpose: bool) -> None:
    """Check the extended key usage (4.2.1.12).

    ``any_purpose`` says whether anyExtendedKeyUsage allows every purpose. In the certificate of a
    server, it does not (CA/Browser Forum Baseline Requirements 7.1.2.7.10).
    """
    purposes = certificate.extended_key_usage
    if purpose is None or purposes is None or purpose in purposes or (any_purpose and oids.ANY_EXTENDED_KEY_USAGE in purposes):
        return
    raise Refusal(Reason.EXTENDED_KEY_USAGE, f"{here}.extendedKeyUsage", ", ".join(purposes)[:200])
