"""Rules for issuers: a good certificate keeps all, and each rule finds the certificate that breaks it and no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from imdskit.asn1 import oids
from imdskit.backends.python import baseline, conformance
from imdskit.backends.python.certificate import (
    AlgorithmIdentifier,
    AuthorityKeyIdentifier,
    BasicConstraints,
    Certificate,
    Extension,
    GeneralName,
    GeneralSubtree,
    Name,
    NameConstraints,
    PolicyInformation,
    RsaPublicKey,
)
from imdskit.backends.python.conformance import Profile

ISSUER, SUBJECT, NOBODY = Name(b"0\x00", (b"issuer",)), Name(b"0\x00", (b"subject",)), Name(b"0\x00", ())
KEY_ID = AuthorityKeyIdentifier(b"issuer", None, None)
CERT_SIGN = frozenset({"keyCertSign"})


def ext(oid: str, critical: bool = False, contents: str = "3000") -> Extension:
    return Extension(oid, critical, bytes.fromhex(contents))


LEAF = Certificate(
    der=b"",
    tbs=b"",
    version=3,
    serial=1,
    signature_algorithm=AlgorithmIdentifier("1.2", None, b""),
    signature=b"",
    issuer=ISSUER,
    subject=replace(SUBJECT, common_names=("a.example.com",)),
    not_before=0,
    not_after=0,
    spki=b"",
    public_key=RsaPublicKey(1 << 2047 | 1, 65537),
    extensions=(ext(oids.KEY_USAGE, True), ext(oids.EXTENDED_KEY_USAGE), ext(oids.SUBJECT_ALT_NAME)),
    key_usage=frozenset({"digitalSignature"}),
    extended_key_usage=(oids.SERVER_AUTH,),
    subject_alt_name=(GeneralName("dNSName", b"*.example.com"), GeneralName("uniformResourceIdentifier", b"https://example.com/")),
    authority_key_identifier=KEY_ID,
)
AUTHORITY = replace(
    LEAF,
    extensions=(ext(oids.BASIC_CONSTRAINTS, True), ext(oids.KEY_USAGE, True)),
    basic_constraints=BasicConstraints(True, 0),
    key_usage=CERT_SIGN,
    extended_key_usage=None,
    subject_alt_name=None,
    subject_key_identifier=b"subject",
)


def with_extension(extension: Extension, **members: Any) -> Callable[[Certificate], Certificate]:
    return lambda certificate: replace(certificate, extensions=(*certificate.extensions, extension), **members)


def having(**members: Any) -> Callable[[Certificate], Certificate]:
    return lambda certificate: replace(certificate, **members)


def constrained(kind: str, value: bytes, minimum: int = 0) -> NameConstraints:
    return NameConstraints((GeneralSubtree(GeneralName(kind, value), minimum, None),), None)


def policy(qualifiers: str, identifier: str = "1.3") -> tuple[PolicyInformation, ...]:
    return (PolicyInformation(identifier, bytes.fromhex(qualifiers)),)


NOTICE = "06082b06010505070202"


@pytest.mark.parametrize("certificate", [LEAF, AUTHORITY], ids=["leaf", "authority"])
def test_a_good_certificate_keeps_every_rule(certificate: Certificate) -> None:
    for profile in Profile:
        assert conformance.fault(certificate, profile) is None
    assert conformance.fault(replace(certificate, version=1, extensions=(), authority_key_identifier=None), Profile.MUST) is None


MUST = [
    ("a serial number of zero", LEAF, having(serial=0), "serialNumber"),
    ("a long serial number", LEAF, having(serial=1 << 160), "serialNumber"),
    ("name constraints that are not critical", AUTHORITY, with_extension(ext(oids.NAME_CONSTRAINTS)), oids.NAME_CONSTRAINTS),
    ("a critical key identifier", LEAF, with_extension(ext(oids.AUTHORITY_KEY_IDENTIFIER, True)), oids.AUTHORITY_KEY_IDENTIFIER),
    ("basic constraints that are not critical", AUTHORITY, having(extensions=(ext(oids.BASIC_CONSTRAINTS),)), "basicConstraints"),
    ("an empty subject and names that are not critical", LEAF, having(subject=NOBODY), "subjectAltName"),
    ("keyCertSign without cA", LEAF, having(key_usage=CERT_SIGN), "keyUsage"),
    ("a path length without cA", LEAF, having(basic_constraints=BasicConstraints(False, 1)), "basicConstraints"),
    ("name constraints of no authority", LEAF, having(name_constraints=constrained("dNSName", b"a")), "nameConstraints"),
    ("an authority without subject", AUTHORITY, having(subject=NOBODY), "subject"),
    ("an authority without key identifier", AUTHORITY, having(subject_key_identifier=None), "subjectKeyIdentifier"),
    ("a path length without keyCertSign", AUTHORITY, having(key_usage=frozenset({"cRLSign"})), "basicConstraints"),
    ("no key identifier of the issuer", LEAF, having(authority_key_identifier=None), "authorityKeyIdentifier"),
    ("one without keyIdentifier", LEAF, having(authority_key_identifier=AuthorityKeyIdentifier(None, (), 1)), "authorityKeyIdentifier"),
    ("an underscore", LEAF, having(subject_alt_name=(GeneralName("dNSName", b"a_b.example.com"),)), "subjectAltName"),
    ("no DNS name", LEAF, having(subject_alt_name=(GeneralName("dNSName", b" "),)), "subjectAltName"),
    ("a relative URI", LEAF, having(subject_alt_name=(GeneralName("uniformResourceIdentifier", b"http:../x"),)), "subjectAltName"),
    ("a URI without scheme", LEAF, having(subject_alt_name=(GeneralName("uniformResourceIdentifier", b"//a/x"),)), "subjectAltName"),
    ("a malformed URI", LEAF, having(subject_alt_name=(GeneralName("uniformResourceIdentifier", b"http://[/"),)), "subjectAltName"),
    ("empty name constraints", AUTHORITY, having(name_constraints=NameConstraints(None, None)), "nameConstraints"),
    ("a minimum", AUTHORITY, having(name_constraints=constrained("dNSName", b"a", 1)), "nameConstraints"),
    ("constraints on registered ids", AUTHORITY, having(name_constraints=constrained("registeredID", b"a")), "nameConstraints"),
    ("a leading dot", AUTHORITY, having(name_constraints=constrained("dNSName", b".a")), "nameConstraints"),
    ("no qualifiers in a list of them", LEAF, having(certificate_policies=policy("3000")), "certificatePolicies"),
    ("qualifiers that are none", LEAF, having(certificate_policies=policy("30020500")), "certificatePolicies"),
    (
        "anyPolicy with a qualifier of its own",
        LEAF,
        having(certificate_policies=policy("300530030601 2a", oids.ANY_POLICY)),
        "certificatePolicies",
    ),
    ("a BMPString in a notice", LEAF, having(certificate_policies=policy(f"3012 3010 {NOTICE} 3004 1e02 0041")), "certificatePolicies"),
    (
        "a control character in a notice",
        LEAF,
        having(certificate_policies=policy(f"3012 3010 {NOTICE} 3004 0c02 4107")),
        "certificatePolicies",
    ),
    ("an empty list of access descriptions", LEAF, with_extension(ext(oids.AUTHORITY_INFO_ACCESS)), oids.AUTHORITY_INFO_ACCESS),
    (
        "access descriptions that are none",
        LEAF,
        with_extension(ext(oids.AUTHORITY_INFO_ACCESS, contents="0500")),
        oids.AUTHORITY_INFO_ACCESS,
    ),
    (
        "a distribution point of nothing but reasons",
        LEAF,
        with_extension(ext(oids.CRL_DISTRIBUTION_POINTS, contents="3006 3004 8102 0640")),
        oids.CRL_DISTRIBUTION_POINTS,
    ),
    (
        "timestamps and something behind",
        LEAF,
        with_extension(ext(conformance.SIGNED_CERTIFICATE_TIMESTAMPS, contents="0404 0001 ffff")),
        conformance.SIGNED_CERTIFICATE_TIMESTAMPS,
    ),
]

KEPT = [
    ("a self-issued certificate without key identifier of the issuer", LEAF, having(issuer=LEAF.subject, authority_key_identifier=None)),
    ("a notice in UTF-8 with a reference", LEAF, having(certificate_policies=policy(f"3018 3016 {NOTICE} 300a 3004 0c00 3000 0c02 4142"))),
    ("a notice of nothing", LEAF, having(certificate_policies=policy(f"300e 300c {NOTICE} 3000"))),
    ("another qualifier of another policy", LEAF, having(certificate_policies=policy("3005 3003 0601 2a"))),
    ("no qualifiers", LEAF, having(certificate_policies=(PolicyInformation("1.3", None),))),
    (
        "a distribution point with a name",
        LEAF,
        with_extension(ext(oids.CRL_DISTRIBUTION_POINTS, contents="3016 3006 a002 a000 8100 3004 a002 a000 3006 8102 0640 a200")),
    ),
    ("timestamps", LEAF, with_extension(ext(conformance.SIGNED_CERTIFICATE_TIMESTAMPS, contents="0403 0001 ff"))),
    ("an authority without key usage", AUTHORITY, having(key_usage=None)),
    (
        "constraints on DNS names",
        AUTHORITY,
        with_extension(ext(oids.NAME_CONSTRAINTS, True), name_constraints=constrained("dNSName", b"a")),
    ),
    ("a URN", LEAF, having(subject_alt_name=(GeneralName("uniformResourceIdentifier", b"urn:x:y"),))),
    ("an address", LEAF, having(subject_alt_name=(GeneralName("iPAddress", b"abcd"),))),
]


@pytest.mark.parametrize(("certificate", "change", "field"), [case[1:] for case in MUST], ids=[case[0] for case in MUST])
def test_what_issuers_must_not_do_is_found(
    certificate: Certificate, change: Callable[[Certificate], Certificate], field: str | None
) -> None:
    found = conformance.fault(change(certificate), Profile.MUST)
    assert found is not None
    assert found[0] == field or field is None


@pytest.mark.parametrize(("certificate", "change"), [case[1:] for case in KEPT], ids=[case[0] for case in KEPT])
def test_what_issuers_may_do_is_not(certificate: Certificate, change: Callable[[Certificate], Certificate]) -> None:
    assert conformance.fault(change(certificate), Profile.MUST) is None


def test_an_anchor_may_have_any_serial_number_and_need_not_name_its_issuer() -> None:
    anchor = replace(AUTHORITY, serial=0, authority_key_identifier=None)
    assert conformance.fault(anchor, Profile.MUST, anchor=True) is None
    assert conformance.fault(anchor, Profile.MUST) is not None


def name_of(tag: str) -> Name:
    return Name(bytes.fromhex(f"300f 310d 300b 0603 550403 {tag} 04 00610061"), (b"x",))


SHOULD = [
    ("a key usage that is not critical", having(extensions=(ext(oids.KEY_USAGE),))),
    ("critical distribution points", with_extension(ext(oids.CRL_DISTRIBUTION_POINTS, True))),
    ("critical alternative names and a subject", having(extensions=(ext(oids.SUBJECT_ALT_NAME, True),))),
    ("a TeletexString", having(subject=name_of("14"))),
    ("a BMPString", having(issuer=name_of("1e"))),
    (
        "a critical extended key usage for anything",
        having(extensions=(ext(oids.EXTENDED_KEY_USAGE, True),), extended_key_usage=(oids.ANY_EXTENDED_KEY_USAGE,)),
    ),
    ("a mapping of a policy that is not there", having(policy_mappings=(("1.3", "1.4"),))),
]


@pytest.mark.parametrize("change", [change for _, change in SHOULD], ids=[name for name, _ in SHOULD])
def test_what_issuers_should_not_do_is_found_where_that_is_asked_for(change: Callable[[Certificate], Certificate]) -> None:
    assert conformance.fault(change(LEAF), Profile.MUST) is None
    assert conformance.fault(change(LEAF), Profile.SHOULD) is not None


def test_a_utf8_string_and_a_mapping_of_a_policy_that_is_there_are_good() -> None:
    good = replace(LEAF, subject=name_of("0c"), certificate_policies=(PolicyInformation("1.3", None),), policy_mappings=(("1.3", "1.4"),))
    assert conformance.fault(good, Profile.SHOULD) is None


def test_what_is_said_of_the_issuer_must_be_true() -> None:
    issuer = replace(AUTHORITY, subject_key_identifier=b"issuer", serial=7)
    for identifier, good in (
        (None, True),
        (KEY_ID, True),
        (AuthorityKeyIdentifier(b"other", None, None), False),
        (AuthorityKeyIdentifier(b"issuer", (), 7), True),
        (AuthorityKeyIdentifier(b"issuer", (), 8), False),
        (AuthorityKeyIdentifier(None, None, None), True),
    ):
        child = replace(LEAF, authority_key_identifier=identifier)
        assert (conformance.reference_fault(child, issuer) is None) == good


WEB = [
    ("an authority", having(basic_constraints=BasicConstraints(True, None)), "basicConstraints"),
    ("no purposes", having(extended_key_usage=None), "extendedKeyUsage"),
    ("critical purposes", having(extensions=(ext(oids.EXTENDED_KEY_USAGE, True),)), "extendedKeyUsage"),
    ("any purpose", having(extended_key_usage=(oids.SERVER_AUTH, oids.ANY_EXTENDED_KEY_USAGE)), "extendedKeyUsage"),
    ("code signing", having(extended_key_usage=(oids.SERVER_AUTH, "1.3.6.1.5.5.7.3.3")), "extendedKeyUsage"),
    ("critical alternative names", having(extensions=(ext(oids.SUBJECT_ALT_NAME, True),)), "subjectAltName"),
    ("an address with zeros in front", having(subject=replace(SUBJECT, common_names=("192.168.001.001",))), "subject"),
    ("an address in hexadecimal", having(subject=replace(SUBJECT, common_names=("0xC0A80101",))), "subject"),
    ("an address of version 6 in full", having(subject=replace(SUBJECT, common_names=("2001:0db8:0:0:0:0:0:1",))), "subject"),
    ("an address that is none", having(subject=replace(SUBJECT, common_names=("1:2",))), "subject"),
    ("a domain beyond ASCII", having(subject=replace(SUBJECT, common_names=("bücher.example",))), "subject"),
    ("an odd size of key", having(public_key=RsaPublicKey(1 << 2051 | 1, 65537)), "subjectPublicKeyInfo"),
    ("a serial number of the issuer", having(authority_key_identifier=AuthorityKeyIdentifier(b"issuer", (), 1)), "authorityKeyIdentifier"),
]


@pytest.mark.parametrize(("change", "field"), [case[1:] for case in WEB], ids=[case[0] for case in WEB])
def test_what_the_baseline_requirements_forbid_servers_is_found(change: Callable[[Certificate], Certificate], field: str) -> None:
    found = baseline.subscriber_fault(change(LEAF))
    assert found is not None
    assert found[0] == field


def test_the_baseline_requirements_are_kept_by_good_certificates() -> None:
    addressed = replace(LEAF, subject=replace(SUBJECT, common_names=("192.168.1.1", "2001:db8::1", "a.example.com")))
    for server in (LEAF, addressed, replace(addressed, subject=NOBODY, extensions=(ext(oids.SUBJECT_ALT_NAME, True),))):
        assert baseline.subscriber_fault(server) is None
    assert baseline.subordinate_fault(AUTHORITY) is None
    assert baseline.root_fault(replace(AUTHORITY, authority_key_identifier=None)) is None


def test_the_baseline_requirements_on_authorities_and_roots() -> None:
    anything = replace(AUTHORITY, extended_key_usage=(oids.ANY_EXTENDED_KEY_USAGE,))
    named = replace(AUTHORITY, authority_key_identifier=AuthorityKeyIdentifier(b"issuer", (), 1))
    foreign = replace(AUTHORITY, issuer=AUTHORITY.subject)
    assert baseline.subordinate_fault(anything) is not None
    assert baseline.subordinate_fault(named) is not None
    for root in (anything, named, foreign):
        assert baseline.root_fault(root) is not None
    assert baseline.root_fault(replace(foreign, subject_key_identifier=b"issuer")) is None
