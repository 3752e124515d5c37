"""DER as a tree whose nodes can be changed one at a time, in a way that suits the type of the node.

:mod:`tlv` cuts and repeats whole elements. This module also changes their contents. It replaces a number by a boundary value, an identifier
by another known one, and a string by another type or spelling. It also looks into OCTET STRINGs and BIT STRINGs that contain DER, such as
the values of extensions. Lengths are always recomputed, so a change reaches the check that it is meant for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

from imdskit.asn1 import oids
from imdskit.asn1 import writer as der
from imdskit.errors import UsageError

MAX_DEPTH = 24
"""Maximum depth of the tree. Deeper elements are not decoded."""


@dataclass
class Node:
    """One element. It has ``children`` if it has been decoded, and ``value`` otherwise. ``prefix`` is the unused-bits byte of a decoded BIT
    STRING."""

    tag: int
    value: bytes = b""
    children: list[Node] | None = None
    prefix: bytes = b""

    def encode(self) -> bytes:
        if self.children is None:
            return der.element(self.tag, self.value)
        return der.element(self.tag, self.prefix, *(child.encode() for child in self.children))

    def walk(self) -> Iterator[Node]:
        yield self
        for child in self.children or ():
            yield from child.walk()


def read(data: bytes, depth: int = 0) -> Node | None:
    """Return the tree of the element that fills ``data``, or None if it is not DER with tags of one byte and lengths below 64 kB."""
    nodes = _read_all(data, depth)
    return nodes[0] if nodes is not None and len(nodes) == 1 else None


def _read_all(data: bytes, depth: int) -> list[Node] | None:
    nodes = []
    at = 0
    while at < len(data):
        if len(data) - at < 2 or data[at] & 0x1F == 0x1F:
            return None
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            octets = length & 0x7F
            if not 1 <= octets <= 2 or len(data) - at < octets:
                return None
            length, at = int.from_bytes(data[at : at + octets], "big"), at + octets
        if len(data) - at < length:
            return None
        nodes.append(_node(tag, data[at : at + length], depth))
        at += length
    return nodes


def _node(tag: int, contents: bytes, depth: int) -> Node:
    if depth < MAX_DEPTH:
        if tag & 0x20:
            children = _read_all(contents, depth + 1)
            if children is not None:
                return Node(tag, children=children)
        elif tag == 0x04 and contents[:1] in (b"\x30", b"\x03", b"\x04", b"\x02", b"\x05", b"\x0a"):
            inner = read(contents, depth + 1)
            if inner is not None:
                return Node(tag, children=[inner])
        elif tag == 0x03 and contents[:2] == b"\x00\x30":
            inner = read(contents[1:], depth + 1)
            if inner is not None:
                return Node(tag, children=[inner], prefix=b"\x00")
    return Node(tag, contents)


# New values

OIDS = tuple(sorted({value for name, value in vars(oids).items() if name.isupper()}))
NUMBERS = (
    0,
    1,
    -1,
    2,
    3,
    4,
    5,
    127,
    128,
    255,
    256,
    2**31 - 1,
    2**31,
    2**63 - 1,
    2**63,
    2**64,
    2**159 - 1,
    2**159,
    2**160,
    -(2**63),
    65536,
    65537,
)
TEXTS = (
    "", " ", "a", "A", "  Vector   Issuing CA ", "vector issuing ca", "VECTOR ISSUING CA", "*.metadata.azure.com", "metadata.azure.com",
    "METADATA.azure.com", "metadata.azure.com.", ".metadata.azure.com", "evilmetadata.azure.com", "metadata.azure.us", "a@b.example", "@b.example",
    "b.example", ".b.example", "\"a b\"@b.example", "a&b*c@d_e", "x\x00.metadata.azure.com", "xn--mnchen-3ya.example", "münchen", "Straße", "STRASSE",
    "ı", "İ", "\u212a", "\ufb01", "\ufdfa", "a\u0301", "\u00e1", "\u0344\u0316" * 20, "\u200b", "\ufeffa", "\u3000a\u00a0b", "\U0001f600", "x" * 64, "x" * 65,
    "y." * 130, "http://a.example/x", "http://[::1]/", "ldap:///cn=a", "http://a.example:80/", "//x", "http://u@b.example/", "1.2.3.4", "::1",
    "a..b", "-a.b", "a_b.c",
)  # fmt: skip
OCTETS = (
    b"", b"\x00", b"\xff", b"\x7f\x00\x00\x01", b"\x0a\x00\x00\x00\xff\x00\x00\x00", b"\x0a\x00\x00\x00\xff\x00\xff\x00", b"\x00" * 8,
    b"\x00" * 16, b"\x00" * 32,
    b"\xed\xa0\x80", b"\xc3\x28", b"\xe2\x80", b"@b.example", b"\x80" * 20,
)  # fmt: skip
STRING_TAGS = {
    0x0C: "utf-8",
    0x13: "ascii",
    0x14: "latin-1",
    0x16: "ascii",
    0x1E: "utf-16-be",
    0x1C: "utf-32-be",
    0x12: "ascii",
    0x1A: "ascii",
}
TAGS = (
    0x01,
    0x02,
    0x03,
    0x04,
    0x05,
    0x06,
    0x0A,
    0x0C,
    0x13,
    0x16,
    0x17,
    0x18,
    0x1E,
    0x30,
    0x31,
    0xA0,
    0xA1,
    0xA2,
    0xA3,
    0xA4,
    0x80,
    0x81,
    0x82,
    0x86,
    0x87,
    0x24,
    0x1F,
)
TIMES = (
    b"261130000000Z", b"2611300000Z", b"261130000000+0000", b"20261130000000Z", b"20261130000000.5Z", b"99991231235959Z", b"491231235959Z", b"500101000000Z",
    b"20500101000000Z", b"20491231235959Z", b"260230000000Z", b"261130240000Z", b"261130235960Z", b"19500101000000Z", b"00000101000000Z", b"280229000000Z",
    b"000101000000Z", b"16000229000000Z", b"99991231235960Z", b"26113000000Z", b"", b"-61130000000Z", b"2611300000 0Z",
)  # fmt: skip


def encoded_text(rng: random.Random, text: str) -> tuple[int, bytes]:
    """Return a string tag and the text in its encoding, even if the type does not allow the text."""
    tag = rng.choice(list(STRING_TAGS))
    return tag, text.encode(STRING_TAGS[tag], "surrogatepass" if tag == 0x0C else "replace")


def _integer(node: Node, rng: random.Random) -> None:
    current = int.from_bytes(node.value, "big", signed=True)
    match rng.randrange(8):
        case 0:
            node.value = b"\x00" + node.value
        case 1:
            node.value = b"\xff" + node.value
        case 2:
            node.value = b""
        case 3 | 4:
            node.value = der.integer(current + rng.choice((-2, -1, 1, 2, 1 << 8)))[2:] if len(node.value) < 100 else node.value[:-1]
        case _:
            number = rng.choice(NUMBERS)
            node.value = number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)


def _oid(node: Node, rng: random.Random) -> None:
    match rng.randrange(8):
        case 0:
            node.value = node.value[:-1] + bytes((node.value[-1] ^ rng.choice((1, 2, 0x80)),)) if node.value else b"\x2a"
        case 1:
            node.value = rng.choice((b"", b"\x80\x01", b"\x2a\x80\x01", b"\x55\x1d\x80", b"\x2a" + b"\xff" * 20 + b"\x7f", b"\x80"))
        case 2:
            node.value += bytes((rng.randrange(128),))
        case _:
            node.value = der.oid(rng.choice(OIDS))[2:]


def _time(node: Node, rng: random.Random) -> None:
    if rng.randrange(3) == 0:
        digits = bytearray(node.value or b"0")
        digits[rng.randrange(len(digits))] = rng.choice(b"0123456789Z+")
        node.value = bytes(digits)
    else:
        node.value = rng.choice(TIMES)
    if rng.randrange(4) == 0:
        node.tag ^= 0x17 ^ 0x18


def _string(node: Node, rng: random.Random) -> None:
    match rng.randrange(5):
        case 0:
            text = node.value.decode("latin-1")
            node.tag, node.value = encoded_text(rng, rng.choice((text.swapcase(), text.upper(), " " + text, text.replace(" ", "  "), text)))
        case 1:
            node.value = rng.choice(OCTETS)
        case 2:
            node.value = node.value[:-1] if rng.randrange(2) else node.value + rng.choice((b" ", b"*", b"&", b"@", b"_", b"\x00", b"\x7f"))
        case _:
            node.tag, node.value = encoded_text(rng, rng.choice(TEXTS))


def _bits(node: Node, rng: random.Random) -> None:
    contents = bytearray(node.value or b"\x00")
    match rng.randrange(4):
        case 0:
            contents[0] = rng.randrange(9)
        case 1:
            contents = contents[: rng.choice((0, 1, 2))]
        case 2:
            contents[-1] ^= 1 << rng.randrange(8)
        case _:
            contents = bytearray(der.named_bits(*rng.sample(range(9), rng.randrange(4)))[2:])
    node.value = bytes(contents)


def _opaque(node: Node, rng: random.Random) -> None:
    match rng.randrange(5):
        case 0:
            node.value = rng.choice(TEXTS).encode("utf-8", "surrogatepass")
        case 1:
            node.value = rng.choice(OCTETS)
        case 2 if node.value:
            contents = bytearray(node.value)
            contents[rng.randrange(len(contents))] ^= 1 << rng.randrange(8)
            node.value = bytes(contents)
        case 3:
            node.value += rng.choice((b"\x00", b"a", b"."))
        case _:
            node.value = rng.randbytes(rng.choice((1, 4, 8, 16, 20, 32)))


def _boolean(node: Node, rng: random.Random) -> None:
    node.value = rng.choice((b"\x00", b"\xff", b"\x01", b"", b"\xff\xff"))


_BY_TAG: dict[int, Callable[[Node, random.Random], None]] = {
    0x01: _boolean, 0x02: _integer, 0x0A: _integer, 0x82: _opaque, 0x03: _bits, 0x06: _oid, 0x17: _time, 0x18: _time, **dict.fromkeys(STRING_TAGS, _string),
}  # fmt: skip


def _change_value(parent: Node, position: int, rng: random.Random, donors: Sequence[Node]) -> None:
    del donors
    assert parent.children is not None
    node = parent.children[position]
    if node.children is not None:
        node.tag = rng.choice(TAGS)
    else:
        _BY_TAG.get(node.tag, _opaque)(node, rng)


def _drop(parent: Node, position: int, rng: random.Random, donors: Sequence[Node]) -> None:
    assert parent.children is not None
    del parent.children[position]


def _repeat(parent: Node, position: int, rng: random.Random, donors: Sequence[Node]) -> None:
    assert parent.children is not None
    parent.children[position:position] = [parent.children[position]] * rng.choice((1, 1, 1, 2, 16))


def _exchange(parent: Node, position: int, rng: random.Random, donors: Sequence[Node]) -> None:
    assert parent.children is not None
    other = rng.randrange(len(parent.children))
    parent.children[position], parent.children[other] = parent.children[other], parent.children[position]


def _graft(parent: Node, position: int, rng: random.Random, donors: Sequence[Node]) -> None:
    assert parent.children is not None
    parent.children[position] = rng.choice(donors)


def _insert(parent: Node, position: int, rng: random.Random, donors: Sequence[Node]) -> None:
    assert parent.children is not None
    parent.children.insert(position + rng.randrange(2), rng.choice((*donors, Node(0x05), Node(0x30, children=[]), Node(0x02, b"\x01"))))


def _wrap(parent: Node, position: int, rng: random.Random, donors: Sequence[Node]) -> None:
    assert parent.children is not None
    parent.children[position] = Node(rng.choice((0x30, 0x31, 0xA0, 0xA1, 0x04)), children=[parent.children[position]])


def _retag(parent: Node, position: int, rng: random.Random, donors: Sequence[Node]) -> None:
    assert parent.children is not None
    node = parent.children[position]
    node.tag = rng.choice((rng.choice(TAGS), node.tag ^ 0x20, node.tag ^ 0x80))


def _empty(parent: Node, position: int, rng: random.Random, donors: Sequence[Node]) -> None:
    assert parent.children is not None
    parent.children[position] = Node(parent.children[position].tag)


CHANGES = (_change_value,) * 12 + (_drop, _drop, _repeat, _exchange, _graft, _insert, _wrap, _retag, _empty)
"""Changes of values reach the deeper checks most often, so they are the most frequent."""


@dataclass
class _Positions:
    found: list[tuple[Node, int]] = field(default_factory=list)

    def collect(self, node: Node) -> None:
        for position, child in enumerate(node.children or ()):
            self.found.append((node, position))
            self.collect(child)


def changed(data: bytes, rng: random.Random, donors: Sequence[bytes] = ()) -> bytes:
    """Return ``data`` with one element changed, or with one bit flipped if it is not DER. An element may be replaced by a part of one of
    the ``donors``."""
    root = read(data)
    if root is None or not root.children:
        contents = bytearray(data or b"\x00")
        contents[rng.randrange(len(contents))] ^= 1 << rng.randrange(8)
        return bytes(contents)
    positions = _Positions()
    positions.collect(root)
    parent, position = rng.choice(positions.found)
    change = rng.choice(CHANGES)
    graft = read(rng.choice(donors)) if donors and change in (_graft, _insert) else None
    try:
        change(parent, position, rng, [deepcopy(rng.choice(list((graft or root).walk())))])
    except UsageError:
        return data
    return root.encode()
