"""Cases for the envelope and for the structure of the message."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import message as m
import pki
from case import Case, accept, reject
from imdskit.asn1 import writer as der
from imdskit.emulator.authority import certificates as x509


def cases() -> Iterator[Case]:
    yield from _accepted()
    yield from _envelope()
    yield from _cut_and_padded()
    yield from _signed_data()
    yield from _signer()
    yield from _certificates()


def _accepted() -> Iterator[Case]:
    good = m.signed_data()
    text = base64.b64encode(good)
    yield accept("envelope/json", "the JSON that the service returns", m.envelope(good))
    yield accept("envelope/base64", "base64 without JSON", text)
    yield accept("envelope/der", "the DER of the message, without base64", good)
    yield accept("envelope/wrapped", "base64 in lines of 64 characters", b"\n".join(text[i : i + 64] for i in range(0, len(text), 64)))
    yield accept("envelope/blanks", "blanks inside the base64, as in a document that somebody had stored", text.replace(b"A", b"A "))
    yield accept("envelope/spaced-json", "JSON with white space", json.dumps(json.loads(m.envelope(good)), indent=1).encode())
    yield accept("envelope/more-members", "an unknown member", m.envelope(good)[:-1] + b',"later":[1,{"x":null}]}')
    yield accept("envelope/escaped", "escaped slashes in the JSON string", m.envelope(good).replace(b"/", b"\\/"))


def _envelope() -> Iterator[Case]:
    good = m.signed_data()
    text = base64.b64encode(good)
    whole = m.envelope(good)
    quoted = b'"' + text + b'"'
    for name, comment, document, reason in (
        ("nothing", "an empty input", b"", "empty"),
        ("white-space", "white space only", b" \t\r\n", "empty"),
        ("empty-signature", "signature is an empty string", b'{"encoding":"pkcs7","signature":""}', "empty"),
        ("too-large", "one byte more than the limit of 65,536 bytes", text + b" " * (64 * 1024 + 1 - len(text)), "too-large"),
        ("cut-json", "the closing brace is missing", whole[:-1], "bad-json"),
        ("json-and-more", "a second object after the first", whole + b"{}", "bad-json"),
        (
            "duplicate-signature",
            "the member signature twice, both times with the same valid value",
            whole[:-1] + b',"signature":' + quoted + b"}",
            "bad-json",
        ),
        ("duplicate-encoding", "the member encoding twice", whole[:-1] + b',"encoding":"pkcs7"}', "bad-json"),
        ("single-quotes", "single quotation marks instead of double ones", whole.replace(b'"', b"'"), "bad-json"),
        ("trailing-comma", "a comma before the closing brace", whole[:-1] + b",}", "bad-json"),
        ("comment", "a comment in the JSON", whole[:-1] + b"/* */}", "bad-json"),
        ("nan", "NaN, which is not JSON", whole[:-1] + b',"x":NaN}', "bad-json"),
        ("infinity", "-Infinity, which is not JSON", whole[:-1] + b',"x":-Infinity}', "bad-json"),
        ("lone-surrogate", "an escaped lone surrogate", whole[:-1] + b',"x":"\\udc00"}', "bad-json"),
        ("latin-1", "a letter in ISO 8859-1 instead of UTF-8", whole[:-1] + b',"x":"\xe9"}', "bad-json"),
        ("overlong-utf-8", "a slash in overlong UTF-8, with two bytes", whole[:-1] + b',"x":"\xc0\xaf"}', "bad-json"),
        ("control-character", "an unescaped line break inside a string", whole[:-1] + b',"x":"\n"}', "bad-json"),
        ("deep", "arrays that are nested 1000 deep", whole[:-1] + b',"x":' + b"[" * 1000 + b"]" * 1000 + b"}", "bad-json"),
        ("leading-zero", "a number with a leading zero", whole[:-1] + b',"x":01}', "bad-json"),
        ("no-signature", "no member signature", b'{"encoding":"pkcs7"}', "bad-envelope"),
        ("signature-null", "signature is null", b'{"encoding":"pkcs7","signature":null}', "bad-envelope"),
        ("signature-list", "signature is an array", b'{"encoding":"pkcs7","signature":[' + quoted + b"]}", "bad-envelope"),
        ("signature-case", "the member Signature, with a capital letter", whole.replace(b"signature", b"Signature"), "bad-envelope"),
        ("no-encoding", "no member encoding", b'{"signature":' + quoted + b"}", "bad-envelope"),
        ("encoding-number", "encoding is a number", whole.replace(b'"pkcs7"', b"7"), "bad-envelope"),
        ("error-body", "an error response of the service", b'{ "error": "Bad request" }', "bad-envelope"),
        ("other-encoding", "an unknown encoding", whole.replace(b"pkcs7", b"jws"), "bad-encoding"),
        ("encoding-capitals", "the encoding PKCS7, in capital letters", whole.replace(b"pkcs7", b"PKCS7"), "bad-encoding"),
        ("array", "an array that contains the object", b"[" + whole + b"]", "bad-base64"),
        ("byte-order-mark", "a byte order mark before the JSON", b"\xef\xbb\xbf" + whole, "bad-base64"),
        ("url-alphabet", "a character of the URL-safe base64 alphabet", b"-" + text[1:], "bad-base64"),
        (
            "no-padding",
            "base64 without its padding",
            base64.b64encode(good + b"\0" * (1 if len(good) % 3 == 0 else 0)).rstrip(b"="),
            "bad-base64",
        ),
        ("padding-inside", "padding characters in the middle of the base64", text[:8] + b"====" + text[8:], "bad-base64"),
        ("too-much-padding", "one padding character too many", text + b"=", "bad-base64"),
        ("stray-letter", "one base64 character too many", text.rstrip(b"=") + b"A" * (5 - len(text.rstrip(b"=")) % 4), "bad-base64"),
        ("percent-encoded", "percent-encoded base64", text.replace(b"+", b"%2B").replace(b"/", b"%2F"), "bad-base64"),
        ("pem", "PEM", b"-----BEGIN PKCS7-----\n" + text + b"\n-----END PKCS7-----\n", "bad-base64"),
        ("non-breaking-space", "a non-breaking space in the base64", text[:8] + b"\xc2\xa0" + text[8:], "bad-base64"),
        ("form-feed", "a form feed in the base64", text[:8] + b"\x0c" + text[8:], "bad-base64"),
        ("twice-encoded", "base64 that was encoded in base64 again", base64.b64encode(text), "bad-der"),
        ("der-in-json", "a JSON string that contains the base64", quoted, "bad-base64"),
    ):
        yield reject(f"envelope/{name}", comment, document, reason)
    bits = base64.b64encode(good + b"\0" * ((1 - len(good)) % 3))
    assert bits.endswith(b"==")
    loose = bits[:-3] + bytes([bits[-3] + 1]) + b"=="
    unpadded = next(d for d in (base64.b64encode(m.signed_data(signed=m.content(sku="x" * n))) for n in range(3)) if b"=" not in d)
    for name, comment, padding in (("one", "one padding character", b"="), ("four", "four padding characters", b"====")):
        yield reject(
            f"envelope/needless-padding-{name}",
            f"{comment} after a complete group of base64",
            unpadded + padding,
            "bad-base64",
            see="python/cpython#118314",
        )
    yield reject("envelope/unused-bits", "the unused bits of the last base64 character are not zero", loose, "bad-base64")


def _cut_and_padded() -> Iterator[Case]:
    good = m.signed_data()
    for length in (1, 2, 3, 4, 20, len(good) // 2, len(good) - 256, len(good) - 1):
        yield reject(
            f"structure/cut-{length}",
            f"only the first {length} bytes of the message",
            good[:length],
            "bad-der" if length > 1 else "bad-base64",
        )
    yield reject("structure/trailing-zero", "a zero byte after the message", good + b"\0", "bad-der", see="mbedtls")
    yield reject("structure/trailing-element", "a NULL after the message", good + der.null(), "bad-der")
    yield reject("structure/end-of-contents", "end-of-contents octets after the message", good + b"\0\0", "bad-der")
    yield reject("structure/indefinite", "the outermost SEQUENCE has an indefinite length", b"\x30\x80" + good[4:] + b"\0\0", "bad-der")
    body = good[4:]
    yield reject(
        "structure/long-length",
        "a length in three octets, although two are enough",
        b"\x30\x83\x00" + len(body).to_bytes(2, "big") + body,
        "bad-der",
    )
    yield reject("structure/high-tag", "the outermost tag in two octets", b"\x3f\x10" + good[1:], "bad-base64")
    yield reject("structure/not-a-sequence", "a SET instead of the outermost SEQUENCE", b"\x31" + good[1:], "bad-base64")
    yield reject("structure/deep", "SEQUENCEs that are nested 2000 deep", _deep(2000), "bad-der", see="CVE-2025-66031")
    yield reject("structure/huge-length", "a length of 2^63 - 1", b"\x30\x88\x7f" + b"\xff" * 7 + good, "bad-der")
    yield reject("structure/zeros", "64 zero bytes", b"\0" * 64, "bad-base64")


def _deep(depth: int) -> bytes:
    element = b""
    for _ in range(depth):
        element = der.sequence(element)
    return element


def _signed_data() -> Iterator[Case]:
    data = der.octet_string(m.CONTENT)
    halves = der.octet_string(m.CONTENT[:50]) + der.octet_string(m.CONTENT[50:])
    yield accept(
        "structure/digests-sha256",
        "digestAlgorithms contains the identifier of SHA-256 instead of sha256WithRSAEncryption",
        m.signed_data(digests=der.set_of(_digest("2.16.840.1.101.3.4.2.1"))),
    )
    for name, comment, message, reason in (
        ("content-info-data", "ContentInfo of type id-data", m.signed_data(outer_type=m.DATA), "bad-der"),
        ("content-info-enveloped", "ContentInfo of type id-envelopedData", m.signed_data(outer_type="1.2.840.113549.1.7.3"), "bad-der"),
        ("version-0", "SignedData version 0", m.signed_data(version=der.integer(0)), "bad-der"),
        ("version-3", "SignedData version 3 over id-data", m.signed_data(version=der.integer(3)), "bad-cms"),
        ("version-negative", "SignedData version -1", m.signed_data(version=der.integer(-1)), "bad-der"),
        ("version-padded", "SignedData version 1, encoded in two octets", m.signed_data(version=b"\x02\x02\x00\x01"), "bad-der"),
        ("version-missing", "no SignedData version", m.signed_data(version=b""), "bad-der"),
        ("digests-sequence", "digestAlgorithms is a SEQUENCE", m.signed_data(digests=der.sequence(m.QUIRK)), "bad-der"),
        ("content-type-tst", "content of type id-ct-TSTInfo", m.signed_data(content_type="1.2.840.113549.1.9.16.1.4"), "bad-cms"),
        ("content-type-signed", "content of type id-signedData", m.signed_data(content_type=m.SIGNED_DATA), "bad-cms"),
        ("detached", "no content", m.signed_data(econtent=b""), "no-content"),
        (
            "content-constructed",
            "content as a constructed OCTET STRING of two pieces",
            m.signed_data(econtent=der.explicit(0, der.element(0x24, halves))),
            "bad-der",
        ),
        (
            "content-implicit",
            "content with an implicit tag, without its OCTET STRING",
            m.signed_data(econtent=der.implicit(0, m.CONTENT)),
            "bad-der",
        ),
        ("content-utf8", "content is a UTF8String", m.signed_data(econtent=der.explicit(0, der.element(0x0C, m.CONTENT))), "bad-der"),
        ("content-twice", "two OCTET STRINGs of content", m.signed_data(econtent=der.explicit(0, data, data)), "bad-der"),
        ("content-tag-1", "content with the tag [1] instead of [0]", m.signed_data(econtent=der.explicit(1, data)), "bad-der"),
        ("tail", "a NULL after the signerInfos", m.signed_data(tail=der.null()), "bad-der"),
        ("no-signer", "no SignerInfo", m.signed_data(signers=[]), "signer-count"),
        (
            "certificates-set",
            "certificates with the universal tag SET instead of [0]",
            m.signed_data(certificates_field=der.element(0x31, pki.leaf())),
            "bad-der",
        ),
        ("certificates-raw", "the certificate without the tag [0] around it", m.signed_data(certificates_field=pki.leaf()), "bad-der"),
        ("no-certificate", "no certificate", m.signed_data(certificates=[]), "signer-not-found"),
        ("empty-certificates", "an empty set of certificates", m.signed_data(certificates_field=der.explicit(0)), "signer-not-found"),
    ):
        yield reject(f"structure/{name}", comment, message, reason)
    signature = pki.sign(m.CONTENT, pki.key("leaf"))
    one = m.signer_info(signature=signature)
    foreign = m.signer_info(signature=pki.sign(m.CONTENT, pki.key("foreign")), sid=m.issuer_and_serial(pki.name("Foreign CA")))
    yield reject("structure/same-signer-twice", "the same SignerInfo twice", m.signed_data(signers=[one, one]), "signer-count")
    yield reject(
        "structure/second-signer",
        "a second SignerInfo, of another signer",
        m.signed_data(signers=sorted([one, foreign])),
        "signer-count",
        see="spiffe/spire#6998",
    )


def _digest(oid: str) -> bytes:
    return x509.algorithm(oid)


def _signer() -> Iterator[Case]:
    identifier = x509.key_identifier(pki.key("leaf"))
    by_key = der.implicit(0, identifier)
    yield reject(
        "structure/version-3-by-key",
        "SignerInfo version 1 with a key identifier, in a SignedData version 3",
        m.signed_data(version=der.integer(3), sid=by_key),
        "bad-der",
    )
    for name, comment, changes, reason in (
        ("signer-version-0", "SignerInfo version 0", {"version_": 0}, "bad-der"),
        ("signer-version-2", "SignerInfo version 2", {"version_": 2}, "bad-der"),
        ("signer-version-3", "SignerInfo version 3 with issuer and serial number", {"version_": 3}, "bad-der"),
        ("signer-version-1-by-key", "SignerInfo version 1 with a key identifier", {"sid": by_key}, "bad-der"),
        ("other-serial", "the sid contains another serial number", {"sid": m.issuer_and_serial(serial=der.integer(2))}, "signer-not-found"),
        ("other-issuer", "the sid contains another issuer", {"sid": m.issuer_and_serial(pki.ROOT)}, "signer-not-found"),
        ("sid-empty", "an empty sid", {"sid": der.sequence()}, "bad-der"),
        (
            "serial-padded",
            "the serial number in the sid has a superfluous leading zero octet",
            {"sid": m.issuer_and_serial(serial=b"\x02\x09\x00\x12\x34\x56\x78\x90\xab\xcd\xef")},
            "bad-der",
        ),
        ("digest-missing", "no digest algorithm", {"digest": b""}, "bad-der"),
        ("digest-empty", "an empty digest algorithm", {"digest": der.sequence()}, "bad-der"),
        ("signature-algorithm-missing", "no signature algorithm", {"signature_algorithm": b""}, "bad-der"),
        ("unsigned-rubbish", "a NULL in the set of unsigned attributes", {"unsigned": der.explicit(1, der.null())}, "bad-der"),
        ("signed-rubbish", "a NULL in the set of signed attributes", {"attributes": der.explicit(0, der.null())}, "bad-der"),
    ):
        members = dict(changes)
        version = members.pop("version_", None)
        info = m.signer_info(
            signature=pki.sign(m.CONTENT, pki.key("leaf")),
            **(members | ({} if version is None else {"version": der.integer(version)})),  # type: ignore[arg-type]  # the members are those of `signer_info`
        )
        yield reject(f"structure/{name}", comment, m.signed_data(signers=[info]), reason)
    extra = pki.certificate(subject=pki.name("metadata.azure.com"), own=pki.key("foreign"), serial=der.integer(7))
    yield accept(
        "structure/extra-certificate-behind",
        "another valid certificate after the signer's",
        m.signed_data(certificates=[pki.leaf(), extra]),
    )
    yield accept(
        "structure/extra-certificate-before",
        "another valid certificate before the signer's",
        m.signed_data(certificates=[extra, pki.leaf()]),
    )
    yield reject(
        "structure/seventeen-certificates",
        "17 certificates, one more than the limit",
        m.signed_data(certificates=[pki.leaf()] + [pki.issuing(serial=der.integer(n)) for n in range(2, 18)]),
        "too-many-certificates",
        see="GHSA-8qv2-5vq6-g2g7",
    )


def _certificates() -> Iterator[Case]:
    good = pki.leaf()
    tbs_version = der.explicit(0, der.integer(2))
    for name, comment, certificate in (
        ("trailing", "a NULL after the certificate's signature", pki.leaf(outer=der.null())),
        ("version-0-explicit", "an explicit version 1, which is the default", pki.leaf(version=der.explicit(0, der.integer(0)))),
        ("version-7", "version 8", pki.leaf(version=der.explicit(0, der.integer(7)))),
        ("version-twice", "two versions", pki.leaf(version=tbs_version + tbs_version)),
        ("serial-padded", "a serial number with a superfluous leading zero octet", pki.leaf(serial=b"\x02\x02\x00\x05")),
        ("serial-missing", "no serial number", pki.leaf(serial=b"")),
        ("serial-empty", "an empty serial number", pki.leaf(serial=b"\x02\x00")),
        ("no-algorithm", "an empty AlgorithmIdentifier in the tbsCertificate", pki.leaf(inner_algorithm=der.sequence())),
        ("time-without-seconds", "notBefore without seconds", pki.leaf(not_before=der.element(0x17, b"2601010000Z"))),
        ("time-with-zone", "notBefore in a time zone other than UTC", pki.leaf(not_before=der.element(0x17, b"260101000000+0100"))),
        ("time-february-30", "notBefore on 30 February", pki.leaf(not_before=der.element(0x17, b"260230000000Z"))),
        ("time-fraction", "notAfter with a fraction of a second", pki.leaf(not_after=der.element(0x18, b"20500101000000.5Z"))),
        ("time-printable", "notAfter is a PrintableString", pki.leaf(not_after=der.element(0x13, b"270101000000Z"))),
        ("subject-empty-set", "an empty relative distinguished name in the subject", pki.leaf(subject=der.sequence(der.element(0x31)))),
        ("key-missing", "a NULL instead of the subjectPublicKeyInfo", pki.leaf(spki=der.null())),
        (
            "key-bits",
            "a public key in a BIT STRING with an unused bit",
            pki.leaf(spki=der.sequence(x509.algorithm(pki.RSA), der.bit_string(b"\x30\x00", 1))),
        ),
        (
            "extension-boolean",
            "critical is a BOOLEAN with the octet 01, which is neither TRUE nor FALSE",
            pki.leaf(extensions=[der.sequence(der.oid("2.5.29.19"), b"\x01\x01\x01", der.octet_string(der.sequence()))]),
        ),
        (
            "extension-false",
            "an explicit FALSE for critical, which is the default",
            pki.leaf(extensions=[der.sequence(der.oid("2.5.29.19"), der.boolean(False), der.octet_string(der.sequence()))]),
        ),
        ("extensions-none", "an empty list of extensions", pki.leaf(extensions=[])),
        ("extensions-in-version-1", "extensions in a certificate of version 1", pki.leaf(version=b"")),
        (
            "extensions-twice",
            "two lists of extensions",
            pki.leaf(extensions_field=der.explicit(3, der.sequence(*pki.leaf_extensions())) * 2),
        ),
        ("indefinite", "the certificate has an indefinite length", b"\x30\x80" + good[4:] + b"\0\0"),
        (
            "oid-padded",
            "an object identifier whose arc is not in its shortest form",
            good.replace(der.oid("2.5.29.17"), b"\x06\x04\x55\x80\x1d\x11"[:2] + b"\x55\x80\x1d\x11"),
        ),
        ("cut", "the end of the certificate is missing", der.sequence(good[4:-20])),
    ):
        yield reject(f"certificate/{name}", comment, m.signed_data(certificates=[certificate]), None, stage="structure")
