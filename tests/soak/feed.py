"""Documents for the soak test: those of the differential run (tests/fuzz), and some whose issuers must be fetched from a faulty server."""

from __future__ import annotations

import base64
import random
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).parents[1] / "fuzz"))

from cases import AT, Generator, World
from chain_grammar import name
from document_grammar import NONCE, Message, claims, compact, encode, stamp
from faulty_issuers import FAULTS, FaultyIssuers
from keyring import RSA_KEYS
from worlds import ordinary

from imdskit.asn1 import writer as der
from imdskit.emulator.authority import certificates as x509

HOST = "issuers.example"
WORLDS = ("plain", "renewed")
"""Names of the worlds (see :mod:`worlds`) whose anchors and intermediates the verifiers get. Their chains consist of three RSA certificates,
which are verified quickly."""
WIDE = "\ufdfa" * 5000
"""Text that becomes 11 times as long, in bytes, when it is normalised for a comparison of names."""


class Fed(NamedTuple):
    """Document of the soak test. ``good`` says whether a verifier must accept it."""

    kind: str
    good: bool
    document: bytes


class Feed:
    """Generator of documents, all of which are different."""

    def __init__(self, seed: int, issuers: FaultyIssuers) -> None:
        self.generator = Generator(seed)
        self._issuers = issuers
        self._random = random.Random(f"feed {seed}")
        self._number = 0
        self._worlds = [world for world in self.generator.worlds if world.name in WORLDS]

    def anchors(self) -> list[str]:
        return sorted({base64.b64encode(der).decode() for world in self._worlds for der in world.setup.anchors})

    def intermediates(self) -> list[str]:
        return sorted({base64.b64encode(der).decode() for world in self._worlds for der in world.setup.intermediates})

    def next(self, now: int) -> Fed:
        """Return the next document, for a verifier whose clock says ``now``."""
        self._number += 1
        world = self._random.choice(self._worlds)
        match self._random.randrange(10):
            case 0 | 1:
                return self._good(world, now)
            case 2 | 3:
                return self._fetched(world, now)
            case 4:
                return self._many_signers(world, now)
            case 5:
                return self._wide_name(world, now)
            case _:
                return Fed("hostile", False, self.generator.case(self._number, now=now).document)

    def _content(self, now: int) -> bytes:
        fresh = {"nonce": NONCE, "timeStamp": {"createdOn": stamp(now - 10), "expiresOn": stamp(now + 21_590)}}
        return compact(claims(self._random, now) | fresh)

    def _good(self, world: World, now: int) -> Fed:
        return Fed("good", True, encode(ordinary(self.generator.keys, world, self._content(now)), self.generator.keys))

    def _many_signers(self, world: World, now: int) -> Fed:
        """Return a valid document whose signer signs no other document."""
        issuer = world.chain.certs[1]
        leaf = self.generator.maker.leaf(self._random.choice(RSA_KEYS), issuer.subject, issuer.key, self._random)
        message = Message(self._content(now), leaf.key, (self.generator.maker.certificate(leaf),), der.sequence(leaf.issuer, leaf.serial))
        return Fed("signer", True, encode(message, self.generator.keys))

    def _fetched(self, world: World, now: int) -> Fed:
        """Return a document whose issuer must be fetched from the server. The server responds correctly or with one of its faults."""
        fault = self._random.choice([*FAULTS, "plain", "plain"])
        maker, root = self.generator.maker, world.chain.certs[-1]
        own = self._random.choice([key for key in RSA_KEYS if key != root.key])
        issuer = maker.authority(name(f"Fetched CA {self._number}"), own, root.subject, root.key, self._random)
        where = f"{fault}-{self._number}"
        self._issuers.offer(where, maker.certificate(issuer))
        leaf = maker.leaf(RSA_KEYS[0], issuer.subject, own, self._random)
        access = x509.authority_information_access(f"http://{HOST}:{self._issuers.port}/{where}.crt")
        encoded = maker.certificate(leaf.__class__(**{**leaf.__dict__, "extensions": (*leaf.extensions, access)}))
        message = Message(self._content(now), leaf.key, (encoded,), der.sequence(leaf.issuer, leaf.serial))
        return Fed(f"aia-{fault}", False, encode(message, self.generator.keys))

    def _wide_name(self, world: World, now: int) -> Fed:
        """Return a document whose signer identifier contains a long issuer name that matches no certificate.

        All these names differ. For the comparison, a name is normalised, which makes it longer.
        """
        text = der.utf8_string(f"{self._number}{WIDE}")
        issuer = der.sequence(der.set_of(der.sequence(der.oid("2.5.4.3"), text)))
        message = ordinary(self.generator.keys, world, self._content(now))
        changed = message.__class__(**{**message.__dict__, "issuer_and_serial": der.sequence(issuer, der.integer(self._number))})
        return Fed("wide", False, encode(changed, self.generator.keys))


__all__ = ["AT", "HOST", "NONCE", "Fed", "Feed"]
