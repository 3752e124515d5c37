"""Generator of certificate extensions. It covers every extension that the verifier decodes, mostly in ordinary forms and often with
boundary values."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from der_tree import TEXTS, encoded_text

from imdskit.asn1 import oids
from imdskit.asn1 import writer as der
from imdskit.emulator.authority import certificates as x509

SIGNER_NAME = "westeurope.metadata.azure.com"
NAMES = (
    SIGNER_NAME, "metadata.azure.com", "eastus.metadata.azure.com", "metadata.azure.us", "x.metadata.azure.cn", "evilmetadata.azure.com",
    "*.metadata.azure.com",
    "WestEurope.METADATA.azure.com", "metadata.azure.com.", "a.b.example", "b.example", "localhost",
)  # fmt: skip
POLICIES = (oids.ANY_POLICY, "1.3.6.1.4.1.311.76.509.1.1", "2.23.140.1.2.2", "1.2.3.4", "1.2.3.5", "1.2.3.6")
PURPOSES = (oids.SERVER_AUTH, oids.CLIENT_AUTH, oids.ANY_EXTENDED_KEY_USAGE, "1.3.6.1.5.5.7.3.3", "1.3.6.1.5.5.7.3.9")
SERVER = (oids.CLIENT_AUTH, oids.SERVER_AUTH)
ADDRESSES = ("http://crl.example/1.crl", "http://crl.example/2.crl", "ldap:///CN=x", "urn:x")
HARDWARE_NAME = der.sequence(der.oid("1.2.3"), der.octet_string(b"\x01"))

NAME_FORMS: tuple[tuple[int, tuple[bytes, ...]], ...] = (
    (0x81, (b"a@b.example", b"b.example", b".b.example", b"@b.example", b"a@", b"A@B.EXAMPLE", b"\"a b\"@b.example", b"")),
    (0x82, (b"metadata.azure.com", b".metadata.azure.com", b"azure.com", b"com", b"",
            b"westeurope.metadata.azure.com", b"b.example", b"AZURE.com", b"a..b", b"*.azure.com")),
    (0x86, (b"http://a.example/x", b"a.example", b".example", b"http://[::1]/", b"urn:x", b"http://u@b.example:80/", b"")),
    (0x87, (b"\x0a\x00\x00\x01", b"\x0a\x00\x00\x00\xff\x00\x00\x00", b"\x00" * 8, b"\x0a\x00\x00\x00\xff\x00\xff\x00", b"\x00" * 16, b"\x00" * 32, b"\x01")),
    (0x88, (b"\x2a\x03", b"\x2a\x03\x04", b"\x80")),
)  # fmt: skip
"""Contents of general names by tag. Some are valid as names, some are valid as bases of name
constraints, and some are malformed."""


def some(rng: random.Random, values: Sequence[bytes], most: int = 3) -> list[bytes]:
    return [rng.choice(values) for _ in range(rng.choice((1, 1, 1, 2, most)))]


def directory_name(rng: random.Random) -> bytes:
    """Return a short Name of one to three relative distinguished names, in any string type."""
    parts = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        attributes = []
        for _ in range(rng.choice((1, 1, 1, 2))):
            kind = rng.choice(
                (oids.COMMON_NAME, oids.ORGANIZATION_NAME, oids.COUNTRY_NAME, oids.EMAIL_ADDRESS, oids.DOMAIN_COMPONENT, "1.2.3.4")
            )
            tag, value = encoded_text(rng, rng.choice(("A", "a", "B Example", "b  example", *(rng.choice(TEXTS) for _ in range(3)))))
            attributes.append(der.sequence(der.oid(kind), der.element(tag, value)))
        parts.append(der.set_of(*attributes))
    return der.sequence(*parts)


def general_name(rng: random.Random, directory: Sequence[bytes] = ()) -> bytes:
    kind = rng.randrange(10)
    if kind == 0:
        return der.explicit(4, rng.choice(directory) if directory and rng.randrange(2) else directory_name(rng))
    if kind == 1:
        return der.explicit(0, der.oid(rng.choice((oids.HARDWARE_MODULE_NAME, "1.2.3"))), der.explicit(0, HARDWARE_NAME))
    if kind < 5:
        return der.implicit(2, rng.choice(NAMES).encode())
    tag, values = rng.choice(NAME_FORMS)
    return der.element(tag, rng.choice(values))


def alternative_names(rng: random.Random, directory: Sequence[bytes] = ()) -> bytes:
    names = [general_name(rng, directory) for _ in range(rng.choice((1, 2, 3)))]
    if rng.random() < 0.7:
        names.insert(rng.randrange(len(names) + 1), der.implicit(2, SIGNER_NAME.encode()))
    return x509.extension(oids.SUBJECT_ALT_NAME, der.sequence(*names), critical=rng.random() < 0.1)


def name_constraints(rng: random.Random, directory: Sequence[bytes] = ()) -> bytes:
    def subtrees() -> bytes:
        found = []
        for _ in range(rng.choice((1, 1, 2, 3))):
            limits = [der.implicit(0, b"\x00")] if rng.random() < 0.03 else []
            limits += [der.implicit(1, b"\x02")] if rng.random() < 0.03 else []
            if rng.random() < 0.15:
                base = der.explicit(4, rng.choice(directory) if directory and rng.randrange(2) else directory_name(rng))
            else:
                tag, values = rng.choice(NAME_FORMS)
                base = der.element(tag, rng.choice(values))
            found.append(der.sequence(base, *limits))
        return b"".join(found)

    members = []
    if rng.random() < 0.6:
        permitted = subtrees()
        if rng.random() < 0.7:
            permitted += der.sequence(der.implicit(2, b"azure.com"))
        members.append(der.explicit(0, permitted))
    if rng.random() < 0.6:
        members.append(der.explicit(1, subtrees()))
    return x509.extension(oids.NAME_CONSTRAINTS, der.sequence(*members), critical=rng.random() < 0.8)


def policies(rng: random.Random) -> bytes:
    chosen = rng.sample(POLICIES, rng.choice((1, 1, 2, 3)))
    if rng.random() < 0.03:
        chosen.append(chosen[0])
    return x509.extension(oids.CERTIFICATE_POLICIES, _policies(rng, chosen), critical=rng.random() < 0.2)


def _policies(rng: random.Random, chosen: Sequence[str]) -> bytes:
    def one(policy: str) -> bytes:
        if rng.random() < 0.7:
            return der.sequence(der.oid(policy))
        qualifier = rng.choice(
            (
                der.sequence(der.oid("1.3.6.1.5.5.7.2.1"), der.ia5_string("http://a.example")),
                der.sequence(der.oid("1.3.6.1.5.5.7.2.2"), der.sequence()),
            )
        )
        return der.sequence(der.oid(policy), der.sequence(qualifier))

    return der.sequence(*(one(policy) for policy in chosen))


def policy_mappings(rng: random.Random) -> bytes:
    pairs = [der.sequence(der.oid(rng.choice(POLICIES)), der.oid(rng.choice(POLICIES[1:]))) for _ in range(rng.choice((1, 2)))]
    return x509.extension("2.5.29.33", der.sequence(*pairs), critical=rng.random() < 0.5)


def policy_constraints(rng: random.Random) -> bytes:
    members = [der.implicit(index, bytes((rng.choice((0, 0, 1, 2, 127)),))) for index in range(2) if rng.random() < 0.6]
    return x509.extension("2.5.29.36", der.sequence(*members), critical=rng.random() < 0.8)


def inhibit_any(rng: random.Random) -> bytes:
    return x509.extension("2.5.29.54", der.integer(rng.choice((0, 0, 0, 1, 1, 2, 2, -1))), critical=rng.random() < 0.8)


def basic_constraints(rng: random.Random, *, ca: bool) -> bytes:
    members = [der.boolean(True)] if ca != (rng.random() < 0.1) else [der.boolean(False)] if rng.random() < 0.2 else []
    if rng.random() < (0.3 if ca else 0.05):
        members.append(der.integer(rng.choice((0, 0, 0, 0, 1, 1, 2, 3, 2**70, -1))))
    return x509.extension(oids.BASIC_CONSTRAINTS, der.sequence(*members), critical=rng.random() < 0.9)


def key_usage(rng: random.Random, *, ca: bool) -> bytes:
    usual = {0, 5, 6} if ca else {0, 2}
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        usual ^= {rng.randrange(9)}
    return x509.extension(oids.KEY_USAGE, der.named_bits(*sorted(usual)), critical=rng.random() < 0.9)


def extended_key_usage(rng: random.Random) -> bytes:
    chosen = SERVER if rng.random() < 0.7 else tuple(rng.sample(PURPOSES, rng.choice((1, 2, 3))))
    return x509.extension(oids.EXTENDED_KEY_USAGE, der.sequence(*map(der.oid, chosen)), critical=rng.random() < 0.1)


def authority_key_identifier(rng: random.Random, identifier: bytes, directory: Sequence[bytes]) -> bytes:
    members = []
    if rng.random() < 0.9:
        members.append(der.implicit(0, identifier if rng.random() < 0.8 else rng.choice((b"", b"\x01", bytes(20)))))
    issuer, serial = rng.random() < 0.1, rng.random() < 0.1
    if issuer and directory:
        members.append(der.explicit(1, der.explicit(4, rng.choice(directory))))
    if serial:
        members.append(der.implicit(2, rng.choice((b"\x01", b"\x12\x34", b"\x00\x01"))))
    return x509.extension(oids.AUTHORITY_KEY_IDENTIFIER, der.sequence(*members), critical=rng.random() < 0.03)


def distribution_point_name(rng: random.Random) -> bytes:
    """Return a [0] DistributionPointName in either form."""
    if rng.random() < 0.2:
        kind, value = rng.choice((oids.COMMON_NAME, oids.ORGANIZATION_NAME)), der.printable_string(rng.choice(("crl", "CRL", "other")))
        return der.explicit(0, der.explicit(1, der.sequence(der.oid(kind), value)))
    return der.explicit(
        0, der.explicit(0, *(der.implicit(6, address.encode()) for address in rng.sample(ADDRESSES, rng.choice((1, 1, 2)))))
    )


def distribution_points(rng: random.Random, directory: Sequence[bytes]) -> bytes:
    points = []
    for _ in range(rng.choice((1, 1, 2))):
        members = [distribution_point_name(rng)] if rng.random() < 0.85 else []
        if rng.random() < 0.2:
            members.append(der.implicit(1, der.named_bits(*rng.sample(range(9), rng.choice((1, 2, 4))))[2:]))
        if rng.random() < 0.2 and directory:
            members.append(der.explicit(2, der.explicit(4, rng.choice(directory))))
        points.append(der.sequence(*members))
    return x509.extension(oids.CRL_DISTRIBUTION_POINTS, der.sequence(*points), critical=rng.random() < 0.05)


def information_access(rng: random.Random) -> bytes:
    address = rng.choice((b"http://www.microsoft.com/pkiops/certs/a.crt", b"http://x/y\r\nz", b"", b"\x1b[31m", b"ldap://x"))
    access = der.sequence(der.oid(rng.choice((oids.CA_ISSUERS, "1.3.6.1.5.5.7.48.1"))), der.implicit(6, address))
    return x509.extension(oids.AUTHORITY_INFO_ACCESS, der.sequence(access), critical=rng.random() < 0.03)


def unknown(rng: random.Random) -> bytes:
    oid = rng.choice(
        (
            "1.2.3.4.5",
            "2.5.29.18",
            "2.5.29.46",
            "2.5.29.9",
            "1.3.6.1.5.5.7.1.24",
            "1.3.6.1.5.5.7.1.11",
            "1.3.6.1.4.1.11129.2.4.2",
            oids.REASON_CODE,
        )
    )
    value = rng.choice((der.null(), b"", der.sequence(), der.octet_string(b"\x00\x01"), der.sequence(general_name(rng))))
    return x509.extension(oid, value, critical=rng.random() < 0.25)


def for_leaf(rng: random.Random, own: bytes, issuer: bytes, directory: Sequence[bytes], strange: float) -> list[bytes]:
    """Return extensions of an end entity. ``strange`` is the share of those that differ from a genuine signer's."""
    return _chosen(rng, own, issuer, directory, strange, ca=False)


def for_authority(rng: random.Random, own: bytes, issuer: bytes, directory: Sequence[bytes], strange: float) -> list[bytes]:
    """Return extensions of an authority. ``strange`` is the share of unusual ones."""
    return _chosen(rng, own, issuer, directory, strange, ca=True)


def _chosen(rng: random.Random, own: bytes, issuer: bytes, directory: Sequence[bytes], strange: float, *, ca: bool) -> list[bytes]:
    def odd(kind: Callable[[], bytes], usual: bytes | None) -> bytes | None:
        draw = rng.random()
        return kind() if draw < strange else None if draw < strange * 1.3 else usual

    plain_usage = x509.key_usage(0, 5, 6) if ca else x509.key_usage(0, 2)
    chosen = [
        odd(lambda: key_usage(rng, ca=ca), plain_usage),
        odd(lambda: extended_key_usage(rng), x509.extended_key_usage(*SERVER)),
        odd(lambda: basic_constraints(rng, ca=ca), x509.basic_constraints(ca)),
        odd(lambda: x509.subject_key_identifier(rng.choice((b"", bytes(20), own, issuer))), x509.subject_key_identifier(own)),
        odd(lambda: authority_key_identifier(rng, issuer, directory), x509.authority_key_identifier(issuer)),
        odd(lambda: alternative_names(rng, directory), None if ca else x509.subject_alternative_names(SIGNER_NAME, "metadata.azure.com")),
    ]
    found = [one for one in chosen if one is not None]
    extra: tuple[tuple[float, Callable[[], bytes]], ...] = (
        (1.0 if ca else 0.1, lambda: name_constraints(rng, directory)),
        (1.0, lambda: policies(rng)),
        (0.4 if ca else 0.1, lambda: policy_mappings(rng)),
        (0.5, lambda: policy_constraints(rng)),
        (0.4, lambda: inhibit_any(rng)),
        (0.5, lambda: distribution_points(rng, directory)),
        (0.3, lambda: information_access(rng)),
        (0.3, lambda: unknown(rng)),
    )
    found += [make() for share, make in extra if rng.random() < share * strange]
    if found and rng.random() < strange * 0.1:
        found.append(rng.choice(found))
    if rng.random() < strange:
        rng.shuffle(found)
    return found
