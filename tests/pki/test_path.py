"""Paths from a signer to an anchor: the results of the search, its reasons for refusals, and its cost with hostile certificates."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import certificates
import native_parts
import pytest
from certificates import CA, SIGNS_ALL, SIGNS_DOCUMENTS, Extension, PrivateKey, key, name, usage
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose

from imdskit.backends.contract import Backend, Limits
from imdskit.errors import VerificationError
from imdskit.pki.path import building, signature_cache
from imdskit.pki.path.validation import Inputs
from imdskit.pki.signatures import signature
from imdskit.pki.x509.certificate import Certificate
from imdskit.reasons import Reason

START = 1_800_000_000
END = START + 86_400
AT = START + 3_600
SIGNATURE = 15
"""Cost of one P-256 signature in units of work."""


SERVER = (SIGNS_DOCUMENTS, certificates.SERVER)


@dataclass(frozen=True)
class Wish:
    """Description of a certificate to create. ``signer`` is the label of the signing key. None means the issuer's own key."""

    subject: str
    issuer: str
    extensions: tuple[Extension, ...] = (CA, SIGNS_ALL)
    key: str | None = None
    signer: str | None = None
    start: int = START
    end: int = END
    hash: hashes.SHA224 | None = None
    private_key: PrivateKey | None = None
    issuer_key: PrivateKey | None = None

    def made(self) -> Certificate:
        own = self.private_key or key(self.key or self.subject)
        signer = self.issuer_key or key(self.signer or self.issuer)
        valid = self.start, self.end
        made = certificates.make(self.subject, self.issuer, self.extensions, valid=valid, own=own, signer=signer, digest=self.hash)
        return made.parsed

    def having(self, *extensions: Extension) -> Wish:
        """Return a copy with additional extensions. Each replaces an extension of its type."""
        kinds = {type(extension) for extension, _ in extensions}
        kept = tuple(pair for pair in self.extensions if type(pair[0]) not in kinds)
        return replace(self, extensions=(*kept, *extensions))


ROOT = Wish("root", "root")
ISSUING = Wish("issuing", "root")
LEAF = Wish("leaf", "issuing", SERVER)


def build(leaf: Certificate, anchors: Sequence[Certificate], pool: Sequence[Certificate], **changes: Any) -> tuple[Certificate, ...]:
    limits = changes.pop("limits", Limits())
    accept_weak = changes.pop("accept_weak", False)
    inputs = replace(Inputs(AT), **changes)
    return building.build(leaf, anchors=anchors, intermediates=pool, inputs=inputs, limits=limits, accept_weak=accept_weak)


def refusal(leaf: Certificate, anchors: Sequence[Certificate], pool: Sequence[Certificate], **changes: Any) -> tuple[Reason, str]:
    with pytest.raises(VerificationError) as caught:
        build(leaf, anchors, pool, **changes)
    return caught.value.reason, caught.value.location


def subjects(found: Sequence[Certificate]) -> list[str]:
    return [certificate.subject.common_names[0] for certificate in found]


def test_path_leads_from_the_signer_to_the_anchor() -> None:
    leaf, issuing, root = LEAF.made(), ISSUING.made(), ROOT.made()
    assert build(leaf, [root], [issuing]) == (leaf, issuing, root)


def test_caches_only_signatures_between_configured_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    leaf, issuing, root, other = LEAF.made(), ISSUING.made(), ROOT.made(), replace(ISSUING, subject="other").made()
    forged = replace(ISSUING, signer="stranger").made()
    leaf_of_other = replace(LEAF, issuer="other").made()
    reckoned: list[bytes] = []
    real = signature.fault

    def counted(*given: Any) -> signature.Fault | None:
        reckoned.append(given[3])
        return real(*given)

    monkeypatch.setattr(signature, "fault", counted)
    memory = signature_cache.SignatureCache([root, issuing, forged])
    search = partial(building.build, anchors=[root], inputs=Inputs(AT), limits=Limits(), signatures=memory)
    for again in (False, True):
        del reckoned[:]
        assert search(leaf, intermediates=[forged, issuing]) == (leaf, issuing, root)
        assert reckoned == [leaf.signature] if again else [leaf.signature, forged.signature, issuing.signature]
        del reckoned[:]
        assert search(leaf_of_other, intermediates=[other]) == (leaf_of_other, other, root)
        assert reckoned == [leaf_of_other.signature, other.signature]


def test_number_of_cached_signatures_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature_cache, "CACHED_SIGNATURES", 0)
    issuing, root = ISSUING.made(), ROOT.made()
    memory = signature_cache.SignatureCache([root, issuing])
    for _ in range(2):
        assert memory.fault(issuing, root) is None
    assert not memory._faults


def test_intermediate_may_be_the_anchor() -> None:
    leaf, issuing = LEAF.made(), ISSUING.made()
    assert build(leaf, [issuing], []) == (leaf, issuing)


def test_tries_anchors_before_other_certificates() -> None:
    leaf, issuing, root = LEAF.made(), ISSUING.made(), ROOT.made()
    assert build(leaf, [root, issuing], [issuing]) == (leaf, issuing)


def test_signer_that_is_an_anchor_has_a_path_of_length_one() -> None:
    leaf = LEAF.made()
    assert build(leaf, [leaf], []) == (leaf,)
    assert refusal(leaf._replace(not_after=AT - 1), [leaf], []) == (Reason.EXPIRED, "chain[0].notAfter")


def test_order_and_duplicates_of_intermediates_do_not_matter() -> None:
    leaf, root = LEAF.made(), ROOT.made()
    stranger, issuing = Wish("issuing", "nobody", signer="x").made(), ISSUING.made()
    for pool in ([issuing, stranger], [stranger, issuing], [leaf, leaf, stranger, root, issuing, issuing]):
        assert build(leaf, [root], pool) == (leaf, issuing, root)


@pytest.mark.parametrize(
    "twin",
    [
        pytest.param(replace(ISSUING, issuer="lost root"), id="signed by an unknown root"),
        pytest.param(replace(ISSUING, end=AT - 1), id="expired"),
        pytest.param(ISSUING.having((x509.ExtendedKeyUsage([Purpose.CLIENT_AUTH]), False)), id="for clients only"),
        pytest.param(replace(ISSUING, key="another"), id="with another key"),
        pytest.param(ISSUING.having((x509.NameConstraints([x509.DirectoryName(name("somebody"))], None), True)), id="for other names only"),
    ],
)
def test_uses_any_valid_cross_signed_certificate(twin: Wish) -> None:
    leaf, issuing, root, other = LEAF.made(), ISSUING.made(), ROOT.made(), twin.made()
    for pool in ([issuing, other], [other, issuing]):
        assert build(leaf, [root], pool) == (leaf, issuing, root)


def test_key_identifier_affects_only_the_order_of_candidates() -> None:
    root = ROOT.made()
    twins = [ISSUING.having((x509.SubjectKeyIdentifier(bytes([i])), False)).made() for i in range(9)]
    for wanted in (0, 4, 8):
        leaf = LEAF.having((x509.AuthorityKeyIdentifier(bytes([wanted]), None, None), False)).made()
        assert build(leaf, [root], twins, limits=Limits(work=2 * SIGNATURE + 1)) == (leaf, twins[wanted], root)
    leaf = LEAF.having((x509.AuthorityKeyIdentifier(b"other", None, None), False)).made()
    assert build(leaf, [root], twins)[1] in twins


@pytest.mark.parametrize("position", [0, 1, 2])
def test_validity_includes_both_ends(position: int) -> None:
    wishes = [LEAF, ISSUING, ROOT]
    wishes[position] = replace(wishes[position], start=AT - 60, end=AT + 60)
    leaf, issuing, root = (wish.made() for wish in wishes)
    for at in (AT - 60, AT + 60):
        assert len(build(leaf, [root], [issuing], at=at)) == 3
    assert refusal(leaf, [root], [issuing], at=AT - 61) == (Reason.NOT_YET_VALID, f"chain[{position}].notBefore")
    assert refusal(leaf, [root], [issuing], at=AT + 61) == (Reason.EXPIRED, f"chain[{position}].notAfter")
    assert len(build(leaf, [root], [issuing], at=None)) == 3


UNKNOWN = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00"), True)
EMPTY_NAMES = (x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), b"\x30\x00"), False)
CLIENTS = (x509.ExtendedKeyUsage([Purpose.CLIENT_AUTH]), False)
ANYTHING = (x509.ExtendedKeyUsage([Purpose.ANY_EXTENDED_KEY_USAGE]), False)
NOT_SIGNING = usage("digital_signature")
NO_CA = (x509.BasicConstraints(ca=False, path_length=None), True)
NONE_BELOW = (x509.BasicConstraints(ca=True, path_length=0), True)
OTHER_NAMES = (x509.NameConstraints([x509.DirectoryName(name("somebody"))], None), True)
BAD_RANGE = (x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.30"), bytes.fromhex("300ea00c300a87080a000000ff00ff00")), True)
POLICY_NEEDED = (x509.PolicyConstraints(0, None), True)


@pytest.mark.parametrize(
    ("position", "change", "reason", "member"),
    [
        (0, lambda wish: wish.having(UNKNOWN), Reason.UNKNOWN_CRITICAL_EXTENSION, "extensions"),
        (1, lambda wish: wish.having(UNKNOWN), Reason.UNKNOWN_CRITICAL_EXTENSION, "extensions"),
        (2, lambda wish: wish.having(UNKNOWN), Reason.UNKNOWN_CRITICAL_EXTENSION, "extensions"),
        (0, lambda wish: wish.having(EMPTY_NAMES), Reason.BAD_EXTENSION, None),
        (1, lambda wish: wish.having(EMPTY_NAMES), Reason.BAD_EXTENSION, None),
        (0, lambda wish: wish.having(CLIENTS), Reason.EXTENDED_KEY_USAGE, "extendedKeyUsage"),
        (1, lambda wish: wish.having(CLIENTS), Reason.EXTENDED_KEY_USAGE, "extendedKeyUsage"),
        (2, lambda wish: wish.having(CLIENTS), Reason.EXTENDED_KEY_USAGE, "extendedKeyUsage"),
        (0, lambda wish: wish.having(ANYTHING), Reason.EXTENDED_KEY_USAGE, "extendedKeyUsage"),
        (1, lambda wish: wish.having(ANYTHING), None, None),
        (0, lambda wish: wish.having(usage("key_encipherment")), Reason.KEY_USAGE, "keyUsage"),
        (0, lambda wish: replace(wish, extensions=()), None, None),
        (1, lambda wish: wish.having(NOT_SIGNING), Reason.KEY_USAGE, "keyUsage"),
        (2, lambda wish: wish.having(NOT_SIGNING), Reason.KEY_USAGE, "keyUsage"),
        (1, lambda wish: wish.having(NO_CA), Reason.NOT_A_CA, "basicConstraints"),
        (1, lambda wish: replace(wish, extensions=(SIGNS_ALL,)), Reason.NOT_A_CA, "basicConstraints"),
        (2, lambda wish: wish.having(NO_CA), Reason.NOT_A_CA, "basicConstraints"),
        (2, lambda wish: replace(wish, extensions=()), None, None),
        (1, lambda wish: wish.having(NONE_BELOW), None, None),
        (2, lambda wish: wish.having(NONE_BELOW), Reason.PATH_LENGTH, None),
        (1, lambda wish: wish.having(OTHER_NAMES), Reason.NAME_CONSTRAINTS, None),
        (2, lambda wish: wish.having(OTHER_NAMES), Reason.NAME_CONSTRAINTS, None),
        (1, lambda wish: wish.having(BAD_RANGE), None, None),
        (1, lambda wish: wish.having(POLICY_NEEDED), Reason.POLICY, None),
        (2, lambda wish: wish.having(POLICY_NEEDED), Reason.POLICY, None),
        (0, lambda wish: replace(wish, hash=hashes.SHA224()), Reason.CERTIFICATE_ALGORITHM, "signatureAlgorithm"),
        (1, lambda wish: replace(wish, hash=hashes.SHA224()), Reason.CERTIFICATE_ALGORITHM, "signatureAlgorithm"),
        (2, lambda wish: replace(wish, hash=hashes.SHA224()), None, None),
        (0, lambda wish: replace(wish, signer="x"), Reason.CERTIFICATE_SIGNATURE, "signatureValue"),
        (1, lambda wish: replace(wish, signer="x"), Reason.CERTIFICATE_SIGNATURE, "signatureValue"),
        (2, lambda wish: replace(wish, signer="x"), None, None),
    ],
)
def test_reports_one_defect_in_one_certificate(
    position: int, change: Callable[[Wish], Wish], reason: Reason | None, member: str | None
) -> None:
    wishes = [LEAF, ISSUING, ROOT]
    wishes[position] = change(wishes[position])
    leaf, issuing, root = (wish.made() for wish in wishes)
    if reason is None and issuing.faults:
        reason = Reason.BAD_EXTENSION  # the parser already records a malformed address range as a fault
    if reason is None:
        assert len(build(leaf, [root], [issuing])) == 3
        return
    found, location = refusal(leaf, [root], [issuing])
    assert found is reason
    if member is not None:
        assert location == f"chain[{position}].{member}"


def test_anchor_can_be_reduced_to_name_and_key() -> None:
    constraints = (CLIENTS, NONE_BELOW, OTHER_NAMES, UNKNOWN, POLICY_NEEDED)
    leaf, issuing, root = LEAF.made(), ISSUING.made(), replace(ROOT.having(*constraints), end=AT - 1).made()
    assert build(leaf, [root], [issuing], anchor_validity=False, anchor_constraints=False) == (leaf, issuing, root)
    assert refusal(leaf, [root], [issuing], anchor_constraints=False) == (Reason.EXPIRED, "chain[2].notAfter")
    assert refusal(leaf, [root], [issuing], anchor_validity=False) == (Reason.UNKNOWN_CRITICAL_EXTENSION, "chain[2].extensions")


def test_purpose_is_optional() -> None:
    leaf, issuing, root = LEAF.having(CLIENTS).made(), ISSUING.having(CLIENTS).made(), ROOT.made()
    assert len(build(leaf, [root], [issuing], purpose=None)) == 3


def test_weak_hashes_are_verified_on_request() -> None:
    leaf, issuing, root = replace(LEAF, hash=hashes.SHA224()).made(), ISSUING.made(), ROOT.made()
    assert len(build(leaf, [root], [issuing], accept_weak=True)) == 3


def test_rejects_weak_keys_anywhere_on_the_path() -> None:
    weak = rsa.generate_private_key(65537, 1024)
    leaf, root = LEAF.made(), ROOT.made()
    assert refusal(replace(LEAF, private_key=weak).made(), [root], [ISSUING.made()]) == (
        Reason.CERTIFICATE_KEY,
        "chain[0].subjectPublicKeyInfo",
    )
    issuing = replace(ISSUING, private_key=weak).made()
    leaf = replace(LEAF, issuer_key=weak).made()
    assert refusal(leaf, [root], [issuing]) == (Reason.CERTIFICATE_KEY, "chain[1].subjectPublicKeyInfo")


def test_self_issued_authorities_do_not_count_towards_the_path_length() -> None:
    root = ROOT.having((x509.BasicConstraints(ca=True, path_length=1), True)).made()
    rollover = replace(ISSUING, issuer="issuing", key="issuing", signer="issuing, old").made()
    issuing = replace(ISSUING, key="issuing, old").made()
    leaf = LEAF.made()
    assert subjects(build(leaf, [root], [issuing, rollover])) == ["leaf", "issuing", "issuing", "root"]
    assert subjects(build(leaf, [root], [issuing, rollover], max_path_length=1)) == ["leaf", "issuing", "issuing", "root"]
    assert refusal(leaf, [root], [issuing, rollover], max_path_length=0)[0] is Reason.PATH_LENGTH


def test_anchor_can_be_required_to_have_basic_constraints() -> None:
    leaf, issuing = LEAF.made(), ISSUING.made()
    assert len(build(leaf, [ROOT.made()], [issuing], anchor_authority=True)) == 3
    bare = replace(ROOT, extensions=(SIGNS_ALL,)).made()
    assert len(build(leaf, [bare], [issuing])) == 3
    assert refusal(leaf, [bare], [issuing], anchor_authority=True) == (Reason.NOT_A_CA, "chain[2].basicConstraints")


def test_policies_of_an_anchor_apply() -> None:
    one, other = ((x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(f"1.3.6.{i}"), None)]), False) for i in (1, 2))
    root, issuing = ROOT.having(one, POLICY_NEEDED).made(), ISSUING.having(one).made()
    assert len(build(LEAF.having(one).made(), [root], [issuing])) == 3
    assert refusal(LEAF.having(other).made(), [root], [issuing]) == (Reason.POLICY, "chain[0].certificatePolicies")


def test_signature_with_wrong_algorithm_parameters_is_not_computed() -> None:
    leaf = LEAF.made()
    odd = leaf._replace(signature_algorithm=leaf.signature_algorithm._replace(parameters=b"\x05\x00"))
    assert refusal(odd, [ISSUING.made()], []) == (Reason.CERTIFICATE_ALGORITHM, "chain[0].signatureAlgorithm")


def line(length: int) -> tuple[Certificate, list[Certificate], Certificate]:
    """Return a signer, ``length`` intermediates above it, and their anchor."""
    pool = [Wish(f"ca{i}", f"ca{i + 1}").made() for i in range(length)]
    return replace(LEAF, issuer="ca0").made(), pool, Wish(f"ca{length}", f"ca{length}").made()


def test_limit_on_path_certificates_is_enforced() -> None:
    leaf, pool, root = line(6)
    assert len(build(leaf, [root], pool)) == 8
    assert len(build(leaf, [root], pool, limits=Limits(path_certificates=8))) == 8
    assert refusal(leaf, [root], pool, limits=Limits(path_certificates=7))[0] is Reason.PATH_LENGTH


def test_reports_the_most_specific_reason() -> None:
    leaf, root = LEAF.made(), ROOT.made()
    assert refusal(leaf, [root], []) == (Reason.UNKNOWN_ISSUER, "chain[0].issuer")
    foreign = [Wish("issuing", "foreign root").made(), Wish("foreign root", "foreign root").made()]
    assert refusal(leaf, [root], foreign) == (Reason.UNTRUSTED_ROOT, "chain[2].issuer")
    lost = Wish("issuing", "lost root").made()
    for pool in ([*foreign, lost], [lost, *foreign]):
        assert refusal(leaf, [root], pool) == (Reason.UNTRUSTED_ROOT, "chain[2].issuer")
    for pool in ([*foreign, lost, replace(ISSUING, end=AT - 1).made()], [replace(ISSUING, end=AT - 1).made(), lost, *foreign]):
        assert refusal(leaf, [root], pool) == (Reason.EXPIRED, "chain[1].notAfter")


def test_reports_an_unknown_issuer_before_other_defects() -> None:
    leaf = replace(LEAF.having(CLIENTS), end=AT - 1).made()
    assert refusal(leaf, [ROOT.made()], []) == (Reason.UNKNOWN_ISSUER, "chain[0].issuer")
    assert refusal(leaf, [ROOT.made()], [ISSUING.made()]) == (Reason.EXPIRED, "chain[0].notAfter")


def test_self_signed_unknown_certificate_is_an_untrusted_root() -> None:
    assert refusal(replace(LEAF, issuer="leaf").made(), [ROOT.made()], []) == (Reason.UNTRUSTED_ROOT, "chain[0].issuer")


def test_authorities_that_certify_one_another_lead_to_no_anchor() -> None:
    leaf = replace(LEAF, issuer="a").made()
    pool = [Wish("a", "b").made(), Wish("b", "a").made(), Wish("b", "b", key="b2").made()]
    assert refusal(leaf, [ROOT.made()], pool)[0] in (Reason.UNKNOWN_ISSUER, Reason.CERTIFICATE_SIGNATURE)


def test_computes_each_signature_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bytes, object]] = []
    genuine = signature.fault

    def counted(algorithm: Any, public_key: Any, message: bytes, value: bytes) -> Any:
        seen.append((message, public_key))
        return genuine(algorithm, public_key, message, value)

    monkeypatch.setattr(signature, "fault", counted)
    pool = [Wish(f"ca{i}", f"ca{j}").made() for i in range(5) for j in range(5)]
    assert refusal(replace(LEAF, issuer="ca0").made(), [ROOT.made()], pool, limits=Limits(work=5000))[0] is Reason.UNTRUSTED_ROOT
    assert len(seen) == len(set(seen)) > 10


SECONDS = {"python": 1.0, "rust": 0.05}


def assert_ends_soon(backend: Backend, leaf: Certificate, anchors: Sequence[Certificate], pool: Sequence[Certificate]) -> None:
    search = partial(native_parts.build, leaf, anchors, pool, Inputs(AT)) if backend.name == "rust" else partial(build, leaf, anchors, pool)
    started = time.process_time()
    with pytest.raises(VerificationError) as caught:
        search()
    seconds = time.process_time() - started
    assert (caught.value.reason, caught.value.location) == (Reason.BUDGET_SPENT, "chain")
    # Coverage measurement is too slow for this limit.
    assert seconds < SECONDS[backend.name] or sys.gettrace() is not None


@cache
def rsa_key(index: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def mesh(*extensions: Extension) -> list[Certificate]:
    """Return authorities each of which has certified all the others."""
    return [
        Wish(f"ca{i}", f"ca{j}", (CA, *extensions), private_key=rsa_key(i), issuer_key=rsa_key(j)).made()
        for i in range(9)
        for j in range(9)
    ]


def under_root(*extensions: Extension) -> list[Certificate]:
    return [Wish(f"ca{i}", "root", (CA, *extensions), private_key=rsa_key(i)).made() for i in range(9)]


MANY_NAMES = (x509.NameConstraints([x509.DNSName(f"n{i}.example.org") for i in range(500)], None), True)
MANY_POLICIES = (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(f"1.3.6.1.{i}"), None) for i in range(500)]), False)


@pytest.mark.parametrize(
    ("extensions", "pool"),
    [
        pytest.param((), mesh, id="no path reaches an anchor"),
        pytest.param((), lambda: [*under_root(OTHER_NAMES), *mesh()], id="every path reaches an anchor and fails"),
        pytest.param(
            (
                (
                    x509.SubjectAlternativeName(
                        [x509.DNSName(f"{i}.n0.example.org") for i in range(900)] + [x509.DNSName("other.example")]
                    ),
                    False,
                ),
            ),
            lambda: [*under_root(MANY_NAMES), *mesh()],
            id="every path fails at the last of many names",
        ),
        pytest.param(
            (),
            lambda: [*under_root(MANY_POLICIES, POLICY_NEEDED), *mesh(MANY_POLICIES)],
            id="every path lacks one of many policies",
        ),
    ],
)
def test_search_through_hostile_certificates_ends_soon(
    extensions: tuple[Extension, ...], pool: Callable[[], list[Certificate]], backend: Backend
) -> None:
    leaf = replace(LEAF.having(*extensions), issuer="ca0", issuer_key=rsa_key(0)).made()
    anchors, certificates = [ROOT.made()], pool()
    assert_ends_soon(backend, leaf, anchors, certificates)


def test_search_through_large_keys_ends_soon(backend: Backend) -> None:
    keys = [ec.generate_private_key(ec.SECP521R1()) for _ in range(60)]
    leaf = replace(LEAF, issuer_key=keys[0]).made()
    pool = [replace(ISSUING, private_key=private_key).made() for private_key in keys[1:]]
    anchors = [ROOT.made()]
    assert_ends_soon(backend, leaf, anchors, pool)
