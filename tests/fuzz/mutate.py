"""Random mutations of any input, byte by byte. The seed determines them."""

from __future__ import annotations

import random
from collections.abc import Sequence

HOSTILE = (
    b"\x00", b"\xff", b"\x80", b"\x30\x80", b"\x84\xff\xff\xff\xff", b"\x02\x00", b"\x1f\xff\xff", b"\xed\xa0\x80", b"\\ud800", b"[" * 70,
    b'{"a":' * 40, b"9" * 300, b"1e999", b"NaN", b"-0", b'"', b"\\", b"\r\n", b"\n", b"\r", b"%00", b"%", b"?", b"=", b"\xe2\x84\xaa", b" ",
    b"-----BEGIN CERTIFICATE-----", b"null", b"true", b"{}", b"[]",
)  # fmt: skip


def mutated(seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """Return one of the seeds after one to four changes."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        until = min(len(data), at + rng.choice((1, 1, 2, 5, 20)))
        match rng.randrange(9):
            case 0 if data:
                data[at % len(data)] ^= 1 << rng.randrange(8)
            case 1 if data:
                data[at % len(data)] = rng.randrange(256)
            case 2:
                del data[at:until]
            case 3:
                data[at:at] = data[at:until]
            case 4:
                data[at:until] = rng.choice(HOSTILE)
            case 5:
                data[at:at] = rng.choice(HOSTILE)
            case 6:
                del data[at:]
            case 7:
                other = rng.choice(seeds)
                start = rng.randrange(len(other) + 1)
                data[at:until] = other[start : start + rng.choice((1, 4, 30, 300))]
            case _:
                data[at:at] = rng.randbytes(rng.randrange(4))
    return bytes(data)
