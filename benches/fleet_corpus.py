"""Documents of the emulator's fleets as a load: thousands of machines in several regions over several days, signers that change, and a share that is bad.

    PYTHONPATH=python .venv-engines/bin/python benches/fleet_corpus.py OUT --documents 10000000 [--machines N] [--bad SHARE] [--seed N] [--processes N]

writes OUT/documents/000000000.parquet and so on, OUT/root.pem and OUT/issuing.pem. Columns are ``id``, ``machine``, ``document`` (the service's JSON),
``received``, and ``made``: ``good``, or what is wrong. The same arguments give the same octets, on however many processes, with gmpy2 (faster) or
without it. One file of documents is in memory at a time, for each process.
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
from imdskit.emulator.machine.numbering import Numbering
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
"""Each in one region, of one image and one subscription; the machines are theirs in turns."""
FAULTS = (DocumentFault.BROKEN_SIGNATURE, DocumentFault.UNKNOWN_ROOT, DocumentFault.EXPIRED_LEAF, "cut", "late", "changed")
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


class QuickKey(RsaKey):
    """RSA-2048 with a modulus of sixteen primes (RFC 8017 section 3.1 allows more than two). Verification is that of any key. Signing is twenty times as
    fast, and so is factoring: who can find a factor of 128 bits has the key. It protects nothing and is in no emulator."""

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
    """An emulator's keys of the same seed, but for leaves, which sign all the documents."""

    def key(self, seed: int | None, purpose: str) -> RsaKey:
        return QuickKey(purpose, seed or 0) if "leaf " in purpose else super().key(seed, purpose)


@cache
def authority(seed: int) -> tuple[Authority, ManualClock]:
    """One for a process, and its clock, which stands at the start."""
    clock = ManualClock(START)
    return Authority(clock, "http://127.0.0.1:8080", seed=seed, keys=QuickLeaves()), clock


@cache
def fleet(seed: int, number: int) -> Numbering:
    """What ``imdskit serve --fleet`` makes of a template that gives region and image."""
    given = {"name": "vm-{index:05}", "location": REGIONS[number % len(REGIONS)], "sku": IMAGES[number % len(IMAGES)]}
    return Numbering(Scenario.of({"template": True, "compute": given}), seed * FLEETS + number)


@cache
def machine(seed: int, number: int) -> tuple[str, Mapping[str, str]]:
    """Region, and what the machine's documents say of it."""
    of = fleet(seed, number % FLEETS)
    expanded = expand(of.scenario(number // FLEETS), of.seed(number // FLEETS))
    return expanded.text("location"), Instance(expanded, Document).attested_facts()


def documents(first: int, options: argparse.Namespace) -> Iterator[Made]:
    """Of the file that begins with the number ``first``, in the order of their receipt."""
    made_by, clock = authority(options.seed)
    draw = random.Random(f"{options.seed} {first}")
    for number in range(first, min(first + ROWS, options.documents)):
        received = START + number * DAYS * 86_400 // options.documents
        clock.advance(received - clock.now())
        who = draw.randrange(options.machines)
        region, facts = machine(options.seed, who)
        fault = draw.choice(FAULTS) if draw.random() < options.bad else None
        signed_with = fault if isinstance(fault, DocumentFault) else None  # the other faults are made afterwards
        signer = made_by.signer(region=region, fault=None if signed_with is DocumentFault.BROKEN_SIGNATURE else signed_with)
        content = attested.content(facts, "2021-02-01", received - (40_000 if fault == "late" else 5), f"{draw.randrange(10**10):010}")
        message = signed_document.message(signer, content, signed_with)
        if fault == "cut":
            message = message[: draw.randrange(1, len(message))]
        elif fault == "changed":
            message = message.replace(facts["vmId"].encode(), machine(options.seed, who + 1)[1]["vmId"].encode())
        yield Made(number, who, attested.envelope(message), received, str(fault or "good"))


def write(first: int, options: argparse.Namespace) -> None:
    """One file."""
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
    parser.add_argument("folder", metavar="OUT", type=Path)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--machines", type=int, default=10_000)
    parser.add_argument("--bad", type=float, default=0.02, help="share of documents with which something is wrong")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
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
    print(f"{options.documents} documents in {seconds:.0f} s, {options.documents / seconds:.0f} a second, by {powmod.__module__}")


if __name__ == "__main__":
    main()
