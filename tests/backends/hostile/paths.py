"""Hostile certification paths: those of an untrusted authority, and those below a trust anchor."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from itertools import pairwise

from malformed import AUTHORITY, called, extension

from hostile.building import (
    ALT_NAMES,
    CONTENT,
    SERVER,
    attribute,
    certificate,
    elliptic,
    filled,
    key,
    message,
    shape,
    sign,
    signer_info,
    small_oid,
    spki_of,
    trusted,
)
from hostile.signers import rsa_key
from imdskit.asn1 import oids, writer
from imdskit.asn1.writer import element, explicit, implicit, oid, sequence, set_of

# Paths from an untrusted authority. Every signature is valid, and there are at most sixteen certificates.


def tower(size: int, *, layers: int, twins: int, padding_of: Callable[[int], bytes], names: Callable[[int], bytes] | None = None) -> bytes:
    """Return a document whose signer is below ``layers`` layers of authorities. Each authority has
    ``twins`` certificates with the same name and key, so that very many paths exist."""
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
    """All other certificates have the name of the signer's issuer. None has the key that signed the
    certificate of the signer."""
    filler = opaque(size // 16 - 900)
    bag = [certificate(ALT_NAMES, SERVER, issuer=called("x"), by=key(1))]
    bag += [
        certificate(AUTHORITY, filler, subject=called("x"), issuer=called("x"), spki=spki_of(key(2 + number % 5)), by=key(1), serial=number)
        for number in range(15)
    ]
    return message(signer_info(called("x"), signature=sign(key(), CONTENT)), certificates=tuple(bag))


@shape
def large_keys(size: int) -> bytes:
    """Up to fifteen possible issuers have a key of the maximum accepted size with the longest
    exponent. Each of them costs an expensive verification of a signature."""
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


# Paths below a trusted anchor.


@cache
def anchor() -> bytes:
    return certificate(AUTHORITY, subject=called("anchor"), issuer=called("anchor"), spki=spki_of(key(99)), by=key(99))


def below(
    *, leaf: tuple[bytes, ...], authority: tuple[bytes, ...], twins: int = 1, subject: bytes = called("signer"), depth: int = 1
) -> bytes:
    """Return a document whose signer is below a chain of ``depth`` intermediates and the anchor.
    There are ``twins`` certificates of each intermediate, with the extensions ``authority``."""
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
