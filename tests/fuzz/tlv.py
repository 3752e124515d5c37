"""Structural mutations of DER, which change the elements of a message and not its single bytes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple


class Element(NamedTuple):
    """Start of an element, start of its contents, its end, and its depth."""

    start: int
    contents: int
    stop: int
    depth: int


def elements(data: bytes, start: int = 0, stop: int | None = None, depth: int = 0) -> Iterator[Element]:
    """Yield every element. Elements inside OCTET STRINGs and BIT STRINGs are not included."""
    stop = len(data) if stop is None else stop
    while start < stop:
        length = data[start + 1]
        contents = start + 2
        if length > 0x80:
            contents += length - 0x80
            length = int.from_bytes(data[start + 2 : contents], "big")
        yield Element(start, contents, contents + length, depth)
        if data[start] & 0x20:
            yield from elements(data, contents, contents + length, depth + 1)
        start = contents + length


def header(tag: int, length: int) -> bytes:
    octets = length.to_bytes((length.bit_length() + 7) // 8 or 1, "big")
    return bytes((tag, length)) if length < 0x80 else bytes((tag, 0x80 | len(octets))) + octets


def replaced(data: bytes, element: Element, new: bytes) -> bytes:
    """Return the data with an element replaced by ``new``. The lengths of all enclosing elements are corrected."""
    around = [e for e in elements(data) if e.start < element.start and e.stop >= element.stop and e != element]
    for outer in sorted(around, key=lambda e: e.depth, reverse=True):
        inside = data[outer.contents : element.start] + new + data[element.stop : outer.stop]
        element, new = outer, header(data[outer.start], len(inside)) + inside
    return data[: element.start] + new + data[element.stop :]


def flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def drop(data: bytes, rng: random.Random) -> bytes:
    return replaced(data, rng.choice(list(elements(data))[1:]), b"")


def duplicate(data: bytes, rng: random.Random) -> bytes:
    element = rng.choice(list(elements(data))[1:])
    return replaced(data, element, data[element.start : element.stop] * 2)


def swap(data: bytes, rng: random.Random) -> bytes:
    first, second = rng.sample(list(elements(data))[1:], 2)
    return replaced(data, first, data[second.start : second.stop])


def relength(data: bytes, rng: random.Random) -> bytes:
    element = rng.choice(list(elements(data)))
    length = max(0, element.stop - element.contents + rng.choice((-2, -1, 1, 2, 255)))
    return data[: element.start] + header(data[element.start], length) + data[element.contents :]


def retag(data: bytes, rng: random.Random) -> bytes:
    element = rng.choice(list(elements(data)))
    return (
        data[: element.start]
        + bytes((rng.choice((0x02, 0x03, 0x04, 0x05, 0x06, 0x30, 0x31, 0xA0, 0xA1, 0x80, 0x0C, 0x13, 0x24)),))
        + data[element.start + 1 :]
    )


def long_length(data: bytes, rng: random.Random) -> bytes:
    element = rng.choice(list(elements(data)))
    contents = data[element.contents : element.stop]
    octets = len(contents).to_bytes(4, "big")
    return replaced(data, element, bytes((data[element.start], 0x84)) + octets + contents)


def scramble(data: bytes, rng: random.Random) -> bytes:
    element = rng.choice([e for e in elements(data) if e.stop > e.contents])
    return replaced(data, element, data[element.start : element.contents] + rng.randbytes(element.stop - element.contents))


KINDS: tuple[Callable[[bytes, random.Random], bytes], ...] = (flip, cut, drop, duplicate, swap, relength, retag, long_length, scramble)
