"""Hostile keys, signatures and extensions of a signer."""

from __future__ import annotations

from malformed import SHA256_RSA, called, extension

from hostile.building import (
    SERVER,
    SHA256_ECDSA,
    arcs,
    attribute,
    certificate,
    elliptic,
    filled,
    key,
    message,
    shape,
    signed_message,
    signer_info,
    small_oid,
    spki_of,
    with_extension,
)
from imdskit.asn1 import oids, writer
from imdskit.asn1.writer import element, explicit, implicit, integer, null, octet_string, oid, sequence, set_of

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
    """Return a document whose signer has a larger key than the policy accepts.

    :meth:`Checker.explain` does not compute with a key of this size.
    """
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
    """Return a document whose signer's certificate has very many purposes. At the full size they
    exceed the maximum of 1024."""
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
