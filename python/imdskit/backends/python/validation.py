"""Whether a path that hangs together may be relied on: RFC 5280 section 6.1, for one path from an anchor to a signer.

:func:`fault` is the algorithm of section 6.1 but for the signatures, which :mod:`imdskit.backends.python.path` has checked while it built the path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imdskit.asn1 import oids
from imdskit.backends.python import name_constraints
from imdskit.backends.python.budget import Budget
from imdskit.backends.python.certificate import Certificate, NameConstraints
from imdskit.backends.python.policies import ANY, PolicyState
from imdskit.errors import VerificationError
from imdskit.reasons import Reason


@dataclass(frozen=True, slots=True)
class Inputs:
    """What section 6.1.1 asks of the caller, beside the path.

    Attributes:
        at: Unix seconds; None leaves validity out (test suites only).
        purpose: extended key usage that the signer must have, and that authorities must not forbid; None for any.
        key_usage: bits of which the signer's keyUsage must have one, where it has the extension; empty for any.
        policies: user-initial-policy-set.
        explicit_policy, inhibit_mapping, inhibit_any: the three policy flags.
        max_path_length: intermediates that are not self-issued, at most; None for no other limit than those of the authorities.
        anchor_rules: apply what an anchor's own certificate says: validity, path length, purposes, name constraints (RFC 5937). Its other
            extensions, its signature and its serial number are nobody's business: it is trusted.
    """

    at: int | None
    purpose: str | None = oids.SERVER_AUTH
    key_usage: frozenset[str] = frozenset({"digitalSignature"})
    policies: frozenset[str] = ANY
    explicit_policy: bool = False
    inhibit_mapping: bool = False
    inhibit_any: bool = False
    max_path_length: int | None = None
    anchor_rules: bool = True


class Refusal(Exception):  # noqa: N818  # not an error of the package: it never leaves it
    """Why a certificate or a path is not good. Caught by the search, which may know another path."""

    def __init__(self, reason: Reason, location: str, detail: str) -> None:
        super().__init__(reason, location, detail)
        self.reason = reason
        self.location = location
        self.detail = detail

    def error(self) -> VerificationError:
        return VerificationError(self.reason, location=self.location, detail=self.detail)


def check_certificate(certificate: Certificate, index: int, inputs: Inputs) -> None:
    """What holds for every certificate on a path: 6.1.3 (a)(2), 4.2 on unknown critical extensions, and 4.1 and 4.2.1 on faulty ones.

    Raises:
        Refusal: it is not good.
    """
    here = f"chain[{index}]"
    _check_validity(certificate, here, inputs)
    if certificate.unknown_critical:
        raise Refusal(Reason.UNKNOWN_CRITICAL_EXTENSION, f"{here}.extensions", certificate.unknown_critical[0])
    if certificate.faults:
        field, problem = certificate.faults[0]
        raise Refusal(Reason.BAD_EXTENSION, f"{here}.{field}", problem)


def _check_validity(certificate: Certificate, here: str, inputs: Inputs) -> None:
    """6.1.3 (a)(2); both ends are inclusive (4.1.2.5)."""
    if inputs.at is None:
        return
    if inputs.at < certificate.not_before:
        raise Refusal(Reason.NOT_YET_VALID, f"{here}.notBefore", f"valid {certificate.not_before - inputs.at} s later")
    if inputs.at > certificate.not_after:
        raise Refusal(Reason.EXPIRED, f"{here}.notAfter", f"expired {inputs.at - certificate.not_after} s before")


def check_authority(certificate: Certificate, index: int, inputs: Inputs) -> None:
    """What holds for every certificate that signed another one on the path: 6.1.4 (k) and (n), and 4.2.1.12 for authorities.

    Raises:
        Refusal: it is not good.
    """
    here = f"chain[{index}]"
    # 6.1.4 (k): an authority is of version 3 and says that it is one.
    if certificate.basic_constraints is None or not certificate.basic_constraints.ca:
        raise Refusal(Reason.NOT_A_CA, f"{here}.basicConstraints", "absent" if certificate.basic_constraints is None else "cA is FALSE")
    # 6.1.4 (n)
    if certificate.key_usage is not None and "keyCertSign" not in certificate.key_usage:
        raise Refusal(Reason.KEY_USAGE, f"{here}.keyUsage", "keyCertSign is not set")
    # Not in section 6, but what every verifier of server certificates does: purposes nest.
    _check_purpose(certificate, here, inputs.purpose, any_purpose=True)
    if certificate.name_constraints is not None:
        problem = name_constraints.malformed(certificate.name_constraints)
        if problem:
            raise Refusal(Reason.NAME_CONSTRAINTS, f"{here}.nameConstraints", problem)


def check_signer(certificate: Certificate, inputs: Inputs) -> None:
    """What holds for the end of the path.

    Raises:
        Refusal: it is not good.
    """
    if inputs.key_usage and certificate.key_usage is not None and not inputs.key_usage & certificate.key_usage:
        raise Refusal(Reason.KEY_USAGE, "chain[0].keyUsage", f"none of {', '.join(sorted(inputs.key_usage))} is set")
    _check_purpose(certificate, "chain[0]", inputs.purpose, any_purpose=False)


def _check_purpose(certificate: Certificate, here: str, purpose: str | None, *, any_purpose: bool) -> None:
    """4.2.1.12. anyExtendedKeyUsage is accepted of authorities only (CA/Browser Forum Baseline Requirements 7.1.2.7.10)."""
    purposes = certificate.extended_key_usage
    if purpose is None or purposes is None or purpose in purposes or (any_purpose and oids.ANY_EXTENDED_KEY_USAGE in purposes):
        return
    raise Refusal(Reason.EXTENDED_KEY_USAGE, f"{here}.extendedKeyUsage", ", ".join(purposes)[:200])


def check_path(path: Sequence[Certificate], inputs: Inputs, budget: Budget) -> None:
    """Section 6.1 for a whole path, signer first, anchor last.

    Raises:
        Refusal: the path is not good.
        VerificationError: ``budget-spent``.
    """
    length = len(path) - 1
    anchor = path[-1]
    constraints: list[NameConstraints] = []
    max_path_length = length if inputs.max_path_length is None else inputs.max_path_length
    if inputs.anchor_rules:
        _check_validity(anchor, f"chain[{length}]", inputs)
        _check_purpose(anchor, f"chain[{length}]", inputs.purpose, any_purpose=True)
        if anchor.basic_constraints is not None:
            # A signer that is itself an anchor signed nobody but itself.
            if not anchor.basic_constraints.ca and anchor.der != path[0].der:
                raise Refusal(Reason.NOT_A_CA, f"chain[{length}].basicConstraints", "cA is FALSE")
            if anchor.basic_constraints.path_length is not None:
                max_path_length = min(max_path_length, anchor.basic_constraints.path_length)
        if anchor.name_constraints is not None:
            problem = name_constraints.malformed(anchor.name_constraints)
            if problem:
                raise Refusal(Reason.NAME_CONSTRAINTS, f"chain[{length}].nameConstraints", problem)
            constraints.append(anchor.name_constraints)
    policies = PolicyState(length, inputs.policies, inputs.explicit_policy, inputs.inhibit_mapping, inputs.inhibit_any)
    for index in range(length - 1, -1, -1):
        certificate = path[index]
        here = f"chain[{index}]"
        last = index == 0
        check_certificate(certificate, index, inputs)
        # 6.1.3 (b), (c): a self-issued authority may bear any name.
        if last or not certificate.self_issued:
            problem = name_constraints.fault(certificate, constraints, budget)
            if problem:
                raise Refusal(Reason.NAME_CONSTRAINTS, here, problem)
        problem = policies.process(certificate, last=last)
        if problem:
            raise Refusal(Reason.POLICY, f"{here}.certificatePolicies", problem)
        if last:
            break
        problem = policies.prepare(certificate)
        if problem:
            raise Refusal(Reason.POLICY, f"{here}.policyMappings", problem)
        if certificate.name_constraints is not None:  # 6.1.4 (g)
            constraints.append(certificate.name_constraints)
        check_authority(certificate, index, inputs)
        if not certificate.self_issued:  # 6.1.4 (l)
            if max_path_length == 0:
                raise Refusal(Reason.PATH_LENGTH, here, "an authority above it allows none below")
            max_path_length -= 1
        if certificate.basic_constraints is not None and certificate.basic_constraints.path_length is not None:  # 6.1.4 (m)
            max_path_length = min(max_path_length, certificate.basic_constraints.path_length)
    check_signer(path[0], inputs)
    problem = policies.wrap_up(path[0])
    if problem:
        raise Refusal(Reason.POLICY, "chain[0].certificatePolicies", problem)
