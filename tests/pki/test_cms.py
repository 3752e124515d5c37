"""SignedData: messages of another library, and messages that the tests build from elements, one of which is wrong."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from certificates import Made, identifiers, key, make
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from malformed import SHA256, SHA256_RSA, attribute, signed_data, signer_info

from imdskit.asn1 import oids, writer
from imdskit.errors import DerError, VerificationError
from imdskit.pki import cms
from imdskit.pki.x509.certificate import Certificate
from imdskit.pki.x509.parser import parse_certificate
from imdskit.reasons import Reason

CONTENT = b"what was signed"
START, END = 1_767_225_600, 2_082_758_400
"""1 January 2026 and 1 January 2036."""
NULL = writer.null()
SHA384 = writer.sequence(writer.oid(oids.SHA384), NULL)
SHA1 = writer.sequence(writer.oid(oids.SHA1), NULL)
SERVICE = SHA256_RSA
"""The identifier of a signature algorithm. The service uses it in the place of a digest algorithm."""


class Signer(Made):
    @property
    def sid(self) -> bytes:
        return writer.sequence(self.certificate.issuer.public_bytes(), writer.integer(self.certificate.serial_number))

    def sign(self, message: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(message, padding.PKCS1v15(), algorithm)
        return self.key.sign(message, ec.ECDSA(algorithm))


def signed_by_itself(name: str, serial: int, bits: int = 0) -> Signer:
    own = key(name, bits)
    return Signer(*make(name, None, identifiers(own, own)[:1], valid=(START, END), own=own, serial=serial))


@pytest.fixture(scope="module")
def signer() -> Signer:
    return signed_by_itself("signer", 5, bits=2048)


@pytest.fixture(scope="module")
def other() -> Signer:
    return signed_by_itself("other", 6)


TYPE = attribute(oids.CONTENT_TYPE, writer.oid(oids.DATA))
DIGEST = attribute(oids.MESSAGE_DIGEST, writer.octet_string(hashlib.sha256(CONTENT).digest()))
TIME = attribute(oids.SIGNING_TIME, writer.time(1_800_000_000))


def info(signer: Signer, *, sid: bytes | None = None, value: bytes | None = None, **members: bytes) -> bytes:
    """Return a SignerInfo. If no signature is given, the content is signed here."""
    value = signer.sign(CONTENT, hashes.SHA256()) if value is None else value
    return signer_info(value, sid=signer.sid if sid is None else sid, **members)


def signed(signer: Signer, *attributes: bytes, order: bool = True, **members: bytes) -> bytes:
    """Return a SignerInfo with signed attributes."""
    body = b"".join(sorted(attributes) if order else attributes)
    return info(signer, attributes=writer.element(0xA0, body), value=signer.sign(writer.element(0x31, body), hashes.SHA256()), **members)  # type: ignore[arg-type]  # members of SignerInfo


message = partial(signed_data, content=writer.explicit(0, writer.octet_string(CONTENT)))


def check(der: bytes, signer: Signer, content: bytes | None = None) -> None:
    parsed = cms.parse(der)
    inside = parsed.content if content is None else content
    assert inside is not None
    cms.check_signature(parsed.signers[0], parsed.content_type, inside, parse_certificate(signer.der))


@pytest.mark.parametrize(
    "options", [[], [pkcs7.PKCS7Options.NoAttributes], [pkcs7.PKCS7Options.DetachedSignature]], ids=["attributes", "bare", "detached"]
)
@pytest.mark.parametrize("algorithm", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()], ids=lambda algorithm: algorithm.name)
def test_accepts_messages_signed_by_another_library(
    signer: Signer, other: Signer, algorithm: hashes.SHA256 | hashes.SHA384 | hashes.SHA512, options: list[pkcs7.PKCS7Options]
) -> None:
    builder = pkcs7.PKCS7SignatureBuilder().set_data(CONTENT)
    for one in (signer, other):
        builder = builder.add_signer(one.certificate, one.key, algorithm)
    parsed = cms.parse(builder.sign(Encoding.DER, [*options, pkcs7.PKCS7Options.Binary]))
    assert parsed.content == (None if pkcs7.PKCS7Options.DetachedSignature in options else CONTENT)
    assert len(parsed.signers) == len(parsed.certificates) == 2
    for named in parsed.signers:
        certificate = cms.find_certificate(named, parsed.certificates)
        assert certificate is not None
        cms.check_algorithms(named)
        cms.check_signature(named, parsed.content_type, CONTENT, certificate)
        with pytest.raises(VerificationError) as refusal:
            cms.check_signature(named, parsed.content_type, CONTENT + b"!", certificate)
        assert refusal.value.reason is (Reason.BAD_SIGNATURE if named.signed_attributes is None else Reason.DIGEST_MISMATCH)


def test_finds_the_signers_certificate_at_any_position(signer: Signer, other: Signer) -> None:
    found = [parse_certificate(one.der) for one in (other, signer)]
    by_name = cms.parse(message(info(signer))).signers[0]
    assert by_name.issuer is not None
    assert cms.find_certificate(by_name, found) is found[1]
    assert cms.find_certificate(by_name, found[:1]) is None
    identifier = found[1].subject_key_identifier
    assert identifier is not None
    by_key = cms.parse(message(info(signer, version=writer.integer(3), sid=writer.implicit(0, identifier)))).signers[0]
    assert (by_key.issuer, by_key.key_identifier) == (None, identifier)
    assert cms.find_certificate(by_key, found) is found[1]
    assert cms.find_certificate(by_key, found[:1]) is None
    for sid in (
        writer.sequence(signer.certificate.issuer.public_bytes(), writer.integer(6)),
        writer.sequence(other.certificate.issuer.public_bytes(), writer.integer(5)),
    ):
        assert cms.find_certificate(cms.parse(message(info(signer, sid=sid))).signers[0], found) is None


def test_parses_certificates_with_the_callers_function(signer: Signer, other: Signer) -> None:
    requested = []

    def reader(der: bytes, offset: int, field: str) -> Certificate:
        requested.append((der, offset, field))
        return parse_certificate(der, offset, field)

    der = message(info(signer), certificates=writer.explicit(0, other.der, writer.explicit(2, NULL), signer.der))
    assert [one.der for one in cms.parse(der, reader).certificates] == [other.der, signer.der]
    assert [(one, field) for one, _, field in requested] == [(other.der, "certificates[0]"), (signer.der, "certificates[2]")]
    assert all(der[offset:].startswith(one) for one, offset, _ in requested)


def test_error_locates_a_malformed_certificate(signer: Signer) -> None:
    bad = signer.der.replace(writer.oid(oids.SUBJECT_KEY_IDENTIFIER), b"\6\3\x55\x80\x0e")
    der = message(info(signer), certificates=writer.explicit(0, signer.der, bad))
    with pytest.raises(DerError) as refusal:
        cms.parse(der)
    assert refusal.value.field == "certificates[1].tbsCertificate.extensions[0].extnID"
    assert der[refusal.value.offset :].startswith(b"\6\3\x55\x80\x0e")


def test_skips_revocation_lists_in_a_message(signer: Signer) -> None:
    crls = writer.explicit(1, writer.sequence(writer.integer(1)), writer.explicit(1, writer.oid("1.2"), NULL))
    assert cms.parse(message(info(signer), crls=crls)).signers


TYPED = writer.explicit(0, writer.sequence(writer.oid("1.2"), writer.sequence()))
WITH_INTEGER = writer.sequence(writer.oid(oids.RSA_ENCRYPTION), writer.integer(1))
MALFORMED: tuple[tuple[str, str, dict[str, Any], dict[str, Any]], ...] = (
    ("data", "contentType", {"outer_type": oids.DATA}, {}),
    ("version-0", "signedData.version", {"version": writer.integer(0)}, {}),
    ("version-2", "signedData.version", {"version": writer.integer(2)}, {}),
    ("version-huge", "signedData.version", {"version": writer.integer(1 << 99_999)}, {}),
    ("digests-are-a-sequence", "signedData.digestAlgorithms", {"digests": writer.sequence(SHA256)}, {}),
    ("digest-without-identifier", "signedData.digestAlgorithms[0].algorithm", {"digests": writer.set_of(writer.sequence())}, {}),
    ("content-implicit", "signedData.encapContentInfo.eContent", {"content": writer.implicit(0, CONTENT)}, {}),
    ("content-constructed", "signedData.encapContentInfo.eContent", {"content": writer.explicit(0, writer.element(0x24, writer.octet_string(b"")))}, {}),
    ("content-twice", "signedData.encapContentInfo.eContent", {"content": writer.explicit(0, writer.octet_string(b""), NULL)}, {}),
    ("content-and-more", "signedData.encapContentInfo", {"content": writer.explicit(0, writer.octet_string(b"")) + NULL}, {}),
    ("certificates-are-a-set", "signedData.signerInfos[0].version", {"certificates": writer.set_of(writer.sequence(NULL))}, {}),
    ("certificate-is-null", "certificates[0]", {"certificates": writer.explicit(0, NULL)}, {}),
    ("attribute-certificate-cut", "signedData.certificates[0]", {"certificates": writer.explicit(0, writer.explicit(2, b"\4\2"))}, {}),
    ("crl-is-an-integer", "signedData.crls", {"crls": writer.explicit(1, writer.integer(1))}, {}),
    ("crl-cut", "signedData.crls", {"crls": writer.explicit(1, writer.sequence(b"\4\2"))}, {}),
    ("a-tail", "signedData", {"tail": NULL}, {}),
    ("signer-version-2", "signedData.signerInfos[0].version", {}, {"version": writer.integer(2)}),
    ("signer-version-3-by-name", "signedData.signerInfos[0].version", {}, {"version": writer.integer(3)}),
    ("signer-version-1-by-key", "signedData.signerInfos[0].version", {}, {"sid": writer.implicit(0, b"k")}),
    ("sid-empty", "signedData.signerInfos[0].sid.issuer", {}, {"sid": writer.sequence()}),
    ("sid-and-more", "signedData.signerInfos[0].sid", {}, {"sid": writer.sequence(writer.sequence(), writer.integer(5), NULL)}),
    ("attributes-empty", "signedData.signerInfos[0].signedAttrs", {}, {"attributes": writer.explicit(0)}),
    ("attributes-out-of-order", "signedData.signerInfos[0].signedAttrs", {}, {"attributes": writer.explicit(0, *sorted((TYPE, DIGEST), reverse=True))}),
    ("attribute-is-null", "signedData.signerInfos[0].signedAttrs[0]", {}, {"attributes": writer.explicit(0, NULL)}),
    ("attribute-with-a-sequence", "signedData.signerInfos[0].signedAttrs[0].attrValues", {}, {"attributes": TYPED}),
    ("attribute-value-cut", "signedData.signerInfos[0].signedAttrs[0].attrValues", {}, {"attributes": writer.explicit(0, attribute("1.2", b"\4\2"))}),
    ("unsigned-attributes-empty", "signedData.signerInfos[0].unsignedAttrs", {}, {"tail": writer.explicit(1)}),
    ("unsigned-attribute-is-null", "signedData.signerInfos[0].unsignedAttrs[0]", {}, {"tail": writer.explicit(1, NULL)}),
    ("signer-and-more", "signedData.signerInfos[0]", {}, {"tail": NULL}),
)  # fmt: skip


@pytest.mark.parametrize(("location", "members", "of_signer"), [case[1:] for case in MALFORMED], ids=[case[0] for case in MALFORMED])
def test_rejects_malformed_signed_data_with_its_location(
    signer: Signer, location: str, members: dict[str, Any], of_signer: dict[str, Any]
) -> None:
    der = message(info(signer, **of_signer), **members)
    with pytest.raises(DerError) as refusal:
        cms.parse(der)
    assert refusal.value.field == location
    assert 0 < refusal.value.offset <= len(der)


def test_rejects_a_message_truncated_anywhere(signer: Signer) -> None:
    der = message(signed(signer, TYPE, DIGEST, tail=writer.explicit(1, TYPE)), certificates=writer.explicit(0, signer.der))
    cms.parse(der)
    for length in range(len(der)):
        with pytest.raises(DerError):
            cms.parse(der[:length])
    with pytest.raises(DerError):
        cms.parse(der + b"\0")


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        pytest.param({}, None, id="rsaEncryption"),
        pytest.param({"algorithm": SERVICE}, None, id="sha256WithRSAEncryption"),
        pytest.param({"digest": SERVICE}, None, id="digest-as-in-genuine-documents"),
        pytest.param({"digest": writer.sequence(writer.oid(oids.SHA256))}, None, id="digest-without-null"),
        pytest.param({"algorithm": writer.sequence(writer.oid(oids.RSA_ENCRYPTION))}, None, id="rsaEncryption-without-null"),
        pytest.param({"digest": SHA384}, Reason.SIGNATURE_ALGORITHM, id="digest-is-not-listed"),
        pytest.param({"digest": writer.sequence(writer.oid(oids.SHA256), writer.integer(1))}, Reason.SIGNATURE_ALGORITHM, id="digest-with-an-integer"),
        pytest.param({"digest": writer.sequence(writer.oid("1.2.3"))}, Reason.SIGNATURE_ALGORITHM, id="unknown-digest"),
        pytest.param({"digest": writer.sequence(writer.oid(oids.SHA384_WITH_RSA), NULL)}, Reason.SIGNATURE_ALGORITHM, id="sha384WithRSAEncryption-as-digest"),
        pytest.param({"algorithm": WITH_INTEGER}, Reason.SIGNATURE_ALGORITHM, id="rsaEncryption-with-an-integer"),
        pytest.param({"algorithm": writer.sequence(writer.oid(oids.SHA384_WITH_RSA), NULL)}, Reason.SIGNATURE_ALGORITHM, id="another-hash-than-the-digest"),
        pytest.param({"algorithm": writer.sequence(writer.oid(oids.RSASSA_PSS))}, Reason.SIGNATURE_ALGORITHM, id="pss-without-parameters"),
        pytest.param({"algorithm": writer.sequence(writer.oid(oids.EC_PUBLIC_KEY))}, Reason.SIGNATURE_ALGORITHM, id="id-ecPublicKey"),
        pytest.param({"algorithm": writer.sequence(writer.oid(oids.ECDSA_WITH_SHA256))}, Reason.SIGNATURE_KEY, id="ecdsa-with-an-rsa-key"),
        pytest.param({"value": bytes(256)}, Reason.BAD_SIGNATURE, id="another-signature"),
        pytest.param({"value": b""}, Reason.BAD_SIGNATURE, id="no-signature"),
    ],
)  # fmt: skip
def test_signers_algorithms_must_match_one_another(signer: Signer, members: dict[str, bytes], reason: Reason | None) -> None:
    der = message(info(signer, **members))  # type: ignore[arg-type]  # members of SignerInfo
    if reason is None:
        check(der, signer)
        return
    with pytest.raises(VerificationError) as refusal:
        check(der, signer)
    assert refusal.value.reason is reason


@pytest.mark.parametrize("digests", [(), (SHA384,), (SHA1, SHA384)], ids=["none", "another", "others"])
def test_digest_must_be_listed_in_digest_algorithms(signer: Signer, digests: tuple[bytes, ...]) -> None:
    with pytest.raises(VerificationError) as refusal:
        check(message(info(signer), digests=writer.set_of(*digests)), signer)
    assert refusal.value.reason is Reason.SIGNATURE_ALGORITHM
    check(message(info(signer), digests=writer.set_of(*digests, SERVICE)), signer)


def test_pss_hash_comes_from_its_parameters(signer: Signer) -> None:
    assert isinstance(signer.key, rsa.RSAPrivateKey)
    mask = writer.explicit(1, writer.sequence(writer.oid(oids.MGF1), SHA256))
    value = signer.key.sign(CONTENT, padding.PSS(padding.MGF1(hashes.SHA256()), 20), hashes.SHA256())
    algorithm = writer.sequence(writer.oid(oids.RSASSA_PSS), writer.sequence(writer.explicit(0, SHA256), mask))
    check(message(info(signer, algorithm=algorithm, value=value)), signer)
    der = message(info(signer, algorithm=algorithm, value=value, digest=SHA384), digests=writer.set_of(SHA256, SHA384))
    with pytest.raises(VerificationError) as refusal:
        check(der, signer)
    assert refusal.value.reason is Reason.SIGNATURE_ALGORITHM


def test_weak_algorithms_are_verified_but_refused_by_policy(signer: Signer) -> None:
    der = message(info(signer, digest=SHA1, value=signer.sign(CONTENT, hashes.SHA1())), digests=writer.set_of(SHA1))
    check(der, signer)
    weak = cms.parse(der).signers[0]
    cms.check_algorithms(weak, accept_weak=True)
    with pytest.raises(VerificationError) as refusal:
        cms.check_algorithms(weak)
    assert refusal.value.reason is Reason.SIGNATURE_ALGORITHM


def test_content_without_signed_attributes_must_be_id_data(signer: Signer) -> None:
    with pytest.raises(VerificationError) as refusal:
        check(message(info(signer), content_type="1.2.3"), signer)
    assert refusal.value.reason is Reason.SIGNED_ATTRIBUTES
    typed = attribute(oids.CONTENT_TYPE, writer.oid("1.2.3"))
    check(message(signed(signer, typed, DIGEST), content_type="1.2.3"), signer)


VALUE = writer.octet_string(hashlib.sha256(CONTENT).digest())
UNBOUND = (
    ("no-type", (DIGEST,), Reason.SIGNED_ATTRIBUTES),
    ("no-digest", (TYPE, TIME), Reason.SIGNED_ATTRIBUTES),
    ("type-twice", (TYPE, TYPE, DIGEST), Reason.SIGNED_ATTRIBUTES),
    ("digest-twice", (TYPE, DIGEST, DIGEST), Reason.SIGNED_ATTRIBUTES),
    ("time-twice", (TYPE, DIGEST, TIME, TIME), Reason.SIGNED_ATTRIBUTES),
    ("two-values-of-the-digest", (TYPE, attribute(oids.MESSAGE_DIGEST, VALUE, writer.octet_string(b"x"))), Reason.SIGNED_ATTRIBUTES),
    ("no-value-of-the-digest", (TYPE, attribute(oids.MESSAGE_DIGEST)), Reason.SIGNED_ATTRIBUTES),
    ("digest-is-a-string", (TYPE, attribute(oids.MESSAGE_DIGEST, writer.utf8_string("x" * 32))), Reason.SIGNED_ATTRIBUTES),
    ("type-is-null", (attribute(oids.CONTENT_TYPE, NULL), DIGEST), Reason.SIGNED_ATTRIBUTES),
    ("another-type", (attribute(oids.CONTENT_TYPE, writer.oid(oids.SIGNED_DATA)), DIGEST), Reason.SIGNED_ATTRIBUTES),
    ("another-digest", (TYPE, attribute(oids.MESSAGE_DIGEST, writer.octet_string(hashlib.sha256(b"").digest()))), Reason.DIGEST_MISMATCH),
    ("digest-cut", (TYPE, attribute(oids.MESSAGE_DIGEST, writer.octet_string(hashlib.sha256(CONTENT).digest()[:16]))), Reason.DIGEST_MISMATCH),
)  # fmt: skip


@pytest.mark.parametrize(("attributes", "reason"), [case[1:] for case in UNBOUND], ids=[case[0] for case in UNBOUND])
def test_rejects_signed_attributes_that_do_not_match_the_content(signer: Signer, attributes: tuple[bytes, ...], reason: Reason) -> None:
    check(message(signed(signer, TYPE, DIGEST, TIME, attribute("1.2.3"))), signer)
    with pytest.raises(VerificationError) as refusal:
        check(message(signed(signer, *attributes)), signer)
    assert refusal.value.reason is reason


def test_signature_covers_the_signed_attributes_as_a_set(signer: Signer) -> None:
    body = b"".join(sorted((TYPE, DIGEST)))
    for over in (writer.element(0xA0, body), body, CONTENT):
        der = message(info(signer, attributes=writer.element(0xA0, body), value=signer.sign(over, hashes.SHA256())))
        with pytest.raises(VerificationError) as refusal:
            check(der, signer)
        assert refusal.value.reason is Reason.BAD_SIGNATURE


def test_accepts_signatures_of_genuine_documents(shared: Path) -> None:
    checked = 0
    for path in sorted((shared / "corpus" / "attested").glob("*.json")):
        if path.name == "index.json" or path.name.endswith(".meta.json") or any(word in path.name for word in ("TAMPERED", "FAKE")):
            continue
        parsed = cms.parse(base64.b64decode("".join(json.loads(path.read_text())["signature"].split())))
        (one,) = parsed.signers
        certificate = cms.find_certificate(one, parsed.certificates)
        assert certificate is not None
        assert parsed.content is not None
        cms.check_signature(one, parsed.content_type, parsed.content, certificate)
        checked += 1
    assert checked >= 12
