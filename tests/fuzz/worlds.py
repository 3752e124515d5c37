"""Worlds: settings for checking generated documents. A world has an authority and a policy. All
worlds are created once for the seed of a run."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import extension_grammar as grammar
from chain_grammar import AT, Cert, Chain, Maker, name, plain_chain, revocation_list, some_list
from document_grammar import NONCE, Message, claims, compact, encode, stamp
from keyring import EC_KEYS, ODD_KEYS, RSA_KEYS, Keyring

from imdskit.asn1 import oids
from imdskit.asn1 import writer as der
from imdskit.backends.contract import MAX_JSON_BRACKETS, Limits, Setup
from imdskit.emulator.authority import certificates as x509

DOMAINS = (("public", "metadata.azure.com"), ("usgovernment", "metadata.azure.us"))


@dataclass(frozen=True)
class World:
    """Trusted certificates and a policy, and the chain of an authority that they accept.

    Attributes:
        name: name of the world in reports of differences.
        chain: certificates from leaf to root.
        setup: setup whose anchor is the root.
        bag: True if documents contain the intermediates. Otherwise the setup contains them.
        good: documents that the setup accepts at ``AT``. They are mixed with others.
    """

    name: str
    chain: Chain
    setup: Setup
    bag: bool
    ders: tuple[bytes, ...]
    good: tuple[bytes, ...]

    @property
    def carried(self) -> tuple[bytes, ...]:
        """Certificates in an ordinary document, signer first."""
        return self.ders[:-1] if self.bag else self.ders[:1]


def make(keys: Keyring, seed: int) -> tuple[World, ...]:
    """Return all worlds of a run."""
    maker = Maker(keys)
    rng = random.Random(f"worlds {seed}")
    plain = plain_chain(maker, rng)
    long = plain_chain(maker, rng, length=4)
    elliptic = plain_chain(maker, rng, keys=EC_KEYS)
    mixed = plain_chain(maker, rng, keys=(RSA_KEYS[0], "p256-1", "p384-0"))
    odd = plain_chain(maker, rng, keys=(RSA_KEYS[1], *ODD_KEYS[1:]))
    made = [
        _world(maker, "plain", plain),
        _world(maker, "bag", long, bag=True),
        _world(maker, "elliptic", elliptic),
        _world(maker, "mixed", mixed, bag=True),
        _world(maker, "odd keys", odd, min_rsa_bits=2047),
        _world(maker, "constrained", _constrained(plain_chain(maker, rng))),
        _world(maker, "strict", plain_chain(maker, rng), max_age=300, skew=0, require_nonce=True),
        _world(maker, "lenient", plain, allow_common_name=True, require_vm_id=False, check_times=False, min_rsa_bits=1024),
        _world(maker, "no chain", plain, check_chain=False),
        _world(maker, "small limits", plain, limits=Limits(6000, 2, 5, 3, 4)),
        _world(maker, "large limits", plain, limits=Limits(256 * 1024, 64, MAX_JSON_BRACKETS, 12, 9000)),
        _world(maker, "bag and lists", long, bag=True, crls=_lists(keys, long)),
        _world(maker, "lists", plain, crls=_lists(keys, plain)),
        _world(maker, "lists not required", plain, crls=_lists(keys, plain)[1:], require_crl=False),
        _renewed(maker, rng, plain),
    ]
    return tuple(made)


def _world(maker: Maker, name: str, chain: Chain, *, bag: bool = False, **settings: Any) -> World:
    ders = tuple(maker.certificate(cert) for cert in chain.certs)
    setup = Setup(anchors=ders[-1:], intermediates=() if bag else ders[1:-1], names=DOMAINS, **settings)
    world = World(name, chain, setup, bag, ders, ())
    return replace(world, good=good_documents(maker.keys, world))


def good_documents(keys: Keyring, world: World) -> tuple[bytes, ...]:
    rng = random.Random("good")
    fresh = {"nonce": NONCE, "timeStamp": {"createdOn": stamp(AT - 10), "expiresOn": stamp(AT + 21_590)}}
    return tuple(encode(ordinary(keys, world, compact(claims(rng) | fresh)), keys) for _ in range(4))


def ordinary(keys: Keyring, world: World, content: bytes) -> Message:
    """Return a message like those of the service, signed by the world's own signer."""
    leaf = world.chain.leaf
    algorithm = keys.algorithm(leaf.key, random.Random(leaf.key))
    digest = {"sha256": oids.SHA256, "sha384": oids.SHA384, "sha512": oids.SHA512}[algorithm.digest]
    identifier = der.sequence(der.oid(oids.RSA_ENCRYPTION), der.null()) if algorithm.form == "pkcs1" else None
    return Message(
        content,
        leaf.key,
        world.carried,
        der.sequence(leaf.issuer, leaf.serial),
        algorithm,
        digest=der.sequence(der.oid(digest), der.null()),
        signature_algorithm=identifier,
    )


def _constrained(chain: Chain) -> Chain:
    """Return the chain with added name constraints and required policies, which the signer meets."""
    policy = x509.extension(oids.CERTIFICATE_POLICIES, der.sequence(der.sequence(der.oid(grammar.POLICIES[1]))))
    permitted = der.explicit(0, der.sequence(der.implicit(2, b"azure.com")))
    constraints = x509.extension(oids.NAME_CONSTRAINTS, der.sequence(permitted), critical=True)
    required = x509.extension("2.5.29.36", der.sequence(der.implicit(0, b"\x00")), critical=True)
    leaf, issuing, root = chain.certs
    return Chain(
        (
            replace(leaf, extensions=(*leaf.extensions, policy)),
            replace(issuing, extensions=(*issuing.extensions, policy, constraints, required)),
            root,
        )
    )


def _lists(keys: Keyring, chain: Chain) -> tuple[bytes, ...]:
    """Return a current list of every authority. None of them revokes anything."""
    authorities = chain.certs[1:]
    return tuple(revocation_list(keys, some_list(keys, random.Random(7), one.subject, one.key, (), 0.0)) for one in authorities)


def _renewed(maker: Maker, rng: random.Random, chain: Chain) -> World:
    """Return a world in which root and authority each have a second certificate with a new key. Both roots are trusted."""
    leaf, issuing, root = chain.certs
    spare = [key for key in RSA_KEYS if key not in {cert.key for cert in chain.certs}]
    new_root = replace(root, key=spare[0], signer=spare[0], extensions=_with_key(maker, root, spare[0]), serial=der.integer(77))
    again = replace(issuing, signer=spare[0], serial=der.integer(78), extensions=_issued_by(maker, issuing, spare[0]))
    rekeyed = replace(issuing, key=spare[1], serial=der.integer(79), extensions=_with_key(maker, issuing, spare[1]))
    ders = tuple(maker.certificate(cert) for cert in (leaf, issuing, root))
    more = [maker.certificate(cert) for cert in (rekeyed, again)]
    setup = Setup(anchors=(maker.certificate(new_root), ders[2]), intermediates=(*more, ders[1]), names=DOMAINS)
    world = World("renewed", chain, setup, False, ders, ())
    return replace(world, good=good_documents(maker.keys, world))


def _with_key(maker: Maker, cert: Cert, key: str) -> tuple[bytes, ...]:
    identifier = x509.subject_key_identifier(maker.keys.identifier(key))
    return tuple(identifier if der.oid(oids.SUBJECT_KEY_IDENTIFIER) in one else one for one in cert.extensions)


def _issued_by(maker: Maker, cert: Cert, signer: str) -> tuple[bytes, ...]:
    identifier = x509.authority_key_identifier(maker.keys.identifier(signer))
    return tuple(identifier if der.oid(oids.AUTHORITY_KEY_IDENTIFIER) in one else one for one in cert.extensions)


def stranger_authority(maker: Maker, rng: random.Random) -> Sequence[Cert]:
    """Return a self-signed authority that no world trusts."""
    subject = name("Stranger")
    return [maker.authority(subject, "rsa-stranger", subject, "rsa-stranger", rng)]
