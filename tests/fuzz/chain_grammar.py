"""Generator of certificates, chains and revocation lists, which can be mutated and signed at any level.

A :class:`Cert` is a description. :meth:`Maker.certificate` turns it into DER. It builds the TBSCertificate, may mutate it, and then signs
it with the key that the description names. The signature is therefore valid, so later checks are reached.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import extension_grammar as grammar
import malformed
from der_tree import MAX_DEPTH, read
from keyring import RSA_ALGORITHMS, RSA_KEYS, Algorithm, Keyring

from imdskit.asn1 import oids
from imdskit.asn1 import writer as der
from imdskit.emulator.authority import certificates as x509

AT = 1_795_000_000
DAY = 86_400
VERSION_3 = der.explicit(0, der.integer(2))
Mutate = Callable[[bytes], bytes]


def name(common_name: str) -> bytes:
    return x509.name(("O", "imdskit fuzz"), ("CN", common_name))


@dataclass(frozen=True)
class Cert:
    """Description of a certificate. Names and extensions are DER. Keys are names in the keyring."""

    subject: bytes
    key: str
    issuer: bytes
    signer: str
    extensions: tuple[bytes, ...] = ()
    serial: bytes = der.integer(0x1234)
    validity: bytes = der.sequence(der.time(AT - 400 * DAY), der.time(AT + 400 * DAY))
    algorithm: Algorithm = RSA_ALGORITHMS["rsa-sha384"]
    version: bytes = VERSION_3
    forged: bool = False
    """True if the signature is over other bytes than the TBSCertificate."""


class Maker:
    """Converter of descriptions to DER, with the keys of one run."""

    def __init__(self, keys: Keyring) -> None:
        self.keys = keys

    def certificate(self, cert: Cert, mutate: Mutate = bytes) -> bytes:
        return malformed.certificate(
            *cert.extensions,
            version=cert.version,
            serial=cert.serial,
            issuer=cert.issuer,
            validity=cert.validity,
            subject=cert.subject,
            spki=self.keys.spki(cert.key),
            algorithm=cert.algorithm.identifier,
            sign=lambda tbs: self.keys.signature(b"another certificate" if cert.forged else tbs, cert.signer, cert.algorithm),
            change=mutate,
        )

    def authority(self, subject: bytes, key: str, issuer: bytes, signer: str, rng: random.Random, strange: float = 0.0) -> Cert:
        """Return an authority. ``strange`` is the share of unusual members."""
        extensions = grammar.for_authority(rng, self.keys.identifier(key), self.keys.identifier(signer), (subject, issuer), strange)
        return self._dressed(Cert(subject, key, issuer, signer, tuple(extensions)), rng, strange)

    def leaf(self, key: str, issuer: bytes, signer: str, rng: random.Random, strange: float = 0.0) -> Cert:
        """Return a signer of documents. ``strange`` is the share of unusual members."""
        subject = name("metadata.azure.com")
        if rng.random() < strange * 0.5:
            subject = rng.choice((der.sequence(), grammar.directory_name(rng), issuer))
        extensions = grammar.for_leaf(rng, self.keys.identifier(key), self.keys.identifier(signer), (subject, issuer), strange)
        return self._dressed(Cert(subject, key, issuer, signer, tuple(extensions)), rng, strange)

    def _dressed(self, cert: Cert, rng: random.Random, strange: float) -> Cert:
        """Choose serial number, validity, algorithm and version."""
        changes: dict[str, object] = {
            "serial": der.integer(rng.randrange(1, 2**64)),
            "algorithm": self.keys.algorithm(cert.signer, rng, odd=strange * 0.3),
        }
        if rng.random() < strange * 0.3:
            changes["validity"] = validity(rng)
        if rng.random() < strange * 0.1:
            changes["serial"] = der.integer(rng.choice((0, -1, 2**159 - 1, 2**159, 2**160, 2**170)))
        if rng.random() < strange * 0.1:
            changes["version"] = rng.choice(
                (b"", der.explicit(0, der.integer(1)), der.explicit(0, der.integer(0)), der.explicit(0, der.integer(3)))
            )
        if rng.random() < strange * 0.05:
            changes["forged"] = True
        return replace(cert, **changes)  # type: ignore[arg-type]  # the members are those of Cert


def validity(rng: random.Random) -> bytes:
    """Return a validity period with an end at or near the time of the checks."""
    edges = (AT - 400 * DAY, AT - 1, AT, AT + 1, AT + 400 * DAY, 0, 2_524_607_999, 2_524_608_000)
    start, end = rng.choice((AT - 400 * DAY, rng.choice(edges))), rng.choice((AT + 400 * DAY, rng.choice(edges)))
    last = der.element(0x18, b"99991231235959Z") if rng.random() < 0.1 else der.time(end)
    return der.sequence(der.time(start), last)


def names_in(certificate_or_tbs: bytes, *, tbs: bool = False) -> tuple[bytes, bytes, bytes] | None:
    """Return the DER of the serial number, the issuer and the subject of a certificate. Its other
    members may be invalid. Return None if there are too few members."""
    root = read(certificate_or_tbs, MAX_DEPTH - (1 if tbs else 2))  # no deeper than necessary
    if root is None or not root.children:
        return None
    body = root if tbs else root.children[0]
    members = [child for child in body.children or () if child.tag != 0xA0]
    if len(members) < 5:
        return None
    return members[0].encode(), members[2].encode(), members[4].encode()


# Revocation lists.


@dataclass(frozen=True)
class RevocationList:
    """Description of a revocation list (RFC 5280 section 5.1)."""

    issuer: bytes
    signer: str
    revoked: tuple[bytes, ...] = ()
    this_update: bytes = der.time(AT - DAY)
    next_update: bytes = der.time(AT + DAY)
    extensions: tuple[bytes, ...] = (x509.extension(oids.CRL_NUMBER, der.integer(7)),)
    algorithm: Algorithm = RSA_ALGORITHMS["rsa-sha256"]


def revocation_list(keys: Keyring, listed: RevocationList, mutate: Mutate = bytes) -> bytes:
    identifier = x509.authority_key_identifier(keys.identifier(listed.signer))
    return malformed.revocation_list(
        *listed.revoked,
        extensions=(identifier, *listed.extensions),
        algorithm=listed.algorithm.identifier,
        issuer=listed.issuer,
        this_update=listed.this_update,
        next_update=listed.next_update,
        sign=lambda tbs: keys.signature(tbs, listed.signer, listed.algorithm),
        change=mutate,
    )


def entry(rng: random.Random, serial: bytes, issuers: Sequence[bytes]) -> bytes:
    """Return one entry. It may have a reason code and the certificate issuer of an indirect list."""
    extensions = []
    if rng.random() < 0.6:
        extensions.append(
            x509.extension(
                oids.REASON_CODE,
                der.element(0x0A, bytes((rng.choice((0, 1, 2, 4, 6, 6, 8, 8, 9, 10) if rng.random() < 0.97 else (7, 11)),))),
            )
        )
    if rng.random() < 0.2:
        names = der.sequence(der.explicit(4, rng.choice(issuers)))
        extensions.append(x509.extension(oids.CERTIFICATE_ISSUER, names, critical=rng.random() < 0.9))
    if rng.random() < 0.1:
        extensions.append(x509.extension(oids.INVALIDITY_DATE, der.element(0x18, b"20261101000000Z")))
    return der.sequence(serial, der.time(AT - rng.choice((DAY, 400 * DAY))), der.sequence(*extensions) if extensions else b"")


def issuing_distribution_point(rng: random.Random) -> bytes:
    members = [grammar.distribution_point_name(rng)] if rng.random() < 0.5 else []
    members += [der.implicit(index, b"\xff") for index in (1, 2) if rng.random() < 0.12]
    if rng.random() < 0.2:
        members.append(der.implicit(3, der.named_bits(*rng.sample(range(9), rng.choice((1, 3, 6))))[2:]))
    if rng.random() < 0.4:
        members.append(der.implicit(4, b"\xff"))
    if rng.random() < 0.05:
        members.append(der.implicit(5, b"\xff"))
    return x509.extension(oids.ISSUING_DISTRIBUTION_POINT, der.sequence(*members), critical=rng.random() < 0.95)


def some_list(keys: Keyring, rng: random.Random, issuer: bytes, signer: str, serials: Sequence[bytes], strange: float) -> RevocationList:
    """Return a list of an issuer. ``strange`` is the share of unusual members."""
    listed = RevocationList(issuer, signer, algorithm=keys.algorithm(signer, rng, odd=strange * 0.2))
    revoked = (
        [entry(rng, rng.choice((*serials, *serials, der.integer(99))), (issuer,)) for _ in range(rng.choice((0, 1, 1, 2)))]
        if strange and rng.random() < 0.6
        else []
    )
    number = rng.choice((7, 7, 8, 6, 0, 2**64))
    extensions = [x509.extension(oids.CRL_NUMBER, der.integer(number))] if rng.random() > strange * 0.1 else []
    if rng.random() < strange * 0.4:
        extensions.append(issuing_distribution_point(rng))
    if rng.random() < strange * 0.3:
        extensions.append(x509.extension(oids.DELTA_CRL_INDICATOR, der.integer(rng.choice((5, 6, 7))), critical=True))
    if rng.random() < strange * 0.1:
        extensions.append(grammar.unknown(rng))
    times: dict[str, bytes] = {}
    if rng.random() < strange * 0.3:
        times["this_update"] = der.time(AT - rng.choice((-1, 0, 1, DAY, 2 * DAY)))
        times["next_update"] = rng.choice((b"", der.time(AT - 1), der.time(AT), der.time(AT + DAY)))
    return replace(listed, revoked=tuple(revoked), extensions=tuple(extensions), **times)


# Chains.


@dataclass(frozen=True)
class Chain:
    """A chain from leaf to root."""

    certs: tuple[Cert, ...]

    @property
    def leaf(self) -> Cert:
        return self.certs[0]


def plain_chain(maker: Maker, rng: random.Random, keys: Sequence[str] = RSA_KEYS, length: int = 3, strange: float = 0.0) -> Chain:
    """Return a chain of ``length`` certificates, each with its own key."""
    chosen = rng.sample(list(keys), length)
    root_name = name("Fuzz Root")
    certs = [maker.authority(root_name, chosen[0], root_name, chosen[0], rng, 0.0)]
    # A root has no extended key usage and names no issuer.
    certs[0] = replace(certs[0], extensions=tuple(e for e in certs[0].extensions if der.oid(oids.EXTENDED_KEY_USAGE) not in e))
    for index, key in enumerate(chosen[1:-1]):
        certs.append(maker.authority(name(f"Fuzz Issuing CA {index}"), key, certs[-1].subject, certs[-1].key, rng, strange))
    certs.append(maker.leaf(chosen[-1], certs[-1].subject, certs[-1].key, rng, strange))
    return Chain(tuple(reversed(certs)))


def tangled(maker: Maker, rng: random.Random, anchor: Cert, strange: float) -> tuple[Cert, list[Cert]]:
    """Return a leaf and cross-certified authorities with loops, duplicates, dead ends and renewals. There may be a path to the anchor."""
    keys = list(RSA_KEYS[:4]) if rng.random() < 0.8 else [*RSA_KEYS[:2], "p256-0", "p256-1"]
    nodes = [(name(f"Tangled CA {index}"), key) for index, key in enumerate(keys[: rng.choice((2, 3, 4))])]
    roots = [(anchor.subject, anchor.key)]
    authorities = []
    for _ in range(rng.choice((2, 3, 4, 6, 8, 12))):
        subject, key = rng.choice(nodes)
        issuer, signer = rng.choice((*nodes, *nodes, *roots))
        if rng.random() < 0.1:
            signer = rng.choice(keys)
        if rng.random() < 0.05:
            subject = anchor.subject
        authorities.append(maker.authority(subject, key, issuer, signer, rng, strange * rng.random()))
    issuer, signer = rng.choice(nodes)
    return maker.leaf(rng.choice((keys[0], RSA_KEYS[5])), issuer, signer, rng, strange * rng.random()), authorities
