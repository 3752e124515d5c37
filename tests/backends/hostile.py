"""Hostile documents that grow: each shape makes one of about the size that is asked for, never larger.

    python tests/backends/hostile.py [SIZE]

prints what each shape costs, the slowest first: milliseconds of processor time (median of five) to check it on both backends, to explain it, and to
inspect it.

``SHAPES`` are refused before a path to an anchor is proved. ``TRUSTED`` are signed below an anchor that the checker trusts: what an authority
that has turned against us can send.
"""

from __future__ import annotations

import base64
import statistics
import sys
from collections.abc import Callable
from functools import cache, partial
from itertools import pairwise
from time import process_time
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from imdskit.asn1 import oids, writer
from imdskit.asn1.writer import element, explicit, implicit, integer, null, octet_string, oid, sequence, set_of

NOW = 1_780_000_000
FULL = 64 * 1024

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Shape = Callable[[int], bytes]

SHAPES: dict[str, Shape] = {}
TRUSTED: dict[str, Shape] = {}


def shape(make: Shape) -> Shape:
    SHAPES[make.__name__.replace("_", "-")] = make
    return make


def trusted(make: Shape) -> Shape:
    TRUSTED[make.__name__.replace("_", "-")] = make
    return make


# Keys, certificates and messages.

SHA256 = sequence(oid(oids.SHA256), null())
SHA256_RSA = sequence(oid(oids.SHA256_WITH_RSA), null())
SHA256_ECDSA = sequence(oid("1.2.840.10045.4.3.2"))
VALIDITY = sequence(writer.time(NOW - 1000), writer.time(NOW + 1000))
CONTENT = (
    b'{"licenseType":"","nonce":"1","plan":{"name":"","product":"","publisher":""},"sku":"s","subscriptionId":"a",'
    b'"timeStamp":{"createdOn":"05/28/26 20:00:00 -0000","expiresOn":"05/29/26 02:00:00 -0000"},"vmId":"b"}'
)


@cache
def key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key of this process; the same number gives the same key."""
    return rsa.generate_private_key(65537, bits)


@cache
def elliptic(curve: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key({"P-256": ec.SECP256R1(), "P-521": ec.SECP521R1()}[curve])


def spki_of(private: Key) -> bytes:
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def sign(private: Key, message: bytes) -> bytes:
    if isinstance(private, rsa.RSAPrivateKey):
        return private.sign(message, padding.PKCS1v15(), hashes.SHA256())
    return private.sign(message, ec.ECDSA(hashes.SHA256()))


def algorithm_of(private: Key) -> bytes:
    return SHA256_RSA if isinstance(private, rsa.RSAPrivateKey) else SHA256_ECDSA


def attribute(kind: str, value: bytes) -> bytes:
    return sequence(oid(kind), value)


def name(*values: bytes) -> bytes:
    """A name of one common name each."""
    return sequence(*(set_of(attribute(oids.COMMON_NAME, value)) for value in values))


def called(text: str) -> bytes:
    return name(writer.utf8_string(text))


def extension(kind: str, value: bytes, critical: bool = False) -> bytes:
    return sequence(oid(kind), writer.boolean(True) if critical else b"", octet_string(value))


ALT_NAMES = extension(oids.SUBJECT_ALT_NAME, sequence(implicit(2, b"metadata.azure.com")))
SERVER = extension(oids.EXTENDED_KEY_USAGE, sequence(oid(oids.SERVER_AUTH)))
AUTHORITY = extension(oids.BASIC_CONSTRAINTS, sequence(writer.boolean(True)), critical=True)


def certificate(
    *extensions: bytes,
    subject: bytes = called("signer"),
    issuer: bytes = called("nobody"),
    spki: bytes | None = None,
    by: Key | None = None,
    serial: int = 7,
) -> bytes:
    """A certificate; its signature is rubbish unless somebody signs it."""
    algorithm = SHA256_RSA if by is None else algorithm_of(by)
    tbs = sequence(
        explicit(0, integer(2)),
        integer(serial),
        algorithm,
        issuer,
        VALIDITY,
        subject,
        spki or spki_of(key()),
        explicit(3, sequence(*extensions)) if extensions else b"",
    )
    return sequence(tbs, algorithm, writer.bit_string(b"\0" * 256 if by is None else sign(by, tbs)))


def signer_info(
    issuer: bytes = called("nobody"),
    serial: int = 7,
    *,
    digest: bytes = SHA256,
    algorithm: bytes = SHA256_RSA,
    signature: bytes = b"\0" * 256,
    signed: bytes = b"",
    unsigned: bytes = b"",
) -> bytes:
    return sequence(integer(1), sequence(issuer, integer(serial)), digest, signed, algorithm, octet_string(signature), unsigned)


def message(
    *infos: bytes,
    certificates: tuple[bytes, ...] = (),
    digests: bytes = SHA256,
    version: int = 1,
    crls: bytes = b"",
    content: bytes = CONTENT,
) -> bytes:
    bag = explicit(0, *certificates) if certificates else b""
    encapsulated = sequence(oid(oids.DATA), explicit(0, octet_string(content)))
    data = sequence(integer(version), element(0x31, digests), encapsulated, bag, crls, element(0x31, *infos))
    return sequence(oid(oids.SIGNED_DATA), explicit(0, data))


def signed_message(by: Key, *bag: bytes, content: bytes = CONTENT) -> bytes:
    """Signed with the key of the first certificate."""
    return message(signer_info(algorithm=algorithm_of(by), signature=sign(by, content)), certificates=bag, content=content)


def with_extension(kind: str, value: bytes, *more: bytes) -> bytes:
    """A document whose signature is good, by a signer that nobody knows, with one extension."""
    return signed_message(key(), certificate(extension(kind, value), *more))


def filled(size: int, item: Callable[[int], bytes], make: Callable[[bytes], bytes]) -> bytes:
    """What ``make`` makes of as many items as fit into ``size`` octets."""
    room = size - len(make(b"")) - 40
    items: list[bytes] = []
    while room > 0:
        items.append(item(len(items)))
        room -= len(items[-1])
    return make(b"".join(items[:-1]))


def envelope(members: bytes) -> bytes:
    return b'{"encoding":"pkcs7","signature":"AAAA",' + members + b"}"


def arcs(number: int, octets: int = 60) -> bytes:
    """An object identifier of one huge arc."""
    return element(0x06, b"\x2a" + b"\xff" * (octets - 4) + bytes((0x80 | number >> 14 & 0x7F, 0x80 | number >> 7 & 0x7F, number & 0x7F)))


def small_oid(number: int) -> bytes:
    return element(0x06, bytes((0x2A, 0x81, 0x80 | number >> 7 & 0x7F, number & 0x7F)))


# Envelopes.


@shape
def json_escapes(size: int) -> bytes:
    return b'{"encoding":"pkcs7","signature":"' + rb"\u0041" * ((size - 40) // 6) + b'"}'


@shape
def json_surrogate_pairs(size: int) -> bytes:
    return filled(size, lambda n: rb"\ud83d\ude00", lambda text: envelope(b'"a":"' + text + b'"'))


@shape
def json_half_a_pair_at_the_end(size: int) -> bytes:
    return filled(size, lambda n: rb"\ud83d\ude00", lambda text: envelope(b'"a":"' + text + rb"\ud800" + b'"'))


@shape
def json_deep_with_large_numbers(size: int) -> bytes:
    return filled(size, lambda n: b"1e999,", lambda text: envelope(b'"a":' + b"[" * 60 + text + b"1" + b"]" * 60))


@shape
def json_deep_with_escapes(size: int) -> bytes:
    return filled(size, lambda n: rb"\u0041\n", lambda text: envelope(b'"a":' + b'[{"b":' * 30 + b'"' + text + b'"' + b"}]" * 30))


@shape
def json_members(size: int) -> bytes:
    return filled(size, lambda n: b'"%d":0,' % n, lambda text: envelope(text + b'"z":0'))


@shape
def json_member_twice(size: int) -> bytes:
    return filled(size, lambda n: b'"%d":0,' % n, lambda text: envelope(text + b'"encoding":0'))


@shape
def json_member_names_with_escapes(size: int) -> bytes:
    return filled(size, lambda n: rb'"\u0041%d":"\n",' % n, lambda text: envelope(text + b'"z":0'))


@shape
def json_long_number(size: int) -> bytes:
    return filled(size, lambda n: b"9" * 64, lambda text: envelope(b'"a":-' + text + b"9"))


@shape
def json_many_long_numbers(size: int) -> bytes:
    return filled(size, lambda n: b"9" * 4000 + b",", lambda text: envelope(b'"a":[' + text + b"9]"))


@shape
def json_blanks(size: int) -> bytes:
    return filled(size, lambda n: b" \t\r\n" * 16, lambda text: text + envelope(b'"a":' + text[: len(text) // 99] + b"0"))[:size]


@shape
def json_broken_at_the_end(size: int) -> bytes:
    return filled(size, lambda n: b'"a%d":"\\n",\n' % n, lambda text: envelope(text + b"?"))


@shape
def json_not_utf8_at_the_end(size: int) -> bytes:
    return filled(size, lambda n: "\u00e9\U0001f600".encode(), lambda text: envelope(b'"a":"' + text + b'\xff"'))


@shape
def json_unknown_encoding(size: int) -> bytes:
    return filled(size, lambda n: rb"\u00e9", lambda text: b'{"signature":"","encoding":"' + text + b'"}')


@shape
def base64_between_blanks(size: int) -> bytes:
    return b"A \n" * ((size - 8) // 3) + b"!"


@shape
def base64_not_ascii_at_the_end(size: int) -> bytes:
    return b'{"encoding":"pkcs7","signature":"' + b"A" * (size - 64) + b'\xc3\xa9"}'


@shape
def base64_of_nothing(size: int) -> bytes:
    return base64.b64encode(b"0" * (size * 3 // 4 - 64))


@shape
def text_in_utf16(size: int) -> bytes:
    return ("\ufeff" + "A" * (size // 2 - 2)).encode("utf-16-le")


@shape
def text_in_utf32(size: int) -> bytes:
    return ("\ufeff" + '{"' * (size // 8 - 2)).encode("utf-32-be")


# DER and SignedData.


@shape
def indefinite_lengths(size: int) -> bytes:
    return b"\x30\x80" * (size // 2)


@shape
def deep_elements(size: int) -> bytes:
    nested = b""
    while len(nested) < size - 600:
        nested = sequence(nested)
    return message(signer_info(digest=sequence(oid(oids.SHA256), nested)))


@shape
def nested_to_the_bound(size: int) -> bytes:
    def tower(number: int) -> bytes:
        nested = integer(number)
        for _ in range(30):
            nested = sequence(nested)
        return nested

    return filled(size, tower, lambda items: message(signer_info(digest=sequence(oid(oids.SHA256), sequence(items)))))


@shape
def many_elements_of_any_type(size: int) -> bytes:
    return filled(size, lambda n: integer(n & 0x7F), lambda items: message(signer_info(digest=sequence(oid(oids.SHA256), sequence(items)))))


@shape
def digest_algorithms(size: int) -> bytes:
    return filled(size, lambda n: sequence(small_oid(n)), lambda items: message(signer_info(), digests=items))


@shape
def digest_algorithms_with_huge_arcs(size: int) -> bytes:
    return filled(size, lambda n: sequence(arcs(n)), lambda items: message(signer_info(), digests=items))


@shape
def digest_algorithms_and_signers(size: int) -> bytes:
    digests = filled(size // 2, lambda n: sequence(small_oid(n)), bytes)
    info = signer_info(signature=b"")
    return filled(size, lambda n: info, lambda items: message(items, digests=digests))


@shape
def one_long_object_identifier(size: int) -> bytes:
    return sequence(element(0x06, b"\x2a" + b"\xff" * (size - 16) + b"\x01"), explicit(0))


@shape
def huge_version(size: int) -> bytes:
    return message(signer_info(), version=1 << 8 * (size - 700))


@shape
def huge_serial_of_the_signer(size: int) -> bytes:
    return message(signer_info(serial=(1 << 8 * (size - 1400)) + 1), certificates=(certificate(),))


@shape
def signed_attributes(size: int) -> bytes:
    item = lambda n: attribute("1.2.3", set_of(octet_string(n.to_bytes(4, "big"))))  # noqa: E731
    return filled(size, item, lambda items: signed_by_attributes(items))


def signed_by_attributes(items: bytes) -> bytes:
    signature = sign(key(), element(0x31, items))
    return message(signer_info(signed=element(0xA0, items) if items else b"", signature=signature), certificates=(certificate(),))


@shape
def signed_attributes_of_one_type(size: int) -> bytes:
    item = lambda n: attribute(oids.CONTENT_TYPE, set_of(integer(n + (1 << 31))))  # noqa: E731
    return filled(size, item, lambda items: signed_by_attributes(items))


@shape
def values_of_one_attribute(size: int) -> bytes:
    return filled(size, lambda n: null(), lambda items: signed_by_attributes(attribute("1.2.3", element(0x31, items))))


@shape
def unsigned_attributes(size: int) -> bytes:
    item = lambda n: attribute("1.2.3", set_of(integer(n)))  # noqa: E731
    info = lambda items: signer_info(signature=sign(key(), CONTENT), unsigned=element(0xA1, items) if items else b"")  # noqa: E731
    return filled(size, item, lambda items: message(info(items), certificates=(certificate(),)))


@shape
def revocation_lists_in_the_message(size: int) -> bytes:
    return filled(size, lambda n: sequence(integer(n)), lambda items: message(signer_info(), crls=explicit(1, items)))


@shape
def many_signers(size: int) -> bytes:
    return filled(size, lambda n: signer_info(serial=n, signature=b"x"), lambda items: message(items))


@shape
def many_signers_and_certificates(size: int) -> bytes:
    bag = tuple(
        certificate(issuer=called("x" * 60 + f"{n:04}"), spki=sequence(sequence(oid("1.2.3")), writer.bit_string(b"")))
        for n in range(size // 900)
    )
    return filled(size, lambda n: signer_info(called("x" * 60 + "none"), n, signature=b""), lambda items: message(items, certificates=bag))


@shape
def tiny_certificates(size: int) -> bytes:
    spki = sequence(sequence(oid("1.2.3")), writer.bit_string(b""))
    item = lambda n: certificate(subject=sequence(), issuer=sequence(), spki=spki, serial=n)  # noqa: E731
    return filled(size, item, lambda items: message(signer_info(), certificates=(items,)))


@shape
def other_certificates(size: int) -> bytes:
    return filled(size, lambda n: explicit(3, integer(n)), lambda items: message(signer_info(), certificates=(items,) if items else ()))


# Names.


def in_sid(names: bytes) -> bytes:
    return message(signer_info(names))


@shape
def combining_marks(size: int) -> bytes:
    """Case V1."""
    marks = (size - 700) // 4
    return in_sid(name(writer.utf8_string("\u0344" * marks + "\u0316" * marks)))


@shape
def combining_marks_to_the_bound(size: int) -> bytes:
    row = "a" + "\u0344" * 15 + "\u0316" * 15
    return in_sid(name(writer.utf8_string(row * ((size - 700) // len(row.encode())))))


@shape
def combining_marks_in_many_values(size: int) -> bytes:
    value = set_of(attribute(oids.COMMON_NAME, writer.utf8_string("\u0344" * 15 + "\u0316" * 15)))
    return filled(size, lambda n: value, lambda items: in_sid(sequence(items)))


@shape
def compatibility_forms(size: int) -> bytes:
    """Case V2: each character becomes eighteen."""
    return in_sid(name(writer.utf8_string("\ufdfa" * ((size - 700) // 3))))


@shape
def compatibility_forms_within_the_bound(size: int) -> bytes:
    value = set_of(attribute(oids.COMMON_NAME, element(0x1E, "\ufdfa".encode("utf-16-be") * 1024)))
    return filled(size, lambda n: value, lambda items: in_sid(sequence(items)))


@shape
def many_short_compatibility_forms(size: int) -> bytes:
    value = set_of(attribute(oids.COMMON_NAME, writer.utf8_string("\ufdfa" * 16)))
    return filled(size, lambda n: value, lambda items: in_sid(sequence(items)))


@shape
def case_folding(size: int) -> bytes:
    return in_sid(name(writer.utf8_string("\u0390\u1fe4\ufb03" * ((size - 700) // 8))))


@shape
def name_with_an_error_behind_it(size: int) -> bytes:
    return message(signer_info(sequence(name(writer.utf8_string("\ufdfa" * ((size - 700) // 3)))[4:], null())))


@shape
def name_in_utf32(size: int) -> bytes:
    return in_sid(name(element(0x1C, ("\ufdfa" * ((size - 700) // 4)).encode("utf-32-be"))))


@shape
def name_in_utf16(size: int) -> bytes:
    return in_sid(name(element(0x1E, ("\ufdfa" * ((size - 700) // 2)).encode("utf-16-be"))))


@shape
def blanks_in_a_name(size: int) -> bytes:
    return in_sid(name(writer.utf8_string("a  " * ((size - 700) // 3))))


@shape
def blanks_beyond_ascii(size: int) -> bytes:
    return in_sid(name(writer.utf8_string("a\u3000\xa0" * ((size - 700) // 6))))


@shape
def relative_names(size: int) -> bytes:
    item = set_of(sequence(element(0x06, b"\x55"), element(0x0C)))
    return filled(size, lambda n: item, lambda items: in_sid(sequence(items)))


@shape
def attributes_of_one_relative_name(size: int) -> bytes:
    item = lambda n: sequence(small_oid(n), writer.utf8_string("x" * 20))  # noqa: E731
    return filled(size, item, lambda items: in_sid(sequence(element(0x31, items))))


@shape
def types_with_huge_arcs(size: int) -> bytes:
    return filled(size, lambda n: set_of(sequence(arcs(n), element(0x0C))), lambda items: in_sid(sequence(items)))


@shape
def certificates_with_large_names(size: int) -> bytes:
    rdn = set_of(sequence(element(0x06, b"\x55"), element(0x0C)))
    names = sequence(rdn * ((size - 1500) // 32 // len(rdn) - 10))
    spki = sequence(sequence(oid("1.2.3")), writer.bit_string(b""))
    bag = (certificate(subject=names, issuer=names, spki=spki, serial=number, by=elliptic("P-256")) for number in range(16))
    return message(signer_info(), certificates=tuple(bag))


# Keys and signatures.


def rsa_key(modulus: int, exponent: int) -> bytes:
    numbers = sequence(integer(modulus), integer(exponent))
    return sequence(sequence(oid(oids.RSA_ENCRYPTION), null()), writer.bit_string(numbers))


@shape
def huge_modulus(size: int) -> bytes:
    bits = 8 * (size - 2200)
    return message(signer_info(), certificates=(certificate(spki=rsa_key((1 << bits) - 1, 65537)),))


@shape
def huge_exponent(size: int) -> bytes:
    exponent = (1 << 8 * (size - 2200)) - 1
    return message(signer_info(), certificates=(certificate(spki=rsa_key((1 << 2048) - 1, exponent)),))


@shape
def modulus_of_16384_bits(size: int) -> bytes:
    """Beyond what is accepted, and what :meth:`Checker.explain` would reckon with."""
    return message(
        signer_info(signature=b"\x7f" * 2048, unsigned=element(0xA1, attribute("1.2.3", set_of(octet_string(bytes(size - 5400)))))),
        certificates=(certificate(spki=rsa_key((1 << 16384) - 1, (1 << 64) - 1)),),
    )


@shape
def huge_serial(size: int) -> bytes:
    return signed_message(key(), certificate(serial=7), certificate(serial=(1 << 8 * (size - 2600)) - 1))


@shape
def huge_signature(size: int) -> bytes:
    return message(signer_info(signature=b"\xff" * (size - 1600)), certificates=(certificate(),))


@shape
def elliptic_points(size: int) -> bytes:
    spki = spki_of(elliptic("P-521"))
    return filled(size, lambda n: certificate(spki=spki, serial=n + 9), lambda items: message(signer_info(), certificates=(items,)))


@shape
def huge_numbers_in_an_elliptic_signature(size: int) -> bytes:
    number = (1 << 8 * (size // 2 - 500)) - 1
    info = signer_info(algorithm=SHA256_ECDSA, signature=sequence(integer(number), integer(number)))
    return message(info, certificates=(certificate(spki=spki_of(elliptic("P-521"))),))


@shape
def pss_parameters(size: int) -> bytes:
    algorithm = sequence(oid(oids.RSASSA_PSS), sequence(explicit(2, integer((1 << 8 * (size - 1700)) - 1))))
    return message(signer_info(algorithm=algorithm), certificates=(certificate(),))


@shape
def pss_keys(size: int) -> bytes:
    numbers = sequence(integer((1 << 2048) - 1), integer(65537))

    def spki(number: int) -> bytes:
        parameters = sequence(explicit(2, integer(number + 1)))
        return sequence(sequence(oid(oids.RSASSA_PSS), parameters), writer.bit_string(numbers))

    return filled(size, lambda n: certificate(spki=spki(n)), lambda items: message(signer_info(), certificates=(items,)))


@shape
def times_that_do_not_exist(size: int) -> bytes:
    cut = sequence(element(0x17, b"991399999999Z"), element(0x18, b"9" * (size - 1400)))
    tbs = sequence(explicit(0, integer(2)), integer(7), SHA256_RSA, called("nobody"), cut)
    return message(signer_info(), certificates=(sequence(tbs, SHA256_RSA, writer.bit_string(b"")),))


# Extensions.


@shape
def alternative_names(size: int) -> bytes:
    return filled(size, lambda n: implicit(2, b"a.b"), lambda items: with_extension(oids.SUBJECT_ALT_NAME, sequence(items)))


@shape
def alternative_names_that_are_long(size: int) -> bytes:
    label = b"a" + b"-" * 61 + b"."
    return filled(size, lambda n: implicit(2, label * 4 + b"b"), lambda items: with_extension(oids.SUBJECT_ALT_NAME, sequence(items)))


@shape
def one_long_alternative_name(size: int) -> bytes:
    return with_extension(oids.SUBJECT_ALT_NAME, sequence(implicit(2, b"a." * (size // 2 - 900))))


@shape
def alternative_names_that_are_malformed(size: int) -> bytes:
    item = lambda n: (implicit(6, b"A"), implicit(1, b"a@"), implicit(7, b""))[n % 3]  # noqa: E731
    return filled(size, item, lambda items: with_extension(oids.SUBJECT_ALT_NAME, sequence(items)))


@shape
def one_long_address(size: int) -> bytes:
    names = sequence(implicit(6, b"a" * (size // 2 - 900)), implicit(1, b"a@" * (size // 4 - 450)))
    return with_extension(oids.SUBJECT_ALT_NAME, names)


@shape
def directory_names(size: int) -> bytes:
    item = explicit(4, sequence(set_of(sequence(element(0x06, b"\x55"), element(0x0C)))))
    return filled(size, lambda n: item, lambda items: with_extension(oids.SUBJECT_ALT_NAME, sequence(items)))


@shape
def registered_identifiers(size: int) -> bytes:
    return filled(size, lambda n: implicit(8, arcs(n)[2:]), lambda items: with_extension(oids.SUBJECT_ALT_NAME, sequence(items)))


@shape
def extensions_of_many_kinds(size: int) -> bytes:
    item = lambda n: sequence(small_oid(n), writer.boolean(True), octet_string(b""))  # noqa: E731
    return filled(size, item, lambda items: signed_message(key(), certificate(SERVER, items)))


@shape
def extensions_of_one_kind(size: int) -> bytes:
    item = extension(oids.SUBJECT_KEY_IDENTIFIER, octet_string(b""), critical=True)
    return filled(size, lambda n: item, lambda items: signed_message(key(), certificate(SERVER, items)))


@shape
def extensions_with_huge_arcs(size: int) -> bytes:
    item = lambda n: sequence(arcs(n), octet_string(b""))  # noqa: E731
    return filled(size, item, lambda items: signed_message(key(), certificate(SERVER, items)))


@shape
def purposes(size: int) -> bytes:
    """In several certificates, as one list holds 1024."""
    return filled(size, small_oid, lambda items: with_extension(oids.EXTENDED_KEY_USAGE, sequence(items)))


@shape
def policies_with_qualifiers(size: int) -> bytes:
    item = sequence(oid("1.2.3"), null())
    policies = lambda items: sequence(sequence(oid("1.2.4"), sequence(items)))  # noqa: E731
    return filled(size, lambda n: item, lambda items: with_extension(oids.CERTIFICATE_POLICIES, policies(items)))


@shape
def policies(size: int) -> bytes:
    return filled(size, lambda n: sequence(arcs(n)), lambda items: with_extension(oids.CERTIFICATE_POLICIES, sequence(items)))


@shape
def policy_mappings(size: int) -> bytes:
    item = lambda n: sequence(small_oid(n), small_oid(n + 1))  # noqa: E731
    return filled(size, item, lambda items: with_extension(oids.POLICY_MAPPINGS, sequence(items)))


@shape
def path_length_that_is_huge(size: int) -> bytes:
    basic = sequence(writer.boolean(True), integer((1 << 8 * (size - 2200)) - 1))
    return with_extension(oids.BASIC_CONSTRAINTS, basic)


@shape
def key_usage_of_many_bits(size: int) -> bytes:
    return with_extension(oids.KEY_USAGE, writer.bit_string(b"\xff" * (size - 2200)))


@shape
def distribution_points(size: int) -> bytes:
    item = sequence(explicit(0, explicit(0, implicit(6, b"a:b"))))
    return filled(size, lambda n: item, lambda items: with_extension(oids.CRL_DISTRIBUTION_POINTS, sequence(items)))


@shape
def authority_information(size: int) -> bytes:
    item = sequence(oid(oids.CA_ISSUERS), implicit(6, b"http://a.b/" + b"c" * 80))
    return filled(size, lambda n: item, lambda items: with_extension(oids.AUTHORITY_INFO_ACCESS, sequence(items)))


@shape
def authority_information_that_is_long(size: int) -> bytes:
    item = sequence(oid(oids.CA_ISSUERS), implicit(6, b"http://a.b/" + b"c" * (size - 2400)))
    return with_extension(oids.AUTHORITY_INFO_ACCESS, sequence(item))


@shape
def authority_key_identifier(size: int) -> bytes:
    names = lambda items: sequence(element(0xA1, items))  # noqa: E731
    return filled(size, lambda n: implicit(2, b"a"), lambda items: with_extension(oids.AUTHORITY_KEY_IDENTIFIER, names(items)))


# Paths of an authority that nobody trusts: every signature is good. At most sixteen certificates.


def tower(size: int, *, layers: int, twins: int, padding_of: Callable[[int], bytes], names: Callable[[int], bytes] | None = None) -> bytes:
    """A signer below ``layers`` of authorities, each of which has several certificates for one name and key: as many paths as possible."""
    share = (size - 1000) // (layers * twins + 1)
    named = names or (lambda number: called(f"authority {number}"))
    bag = [certificate(ALT_NAMES, SERVER, issuer=named(0), by=key(1))]
    for layer in range(layers):
        for twin in range(twins):
            made = lambda filling, layer=layer, twin=twin: certificate(  # noqa: E731
                AUTHORITY,
                *([filling] if filling else []),
                subject=named(layer),
                issuer=named(layer + 1),
                spki=spki_of(key(layer + 1)),
                by=key(layer + 2),
                serial=twin + 1,
            )
            bag.append(made(padding_of(max(share - len(made(b"")) - 40, 10))))
    return message(signer_info(named(0), signature=sign(key(), CONTENT)), certificates=tuple(bag))


def constrained(size: int) -> bytes:
    item = sequence(implicit(2, b"a"))
    return extension(oids.NAME_CONSTRAINTS, sequence(explicit(1, item * min(max(size - 40, 7) // len(item), 1024))), critical=True)


def opaque(size: int) -> bytes:
    return extension("1.2.3.4", bytes(max(size, 1)))


def purposeful(size: int) -> bytes:
    purposes = b"".join(small_oid(n) for n in range(min(max(size - 60, 6) // 6, 1000)))
    return extension(oids.EXTENDED_KEY_USAGE, sequence(purposes, oid(oids.SERVER_AUTH)))


@shape
def paths_through_twins(size: int) -> bytes:
    return tower(size, layers=7, twins=2, padding_of=opaque)


@shape
def paths_through_triplets(size: int) -> bytes:
    return tower(size, layers=5, twins=3, padding_of=opaque)


@shape
def paths_through_constraints(size: int) -> bytes:
    return tower(size, layers=5, twins=3, padding_of=constrained)


@shape
def paths_through_purposes(size: int) -> bytes:
    return tower(size, layers=5, twins=3, padding_of=purposeful)


@shape
def paths_through_large_names(size: int) -> bytes:
    def large(number: int) -> bytes:
        item = set_of(sequence(element(0x06, b"\x55"), element(0x0C)))
        return filled(size // 40, lambda n: item, lambda items: sequence(set_of(attribute(oids.COMMON_NAME, integer_text(number))), items))

    return tower(size, layers=5, twins=3, padding_of=opaque, names=large)


def integer_text(number: int) -> bytes:
    return writer.utf8_string(str(number))


@shape
def namesakes_that_did_not_sign(size: int) -> bytes:
    """All have the name that is looked for, and none of them the key."""
    filler = opaque(size // 16 - 900)
    bag = [certificate(ALT_NAMES, SERVER, issuer=called("x"), by=key(1))]
    bag += [
        certificate(AUTHORITY, filler, subject=called("x"), issuer=called("x"), spki=spki_of(key(2 + number % 5)), by=key(1), serial=number)
        for number in range(15)
    ]
    return message(signer_info(called("x"), signature=sign(key(), CONTENT)), certificates=tuple(bag))


@shape
def large_keys(size: int) -> bytes:
    """Fifteen keys of the largest size that is accepted, with the longest exponent; each candidate costs a signature."""
    modulus = lambda n: (1 << 8192) - 1 - 2 * n  # noqa: E731
    filler = opaque(max(size // 16 - 2300, 1))
    bag = [certificate(ALT_NAMES, SERVER, issuer=called("x"), by=key(1))]
    for number in range(min(15, size // 2200)):
        spki = rsa_key(modulus(number), (1 << 32) - 1)
        bag.append(certificate(AUTHORITY, filler, subject=called("x"), issuer=called("x"), spki=spki, serial=number))
    return message(signer_info(called("x"), signature=sign(key(), CONTENT)), certificates=tuple(bag))


@shape
def loops_of_cross_certificates(size: int) -> bytes:
    filler = opaque(size // 16 - 900)
    bag = [certificate(ALT_NAMES, SERVER, issuer=called("a"), by=key(1))]
    for number in range(15):
        one, other = ("a", "b") if number % 2 else ("b", "a")
        mine, theirs = (1, 2) if number % 2 else (2, 1)
        bag.append(
            certificate(
                AUTHORITY, filler, subject=called(one), issuer=called(other), spki=spki_of(key(mine)), by=key(theirs), serial=number
            )
        )
    return message(signer_info(called("a"), signature=sign(key(), CONTENT)), certificates=tuple(bag))


@shape
def elliptic_authorities(size: int) -> bytes:
    private = elliptic("P-521")
    filler = opaque(size // 16 - 900)
    above = lambda number: called("y" if number else "x")  # noqa: E731
    bag = [certificate(ALT_NAMES, SERVER, issuer=called("x"), by=private)]
    bag += [
        certificate(AUTHORITY, filler, subject=called("x"), issuer=above(number), spki=spki_of(private), by=private, serial=number)
        for number in range(15)
    ]
    return message(signer_info(called("x"), signature=sign(key(), CONTENT)), certificates=tuple(bag))


# Below an anchor that is trusted.


@cache
def anchor() -> bytes:
    return certificate(AUTHORITY, subject=called("anchor"), issuer=called("anchor"), spki=spki_of(key(99)), by=key(99))


def below(
    *, leaf: tuple[bytes, ...], authority: tuple[bytes, ...], twins: int = 1, subject: bytes = called("signer"), depth: int = 1
) -> bytes:
    """A signer below ``depth`` intermediates below the anchor, all with the same extensions, each with several certificates."""
    names = [called("anchor"), *(called(f"middle {number}") for number in range(depth))]
    keys = [key(99), *(key(10 + number) for number in range(depth))]
    bag = [certificate(SERVER, *leaf, subject=subject, issuer=names[-1], by=keys[-1])]
    for (upper, signing), (lower, signed) in pairwise(zip(names, keys, strict=True)):
        middle = partial(certificate, AUTHORITY, *authority, subject=lower, issuer=upper, spki=spki_of(signed), by=signing)
        bag += [middle(serial=twin + 1) for twin in range(twins)]
    return message(signer_info(names[-1], signature=sign(key(), CONTENT)), certificates=tuple(bag))


def many(size: int, item: Callable[[int], bytes], most: int = 1024) -> bytes:
    items = []
    while size > 0 and len(items) < most:
        items.append(item(len(items)))
        size -= len(items[-1])
    return b"".join(items)


def constraints_on(bases: bytes) -> bytes:
    return extension(oids.NAME_CONSTRAINTS, sequence(explicit(1, bases)), critical=True)


@trusted
def constraints_and_names(size: int) -> bytes:
    bases = many(size // 16, lambda n: sequence(implicit(2, b"x%d" % n)))
    names = many(size // 2, lambda n: implicit(2, b"a%d.b" % n))
    return below(leaf=(extension(oids.SUBJECT_ALT_NAME, sequence(names)),), authority=(constraints_on(bases),), depth=3, twins=2)


@trusted
def constraints_and_names_of_many_labels(size: int) -> bytes:
    bases = many(size // 16, lambda n: sequence(implicit(2, b".".join([b"x"] * (n % 120 + 1)))))
    names = many(size // 2, lambda n: implicit(2, b"a." * 126 + b"b"))
    return below(leaf=(extension(oids.SUBJECT_ALT_NAME, sequence(names)),), authority=(constraints_on(bases),), depth=3, twins=2)


@trusted
def constraints_and_directory_names(size: int) -> bytes:
    rdn = set_of(sequence(element(0x06, b"\x55"), element(0x0C)))
    bases = many(size // 16, lambda n: sequence(explicit(4, sequence(rdn * n, called("x")[2:]))))
    subject = sequence(rdn * (size // 4 // len(rdn)))
    names = many(size // 4, lambda n: explicit(4, sequence(rdn * 100)))
    return below(
        leaf=(extension(oids.SUBJECT_ALT_NAME, sequence(names)),), authority=(constraints_on(bases),), subject=subject, depth=3, twins=2
    )


@trusted
def constraints_and_addresses(size: int) -> bytes:
    masks = [((1 << 128) - (1 << bits)).to_bytes(16, "big") for bits in range(128)]
    bases = many(size // 16, lambda n: sequence(implicit(7, bytes((n % 250 + 1,)) * 16 + masks[n % 128])))
    names = many(size // 2, lambda n: implicit(7, n.to_bytes(16, "big")))
    return below(leaf=(extension(oids.SUBJECT_ALT_NAME, sequence(names)),), authority=(constraints_on(bases),), depth=3, twins=2)


@trusted
def policies_and_mappings(size: int) -> bytes:
    asserted = extension(oids.CERTIFICATE_POLICIES, sequence(many(size // 26, lambda n: sequence(small_oid(n)))))
    mapped = extension(oids.POLICY_MAPPINGS, sequence(many(size // 26, lambda n: sequence(small_oid(n % 40), small_oid(n)))))
    return below(leaf=(asserted,), authority=(asserted, mapped), depth=5, twins=2)


@trusted
def points_of_distribution(size: int) -> bytes:
    points = many(size // 8, lambda n: sequence(explicit(0, explicit(0, implicit(6, b"a:%d" % n)))), 1 << 20)
    return below(leaf=(extension(oids.CRL_DISTRIBUTION_POINTS, sequence(points)),), authority=(), depth=3, twins=2)


# Measuring.


class Cost(NamedTuple):
    """Milliseconds of processor time."""

    python: float
    rust: float | None
    explain: float
    inspect: float


def spent(work: Callable[[], object], runs: int = 5, *, least: bool = False) -> float:
    """Milliseconds of processor time of one call: the median, or the least, of so many."""
    times = []
    for _ in range(runs):
        start = process_time()
        work()
        times.append(1000 * (process_time() - start))
    return min(times) if least else statistics.median(times)


def main(size: int) -> None:
    from imdskit import backends
    from imdskit.backends.contract import Setup
    from imdskit.clock import ManualClock
    from imdskit.errors import BackendError, VerificationError
    from imdskit.verify import Policy, Trust, Verifier
    from imdskit.verify.inspection import inspect_document

    setup = Setup(anchors=(anchor(),), intermediates=(), names=(("azure", "metadata.azure.com"),))
    python = backends.get("python").checker(setup)
    try:
        rust = backends.get("rust").checker(setup)
    except BackendError:
        rust = None
    verifier = Verifier(Trust((anchor(),)), Policy(), backend="python", clock=ManualClock(NOW))

    def refused(checker: object, document: bytes) -> str:
        try:
            checker.check(document, NOW, None)  # type: ignore[attr-defined]
        except VerificationError as error:
            return error.code
        return "accepted"

    rows = []
    for label, make in {**SHAPES, **TRUSTED}.items():
        document = make(size)
        cost = Cost(
            spent(partial(refused, python, document)),
            spent(partial(refused, rust, document)) if rust else None,
            spent(partial(verifier.explain, document)),
            spent(partial(inspect_document, verifier, document)),
        )
        rows.append((cost, label, refused(python, document), refused(rust, document) if rust else "", len(document)))
    for cost, label, code, other, length in sorted(rows, reverse=True):
        shown = " ".join("       -" if one is None else f"{one:8.2f}" for one in cost)
        print(f"{shown}  {label} {length} {code}{'' if code == other else ' BUT ' + other}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else FULL)
