"""Certificates: agreement with another library, and the difference between broken grammar and broken rules.

Most certificates are built from elements, so that a test can replace any of them. These are not signed, because the tests only parse them.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509 as reference
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID
from malformed import AUTHORITY, SHA256_RSA, certificate, extension, name

from imdskit.asn1 import oids, writer
from imdskit.errors import DerError
from imdskit.pki.signatures import signature
from imdskit.pki.x509.certificate import BasicConstraints, Certificate, PolicyConstraints
from imdskit.pki.x509.names import comparable
from imdskit.pki.x509.parser import parse_certificate

NULL = writer.null()


def attribute(value: bytes, oid: str = oids.COMMON_NAME) -> bytes:
    return writer.sequence(writer.oid(oid), value)


UNORDERED = writer.element(0x31, attribute(writer.utf8_string("b")), attribute(writer.utf8_string("a")))
V1 = {"version": b""}
V2 = {"version": writer.explicit(0, writer.integer(1))}


def dns(text: str) -> bytes:
    return writer.implicit(2, text.encode())


def names(*general: bytes, critical: bool = False) -> bytes:
    return extension(oids.SUBJECT_ALT_NAME, writer.sequence(*general), critical=critical)


def module_name(*members: bytes) -> bytes:
    """Return an otherName of a type that the parser decodes (RFC 4108 section 5)."""
    return names(writer.explicit(0, writer.oid(oids.HARDWARE_MODULE_NAME), writer.explicit(0, writer.sequence(*members))))


def subtree(*members: bytes, tag: int = 0) -> bytes:
    return extension(oids.NAME_CONSTRAINTS, writer.sequence(writer.explicit(tag, writer.sequence(*members))))


def policies(*members: bytes) -> bytes:
    return extension(oids.CERTIFICATE_POLICIES, writer.sequence(*(writer.sequence(member) for member in members)))


def mappings(*members: bytes) -> bytes:
    return extension(oids.POLICY_MAPPINGS, writer.sequence(*(writer.sequence(member) for member in members)))


def test_parses_certificates_of_another_library() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = reference.Name(
        [reference.NameAttribute(NameOID.ORGANIZATION_NAME, "Müller & Söhne"), reference.NameAttribute(NameOID.COMMON_NAME, "a.example")]
    )
    usage = dict.fromkeys(
        ("content_commitment", "data_encipherment", "key_agreement", "crl_sign", "encipher_only", "decipher_only", "key_encipherment"),
        False,
    )
    not_before, not_after = datetime(2024, 2, 29, 12, 30, 15, tzinfo=UTC), datetime(2051, 1, 1, tzinfo=UTC)
    alternatives = [
        reference.DNSName("a.example"),
        reference.IPAddress(ipaddress.ip_address("192.0.2.1")),
        reference.UniformResourceIdentifier("https://a.example/"),
        reference.RFC822Name("a@a.example"),
        reference.DirectoryName(subject),
        reference.RegisteredID(reference.ObjectIdentifier("1.2.3.4")),
        reference.OtherName(reference.ObjectIdentifier("1.2.3.5"), NULL),
    ]
    policies = [
        reference.PolicyInformation(reference.ObjectIdentifier("1.2.3.6"), ["https://a.example/cps"]),
        reference.PolicyInformation(reference.ObjectIdentifier(oids.ANY_POLICY), None),
    ]
    permitted = [reference.DNSName("example"), reference.IPAddress(ipaddress.ip_network("192.0.2.0/24"))]
    access = reference.AccessDescription(
        AuthorityInformationAccessOID.CA_ISSUERS, reference.UniformResourceIdentifier("http://a.example/ca.cer")
    )
    ocsp = reference.AccessDescription(AuthorityInformationAccessOID.OCSP, reference.UniformResourceIdentifier("http://a.example/ocsp"))
    made = (
        reference.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(0x1234567890)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(reference.BasicConstraints(True, 3), critical=True)
        .add_extension(reference.KeyUsage(digital_signature=True, key_cert_sign=True, **usage), critical=True)
        .add_extension(reference.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(reference.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(reference.SubjectKeyIdentifier(b"k" * 20), critical=False)
        .add_extension(reference.AuthorityKeyIdentifier(b"a" * 20, [reference.DirectoryName(subject)], 9), critical=False)
        .add_extension(reference.NameConstraints(permitted, [reference.DNSName("no.example")]), critical=True)
        .add_extension(reference.CertificatePolicies(policies), critical=False)
        .add_extension(reference.PolicyConstraints(0, 2), critical=True)
        .add_extension(reference.InhibitAnyPolicy(4), critical=True)
        .add_extension(reference.AuthorityInformationAccess([ocsp, access]), critical=False)
        .add_extension(
            reference.CRLDistributionPoints([reference.DistributionPoint([access.access_location], None, None, None)]), critical=False
        )
        .add_extension(reference.UnrecognizedExtension(reference.ObjectIdentifier("1.2.3.7"), b"not DER"), critical=True)
        .sign(key, hashes.SHA256())
    )
    read = parse_certificate(made.public_bytes(Encoding.DER))
    assert (read.serial, read.faults) == (0x1234567890, ())
    assert read.tbs == made.tbs_certificate_bytes
    assert read.signature == made.signature
    assert (read.not_before, read.not_after) == (int(not_before.timestamp()), int(not_after.timestamp()))
    assert read.spki == key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert read.subject.der == subject.public_bytes()
    assert read.subject.common_names == ("a.example",)
    assert read.self_issued
    assert read.basic_constraints == BasicConstraints(True, 3)
    assert read.key_usage == frozenset({"digitalSignature", "keyCertSign"})
    assert read.extended_key_usage == (oids.SERVER_AUTH, oids.CLIENT_AUTH)
    assert read.subject_alt_name is not None
    assert [general.kind for general in read.subject_alt_name] == [
        "dNSName", "iPAddress", "uniformResourceIdentifier", "rfc822Name", "directoryName", "registeredID", "otherName",
    ]  # fmt: skip
    assert read.subject_alt_name[0].text == "a.example"
    assert read.subject_alt_name[1].value == bytes((192, 0, 2, 1))
    assert read.subject_alt_name[4].name == read.subject
    assert read.subject_key_identifier == b"k" * 20
    assert read.authority_key_identifier is not None
    assert (read.authority_key_identifier.key_identifier, read.authority_key_identifier.serial) == (b"a" * 20, 9)
    assert read.name_constraints is not None
    assert [subtree.base.value for subtree in read.name_constraints.permitted or ()] == [
        b"example",
        bytes((192, 0, 2, 0, 255, 255, 255, 0)),
    ]
    assert [subtree.base.value for subtree in read.name_constraints.excluded or ()] == [b"no.example"]
    assert read.certificate_policies == ("1.2.3.6", oids.ANY_POLICY)
    assert read.policy_constraints == PolicyConstraints(0, 2)
    assert read.inhibit_any_policy == 4
    assert read.ca_issuers == ("http://a.example/ca.cer",)
    assert read.unknown_critical == ("1.2.3.7",)
    assert signature.fault(read.signature_algorithm, read.public_key, read.tbs, read.signature) is None


WELL_FORMED: tuple[tuple[str, dict[str, bytes], tuple[bytes, ...]], ...] = (
    ("plain", {}, ()),
    ("version-1", V1, ()),
    ("serial-0", {"serial": writer.integer(0)}, ()),
    ("serial-negative", {"serial": writer.integer(-1)}, ()),
    ("version-1-written-out", {"version": writer.explicit(0, writer.integer(0))}, ()),
    ("version-2-with-unique-identifiers", {**V2, "unique_ids": writer.implicit(1, b"\0\1") + writer.implicit(2, b"\4\x10")}, ()),
    ("times-in-two-forms", {"validity": writer.sequence(writer.time(0), writer.time(2524608000))}, ()),
    ("generalized-time-before-2050", {"validity": writer.sequence(writer.element(0x18, b"20020501120000Z"), writer.time(4_000_000_000))}, ()),
    ("empty-subject", {"subject": writer.sequence()}, (names(dns("a.example"), critical=True),)),
    ("empty-signature", {"signature": writer.bit_string(b"")}, ()),
    ("cA-written-out-as-false", {}, (extension(oids.BASIC_CONSTRAINTS, writer.sequence(writer.boolean(False))),)),
    ("key-usage-with-zeros-behind", {}, (extension(oids.KEY_USAGE, writer.bit_string(b"\x80\x00", 0)),)),
    ("unknown-extension", {}, (extension("1.2.3", b"\xff\xff"),)),
    ("hardware-module-name", {}, (module_name(writer.oid("1.2"), writer.octet_string(b"1")),)),
    ("names-of-rare-kinds", {}, (names(writer.explicit(3, writer.sequence(NULL)), writer.explicit(5, writer.explicit(1, writer.utf8_string("a")))),)),
    ("aki-empty", {}, (extension(oids.AUTHORITY_KEY_IDENTIFIER, writer.sequence()),)),
)  # fmt: skip


@pytest.mark.parametrize(("members", "extensions"), [case[1:] for case in WELL_FORMED], ids=[case[0] for case in WELL_FORMED])
def test_good_certificates_have_no_faults(members: dict[str, bytes], extensions: tuple[bytes, ...]) -> None:
    assert parse_certificate(certificate(*extensions, **members)).faults == ()


MALFORMED: tuple[tuple[str, str, dict[str, bytes], bytes | None], ...] = (
    ("nothing-inside", "tbsCertificate", {}, writer.sequence()),
    ("an-octet-behind", "", {}, certificate() + b"\0"),
    ("an-element-behind-the-signature", "certificate", {"outer_tail": NULL}, None),
    ("an-element-behind-the-extensions", "tbsCertificate", {"tail": NULL}, None),
    ("extensions-twice", "tbsCertificate", {"tail": writer.explicit(3, writer.sequence(AUTHORITY)) * 2}, None),
    ("version-4", "tbsCertificate.version", {"version": writer.explicit(0, writer.integer(3))}, None),
    ("version--1", "tbsCertificate.version", {"version": writer.explicit(0, writer.integer(-1))}, None),
    ("version-huge", "tbsCertificate.version", {"version": writer.explicit(0, writer.integer(1 << 99_999))}, None),
    ("version-twice", "tbsCertificate.version", {"version": writer.explicit(0, writer.integer(2), writer.integer(2))}, None),
    ("extensions-in-version-1", "tbsCertificate.extensions", {**V1, "tail": writer.explicit(3, writer.sequence(AUTHORITY))}, None),
    ("extensions-in-version-2", "tbsCertificate.extensions", {**V2, "tail": writer.explicit(3, writer.sequence(AUTHORITY))}, None),
    ("extensions-empty", "tbsCertificate.extensions", {"tail": writer.explicit(3, writer.sequence())}, None),
    ("unique-identifier-in-version-1", "tbsCertificate.issuerUniqueID", {**V1, "unique_ids": writer.implicit(1, b"\0\1")}, None),
    ("serial-empty", "tbsCertificate.serialNumber", {"serial": b"\2\0"}, None),
    ("serial-padded", "tbsCertificate.serialNumber", {"serial": b"\2\2\0\5"}, None),
    ("serial-is-octets", "tbsCertificate.serialNumber", {"serial": writer.octet_string(b"1")}, None),
    ("algorithm-empty", "tbsCertificate.signature.algorithm", {"inner_algorithm": writer.sequence()}, None),
    ("algorithm-with-two-parameters", "tbsCertificate.signature", {"inner_algorithm": writer.sequence(writer.oid("1.2"), NULL, NULL)}, None),
    ("algorithm-of-a-null-with-contents", "tbsCertificate.signature.parameters", {"inner_algorithm": writer.sequence(writer.oid("1.2"), b"\5\1\0")}, None),
    ("issuer-is-a-set", "tbsCertificate.issuer", {"issuer": writer.set_of()}, None),
    ("rdn-empty", "tbsCertificate.issuer", {"issuer": writer.sequence(writer.set_of())}, None),
    ("rdn-is-a-sequence", "tbsCertificate.subject", {"subject": writer.sequence(writer.sequence(attribute(writer.utf8_string("a"))))}, None),
    ("rdn-out-of-order", "tbsCertificate.subject", {"subject": writer.sequence(UNORDERED)}, None),
    ("attribute-without-value", "tbsCertificate.subject.value", {"subject": writer.sequence(writer.set_of(writer.sequence(writer.oid("2.5.4.3"))))}, None),
    ("attribute-with-two-values", "tbsCertificate.subject", {"subject": writer.sequence(writer.set_of(attribute(NULL + NULL, "1.2")))}, None),
    ("common-name-is-an-integer", "tbsCertificate.subject.value", {"subject": name(writer.integer(5))}, None),
    ("utf-8-overlong", "tbsCertificate.subject.value", {"subject": name(writer.element(0x0C, b"\xc0\xaf"))}, None),
    ("printable-string-with-an-at", "tbsCertificate.subject.value", {"subject": name(writer.element(0x13, b"a@b"))}, None),
    ("ia5-string-with-latin-1", "tbsCertificate.subject.value", {"subject": name(writer.element(0x16, b"\xe9"))}, None),
    ("bmp-string-of-an-odd-length", "tbsCertificate.subject.value", {"subject": name(writer.element(0x1E, b"\0a\0"))}, None),
    ("validity-of-one-time", "tbsCertificate.validity.notAfter", {"validity": writer.sequence(writer.time(0))}, None),
    ("validity-of-three-times", "tbsCertificate.validity", {"validity": writer.sequence(*[writer.time(0)] * 3)}, None),
    ("time-without-seconds", "tbsCertificate.validity.notBefore", {"validity": writer.sequence(writer.element(0x17, b"2601010000Z"), writer.time(0))}, None),
    ("key-is-null", "tbsCertificate.subjectPublicKeyInfo", {"spki": NULL}, None),
    ("key-with-odd-bits", "tbsCertificate.subjectPublicKeyInfo.subjectPublicKey", {"spki": writer.sequence(SHA256_RSA, writer.bit_string(b"\x80", 3))}, None),
    ("signature-with-unused-bits", "signatureValue", {"signature": writer.bit_string(b"\x80", 3)}, None),
    ("signature-is-octets", "signatureValue", {"signature": writer.octet_string(b"x")}, None),
)  # fmt: skip


@pytest.mark.parametrize(("location", "members", "whole"), [case[1:] for case in MALFORMED], ids=[case[0] for case in MALFORMED])
def test_rejects_a_malformed_certificate_with_its_location(location: str, members: dict[str, bytes], whole: bytes | None) -> None:
    der = certificate(**members) if whole is None else whole
    with pytest.raises(DerError) as refusal:
        parse_certificate(der, offset=1000, field="certificate")
    # Inside a name, the location has no parts below the name itself.
    assert refusal.value.field == (location if location in ("", "certificate") else f"certificate.{location}")
    assert 1000 <= refusal.value.offset <= 1000 + len(der)


MALFORMED_EXTENSIONS = (
    ("critical-written-out-as-false", writer.sequence(writer.oid("1.2.3"), writer.boolean(False), writer.octet_string(b""))),
    ("critical-is-1", writer.sequence(writer.oid("1.2.3"), b"\1\1\1", writer.octet_string(b""))),
    ("no-value", writer.sequence(writer.oid("1.2.3"), writer.boolean(True))),
    ("two-values", writer.sequence(writer.oid("1.2.3"), writer.octet_string(b""), writer.octet_string(b""))),
    ("basic-constraints-and-more", extension(oids.BASIC_CONSTRAINTS, writer.sequence(), NULL)),
    ("basic-constraints-is-null", extension(oids.BASIC_CONSTRAINTS, NULL)),
    ("path-length-negative", extension(oids.BASIC_CONSTRAINTS, writer.sequence(writer.boolean(True), writer.integer(-1)))),
    ("path-length-before-ca", extension(oids.BASIC_CONSTRAINTS, writer.sequence(writer.integer(1), writer.boolean(True)))),
    ("key-usage-is-octets", extension(oids.KEY_USAGE, writer.octet_string(b"\x80"))),
    ("extended-key-usage-of-null", extension(oids.EXTENDED_KEY_USAGE, writer.sequence(NULL))),
    ("san-is-null", extension(oids.SUBJECT_ALT_NAME, NULL)),
    ("san-of-an-unknown-tag", names(writer.implicit(9, b"a"))),
    ("san-dns-constructed", names(writer.explicit(2, b""))),
    ("san-dns-beyond-ascii", names(writer.implicit(2, b"\xe9.example"))),
    ("san-directory-name-is-null", names(writer.explicit(4, NULL))),
    ("san-directory-name-and-more", names(writer.explicit(4, writer.sequence(), NULL))),
    ("san-other-name-without-value", names(writer.explicit(0, writer.oid("1.2")))),
    ("san-other-name-implicit", names(writer.explicit(0, writer.oid("1.2"), NULL))),
    ("san-hardware-module-name", module_name(writer.oid("1.2"))),
    ("san-edi-party-name-cut", names(writer.explicit(5, b"\4\2"))),
    ("san-registered-id-padded", names(writer.implicit(8, b"\x80\x01"))),
    ("ski-is-null", extension(oids.SUBJECT_KEY_IDENTIFIER, NULL)),
    ("aki-is-octets", extension(oids.AUTHORITY_KEY_IDENTIFIER, writer.octet_string(b"a"))),
    ("aki-out-of-order", extension(oids.AUTHORITY_KEY_IDENTIFIER, writer.sequence(writer.implicit(2, b"\1"), writer.implicit(0, b"a")))),
    ("name-constraints-of-no-subtrees", extension(oids.NAME_CONSTRAINTS, writer.sequence(writer.explicit(0)))),
    ("name-constraints-minimum-negative", subtree(dns("a"), writer.implicit(0, b"\xff"))),
    ("policy-qualifiers-empty", policies(writer.oid("1.2") + writer.sequence())),
    ("policy-without-identifier", policies(b"")),
    ("policy-mapping-of-one", mappings(writer.oid("1.2"))),
    ("policy-constraints-negative", extension(oids.POLICY_CONSTRAINTS, writer.sequence(writer.implicit(0, b"\xff")))),
    ("inhibit-any-policy-negative", extension(oids.INHIBIT_ANY_POLICY, writer.integer(-1))),
    ("aia-empty", extension(oids.AUTHORITY_INFO_ACCESS, writer.sequence())),
    ("aia-without-location", extension(oids.AUTHORITY_INFO_ACCESS, writer.sequence(writer.sequence(writer.oid("1.2"))))),
    ("crl-distribution-points-is-null", extension(oids.CRL_DISTRIBUTION_POINTS, NULL)),
    ("1025-policies", policies(*[writer.oid("1.2")] * 1025)),
)  # fmt: skip


@pytest.mark.parametrize("extra", [case[1] for case in MALFORMED_EXTENSIONS], ids=[case[0] for case in MALFORMED_EXTENSIONS])
def test_rejects_a_malformed_extension(extra: bytes) -> None:
    with pytest.raises(DerError) as refusal:
        parse_certificate(certificate(AUTHORITY, extra), field="certificate")
    assert refusal.value.field.startswith("certificate.tbsCertificate.extensions[1]")


FAULTY: tuple[tuple[str, dict[str, bytes], tuple[bytes, ...], str], ...] = (
    ("serial-of-21-octets", {"serial": writer.integer(1 << 160)}, (), "serialNumber"),
    ("two-algorithms", {"inner_algorithm": writer.sequence(writer.oid(oids.SHA384_WITH_RSA), NULL)}, (), "signature"),
    ("two-forms-of-one-algorithm", {"inner_algorithm": writer.sequence(writer.oid(oids.SHA256_WITH_RSA))}, (), "signature"),
    ("empty-issuer", {"issuer": writer.sequence()}, (), "issuer"),
    ("extension-twice", {}, (AUTHORITY, AUTHORITY), "extensions[1]"),
    ("unknown-extension-twice", {}, (extension("1.2.3"), AUTHORITY, extension("1.2.3")), "extensions[2]"),
    ("critical-aki", {}, (extension(oids.AUTHORITY_KEY_IDENTIFIER, writer.sequence(), critical=True),), "extensions[0]"),
    ("empty-subject-and-names-not-critical", {"subject": writer.sequence()}, (names(dns("a")),), "extensions[0]"),
    ("empty-key-usage", {}, (extension(oids.KEY_USAGE, writer.bit_string(b"")),), "keyUsage"),
    ("empty-extended-key-usage", {}, (extension(oids.EXTENDED_KEY_USAGE, writer.sequence()),), "extendedKeyUsage"),
    ("empty-names", {}, (names(),), "subjectAltName"),
    ("empty-policies", {}, (policies(),), "certificatePolicies"),
    ("empty-mappings", {}, (mappings(),), "policyMappings"),
    ("empty-policy-constraints", {}, (extension(oids.POLICY_CONSTRAINTS, writer.sequence()),), "policyConstraints"),
    ("empty-name-constraints", {}, (AUTHORITY, extension(oids.NAME_CONSTRAINTS, writer.sequence())), "nameConstraints"),
    ("name-constraints-of-no-authority", {}, (subtree(dns("a")),), "nameConstraints"),
    ("address-of-5-octets", {}, (names(writer.implicit(7, bytes(5))),), "subjectAltName"),
    ("relative-uri", {}, (names(writer.implicit(6, b"/a")),), "subjectAltName"),
    ("mailbox-without-host", {}, (names(writer.implicit(1, b"a@")),), "subjectAltName"),
    ("range-without-mask", {}, (AUTHORITY, subtree(writer.implicit(7, bytes(4)))), "nameConstraints"),
    ("range-with-holes", {}, (AUTHORITY, subtree(writer.implicit(7, bytes((10, 0, 0, 0, 255, 0, 255, 0))), tag=1)), "nameConstraints"),
    ("policy-twice", {}, (policies(writer.oid("1.2"), writer.oid("1.2")),), "certificatePolicies"),
    ("any-policy-mapped", {}, (mappings(writer.oid("1.2") + writer.oid(oids.ANY_POLICY)),), "policyMappings"),
    ("aki-with-half-a-name", {}, (extension(oids.AUTHORITY_KEY_IDENTIFIER, writer.sequence(writer.implicit(2, b"\5"))),), "authorityKeyIdentifier"),
)  # fmt: skip


@pytest.mark.parametrize(("members", "extensions", "field"), [case[1:] for case in FAULTY], ids=[case[0] for case in FAULTY])
def test_parses_a_certificate_that_breaks_a_rule_and_records_the_fault(
    members: dict[str, bytes], extensions: tuple[bytes, ...], field: str
) -> None:
    read = parse_certificate(certificate(*extensions, **members))
    assert [location for location, _ in read.faults] == [field]


def test_unused_critical_extensions_count_as_unknown() -> None:
    points = extension(oids.CRL_DISTRIBUTION_POINTS, writer.sequence(), critical=True)
    read = parse_certificate(certificate(AUTHORITY, extension("1.2.3", critical=True), extension("1.2.4"), points))
    assert read.unknown_critical == ("1.2.3", oids.CRL_DISTRIBUTION_POINTS)


def subject(der: bytes) -> tuple[bytes, ...]:
    return parse_certificate(certificate(subject=der)).subject.key


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        pytest.param(writer.utf8_string("Issuing CA"), writer.printable_string("issuing ca"), True, id="case-and-type"),
        pytest.param(writer.utf8_string("  Issuing \t CA "), writer.utf8_string("Issuing CA"), True, id="blanks"),
        pytest.param(writer.utf8_string("IssuingCA"), writer.utf8_string("Issuing CA"), False, id="no-blank"),
        pytest.param(writer.utf8_string("ÄRGER"), writer.element(0x1E, "ärger".encode("utf-16-be")), True, id="case-beyond-ascii"),
        pytest.param(writer.utf8_string("STRASSE"), writer.utf8_string("straße"), True, id="folded-to-two-letters"),
        pytest.param(writer.utf8_string("\u00c5"), writer.utf8_string("A\u030a"), True, id="composed-and-decomposed"),
        pytest.param(writer.element(0x14, b"\xe9"), writer.utf8_string("é"), True, id="teletex"),
        pytest.param(writer.utf8_string("e"), writer.utf8_string("é"), False, id="accent"),
        pytest.param(writer.utf8_string("paypal"), writer.utf8_string("p\u0430ypal"), False, id="a-cyrillic-letter"),
    ],
)
def test_name_comparison_ignores_case_type_and_blanks(left: bytes, right: bytes, same: bool) -> None:
    assert (subject(name(left)) == subject(name(right))) is same


def test_name_comparison_depends_on_attributes_and_their_order() -> None:
    a, b = writer.utf8_string("a"), writer.utf8_string("b")
    both = writer.sequence(writer.set_of(attribute(a), attribute(b)))
    assert len({subject(der) for der in (name(a, b), name(b, a), name(a), name(a, a), both)}) == 5
    # A value cannot be mistaken for another attribute.
    assert subject(name(writer.utf8_string("a,2.5.4.3=b"))) != subject(both)
    other = writer.sequence(writer.set_of(attribute(a, "2.5.4.10")))
    assert subject(other) != subject(name(a))
    assert subject(writer.sequence(writer.set_of(attribute(writer.integer(1), "1.2.3")))) == (b"1.2.3:\2\1\1",)
    # Text cannot be mistaken for a value that is not text.
    texts = [writer.sequence(writer.set_of(attribute(writer.utf8_string(text), "1.2.3"))) for text in (":\2\1\1", "der:\2\1\1", "\2\1\1")]
    number = writer.sequence(writer.set_of(attribute(writer.integer(1), "1.2.3")))
    assert subject(number) not in {subject(text) for text in texts}


def test_text_of_blanks_equals_empty_text() -> None:
    assert comparable("  ") == comparable("") == comparable("\u3000\xa0") == b""


def test_common_names_and_mail_addresses_are_kept_unchanged() -> None:
    der = writer.sequence(
        writer.set_of(attribute(writer.ia5_string("A@b.example"), oids.EMAIL_ADDRESS)), writer.set_of(attribute(writer.utf8_string("A  B")))
    )
    read = parse_certificate(certificate(subject=der))
    assert (read.subject.common_names, read.subject.email_addresses) == (("A  B",), ("A@b.example",))


def test_malformed_name_is_located_correctly_when_it_occurs_again() -> None:
    bad = name(writer.utf8_string("a"), writer.element(0x13, b"@"))
    positions = []
    for offset in (0, 500):
        with pytest.raises(DerError) as refusal:
            parse_certificate(certificate(subject=bad), offset)
        positions.append(refusal.value.offset - offset)
    assert len(set(positions)) == 1
    assert certificate(subject=bad)[positions[0] :].startswith(b"\x13\x01@")


def pem_certificates(folder: Path) -> list[Certificate]:
    texts = [path.read_bytes() for path in sorted(folder.glob("*.pem"))]
    return [parse_certificate(made.public_bytes(Encoding.DER)) for text in texts for made in reference.load_pem_x509_certificates(text)]


def test_real_authorities_have_no_faults(shared: Path) -> None:
    read = pem_certificates(shared / "corpus" / "certs")
    assert len(read) >= 30
    for one in read:
        other = reference.load_der_x509_certificate(one.der)
        assert (one.serial, one.subject.der, one.tbs) == (other.serial_number, other.subject.public_bytes(), other.tbs_certificate_bytes)
        assert (one.faults, one.unknown_critical) == ((), ())
        assert one.basic_constraints is not None
        assert one.basic_constraints.ca
        if one.self_issued:
            assert signature.fault(one.signature_algorithm, one.public_key, one.tbs, one.signature) is None
