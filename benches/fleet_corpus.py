"""Documents of a whole fleet as a load: thousands of machines in several regions over several days, signers that change, and a share that is bad.

    PYTHONPATH=python .venv/bin/python benches/fleet_corpus.py OUT --documents 10000000 [--machines N] [--bad SHARE] [--seed N]

writes OUT/documents/000000000.parquet and so on, and OUT/trust.pem. Columns are ``id``, ``machine``, ``document`` (the service's JSON),
``received``, and ``made``: ``good``, or what is wrong. The same arguments give the same octets. One file of documents is in memory at a time.
Keys are those of an emulator with the same seed; signatures are OpenSSL's (pyca/cryptography), some hundreds a second.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from imdskit.clock import ManualClock
from imdskit.emulator import attest
from imdskit.emulator.authority import Authority, Signer
from imdskit.emulator.flaws import Flaw
from imdskit.emulator.keys import Hash, RsaKey
from imdskit.protocol import attested

START = 1_790_000_000
REGIONS = ("westeurope", "northeurope", "eastus", "southcentralus", "japaneast", "brazilsouth")
IMAGES = ("22_04-lts-gen2", "2022-datacenter-azure-edition", "9-lvm-gen2", "")
FAULTS = (Flaw.BROKEN_SIGNATURE, Flaw.UNKNOWN_ROOT, Flaw.EXPIRED_LEAF, "cut", "late", "changed")
ROWS = 32_768
"""Of a file."""
DAYS = 20
"""Over which the documents were received; the leaves change in that time."""


class Made(NamedTuple):
    """One row."""

    id: int
    machine: int
    document: bytes
    received: int
    made: str


class OpenSslKey(RsaKey):
    """The same key, which OpenSSL uses."""

    __slots__ = ("_openssl",)

    def __init__(self, key: RsaKey) -> None:
        super().__init__(key._p, key._q)
        public = rsa.RSAPublicNumbers(self.exponent, self.modulus)
        d = pow(self.exponent, -1, (self._p - 1) * (self._q - 1))
        numbers = rsa.RSAPrivateNumbers(self._p, self._q, d, self._p_exponent, self._q_exponent, self._q_inverse, public)
        self._openssl = numbers.private_key()

    def sign(self, message: bytes, digest: Hash = "sha256") -> bytes:
        assert digest == "sha256"
        return self._openssl.sign(message, padding.PKCS1v15(), hashes.SHA256())


def documents(count: int, machines: int, bad: float, seed: int, authority: Authority, clock: ManualClock) -> Iterator[Made]:
    """In the order of their receipt."""
    draw = random.Random(seed)
    keys: dict[int, OpenSslKey] = {}
    for number in range(count):
        received = START + number * DAYS * 86_400 // count
        clock.advance(received - clock.now())
        machine = draw.randrange(machines)
        fault = draw.choice(FAULTS) if draw.random() < bad else None
        flaw = fault if isinstance(fault, Flaw) else None
        signer = authority.signer(region=REGIONS[machine % len(REGIONS)], flaw=None if flaw is Flaw.BROKEN_SIGNATURE else flaw)
        key = keys.get(signer._key.modulus) or keys.setdefault(signer._key.modulus, OpenSslKey(signer._key))
        facts = {
            "vmId": f"00000000-0000-4000-8000-{machine:012x}",
            "subscriptionId": f"00000000-0000-4000-8000-{machine % 97:012x}",
            "sku": IMAGES[machine % len(IMAGES)],
        }
        content = attested.content(facts, "2021-02-01", received - (40_000 if fault == "late" else 5), f"{draw.randrange(10**10):010}")
        message = attest.message(Signer(signer.certificate, signer.issuer, signer.serial, key), content, flaw)
        if fault == "cut":
            message = message[: draw.randrange(1, len(message))]
        elif fault == "changed":
            message = message.replace(facts["vmId"].encode(), f"00000000-0000-4000-8000-{machine + 1:012x}".encode())
        yield Made(number, machine, attested.envelope(message), received, str(fault or "good"))


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="OUT", type=Path)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--machines", type=int, default=10_000)
    parser.add_argument("--bad", type=float, default=0.02, help="share of documents with which something is wrong")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    (options.folder / "documents").mkdir(parents=True)
    clock = ManualClock(START)
    authority = Authority(clock, "http://127.0.0.1:8080", seed=options.seed)
    (options.folder / "trust.pem").write_text(authority.trust_pem())
    made = documents(options.documents, options.machines, options.bad, options.seed, authority, clock)
    for first in range(0, options.documents, ROWS):
        ids, machines, texts, received, kinds = zip(*islice(made, ROWS), strict=True)
        table = pa.table(
            {
                "id": pa.array(ids, pa.int64()),
                "machine": pa.array(machines, pa.int64()),
                "document": pa.array(texts, pa.binary()),
                "received": pa.array([second * 10**6 for second in received], pa.timestamp("us", "UTC")),
                "made": pa.array(kinds, pa.string()),
            }
        )
        pq.write_table(table, options.folder / "documents" / f"{first:09}.parquet")


if __name__ == "__main__":
    main()
