"""Hostile envelopes, messages and names."""

from __future__ import annotations

import base64

from malformed import called, name

from hostile.building import (
    CONTENT,
    arcs,
    attribute,
    certificate,
    elliptic,
    envelope,
    filled,
    key,
    message,
    shape,
    sign,
    signer_info,
    small_oid,
)
from imdskit.asn1 import oids, writer
from imdskit.asn1.writer import element, explicit, integer, null, octet_string, oid, sequence, set_of

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
    """Return a message whose signer identifier has a name with very many combining marks.
    Normalization would sort them in quadratic time."""
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
    """Return a message whose signer identifier has a name of ligatures. Normalization replaces each
    ligature with eighteen characters."""
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
