"""The DER writer: each element is compared with a value derived from X.690, and OpenSSL parses the output."""

from __future__ import annotations

import subprocess

import pytest

from imdskit.asn1 import writer as der
from imdskit.errors import UsageError

ELEMENTS = [
    pytest.param(der.integer(0), "020100", id="integer-0"),
    pytest.param(der.integer(127), "02017f", id="integer-127"),
    pytest.param(der.integer(128), "02020080", id="integer-128-needs-a-sign-octet"),
    pytest.param(der.integer(256), "02020100", id="integer-256"),
    pytest.param(der.integer(-1), "0201ff", id="integer--1"),
    pytest.param(der.integer(-128), "020180", id="integer--128"),
    pytest.param(der.integer(-129), "0202ff7f", id="integer--129"),
    pytest.param(der.boolean(True), "0101ff", id="true"),
    pytest.param(der.boolean(False), "010100", id="false"),
    pytest.param(der.null(), "0500", id="null"),
    pytest.param(der.oid("1.2.840.113549.1.1.11"), "06092a864886f70d01010b", id="oid-of-the-service"),
    pytest.param(der.oid("2.999.3"), "0603883703", id="oid-of-x690-8.19.5"),
    pytest.param(der.oid("0.39"), "060127", id="oid-0.39"),
    pytest.param(der.octet_string(b"ab"), "04026162", id="octet-string"),
    pytest.param(der.bit_string(b"\x0a"), "0302000a", id="bit-string"),
    pytest.param(der.named_bits(0, 2), "030205a0", id="key-usage-of-a-genuine-leaf"),
    pytest.param(der.named_bits(0, 5, 6), "03020186", id="key-usage-of-an-authority"),
    pytest.param(der.named_bits(8), "030307" + "0080", id="bit-8-in-a-second-octet"),
    pytest.param(der.named_bits(), "030100", id="no-bits"),
    pytest.param(der.printable_string("West US"), "130757657374205553", id="printable"),
    pytest.param(der.utf8_string("é"), "0c02c3a9", id="utf8"),
    pytest.param(der.ia5_string("a@b"), "1603614062", id="ia5"),
    pytest.param(der.sequence(der.null(), der.null()), "300405000500", id="sequence"),
    pytest.param(der.set_of(der.integer(2), der.integer(1)), "3106020101020102", id="set-of-is-sorted"),
    pytest.param(der.explicit(0, der.integer(2)), "a003020102", id="explicit"),
    pytest.param(der.implicit(2, b"a"), "820161", id="implicit"),
    pytest.param(der.time(0), "170d3730303130313030303030305a", id="utc-time"),
    pytest.param(der.time(2524607999), "170d3439313233313233353935395a", id="last-second-of-2049"),
    pytest.param(der.time(2524608000), "180f32303530303130313030303030305a", id="2050-is-generalized"),
    pytest.param(der.octet_string(bytes(127))[:2], "047f", id="length-127"),
    pytest.param(der.octet_string(bytes(128))[:3], "048180", id="length-128"),
    pytest.param(der.octet_string(bytes(255))[:3], "0481ff", id="length-255"),
    pytest.param(der.octet_string(bytes(256))[:4], "04820100", id="length-256"),
    pytest.param(der.octet_string(bytes(65536))[:5], "0483010000", id="length-65536"),
]


@pytest.mark.parametrize(("made", "expected"), ELEMENTS)
def test_writes_exactly_the_expected_bytes(made: bytes, expected: str) -> None:
    assert made.hex() == expected


@pytest.mark.parametrize("dotted", ["", "1", "3.1", "1.40", "1..2", "a.b", "1.-2", "1.2."])
def test_rejects_text_that_is_not_an_object_identifier(dotted: str) -> None:
    with pytest.raises(UsageError):
        der.oid(dotted)


@pytest.mark.parametrize(("kind", "text"), [(der.printable_string, "a_b"), (der.printable_string, "é"), (der.ia5_string, "é")])
def test_string_type_rejects_characters_it_does_not_allow(kind: object, text: str) -> None:
    assert callable(kind)
    with pytest.raises(UsageError):
        kind(text)


def test_openssl_can_parse_the_output() -> None:
    whole = der.sequence(
        der.integer(2**2048 - 1),
        der.oid("2.5.29.17"),
        der.explicit(3, der.set_of(der.null(), der.boolean(True))),
        der.octet_string(bytes(300)),
    )
    read = subprocess.run(["openssl", "asn1parse", "-inform", "DER", "-i"], input=whole, capture_output=True, check=True)
    kinds = [line.split(b":", 2)[2].split(b":")[0].strip() for line in read.stdout.splitlines()]
    assert kinds[:3] == [b"SEQUENCE", b"INTEGER", b"OBJECT"]
    assert b"X509v3 Subject Alternative Name" in read.stdout
    assert not read.stderr
