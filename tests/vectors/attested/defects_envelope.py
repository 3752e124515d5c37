"""Cases of the envelope and of the message's structure."""

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
    yield accept("envelope/json", "as the service answers", m.envelope(good))
    yield accept("envelope/base64", "bare base64", text)
    yield accept("envelope/der", "DER", good)
    yield accept("envelope/wrapped", "base64 in lines of 64", b"\n".join(text[i : i + 64] for i in range(0, len(text), 64)))
    yield accept("envelope/blanks", "blanks inside the base64, as one holder stored it", text.replace(b"A", b"A "))
    yield accept("envelope/spaced-json", "JSON with white space", json.dumps(json.loads(m.envelope(good)), indent=1).encode())
    yield accept("envelope/more-members", "a member that is not known", m.envelope(good)[:-1] + b',"later":[1,{"x":null}]}')
    yield accept("envelope/escaped", "the slashes escaped", m.envelope(good).replace(b"/", b"\\/"))


def _envelope() -> Iterator[Case]:
    good = m.signed_data()
    text = base64.b64encode(good)
    whole = m.envelope(good)
    quoted = b'"' + text + b'"'
    for name, comment, document, reason in (
        ("nothing", "no bytes", b"", "empty"),
        ("white-space", "white space only", b" \t\r\n", "empty"),
        ("empty-signature", "an empty signature", b'{"encoding":"pkcs7","signature":""}', "empty"),
        ("too-large", "one byte over the cap", text + b" " * (64 * 1024 + 1 - len(text)), "too-large"),
        ("cut-json", "the closing brace is missing", whole[:-1], "bad-json"),
        ("json-and-more", "something behind the object", whole + b"{}", "bad-json"),
        ("duplicate-signature", "signature twice, both good", whole[:-1] + b',"signature":' + quoted + b"}", "bad-json"),
        ("duplicate-encoding", "encoding twice", whole[:-1] + b',"encoding":"pkcs7"}', "bad-json"),
        ("single-quotes", "single quotes", whole.replace(b'"', b"'"), "bad-json"),
        ("trailing-comma", "a comma before the brace", whole[:-1] + b",}", "bad-json"),
        ("comment", "a comment", whole[:-1] + b"/* */}", "bad-json"),
        ("nan", "NaN is not JSON", whole[:-1] + b',"x":NaN}', "bad-json"),
        ("infinity", "Infinity is not JSON", whole[:-1] + b',"x":-Infinity}', "bad-json"),
        ("lone-surrogate", "half of a surrogate pair", whole[:-1] + b',"x":"\\udc00"}', "bad-json"),
        ("latin-1", "a letter in ISO 8859-1", whole[:-1] + b',"x":"\xe9"}', "bad-json"),
        ("overlong-utf-8", "a slash in two octets of UTF-8", whole[:-1] + b',"x":"\xc0\xaf"}', "bad-json"),
        ("control-character", "a line break inside a string", whole[:-1] + b',"x":"\n"}', "bad-json"),
        ("deep", "a thousand arrays deep", whole[:-1] + b',"x":' + b"[" * 1000 + b"]" * 1000 + b"}", "bad-json"),
        ("leading-zero", "a number with a leading zero", whole[:-1] + b',"x":01}', "bad-json"),
        ("no-signature", "no signature", b'{"encoding":"pkcs7"}', "bad-envelope"),
        ("signature-null", "a signature of null", b'{"encoding":"pkcs7","signature":null}', "bad-envelope"),
        ("signature-list", "a list of signatures", b'{"encoding":"pkcs7","signature":[' + quoted + b"]}", "bad-envelope"),
        ("signature-case", "Signature with a capital", whole.replace(b"signature", b"Signature"), "bad-envelope"),
        ("no-encoding", "no encoding", b'{"signature":' + quoted + b"}", "bad-envelope"),
        ("encoding-number", "an encoding that is a number", whole.replace(b'"pkcs7"', b"7"), "bad-envelope"),
        ("error-body", "an error of the service", b'{ "error": "Bad request" }', "bad-envelope"),
        ("other-encoding", "another encoding", whole.replace(b"pkcs7", b"jws"), "bad-encoding"),
        ("encoding-capitals", "PKCS7 in capitals", whole.replace(b"pkcs7", b"PKCS7"), "bad-encoding"),
        ("array", "an array round the object", b"[" + whole + b"]", "bad-base64"),
        ("byte-order-mark", "a byte order mark", b"\xef\xbb\xbf" + whole, "bad-base64"),
        ("url-alphabet", "the URL-safe alphabet", b"-" + text[1:], "bad-base64"),
        ("no-padding", "padding left out", base64.b64encode(good + b"\0" * (1 if len(good) % 3 == 0 else 0)).rstrip(b"="), "bad-base64"),
        ("padding-inside", "padding in the middle", text[:8] + b"====" + text[8:], "bad-base64"),
        ("too-much-padding", "one padding character too many", text + b"=", "bad-base64"),
        ("stray-letter", "one letter too many", text.rstrip(b"=") + b"A" * (5 - len(text.rstrip(b"=")) % 4), "bad-base64"),
        ("percent-encoded", "percent-encoded", text.replace(b"+", b"%2B").replace(b"/", b"%2F"), "bad-base64"),
        ("pem", "PEM armour", b"-----BEGIN PKCS7-----\n" + text + b"\n-----END PKCS7-----\n", "bad-base64"),
        ("non-breaking-space", "a space that is not ASCII", text[:8] + b"\xc2\xa0" + text[8:], "bad-base64"),
        ("form-feed", "a form feed", text[:8] + b"\x0c" + text[8:], "bad-base64"),
        ("twice-encoded", "base64 of base64", base64.b64encode(text), "bad-der"),
        ("der-in-json", "a quoted JSON string", quoted, "bad-base64"),
    ):
        yield reject(f"envelope/{name}", comment, document, reason)
    bits = base64.b64encode(good + b"\0" * ((1 - len(good)) % 3))
    assert bits.endswith(b"==")
    loose = bits[:-3] + bytes([bits[-3] + 1]) + b"=="
    unpadded = next(d for d in (base64.b64encode(m.signed_data(signed=m.content(sku="x" * n))) for n in range(3)) if b"=" not in d)
    for name, comment, padding in (("one", "one padding character", b"="), ("four", "a group of nothing but padding", b"====")):
        yield reject(
            f"envelope/needless-padding-{name}",
            f"{comment} after a whole group",
            unpadded + padding,
            "bad-base64",
            see="python/cpython#118314",
        )
    yield reject("envelope/unused-bits", "the unused bits of the last letter are set", loose, "bad-base64")


def _cut_and_padded() -> Iterator[Case]:
    good = m.signed_data()
    for length in (1, 2, 3, 4, 20, len(good) // 2, len(good) - 256, len(good) - 1):
        yield reject(f"structure/cut-{length}", f"the first {length} bytes only", good[:length], "bad-der" if length > 1 else "bad-base64")
    yield reject("structure/trailing-zero", "a zero byte behind the message", good + b"\0", "bad-der", see="mbedtls")
    yield reject("structure/trailing-element", "a NULL behind the message", good + der.null(), "bad-der")
    yield reject("structure/end-of-contents", "end-of-contents octets behind the message", good + b"\0\0", "bad-der")
    yield reject("structure/indefinite", "an indefinite length outside", b"\x30\x80" + good[4:] + b"\0\0", "bad-der")
    body = good[4:]
    yield reject(
        "structure/long-length", "a length in three octets where two do", b"\x30\x83\x00" + len(body).to_bytes(2, "big") + body, "bad-der"
    )
    yield reject("structure/high-tag", "a tag in two octets", b"\x3f\x10" + good[1:], "bad-base64")
    yield reject("structure/not-a-sequence", "a SET outside", b"\x31" + good[1:], "bad-base64")
    yield reject("structure/deep", "sequences 2000 deep", _deep(2000), "bad-der", see="CVE-2025-66031")
    yield reject("structure/huge-length", "a length of 2^63", b"\x30\x88\x7f" + b"\xff" * 7 + good, "bad-der")
    yield reject("structure/zeros", "nothing but zeros", b"\0" * 64, "bad-base64")


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
        "digestAlgorithms names SHA-256 properly",
        m.signed_data(digests=der.set_of(_digest("2.16.840.1.101.3.4.2.1"))),
    )
    for name, comment, message, reason in (
        ("content-info-data", "ContentInfo of type id-data", m.signed_data(outer_type=m.DATA), "bad-der"),
        ("content-info-enveloped", "ContentInfo of type id-envelopedData", m.signed_data(outer_type="1.2.840.113549.1.7.3"), "bad-der"),
        ("version-0", "SignedData version 0", m.signed_data(version=der.integer(0)), "bad-der"),
        ("version-3", "SignedData version 3 over id-data", m.signed_data(version=der.integer(3)), "bad-cms"),
        ("version-negative", "SignedData version -1", m.signed_data(version=der.integer(-1)), "bad-der"),
        ("version-padded", "SignedData version 1 in two octets", m.signed_data(version=b"\x02\x02\x00\x01"), "bad-der"),
        ("version-missing", "no version", m.signed_data(version=b""), "bad-der"),
        ("digests-sequence", "digestAlgorithms is a SEQUENCE", m.signed_data(digests=der.sequence(m.QUIRK)), "bad-der"),
        ("content-type-tst", "content of type id-ct-TSTInfo", m.signed_data(content_type="1.2.840.113549.1.9.16.1.4"), "bad-cms"),
        ("content-type-signed", "content of type id-signedData", m.signed_data(content_type=m.SIGNED_DATA), "bad-cms"),
        ("detached", "no content", m.signed_data(econtent=b""), "no-content"),
        ("content-constructed", "content in two pieces", m.signed_data(econtent=der.explicit(0, der.element(0x24, halves))), "bad-der"),
        ("content-implicit", "content tagged without its OCTET STRING", m.signed_data(econtent=der.implicit(0, m.CONTENT)), "bad-der"),
        ("content-utf8", "content is a UTF8String", m.signed_data(econtent=der.explicit(0, der.element(0x0C, m.CONTENT))), "bad-der"),
        ("content-twice", "two OCTET STRINGs of content", m.signed_data(econtent=der.explicit(0, data, data)), "bad-der"),
        ("content-tag-1", "content under tag 1", m.signed_data(econtent=der.explicit(1, data)), "bad-der"),
        ("tail", "a NULL behind the signerInfos", m.signed_data(tail=der.null()), "bad-der"),
        ("no-signer", "no SignerInfo", m.signed_data(signers=[]), "signer-count"),
        (
            "certificates-set",
            "certificates under a SET's own tag",
            m.signed_data(certificates_field=der.element(0x31, pki.leaf())),
            "bad-der",
        ),
        ("certificates-raw", "the certificate without its tag", m.signed_data(certificates_field=pki.leaf()), "bad-der"),
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
        "a second, foreign signer",
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
        "SignerInfo version 3, by key identifier, in a SignedData version 3",
        m.signed_data(version=der.integer(3), sid=by_key),
        "bad-der",
    )  # version of the SignerInfo is still 1
    for name, comment, changes, reason in (
        ("signer-version-0", "SignerInfo version 0", {"version_": 0}, "bad-der"),
        ("signer-version-2", "SignerInfo version 2", {"version_": 2}, "bad-der"),
        ("signer-version-3", "SignerInfo version 3 with issuer and serial number", {"version_": 3}, "bad-der"),
        ("signer-version-1-by-key", "SignerInfo version 1 with a key identifier", {"sid": by_key}, "bad-der"),
        ("other-serial", "the sid names another serial number", {"sid": m.issuer_and_serial(serial=der.integer(2))}, "signer-not-found"),
        ("other-issuer", "the sid names another issuer", {"sid": m.issuer_and_serial(pki.ROOT)}, "signer-not-found"),
        ("sid-empty", "an empty sid", {"sid": der.sequence()}, "bad-der"),
        (
            "serial-padded",
            "the serial number in the sid is padded",
            {"sid": m.issuer_and_serial(serial=b"\x02\x09\x00\x12\x34\x56\x78\x90\xab\xcd\xef")},
            "bad-der",
        ),
        ("digest-missing", "no digest algorithm", {"digest": b""}, "bad-der"),
        ("digest-empty", "an empty digest algorithm", {"digest": der.sequence()}, "bad-der"),
        ("signature-algorithm-missing", "no signature algorithm", {"signature_algorithm": b""}, "bad-der"),
        ("unsigned-rubbish", "rubbish in the unsigned attributes", {"unsigned": der.explicit(1, der.null())}, "bad-der"),
        ("signed-rubbish", "rubbish in the signed attributes", {"attributes": der.explicit(0, der.null())}, "bad-der"),
    ):
        members = dict(changes)
        version = members.pop("version_", None)
        info = m.signer_info(
            signature=pki.sign(m.CONTENT, pki.key("leaf")),
            **(members | ({} if version is None else {"version": der.integer(version)})),  # type: ignore[arg-type]  # as above
        )
        yield reject(f"structure/{name}", comment, m.signed_data(signers=[info]), reason)
    extra = pki.certificate(subject=pki.name("metadata.azure.com"), own=pki.key("foreign"), serial=der.integer(7))
    yield accept(
        "structure/extra-certificate-behind",
        "another good certificate behind the signer's",
        m.signed_data(certificates=[pki.leaf(), extra]),
    )
    yield accept(
        "structure/extra-certificate-before",
        "another good certificate before the signer's",
        m.signed_data(certificates=[extra, pki.leaf()]),
    )
    yield reject(
        "structure/seventeen-certificates",
        "more certificates than the cap",
        m.signed_data(certificates=[pki.leaf()] + [pki.issuing(serial=der.integer(n)) for n in range(2, 18)]),
        "too-many-certificates",
        see="GHSA-8qv2-5vq6-g2g7",
    )


def _certificates() -> Iterator[Case]:
    good = pki.leaf()
    tbs_version = der.explicit(0, der.integer(2))
    for name, comment, certificate in (
        ("trailing", "something behind the certificate's signature", pki.leaf(outer=der.null())),
        ("version-0-explicit", "version 1 written out", pki.leaf(version=der.explicit(0, der.integer(0)))),
        ("version-7", "version 8", pki.leaf(version=der.explicit(0, der.integer(7)))),
        ("version-twice", "two versions", pki.leaf(version=tbs_version + tbs_version)),
        ("serial-padded", "a padded serial number", pki.leaf(serial=b"\x02\x02\x00\x05")),
        ("serial-missing", "no serial number", pki.leaf(serial=b"")),
        ("serial-empty", "an empty serial number", pki.leaf(serial=b"\x02\x00")),
        ("no-algorithm", "no algorithm in the tbsCertificate", pki.leaf(inner_algorithm=der.sequence())),
        ("time-without-seconds", "notBefore without seconds", pki.leaf(not_before=der.element(0x17, b"2601010000Z"))),
        ("time-with-zone", "notBefore with a zone", pki.leaf(not_before=der.element(0x17, b"260101000000+0100"))),
        ("time-february-30", "notBefore on 30 February", pki.leaf(not_before=der.element(0x17, b"260230000000Z"))),
        ("time-fraction", "notAfter with a fraction of a second", pki.leaf(not_after=der.element(0x18, b"20500101000000.5Z"))),
        ("time-printable", "notAfter is a PrintableString", pki.leaf(not_after=der.element(0x13, b"270101000000Z"))),
        ("subject-empty-set", "an empty relative distinguished name", pki.leaf(subject=der.sequence(der.element(0x31)))),
        ("key-missing", "no public key", pki.leaf(spki=der.null())),
        ("key-bits", "a public key with unused bits", pki.leaf(spki=der.sequence(x509.algorithm(pki.RSA), der.bit_string(b"\x30\x00", 1)))),
        (
            "extension-boolean",
            "critical is neither TRUE nor FALSE",
            pki.leaf(extensions=[der.sequence(der.oid("2.5.29.19"), b"\x01\x01\x01", der.octet_string(der.sequence()))]),
        ),
        (
            "extension-false",
            "critical FALSE written out",
            pki.leaf(extensions=[der.sequence(der.oid("2.5.29.19"), der.boolean(False), der.octet_string(der.sequence()))]),
        ),
        ("extensions-none", "an empty list of extensions", pki.leaf(extensions=[])),
        ("extensions-in-version-1", "extensions in a certificate version 1", pki.leaf(version=b"")),
        (
            "extensions-twice",
            "two lists of extensions",
            pki.leaf(extensions_field=der.explicit(3, der.sequence(*pki.leaf_extensions())) * 2),
        ),
        ("indefinite", "an indefinite length", b"\x30\x80" + good[4:] + b"\0\0"),
        (
            "oid-padded",
            "a padded object identifier",
            good.replace(der.oid("2.5.29.17"), b"\x06\x04\x55\x80\x1d\x11"[:2] + b"\x55\x80\x1d\x11"),
        ),
        ("cut", "the certificate is cut", der.sequence(good[4:-20])),
    ):
        yield reject(f"certificate/{name}", comment, m.signed_data(certificates=[certificate]), None, stage="structure")
