"""Cases of the differential run. A case is a document, the time of its check, an optional nonce,
and the setting.

The setting of most cases is a *world* (see :mod:`worlds`): trusted certificates, a policy, and an
authority that they accept. A case depends only on the seed of the run and its own number, so
``--seed N --case K`` creates it again. Each kind of case builds a valid document and then changes
it at one level: envelope, message, content, leaf, authority, revocation list or setting. In most
kinds, signatures over the changed part are created after the change, so they are valid. Changes of
DER are numbered steps, each with its own random numbers. A failing case can be made smaller by
leaving steps out.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import extension_grammar as grammar
import tlv
import worlds as settings
from chain_grammar import AT, DAY, Cert, Maker, name, names_in, revocation_list, some_list, tangled
from der_tree import changed
from document_grammar import NONCE, Message, altered_claims, assemble, claims, compact, dressed, encode, enveloped
from keyring import ALL_KEYS, RSA_KEYS, Keyring
from mutate import mutated
from worlds import World, ordinary

from imdskit.asn1 import writer as der
from imdskit.backends.contract import Limits, Setup


@dataclass(frozen=True)
class Case:
    """One input of a checker.

    Attributes:
        number: number of the case in its run.
        kind: name of the function that created it.
        world: index of its world.
        setup: the case's own setup, or None to use the setup of the world.
        steps: number of changes of DER, including those that were left out.
    """

    number: int
    kind: str
    world: int
    setup: Setup | None
    document: bytes
    at: int
    nonce: str | None
    steps: int


class Steps:
    """Random choices and numbered changes of one case. Changes can be left out by number."""

    def __init__(self, seed: int, number: int, skip: frozenset[int] = frozenset()) -> None:
        self.rng = random.Random(f"{seed} {number}")
        self._name = f"{seed} {number}"
        self._skip = skip
        self.count = 0

    def apply(self, data: bytes, change: Callable[[bytes, random.Random], bytes]) -> bytes:
        number = self.count
        self.count += 1
        return data if number in self._skip else change(data, random.Random(f"{self._name} {number}"))

    def tree(self, data: bytes, *donors: bytes) -> bytes:
        """Change one to three elements, or sometimes raw bytes or lengths instead."""
        if self.rng.random() < 0.08:
            return self.apply(data, _raw)
        for _ in range(self.rng.choice((1, 1, 1, 2, 3))):
            data = self.apply(data, lambda data, rng: changed(data, rng, donors))
        return data


def _raw(data: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        return mutated((data,), rng)
    try:
        return rng.choice(tlv.KINDS)(data, rng)
    except (IndexError, ValueError):
        return data


class Generator:
    """Generator of cases. Worlds and keys are created once."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.keys = Keyring(seed)
        self.maker = Maker(self.keys)
        self.worlds = settings.make(self.keys, seed)

    def case(self, number: int, skip: frozenset[int] = frozenset(), now: int = AT) -> Case:
        """Return the case with this number, without the steps in ``skip``. Most cases are checked at the time ``now``, when most documents
        are current."""
        steps = Steps(self.seed, number, skip)
        rng = steps.rng
        index = rng.randrange(len(self.worlds))
        kind = rng.choices(KINDS, WEIGHTS)[0]
        at = now if rng.random() < 0.9 else self._time(rng)
        document, setup = kind(self, steps, self.worlds[index], at)
        nonce = rng.choice((None, None, None, NONCE, NONCE, NONCE, NONCE, NONCE, rng.choice(("", NONCE + "0", "\ud800", "é"))))
        return Case(number, kind.__name__.strip("_"), index, setup, document, at, nonce, steps.count)

    def _time(self, rng: random.Random) -> int:
        return rng.choice(
            (
                AT - 1,
                AT + 1,
                AT + DAY,
                AT + DAY + 1,
                AT - DAY - 1,
                AT - 400 * DAY - 1,
                AT + 400 * DAY,
                AT + 400 * DAY + 1,
                0,
                253_402_300_799,
            )
        )

    # Documents from the world's own signer

    def _stock(self, steps: Steps, world: World, at: int) -> Made:
        """Make an ordinary document, so that the caches for its signer are used."""
        return self._own(steps, world, compact(claims(steps.rng, at))), None

    def _own(self, steps: Steps, world: World, content: bytes) -> bytes:
        return enveloped(encode(ordinary(self.keys, world, content), self.keys), steps.rng)

    def _content(self, steps: Steps, world: World, at: int) -> Made:
        return self._own(steps, world, altered_claims(steps.rng, at)), None

    def _unsigned_change(self, steps: Steps, world: World, at: int) -> Made:
        """Change bytes of the DER or characters of its base64 without signing anything again."""
        message = encode(ordinary(self.keys, world, compact(claims(steps.rng, at))), self.keys)
        if steps.rng.random() < 0.5:
            return enveloped(steps.apply(message, _raw), steps.rng), None
        return steps.apply(enveloped(message, steps.rng), lambda data, rng: mutated((data,), rng)), None

    def _envelope(self, steps: Steps, world: World, at: int) -> Made:
        return enveloped(encode(ordinary(self.keys, world, compact(claims(steps.rng, at))), self.keys), steps.rng, strange=1.0), None

    def _message(self, steps: Steps, world: World, at: int) -> Made:
        """Vary the form of the CMS message. In most cases its signature is valid."""
        rng = steps.rng
        message = self._dressed(
            rng, ordinary(self.keys, world, compact(claims(rng, at))), world.chain.leaf.key, rng.choice((0.1, 0.3, 0.8))
        )
        if rng.random() < 0.5 or message.attributes is None:
            encoded = encode(message, self.keys)
            return enveloped(steps.tree(encoded, *message.certificates) if rng.random() < 0.5 else encoded, rng), None
        # Signed attributes are changed and signed again.
        body = steps.tree(der.element(0x31, *sorted(message.attributes)))
        signature = self.keys.signature(body, message.key, message.algorithm)
        return enveloped(assemble(message, b"\xa0" + body[1:], signature), rng), None

    def _dressed(self, rng: random.Random, message: Message, key: str, strange: float) -> Message:
        message = replace(message, algorithm=self.keys.algorithm(key, rng, odd=0.25), signature_algorithm=None)
        certificates = list(message.certificates)
        if rng.random() < 0.2:
            rng.shuffle(certificates)
        if rng.random() < 0.2:
            others = [
                *self.worlds[rng.randrange(len(self.worlds))].ders,
                der.explicit(1, der.sequence()),
                der.explicit(3, der.oid("1.2"), der.null()),
            ]
            certificates.insert(rng.randrange(len(certificates) + 1), rng.choice((*certificates, *others)))
        if rng.random() < 0.02:
            certificates *= 9
        message = replace(message, certificates=tuple(certificates))
        return dressed(message, rng, strange, self.keys.identifier(key))

    # Documents from other signers under the same trust

    def _leaf(self, steps: Steps, world: World, at: int) -> Made:
        """Have the world's authority issue a new signer with unusual or changed members."""
        rng = steps.rng
        issuer = world.chain.certs[1]
        leaf = self.maker.leaf(
            rng.choice(ALL_KEYS) if rng.random() < 0.4 else rng.choice(RSA_KEYS),
            issuer.subject,
            issuer.key,
            rng,
            rng.choice((0.0, 0.1, 0.2, 0.4)),
        )
        return self._signed_by(steps, leaf, world.ders[1:-1] if world.bag else (), at, world), None

    def _authority(self, steps: Steps, world: World, at: int) -> Made:
        """Insert one or two new authorities above the signer. One of them is unusual or changed. If
        its name is changed, the certificate that it issues contains the changed name as issuer."""
        rng = steps.rng
        above = world.chain.certs[rng.choice((1, -1))]
        carried = list(world.ders[1:-1]) if world.bag else []
        subject, key = above.subject, above.key
        depth = rng.choice((1, 1, 2))
        faulty = rng.randrange(depth)
        for index, own in enumerate(rng.sample([one for one in RSA_KEYS if one != above.key] + ["p256-2"], depth)):
            strange = rng.choice((0.05, 0.15, 0.4)) if index == faulty else 0.0
            cert = self.maker.authority(name(f"New CA {index}"), own, subject, key, rng, strange)
            changes = index == faulty and rng.random() < 0.35
            encoded = self.maker.certificate(cert, steps.tree if changes else _same)
            found = names_in(encoded)
            subject, key = found[2] if found else cert.subject, own
            carried.append(encoded)
        leaf = self.maker.leaf(rng.choice(RSA_KEYS), subject, key, rng, rng.choice((0.0, 0.0, 0.3)))
        rng.shuffle(carried)
        return self._signed_by(steps, leaf, tuple(carried), at, world, changes=False), None

    def _tangle(self, steps: Steps, world: World, at: int) -> Made:
        rng = steps.rng
        leaf, authorities = tangled(self.maker, rng, world.chain.certs[-1], rng.choice((0.0, 0.0, 0.1, 0.2)))
        return self._signed_by(steps, leaf, tuple(map(self.maker.certificate, authorities)), at, world, changes=False), None

    def _stranger(self, steps: Steps, world: World, at: int) -> Made:
        """Sign with a key that has no path to an anchor. The message may contain the key's own root."""
        rng = steps.rng
        [root] = settings.stranger_authority(self.maker, rng)
        if rng.random() < 0.5:
            root = replace(
                root, subject=world.chain.certs[1].subject, issuer=rng.choice((world.chain.certs[-1].subject, world.chain.certs[1].subject))
            )
        leaf = self.maker.leaf(rng.choice(RSA_KEYS), root.subject, root.key, rng, rng.choice((0.0, 0.3)))
        return self._signed_by(steps, leaf, (self.maker.certificate(root),) * rng.randrange(2), at, world), None

    def _signed_by(self, steps: Steps, leaf: Cert, others: tuple[bytes, ...], at: int, world: World, *, changes: bool = True) -> bytes:
        """Sign a document with the key of ``leaf``. This certificate may be changed before its
        issuer signs it. The message then names the changed issuer and serial number."""
        rng = steps.rng
        encoded = self.maker.certificate(leaf, steps.tree if changes and rng.random() < 0.35 else _same)
        found = names_in(encoded)
        sid = der.sequence(found[1], found[0]) if found else der.sequence(leaf.issuer, leaf.serial)
        content = compact(claims(rng, at)) if rng.random() < 0.9 else altered_claims(rng, at)
        message = Message(content, leaf.key, (encoded, *others), sid)
        return enveloped(encode(self._dressed(rng, message, leaf.key, rng.choice((0.0, 0.0, 0.2))), self.keys), rng)

    # Cases with their own setting

    def _lists(self, steps: Steps, world: World, at: int) -> Made:
        """Add revocation lists of all forms. Some of them revoke the signer or an authority."""
        rng = steps.rng
        authorities = world.chain.certs[1:]
        serials = [cert.serial for cert in world.chain.certs]
        names = [cert.subject for cert in world.chain.certs]
        strange = rng.choice((0.2, 0.5))
        leaf = world.chain.leaf
        if rng.random() < 0.5:
            leaf = replace(leaf, extensions=(*leaf.extensions, grammar.distribution_points(rng, names)))
        lists = []
        for one in authorities:
            for _ in range(rng.choice((1, 1, 1, 2, 3))):
                odd = strange if rng.random() < 0.6 else 0.0
                listed = some_list(self.keys, rng, one.subject, one.key, serials, odd)
                if rng.random() < 0.1:
                    listed = replace(listed, signer=rng.choice(RSA_KEYS))
                mutates = rng.random() < 0.1
                lists.append(revocation_list(self.keys, listed, steps.tree if mutates else _same))
        rng.shuffle(lists)
        setup = replace(world.setup, crls=tuple(lists), require_crl=rng.random() < 0.7, check_chain=True)
        return self._signed_by(steps, leaf, world.ders[1:-1] if world.bag else (), at, world, changes=False), setup

    def _trust(self, steps: Steps, world: World, at: int) -> Made:
        """Make the configured root or an intermediate unusual, or change it."""
        rng = steps.rng
        *others, root = world.chain.certs[1:]
        if rng.random() < 0.5 or not others:
            made = replace(
                root,
                extensions=tuple(
                    grammar.for_authority(rng, self.keys.identifier(root.key), self.keys.identifier(root.key), (root.subject,), 0.3)
                ),
            )
            anchors = (self.maker.certificate(made, steps.tree if rng.random() < 0.6 else _same),)
            setup = replace(world.setup, anchors=(*anchors, *world.setup.anchors * (rng.random() < 0.2)))
        else:
            issuer = rng.choice((*others[1:], root))
            made = replace(self.maker.authority(others[0].subject, others[0].key, issuer.subject, issuer.key, rng, 0.4))
            encoded = self.maker.certificate(made, steps.tree if rng.random() < 0.6 else _same)
            setup = replace(world.setup, intermediates=(encoded, *world.setup.intermediates * (rng.random() < 0.3)))
        return self._own(steps, world, compact(claims(rng, at))), setup

    def _setting(self, steps: Steps, world: World, at: int) -> Made:
        """Change the policy, mostly to boundary values."""
        rng = steps.rng
        options: dict[str, tuple[Any, ...]] = {
            "skew": (0, 1, 120, 3600),
            "max_age": (None, 0, 1, 300, 600),
            "require_nonce": (True, False),
            "check_chain": (True, False),
            "check_times": (True, False),
            "require_vm_id": (True, False),
            "allow_common_name": (True, False),
            "min_rsa_bits": (1024, 2047, 2048, 2049, 3072, 4096),
            "require_crl": (True, False),
            "names": (world.setup.names, (), (("a", "com"),), (("b", "westeurope.metadata.azure.com"), ("c", "azure.com")), (("d", "METADATA.azure.com"),)),
            "limits": (
                Limits(
                    rng.choice((100, 3000, 65536)), rng.choice((1, 2, 16)), rng.choice((1, 3, 64, 255, 256)), rng.choice((1, 2, 3, 8)),
                    rng.choice((1, 2, 3, 5, 3000)),
                ),
            ),
        }  # fmt: skip
        chosen = rng.sample(list(options), rng.choice((1, 2, 3)))
        setup = replace(world.setup, **{option: rng.choice(options[option]) for option in chosen})
        kind = rng.choice(
            (Generator._stock, Generator._content, Generator._leaf, Generator._authority, Generator._tangle, Generator._message)
        )
        return kind(self, steps, world, at)[0], setup


Made = tuple[bytes, Setup | None]


def _same(data: bytes) -> bytes:
    return data


_TABLE: tuple[tuple[Callable[[Generator, Steps, World, int], Made], int], ...] = (
    (Generator._stock, 6),
    (Generator._content, 10),
    (Generator._unsigned_change, 5),
    (Generator._envelope, 5),
    (Generator._message, 14),
    (Generator._leaf, 18),
    (Generator._authority, 18),
    (Generator._tangle, 6),
    (Generator._stranger, 2),
    (Generator._lists, 8),
    (Generator._trust, 4),
    (Generator._setting, 6),
)
KINDS, WEIGHTS = zip(*_TABLE, strict=True)
