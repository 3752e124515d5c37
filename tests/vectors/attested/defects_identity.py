"""Cases for the signer's name. Most names only resemble those of the metadata service."""

from __future__ import annotations

from collections.abc import Iterator

import message as m
import pki
from case import Case, accept, reject
from imdskit.asn1 import writer as der
from imdskit.emulator.authority import certificates as x509

NAMES = "2.5.29.17"


def _document(**changes: object) -> bytes:
    return m.signed_data(certificates=[pki.leaf(**changes)])


def _named(*names: str) -> bytes:
    return _document(extensions=pki.leaf_extensions(names=names))


def _general(*names: bytes) -> bytes:
    return _document(extensions=pki.leaf_extensions(subject_alternative_names=x509.extension(NAMES, der.sequence(*names))))


def cases() -> Iterator[Case]:
    for name in (
        "metadata.azure.com",
        "eastus.metadata.azure.com",
        "EastUS.Metadata.Azure.Com",
        "a.b.metadata.azure.com",
        "usgovvirginia.metadata.azure.us",
        "chinanorth.metadata.azure.cn",
        "germanycentral.metadata.microsoftazure.de",
        "*.metadata.azure.com",
    ):
        yield accept(f"name/{name}", "a name of the service", _named(name))
    for name in (
        "metadata.azure.org",
        "metadata.azure.co",
        "metadata.azure.com.evil.example",
        "evilmetadata.azure.com",
        "westeurope-metadata.azure.com",
        "azure.com",
        "www.azure.com",
        "*.azure.com",
        "*.com",
        "*",
        "m*.azure.com",
        "meta*.azure.com",
        "metadata.*.com",
        "metadata.azure",
        "metadata",
        "com",
        ".metadata.azure.com",
        "metadata.azure.com.",
        "a..metadata.azure.com",
        "metadata.azure.com\0.evil.example",
        "evil.example\0.metadata.azure.com",
        "metadata.azure.com/evil.example",
        "metadata.azure.com:443",
        "evil@metadata.azure.com",
        "evil.example, metadata.azure.com",
        "metadata.azure.com evil.example",
        " metadata.azure.com",
        "metadata.azure.com ",
        "metadata\n.azure.com",
        "metadata.azure.de",
        "metadata.microsoftazure.com",
        "metadata.azure.us.com",
        "microsoft azure",
        "login.microsoftonline.com",
        "169.254.169.254",
        "",
    ):
        shown = name.replace("\0", "%00").replace("\n", "%0A").replace(" ", "%20") or "(empty)"
        yield reject(
            f"name/{shown}",
            "not a name of the service",
            _named(name),
            None,
            see="kops, which accepts the exact name or a name that ends with '.' and the name",
        )
    right = der.ascii_octets("metadata.azure.com")
    for name, comment, document, reason in (
        ("san-other-only", "the common name is right, but the subject alternative name is not", _named("evil.example"), "wrong-name"),
        (
            "cn-only",
            "a common name, but no subject alternative name",
            _document(extensions=pki.leaf_extensions(subject_alternative_names=None)),
            "no-name",
        ),
        ("san-uri", "the name only as the host of a URI", _general(der.implicit(6, b"http://metadata.azure.com/")), "no-name"),
        ("san-mail", "the name only in a mail address", _general(der.implicit(1, b"imds@metadata.azure.com")), "no-name"),
        ("san-ip", "the IP address of the service", _general(der.implicit(7, bytes((169, 254, 169, 254)))), "no-name"),
        ("san-directory", "the name only in a directory name", _general(der.explicit(4, pki.name("metadata.azure.com"))), "no-name"),
        (
            "san-other-name",
            "the name only in an otherName",
            _general(der.explicit(0, der.oid("1.2.3.4"), der.explicit(0, der.utf8_string("metadata.azure.com")))),
            "no-name",
        ),
    ):
        yield reject(f"name/{name}", comment, document, reason)
    yield reject("name/san-empty", "a subject alternative name extension without names", _general(), None)
    yield reject("name/san-latin", "a DNS name with a letter in ISO 8859-1", _general(der.implicit(2, b"metad\xe1ta.azure.com")), None)
    yield reject(
        "name/san-homograph",
        "a DNS name with a Cyrillic letter in UTF-8",
        _general(der.implicit(2, "metad\u0430ta.azure.com".encode())),
        None,
    )
    yield accept("name/second", "the right name after another name", _general(der.implicit(2, b"evil.example"), der.implicit(2, right)))
    evil = pki.certificate(
        subject=pki.name("evil.example"),
        own=pki.key("other"),
        serial=der.integer(99),
        extensions=pki.leaf_extensions(names=("evil.example",), subject_key_identifier=None),
    )
    info = m.signer_info(sid=m.issuer_and_serial(serial=der.integer(99)), signature=pki.sign(m.CONTENT, pki.key("other")))
    for name, bag in (("bag-first", [pki.leaf(), evil]), ("bag-last", [evil, pki.leaf()])):
        document = m.signed_data(certificates=bag, signers=[info])
        yield reject(
            f"name/{name}",
            "one certificate has the right name, but the key of another one signed the message",
            document,
            "wrong-name",
            see="spiffe/spire#6998",
        )
