"""Cases for the signature: forged padding, wrong numbers, inconsistent algorithms, wrong signed attributes, weak keys."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import message as m
import pki
from case import Case, accept, reject
from imdskit.asn1 import writer as der
from imdskit.emulator.authority import certificates as x509
from malformed import attribute

SHA256, SHA384, SHA512, SHA1, MD5 = (
    "2.16.840.1.101.3.4.2.1",
    "2.16.840.1.101.3.4.2.2",
    "2.16.840.1.101.3.4.2.3",
    "1.3.14.3.2.26",
    "1.2.840.113549.2.5",
)


def cases() -> Iterator[Case]:
    yield from _tampered()
    yield from _paddings()
    yield from _numbers()
    yield from _algorithms()
    yield from _attributes()
    yield from _keys()


def _tampered() -> Iterator[Case]:
    good = m.signed_data()
    at = good.index(m.CONTENT)
    for name, location in (
        ("first", 0),
        ("nonce", m.CONTENT.index(b"407")),
        ("vm-id", m.CONTENT.index(b"0002")),
        ("last", len(m.CONTENT) - 1),
    ):
        changed = bytearray(good)
        changed[at + location] ^= 1
        yield reject(
            f"signature/content-{name}", "one bit of the content is flipped", bytes(changed), "bad-signature", see="CVE-2026-46354"
        )
    for name, location in (("first", -256), ("middle", -128), ("last", -1)):
        changed = bytearray(good)
        changed[location] ^= 1
        yield reject(f"signature/signature-{name}", "one bit of the signature is flipped", bytes(changed), "bad-signature")
    other = m.content(vmId="00000000-0000-4000-8000-00000000ffff")
    yield reject(
        "signature/content-exchanged",
        "the content of another machine with this signature",
        m.signed_data(econtent=der.explicit(0, der.octet_string(other))),
        "bad-signature",
    )
    empty = m.signed_data(econtent=der.explicit(0, der.octet_string(b"")))
    yield reject("signature/content-emptied", "the content was replaced with an empty string", empty, "bad-signature")
    yield reject(
        "signature/other-key",
        "signed with a key that does not belong to the certificate",
        m.signed_data(key=pki.key("foreign")),
        "bad-signature",
    )
    yield reject(
        "signature/signed-hash",
        "the digest was signed as if it were the content",
        m.signed_data(signature=pki.sign(hashlib.sha256(m.CONTENT).digest(), pki.key("leaf"))),
        "bad-signature",
    )


def _block(name: str, comment: str, block: bytes, see: str | None = None) -> Case:
    signature = pki.raw(int.from_bytes(block, "big"), pki.key("leaf"))
    return reject(f"padding/{name}", comment, m.signed_data(signature=signature), "bad-signature", see=see)


def _paddings() -> Iterator[Case]:
    """Yield cases with padded blocks that a lenient parser accepts.

    Sources: RFC 8017 section 8.2.2; CVE-2006-4339, CVE-2016-1494, CVE-2022-24771 to 24773.
    """
    digest = hashlib.sha256(m.CONTENT).digest()
    info = pki.DIGEST_INFO["sha256"] + digest
    right = pki.padded(info, 256)
    lenient = "CVE-2022-24771"
    yield _block("type-2", "block type 2", b"\x00\x02" + right[2:])
    yield _block("type-0", "block type 0", pki.padded(info, 256, head=b"\x00\x00", fill=b"\x00"))
    yield _block("first-octet", "the first octet is not zero", b"\x01\x01" + right[2:])
    yield _block("fill", "one octet of the padding is not FF", right[:100] + b"\xfe" + right[101:], lenient)
    yield _block("fill-zeros", "the padding consists of zeros", pki.padded(info, 256, fill=b"\x00"))
    yield _block(
        "short-fill",
        "eight octets of padding, and the remaining octets after the digest",
        b"\x00\x01" + b"\xff" * 8 + b"\x00" + info + b"\x00" * (256 - 11 - len(info)),
        "CVE-2006-4339",
    )
    yield _block("no-fill", "no padding at all", b"\x00\x01\x00" + info + b"\x00" * (253 - len(info)), "CVE-2006-4339")
    yield _block(
        "garbage-behind",
        "arbitrary octets after the digest",
        b"\x00\x01" + b"\xff" * 100 + b"\x00" + info + b"\x5a" * (153 - len(info)),
        "CVE-2006-4339",
    )
    yield _block("no-separator", "no zero before the DigestInfo", b"\x00\x01" + b"\xff" * (254 - len(info)) + info)
    yield _block("two-separators", "two zeros before the DigestInfo", b"\x00\x01" + b"\xff" * (252 - len(info)) + b"\x00\x00" + info)
    algorithm = der.oid(SHA256)
    null = der.null()
    for name, comment, digest_info in (
        ("no-null", "DigestInfo without the NULL of the parameters", der.sequence(der.sequence(algorithm), der.octet_string(digest))),
        (
            "two-nulls",
            "DigestInfo with two NULLs as parameters",
            der.sequence(der.sequence(algorithm, null, null), der.octet_string(digest)),
        ),
        (
            "parameters",
            "DigestInfo with an OCTET STRING instead of NULL",
            der.sequence(der.sequence(algorithm, der.octet_string(b"x")), der.octet_string(digest)),
        ),
        (
            "hidden-octets",
            "arbitrary octets in the parameters of the DigestInfo",
            der.sequence(der.sequence(algorithm, der.octet_string(b"\x5a" * 64)), der.octet_string(digest)),
        ),
        ("long-length", "DigestInfo with a short length in the long form", b"\x30\x81\x31" + info[2:]),
        ("indefinite", "DigestInfo with an indefinite length", b"\x30\x80" + info[2:] + b"\x00\x00"),
        ("tail", "DigestInfo with a NULL after the digest", der.sequence(der.sequence(algorithm, null), der.octet_string(digest), null)),
        ("bit-string", "the digest as a BIT STRING", der.sequence(der.sequence(algorithm, null), der.bit_string(digest))),
        ("digest-only", "the digest without DigestInfo", digest),
        ("octet-string-only", "the digest as an OCTET STRING without DigestInfo", der.octet_string(digest)),
        (
            "short-digest",
            "the last octet of the digest is missing",
            der.sequence(der.sequence(algorithm, null), der.octet_string(digest[:-1])),
        ),
        (
            "signature-identifier",
            "DigestInfo with the identifier of sha256WithRSAEncryption",
            der.sequence(x509.algorithm(pki.SHA256_RSA), der.octet_string(digest)),
        ),
        (
            "md5-name",
            "DigestInfo with the identifier of MD5 and a SHA-256 digest",
            der.sequence(x509.algorithm(MD5), der.octet_string(digest)),
        ),
        ("sha1", "DigestInfo and digest of SHA-1", pki.DIGEST_INFO["sha1"] + hashlib.sha1(m.CONTENT).digest()),
        ("md5", "DigestInfo and digest of MD5", pki.DIGEST_INFO["md5"] + hashlib.md5(m.CONTENT).digest()),
        (
            "sha512",
            "DigestInfo and digest of SHA-512, although the SignerInfo specifies SHA-256",
            pki.DIGEST_INFO["sha512"] + hashlib.sha512(m.CONTENT).digest(),
        ),
    ):
        yield _block(
            name, comment, pki.padded(digest_info, 256), "CVE-2022-24772" if name in ("no-null", "parameters", "hidden-octets") else None
        )


def _numbers() -> Iterator[Case]:
    n = pki.key("leaf").modulus
    good = int.from_bytes(pki.sign(m.CONTENT, pki.key("leaf")), "big")
    for name, shown, value in (
        ("zero", "0", 0),
        ("one", "1", 1),
        ("n-minus-1", "n - 1", n - 1),
        ("n", "n", n),
        ("n-plus-1", "n + 1", n + 1),
        ("ones", "2^2048 - 1", (1 << 2048) - 1),
        ("negated", "n minus the valid signature", n - good),
    ):
        yield reject(f"number/{name}", f"the signature is {shown}", m.signed_data(signature=value.to_bytes(256, "big")), "bad-signature")
    wrapped = good + n
    yield reject(
        "number/s-plus-n",
        "the signature is the valid signature plus n",
        m.signed_data(signature=wrapped.to_bytes(257, "big").lstrip(b"\0")),
        "bad-signature",
    )
    data = good.to_bytes(256, "big")
    yield reject("number/leading-zero", "a zero octet before the signature", m.signed_data(signature=b"\0" + data), "bad-signature")
    yield reject("number/trailing-zero", "a zero octet after the signature", m.signed_data(signature=data + b"\0"), "bad-signature")
    yield reject("number/short", "the last octet of the signature is missing", m.signed_data(signature=data[:-1]), "bad-signature")
    yield reject("number/empty", "an empty signature", m.signed_data(signature=b""), "bad-signature")
    yield reject("number/reversed", "the octets of the signature in reverse order", m.signed_data(signature=data[::-1]), "bad-signature")
    yield reject("number/huge", "a signature of 8 kB", m.signed_data(signature=data * 32), "bad-signature")


def _algorithms() -> Iterator[Case]:
    leaf = pki.key("leaf")
    for digest, oid in (("sha256", SHA256), ("sha384", SHA384), ("sha512", SHA512)):
        named = x509.algorithm(oid)
        document = m.signed_data(digests=der.set_of(named), digest=named, signature=pki.sign(m.CONTENT, leaf, digest))
        yield accept(f"algorithm/{digest}", f"the digest algorithm has the identifier of {digest}", document)
    bare = der.sequence(der.oid(SHA256))
    yield accept(
        "algorithm/no-null",
        "the digest algorithm without parameters (RFC 5754 section 2)",
        m.signed_data(digests=der.set_of(bare), digest=bare),
    )
    yield accept(
        "algorithm/combined",
        "sha256WithRSAEncryption as signature algorithm",
        m.signed_data(signature_algorithm=x509.algorithm(pki.SHA256_RSA)),
    )
    for name, comment, changes in (
        ("sha1", "SHA-1 as digest algorithm", {"digest": x509.algorithm(SHA1), "signature": pki.sign(m.CONTENT, leaf, "sha1")}),
        ("md5", "MD5 as digest algorithm", {"digest": x509.algorithm(MD5), "signature": pki.sign(m.CONTENT, leaf, "md5")}),
        ("sha1-as-signature", "sha1WithRSAEncryption as signature algorithm", {"signature_algorithm": x509.algorithm(pki.SHA1_RSA)}),
        ("md5-as-signature", "md5WithRSAEncryption as signature algorithm", {"signature_algorithm": x509.algorithm(pki.MD5_RSA)}),
        (
            "mismatch",
            "SHA-256 as digest algorithm, but sha384WithRSAEncryption as signature algorithm",
            {"signature_algorithm": x509.algorithm(pki.SHA384_RSA)},
        ),
        ("unknown-digest", "an unknown digest algorithm", {"digest": x509.algorithm("1.2.3.4.5")}),
        ("unknown-signature", "an unknown signature algorithm", {"signature_algorithm": x509.algorithm("1.2.3.4.5")}),
        (
            "null-digest-parameters",
            "a digest algorithm with an INTEGER as parameters",
            {"digest": der.sequence(der.oid(SHA256), der.integer(0))},
        ),
        (
            "rsa-parameters",
            "rsaEncryption with an INTEGER as parameters",
            {"signature_algorithm": der.sequence(der.oid(pki.RSA), der.integer(1))},
        ),
        ("ecdsa", "ecdsa-with-SHA256 with an RSA key", {"signature_algorithm": der.sequence(der.oid("1.2.840.10045.4.3.2"))}),
        (
            "pss-without-parameters",
            "RSASSA-PSS without parameters, which stands for SHA-1",
            {"signature_algorithm": der.sequence(der.oid(pki.PSS))},
        ),
        ("ed25519", "Ed25519 with an RSA key", {"signature_algorithm": der.sequence(der.oid("1.3.101.112"))}),
        ("dsa", "DSA with SHA-256 and an RSA key", {"signature_algorithm": der.sequence(der.oid("2.16.840.1.101.3.4.3.2"))}),
    ):
        yield reject(f"algorithm/{name}", comment, m.signed_data(**changes), None, stage="signature")  # type: ignore[arg-type]


def _attributes() -> Iterator[Case]:
    digest = hashlib.sha256(m.CONTENT).digest()
    kind = attribute(m.CONTENT_TYPE, der.oid(m.DATA))
    hashed = attribute(m.MESSAGE_DIGEST, der.octet_string(digest))
    when = attribute(m.SIGNING_TIME, der.time(m.CREATED))
    yield accept("attributes/bound", "signed attributes with content-type and message-digest", m.with_attributes(kind, hashed))
    yield accept(
        "attributes/with-time",
        "signed attributes with content-type, message-digest and signing-time",
        m.with_attributes(kind, hashed, when),
    )
    other = attribute(m.MESSAGE_DIGEST, der.octet_string(hashlib.sha256(b"other").digest()))
    short = attribute(m.MESSAGE_DIGEST, der.octet_string(digest[:16]))
    for name, comment, document, reason in (
        ("other-digest", "message-digest of another content", m.with_attributes(kind, other), "digest-mismatch"),
        ("short-digest", "only the first half of the message-digest", m.with_attributes(kind, short), "digest-mismatch"),
        (
            "empty-digest",
            "an empty message-digest",
            m.with_attributes(kind, attribute(m.MESSAGE_DIGEST, der.octet_string(b""))),
            "digest-mismatch",
        ),
        ("no-digest", "no message-digest", m.with_attributes(kind, when), "signed-attributes"),
        ("no-type", "no content-type", m.with_attributes(hashed, when), "signed-attributes"),
        ("two-digests", "message-digest twice, a wrong one first", m.with_attributes(kind, other, hashed), "signed-attributes"),
        ("same-digest-twice", "the same message-digest twice", m.with_attributes(kind, hashed, hashed), "signed-attributes"),
        ("two-types", "content-type twice", m.with_attributes(kind, kind, hashed), "signed-attributes"),
        (
            "digest-two-values",
            "two values in message-digest",
            m.with_attributes(kind, attribute(m.MESSAGE_DIGEST, der.octet_string(digest), der.octet_string(b"x"))),
            "signed-attributes",
        ),
        ("digest-no-value", "no value in message-digest", m.with_attributes(kind, attribute(m.MESSAGE_DIGEST)), "signed-attributes"),
        (
            "type-two-values",
            "two values in content-type",
            m.with_attributes(attribute(m.CONTENT_TYPE, der.oid(m.DATA), der.oid(m.SIGNED_DATA)), hashed),
            "signed-attributes",
        ),
        (
            "other-type",
            "content-type with the value id-signedData",
            m.with_attributes(attribute(m.CONTENT_TYPE, der.oid(m.SIGNED_DATA)), hashed),
            "signed-attributes",
        ),
        (
            "digest-kind",
            "message-digest is a UTF8String",
            m.with_attributes(kind, attribute(m.MESSAGE_DIGEST, der.utf8_string("x" * 32))),
            "signed-attributes",
        ),
        (
            "type-kind",
            "content-type is an OCTET STRING",
            m.with_attributes(attribute(m.CONTENT_TYPE, der.octet_string(b"x")), hashed),
            "signed-attributes",
        ),
    ):
        yield reject(f"attributes/{name}", comment, document, reason, see="openssl#9009")
    unordered = m.with_attributes(*sorted((kind, hashed, when), reverse=True), order=False)
    yield reject(
        "attributes/unordered", "signed attributes that are not in the order of a DER SET", unordered, "bad-der", see="corefx#31127"
    )
    empty = m.signed_data(attributes=der.element(0xA0))
    yield reject("attributes/none", "an empty set of signed attributes", empty, "bad-der", see="smallstep/pkcs7")
    body = b"".join(sorted((kind, hashed)))
    implicit = pki.sign(der.element(0xA0, body), pki.key("leaf"))
    document = m.signed_data(attributes=der.element(0xA0, body), signature=implicit)
    yield reject(
        "attributes/implicit-tag",
        "the signature is over the attributes with the tag [0] instead of SET",
        document,
        "bad-signature",
        see="corefx#31127",
    )
    document = m.signed_data(attributes=der.element(0xA0, body))
    yield reject(
        "attributes/content-signed", "the signature is over the content instead of the signed attributes", document, "bad-signature"
    )
    as_content = der.element(0x31, body)
    signature = pki.sign(as_content, pki.key("leaf"))
    document = m.signed_data(econtent=der.explicit(0, der.octet_string(as_content)), signature=signature)
    yield reject(
        "attributes/as-content",
        "the signed attributes of another message, presented as content",
        document,
        "bad-claims",
        see="openssl#27055",
    )


def _keys() -> Iterator[Case]:
    for name, comment, key in (
        ("1024", "an RSA key of 1024 bits", pki.key("weak", 1024)),
        ("2046", "an RSA key of 2046 bits", pki.key("weak", 2046)),
        ("e-3", "a public exponent of 3", pki.key("low", 2048, 3)),
        ("e-17", "a public exponent of 17", pki.key("low", 2048, 17)),
        ("e-65535", "a public exponent of 65535", pki.key("low", 2048, 65535)),
    ):
        certificate = pki.leaf(own=key, extensions=pki.leaf_extensions(subject_key_identifier=None))
        yield reject(
            f"key/{name}",
            comment,
            m.signed_data(certificates=[certificate], key=key),
            "signature-key",
            see="CVE-2016-1494" if key.exponent < 65535 else None,
        )
    modulus = pki.key("leaf").modulus
    huge = modulus
    for number in range(4):
        huge *= pki.key(f"factor {number}").modulus
    for name, comment, n, e in (
        ("16-bits", "an RSA key of 16 bits", 55_493, 65537),
        ("10240", "an RSA key of 10240 bits", huge, 65537),
        ("e-1", "a public exponent of 1", modulus, 1),
        ("e-even", "an even public exponent", modulus, 65538),
        ("e-huge", "a public exponent of 2048 bits", modulus, modulus - 2),
        ("n-even", "an even modulus", modulus + 1, 65537),
    ):
        key = pki.Key(n, e)
        certificate = pki.leaf(own=key, extensions=pki.leaf_extensions(subject_key_identifier=None))
        document = m.signed_data(certificates=[certificate], signature=b"\1" * 256)
        yield reject(f"key/{name}", comment, document, None, stage="signature", see="CVE-2023-29409" if n == huge else None)
    for name, comment, spki in (
        ("ed25519", "an Ed25519 key", der.sequence(der.sequence(der.oid("1.3.101.112")), der.bit_string(b"\x5a" * 32))),
        ("p-224", "a key on P-224", _ec("1.3.132.0.33", 28)),
        ("secp256k1", "a key on secp256k1", _ec("1.3.132.0.10", 32)),
        ("off-curve", "a point that is not on P-256", _ec("1.2.840.10045.3.1.7", 32)),
        (
            "infinity",
            "the point at infinity",
            der.sequence(der.sequence(der.oid("1.2.840.10045.2.1"), der.oid("1.2.840.10045.3.1.7")), der.bit_string(b"\0")),
        ),
        ("unknown", "a key of an unknown type", der.sequence(x509.algorithm("1.2.3.4"), der.bit_string(b"\x5a"))),
    ):
        certificate = pki.leaf(spki=spki, extensions=pki.leaf_extensions(subject_key_identifier=None))
        yield reject(f"key/{name}", comment, m.signed_data(certificates=[certificate]), None, stage="signature")


def _ec(curve: str, size: int) -> bytes:
    return der.sequence(
        der.sequence(der.oid("1.2.840.10045.2.1"), der.oid(curve)), der.bit_string(b"\x04" + b"\x11" * size + b"\x22" * size)
    )
