"""ECDSA over the three NIST prime curves (FIPS 186-5 section 6.4.2, SEC 1 section 4.1.4). Verification only: nothing here is secret.

The pure form is for the rare elliptic key; the service itself signs with RSA.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from imdskit.asn1.reader import Reader
from imdskit.backends.python.certificate import EcPublicKey
from imdskit.errors import DerError


class Curve(NamedTuple):
    """y^2 = x^3 - 3x + b over the integers modulo p; G has prime order n (FIPS 186-5, SP 800-186 section 3.2.1)."""

    p: int
    b: int
    gx: int
    gy: int
    n: int
    size: int
    oid_der: bytes


CURVES = {
    "secp256r1": Curve(
        0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        32,
        bytes.fromhex("06082a8648ce3d030107"),
    ),
    "secp384r1": Curve(
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFFF0000000000000000FFFFFFFF,
        0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
        0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
        0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
        48,
        bytes.fromhex("06052b81040022"),
    ),
    "secp521r1": Curve(
        (1 << 521) - 1,
        0x0051953EB9618E1C9A1F929A21A0B68540EEA2DA725B99B315F3B8B489918EF109E156193951EC7E937B1652C0BD3BB1BF073573DF883D2C34F1EF451FD46B503F00,
        0x00C6858E06B70404E9CD9E3ECB662395B4429C648139053FB521F828AF606B4D3DBAA14B5E77EFE75928FE1DC127A2FFA8DE3348B3C1856A429BF97E7E31C2E5BD66,
        0x011839296A789A3BC0045C8A5FB42C7D1BD998F54449579B446817AFBD17273E662C97EE72995EF42640C550B9013FAD0761353C7086A272C24088BE94769FD16650,
        0x01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409,
        66,
        bytes.fromhex("06052b81040023"),
    ),
}

_Point = tuple[int, int, int]
"""Jacobian coordinates: x = X/Z^2, y = Y/Z^3; Z = 0 is the point at infinity."""


def is_on_curve(curve: Curve, x: int, y: int) -> bool:
    """Whether (x, y) is a point of the curve, coordinates in range. The cofactor is 1, so that it then has order n."""
    return x < curve.p and y < curve.p and (y * y - (x * x - 3) * x - curve.b) % curve.p == 0


def verify(key: EcPublicKey, hash_name: str, message: bytes, signature: bytes) -> bool:
    """Whether ``signature``, the DER of an ECDSA-Sig-Value (RFC 3279 section 2.2.3), fits message and key."""
    curve = CURVES[key.curve]
    try:
        reader = Reader(signature)
        value = reader.sequence()
        r, s = value.integer(), value.integer()
        value.finish()
        reader.finish()
    except DerError:
        return False
    n = curve.n
    if not (0 < r < n and 0 < s < n):
        return False
    digest = hashlib.new(hash_name, message).digest()
    # The leftmost bits of the digest, as many as n has (FIPS 186-5 section 6.4.2, step 2).
    e = int.from_bytes(digest, "big") >> max(0, 8 * len(digest) - n.bit_length())
    w = pow(s, -1, n)
    x, _, z = _double_multiply(curve, e * w % n, r * w % n, key.x, key.y)
    if z == 0:
        return False
    return x * pow(z, -2, curve.p) % curve.p % n == r


def _double_multiply(curve: Curve, u1: int, u2: int, x: int, y: int) -> _Point:
    """u1 G + u2 Q, both at once (Shamir's trick), two bits of each at a time."""
    p = curve.p
    g: _Point = (curve.gx, curve.gy, 1)
    q: _Point = (x, y, 1)
    table: list[_Point] = [(1, 1, 0)] * 16
    for i in range(4):
        for j in range(4):
            if i:
                table[4 * i + j] = _add(p, table[4 * (i - 1) + j], g)
            elif j:
                table[j] = _add(p, table[j - 1], q)
    result: _Point = (1, 1, 0)
    bits = max(u1.bit_length(), u2.bit_length())
    for shift in range(bits + (bits & 1) - 2, -1, -2):
        result = _double(p, _double(p, result))
        index = (u1 >> shift & 3) << 2 | u2 >> shift & 3
        if index:
            result = _add(p, result, table[index])
    return result


def _double(p: int, point: _Point) -> _Point:
    """Doubling for a = -3 ("dbl-2001-b" of the Explicit-Formulas Database)."""
    x, y, z = point
    if z == 0 or y == 0:
        return (1, 1, 0)
    delta = z * z % p
    gamma = y * y % p
    beta = x * gamma % p
    alpha = 3 * (x - delta) * (x + delta) % p
    x3 = (alpha * alpha - 8 * beta) % p
    z3 = ((y + z) * (y + z) - gamma - delta) % p
    return x3, (alpha * (4 * beta - x3) - 8 * gamma * gamma) % p, z3


def _add(p: int, left: _Point, right: _Point) -> _Point:
    """Addition of any two points ("add-2007-bl" of the Explicit-Formulas Database, with its exceptions)."""
    x1, y1, z1 = left
    x2, y2, z2 = right
    if z1 == 0:
        return right
    if z2 == 0:
        return left
    z1z1 = z1 * z1 % p
    z2z2 = z2 * z2 % p
    u1 = x1 * z2z2 % p
    u2 = x2 * z1z1 % p
    s1 = y1 * z2 * z2z2 % p
    s2 = y2 * z1 * z1z1 % p
    h = (u2 - u1) % p
    r = (s2 - s1) % p
    if h == 0:
        return _double(p, left) if r == 0 else (1, 1, 0)
    hh = h * h % p
    hhh = h * hh % p
    v = u1 * hh % p
    x3 = (r * r - hhh - 2 * v) % p
    return x3, (r * (v - x3) - s1 * hhh) % p, z1 * z2 * h % p
