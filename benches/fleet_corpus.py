"""Generate a large number of documents with fleets of the emulator.

    PYTHONPATH=python .venv-engines/bin/python benches/fleet_corpus.py OUT \\
        --documents 10000000 [--machines N] [--bad SHARE] [--seed N]
        [--processes N]

Thousands of machines in several regions request documents over several days.
Signers change, and a share of the documents is bad. The script writes
OUT/documents/000000000.parquet and so on, OUT/root.pem and OUT/issuing.pem.
The columns are ``id``, ``machine``, ``document`` (the service's JSON),
``received``, and ``made``, which is ``good`` or the fault of the document. The
same arguments produce the same bytes, on any number of processes, with gmpy2
(faster) or without it. Each process keeps one file of documents in memory.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from math import prod
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from imdskit.backends.python.document import Document
from imdskit.clock import ManualClock
from imdskit.emulator.authority import Authority, signed_document
from imdskit.emulator.authority.document_faults import DocumentFault
from imdskit.emulator.authority.keys import DIGEST_INFO, PUBLIC_EXPONENT, Hash, Keys, RsaKey, generate_prime, seeded
from imdskit.emulator.machine.expansion import expand
from imdskit.emulator.machine.instance import Instance
from imdskit.emulator.machine.numbering import FleetNumbering
from imdskit.emulator.scenario import Scenario
from imdskit.protocol import attested

try:
    from gmpy2 import powmod
except ImportError:
    powmod = pow

START = 1_790_000_000
REGIONS = ("westeurope", "northeurope", "eastus", "southcentralus", "japaneast", "brazilsouth")
IMAGES = ("22_04-lts-gen2", "2022-datacenter-azure-edition", "9-lvm-gen2", "")
FLEETS = 96
"""Number of fleets. Each has one region, one image and one subscription. The machine with number N
belongs to the fleet with number N modulo :data:`FLEETS`."""
FAULTS = (DocumentFault.BROKEN_SIGNATURE, DocumentFault.UNKNOWN_ROOT, DocumentFault.EXPIRED_LEAF, "cut", "late", "changed")
ROWS = 32_768
"""Number of documents in a file."""
DAYS = 20
"""Number of days over which the documents were received. The leaf certificates change in this
time."""


class Made(NamedTuple):
    """A row of the corpus."""

    id: int
    machine: int
    document: bytes
    received: int
    made: str


class QuickKey(RsaKey):
    """Insecure RSA-2048 key that signs twenty times as fast as a normal key.

    Its modulus has sixteen primes (RFC 8017 section 3.1 allows more than two). Verification is the
    same as for any key. The modulus is easy to factor, because its factors have only 128 bits. The
    key protects nothing, and no emulator uses it.
    """

    __slots__ = ("_parts",)

    def __init__(self, purpose: str, seed: int) -> None:
        bits = seeded(seed, purpose)
        primes = [generate_prime(128, bits) for _ in range(15)]
        rest = 2048 - prod(primes).bit_length()
        while prod(primes).bit_length() < 2048:
            primes[15:] = [generate_prime(rest, bits)]
        assert len(set(primes)) == 16
        self.exponent, self.modulus = PUBLIC_EXPONENT, prod(primes)
        others = [self.modulus // prime for prime in primes]
        self._parts = [
            (prime, pow(PUBLIC_EXPONENT, -1, prime - 1), other * pow(other, -1, prime)) for prime, other in zip(primes, others, strict=True)
        ]

    def sign(self, message: bytes, digest: Hash = "sha256") -> bytes:
        info = DIGEST_INFO[digest] + hashlib.new(digest, message).digest()
        block = int.from_bytes(b"\x00\x01" + b"\xff" * (256 - 3 - len(info)) + b"\x00" + info, "big")
        signature = sum(int(powmod(block, exponent, prime)) * share for prime, exponent, share in self._parts) % self.modulus
        return signature.to_bytes(256, "big")


class QuickLeaves(Keys):
    """Source of the keys that an emulator with the same seed has, except that the leaf certificates
    get quick keys. The keys of the leaf certificates sign all documents."""

    def key(self, seed: int | None, purpose: str) -> RsaKey:
        return QuickKey(purpose, seed or 0) if "leaf " in purpose else super().key(seed, purpose)


@cache
def authority(seed: int) -> tuple[Authority, ManualClock]:
    """Return the authority of this process, and the clock of the authority. The clock starts at
    ``START``."""
    clock = ManualClock(START)
    return Authority(clock, "http://127.0.0.1:8080", seed=seed, keys=QuickLeaves()), clock


@cache
def fleet(seed: int, number: int) -> FleetNumbering:
    """Return the fleet that ``imdskit serve --fleet`` creates from a template with a region and an
    image."""
    given = {"name": "vm-{index:05}", "location": REGIONS[number % len(REGIONS)], "sku": IMAGES[number % len(IMAGES)]}
    return FleetNumbering(Scenario.of({"template": True, "compute": given}), seed * FLEETS + number)


@cache
def machine(seed: int, number: int) -> tuple[str, Mapping[str, str]]:
    """Return the region of a machine, and the facts in its documents."""
    of = fleet(seed, number % FLEETS)
    expanded = expand(of.scenario(number // FLEETS), of.seed(number // FLEETS))
    return expanded.text("location"), Instance(expanded, Document).attested_facts()


def documents(first: int, options: argparse.Namespace) -> Iterator[Made]:
    """Yield the documents of one file in the order in which they were received. ``first`` is the
    number of the first document in the file."""
    made_by, clock = authority(options.seed)
    draw = random.Random(f"{options.seed} {first}")
    for number in range(first, min(first + ROWS, options.documents)):
        received = START + number * DAYS * 86_400 // options.documents
        clock.advance(received - clock.now())
        who = draw.randrange(options.machines)
        region, facts = machine(options.seed, who)
        fault = draw.choice(FAULTS) if draw.random() < options.bad else None
        signed_with = fault if isinstance(fault, DocumentFault) else None  # the other faults are applied below
        signer = made_by.signer(region=region, fault=None if signed_with is DocumentFault.BROKEN_SIGNATURE else signed_with)
        content = attested.content(facts, "2021-02-01", received - (40_000 if fault == "late" else 5), f"{draw.randrange(10**10):010}")
        message = signed_document.message(signer, content, signed_with)
        if fault == "cut":
            message = message[: draw.randrange(1, len(message))]
        elif fault == "changed":
            message = message.replace(facts["vmId"].encode(), machine(options.seed, who + 1)[1]["vmId"].encode())
        yield Made(number, who, attested.envelope(message), received, str(fault or "good"))


def write(first: int, options: argparse.Namespace) -> None:
    """Write one file. ``first`` is the number of its first document."""
    ids, machines, texts, received, kinds = zip(*documents(first, options), strict=True)
    columns = {
        "id": pa.array(ids, pa.int64()),
        "machine": pa.array(machines, pa.int64()),
        "document": pa.array(texts, pa.binary()),
        "received": pa.array([second * 10**6 for second in received], pa.timestamp("us", "UTC")),
        "made": pa.array(kinds, pa.string()),
    }
    pq.write_table(pa.table(columns), options.folder / "documents" / f"{first:09}.parquet", compression="zstd")


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="OUT", type=Path, help="folder to create")
    parser.add_argument("--documents", type=int, default=100_000, help="number of documents")
    parser.add_argument("--machines", type=int, default=10_000, help="number of machines")
    parser.add_argument("--bad", type=float, default=0.02, help="share of bad documents")
    parser.add_argument("--seed", type=int, default=1, help="seed of keys and documents")
    parser.add_argument("--processes", type=int, default=1, help="number of processes")
    options = parser.parse_args()
    (options.folder / "documents").mkdir(parents=True)
    start = time.monotonic()
    firsts = range(0, options.documents, ROWS)
    with ProcessPoolExecutor(options.processes) as pool:
        for _ in pool.map(write, firsts, [options] * len(firsts)):
            pass
    made_by, _ = authority(options.seed)
    (options.folder / "root.pem").write_text(made_by.root_pem)
    (options.folder / "issuing.pem").write_text(made_by.issuing_pem)
    seconds = time.monotonic() - start
    print(f"{options.documents} documents in {seconds:.0f} s, {options.documents / seconds:.0f} per second, with {powmod.__module__}")


if __name__ == "__main__":
    main()
