"""ECDSA over the three NIST prime curves (FIPS 186-5 section 6.4.2, SEC 1 section 4.1.4).

This module only verifies signatures. It therefore handles no secrets, and its duration may depend
on its input. Only the few certificates with elliptic curve keys need it. The metadata service signs
its documents with RSA.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from imdskit.asn1.reader import Reader
from imdskit.errors import DerError
from imdskit.pki.signatures.digests import digest_of
from imdskit.pki.x509.certificate import EcPublicKey


class Curve(NamedTuple):
    """A curve y^2 = x^3 - 3x + b over the integers modulo p. The base point G has the prime order n
    (SP 800-186 section 3.2.1).

    ``parameters`` is the DER of the object identifier that names the curve in a public key (RFC
    5480 section 2.1.1.1). ``gx`` and ``gy`` are the coordinates of G.
    """

    name: str
    parameters: bytes
    p: int
    b: int
    gx: int
    gy: int
    n: int

    @property
    def size(self) -> int:
        """Number of bytes in a coordinate."""
        return (self.p.bit_length() + 7) // 8


P256 = Curve(
    "secp256r1",
    bytes.fromhex("06082a8648ce3d030107"),
    p=2**256 - 2**224 + 2**192 + 2**96 - 1,
    b=0x5AC635D8_AA3A93E7_B3EBBD55_769886BC_651D06B0_CC53B0F6_3BCE3C3E_27D2604B,
    gx=0x6B17D1F2_E12C4247_F8BCE6E5_63A440F2_77037D81_2DEB33A0_F4A13945_D898C296,
    gy=0x4FE342E2_FE1A7F9B_8EE7EB4A_7C0F9E16_2BCE3357_6B315ECE_CBB64068_37BF51F5,
    n=0xFFFFFFFF_00000000_FFFFFFFF_FFFFFFFF_BCE6FAAD_A7179E84_F3B9CAC2_FC632551,
)
P384 = Curve(
    "secp384r1",
    bytes.fromhex("06052b81040022"),
    p=2**384 - 2**128 - 2**96 + 2**32 - 1,
    b=0xB3312FA7_E23EE7E4_988E056B_E3F82D19_181D9C6E_FE814112_0314088F_5013875A_C656398D_8A2ED19D_2A85C8ED_D3EC2AEF,
    gx=0xAA87CA22_BE8B0537_8EB1C71E_F320AD74_6E1D3B62_8BA79B98_59F741E0_82542A38_5502F25D_BF55296C_3A545E38_72760AB7,
    gy=0x3617DE4A_96262C6F_5D9E98BF_9292DC29_F8F41DBD_289A147C_E9DA3113_B5F0B8C0_0A60B1CE_1D7E819D_7A431D7C_90EA0E5F,
    n=0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_C7634D81_F4372DDF_581A0DB2_48B0A77A_ECEC196A_CCC52973,
)
P521 = Curve(
    "secp521r1",
    bytes.fromhex("06052b81040023"),
    p=2**521 - 1,
    b=0x051_953EB961_8E1C9A1F_929A21A0_B68540EE_A2DA725B_99B315F3_B8B48991_8EF109E1_56193951_EC7E937B_1652C0BD_3BB1BF07_3573DF88_3D2C34F1_EF451FD4_6B503F00,
    gx=0xC6_858E06B7_0404E9CD_9E3ECB66_2395B442_9C648139_053FB521_F828AF60_6B4D3DBA_A14B5E77_EFE75928_FE1DC127_A2FFA8DE_3348B3C1_856A429B_F97E7E31_C2E5BD66,
    gy=0x118_39296A78_9A3BC004_5C8A5FB4_2C7D1BD9_98F54449_579B4468_17AFBD17_273E662C_97EE7299_5EF42640_C550B901_3FAD0761_353C7086_A272C240_88BE9476_9FD16650,
    n=0x1FF_FFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFA_51868783_BF2F966B_7FCC0148_F709A5D0_3BB5C9B8_899C47AE_BB6FB71E_91386409,
)

CURVES = {curve.name: curve for curve in (P256, P384, P521)}
NAMED_BY = {curve.parameters: curve for curve in (P256, P384, P521)}

_Jacobian = tuple[int, int, int]
"""Jacobian coordinates: x = X/Z^2 and y = Y/Z^3. A point with Z = 0 is the point at infinity."""
_Affine = tuple[int, int]

_INFINITY: _Jacobian = (1, 1, 0)


def is_on_curve(curve: Curve, x: int, y: int) -> bool:
    """Return True if the coordinates are in range and (x, y) is a point of the curve. Every such
    point has the order n, because the cofactor of these curves is 1."""
    return 0 <= x < curve.p and 0 <= y < curve.p and (y * y - (x * x - 3) * x - curve.b) % curve.p == 0


def verify(key: EcPublicKey, hash_name: str, message: bytes, signature: bytes) -> bool:
    """Return True if ``signature`` is valid for the message and the key.

    ``signature`` is the DER of an ECDSA-Sig-Value (RFC 3279 section 2.2.3).
    """
    curve = CURVES[key.curve]
    n, p = curve.n, curve.p
    try:
        reader = Reader(signature)
        value = reader.sequence()
        reader.finish()
        r, s = value.integer(), value.integer()
        value.finish()
    except DerError:
        return False
    if not (0 < r < n and 0 < s < n):
        return False
    digest = digest_of(hash_name, message)
    # If the digest has more bits than n, only its leftmost bits are used, as many as n has (FIPS
    # 186-5 section 6.4.2, step 2).
    e = int.from_bytes(digest, "big") >> max(0, 8 * len(digest) - n.bit_length())
    w = pow(s, -1, n)
    x, _, z = _sum_of_multiples(curve, e * w % n, r * w % n, (key.x, key.y))
    if z == 0:
        return False
    # The signature is valid if x/z^2, reduced modulo n, equals r. To avoid the division, the code
    # compares x with c * z^2 for each c below p that equals r modulo n. There are at most two such
    # numbers.
    zz = z * z % p
    return (x - r * zz) % p == 0 or (r + n < p and (x - (r + n) * zz) % p == 0)


def _sum_of_multiples(curve: Curve, u1: int, u2: int, point: _Affine) -> _Jacobian:
    """Return u1 G + u2 Q, where Q is ``point``.

    The method is "interleaving with NAFs" (Hankerson, Menezes and Vanstone, Guide to Elliptic Curve
    Cryptography, algorithm 3.51). Both products share one sequence of doublings (Shamir's trick),
    and each factor has signed digits.
    """
    p = curve.p
    terms: dict[int, list[_Affine]] = {}
    for number, width, table in ((u1, _G_WIDTH, _multiples_of_g(curve)), (u2, _Q_WIDTH, _odd_multiples(p, point, _Q_WIDTH))):
        for position, digit in _signed_digits(number, width):
            x, y = table[abs(digit) >> 1]
            terms.setdefault(position, []).append((x, y if digit > 0 else -y))
    result = _INFINITY
    for position in range(max(terms, default=-1), -1, -1):
        result = _double(p, result)
        for term in terms.get(position, ()):
            result = _add(p, result, term)
    return result


_G_WIDTH = 8
_Q_WIDTH = 5
"""Widths of the signed digits in bits. The width for G is larger, because its multiples are
computed only once."""


@cache
def _multiples_of_g(curve: Curve) -> tuple[_Affine, ...]:
    """Return the odd multiples of G. They are computed once for each curve, on first use."""
    return _odd_multiples(curve.p, (curve.gx, curve.gy), _G_WIDTH)


def _odd_multiples(p: int, point: _Affine, width: int) -> tuple[_Affine, ...]:
    """Return the products of a point with 1, 3, 5 and so on. The last factor is the largest digit
    of :func:`_signed_digits` with this width.

    No product is the point at infinity, because n is prime and much larger than the factors.
    """
    twice = _affine(p, [_double(p, (*point, 1))])[0]
    multiples: list[_Jacobian] = [(*point, 1)]
    for _ in range(2 ** (width - 2) - 1):
        multiples.append(_add(p, multiples[-1], twice))
    return _affine(p, multiples)


def _affine(p: int, points: list[_Jacobian]) -> tuple[_Affine, ...]:
    """Return the points in affine coordinates. One modular inversion is enough for all of them
    (Montgomery's trick)."""
    products = [1]
    for _, _, z in points:
        products.append(products[-1] * z % p)
    inverse = pow(products.pop(), -1, p)
    found = []
    for (x, y, z), before in zip(reversed(points), reversed(products), strict=True):
        reciprocal = inverse * before % p
        inverse = inverse * z % p
        square = reciprocal * reciprocal % p
        found.append((x * square % p, y * square * reciprocal % p))
    return tuple(reversed(found))


def _signed_digits(number: int, width: int) -> list[tuple[int, int]]:
    """Return ``number`` as pairs of a position and an odd digit. The number is the sum of digit *
    2^position over all pairs. Each digit is between -2^(width-1) and 2^(width-1).

    This is the "width-w NAF" of the Guide to Elliptic Curve Cryptography, algorithm 3.35.
    """
    digits = []
    position = 0
    window = 1 << width
    while number:
        zeros = (number & -number).bit_length() - 1
        number >>= zeros
        position += zeros
        digit = number & (window - 1)
        if digit >= window >> 1:
            digit -= window
        digits.append((position, digit))
        number -= digit
    return digits


def _double(p: int, point: _Jacobian) -> _Jacobian:
    """Return the double of a point on a curve with a = -3. The formula is "dbl-2001-b" of the
    Explicit-Formulas Database. The case y = 0 does not occur, because no point of prime order has y
    = 0."""
    x, y, z = point
    delta = z * z
    gamma = y * y % p
    beta = x * gamma % p
    alpha = 3 * (x - delta) * (x + delta) % p
    x3 = (alpha * alpha - 8 * beta) % p
    return x3, (alpha * (4 * beta - x3) - 8 * gamma * gamma) % p, 2 * y * z % p


def _add(p: int, left: _Jacobian, right: _Affine) -> _Jacobian:
    """Return the sum of two points. ``left`` may be any point, and ``right`` may be any point
    except the point at infinity.

    The formula is "madd" of the Explicit-Formulas Database. The code has separate branches for the
    cases that the formula does not cover.
    """
    x1, y1, z1 = left
    x2, y2 = right
    if z1 == 0:
        return x2, y2, 1
    zz = z1 * z1 % p
    h = (x2 * zz - x1) % p
    r = (y2 * z1 * zz - y1) % p
    if h == 0:
        return _double(p, left) if r == 0 else _INFINITY
    hh = h * h % p
    hhh = h * hh % p
    v = x1 * hh % p
    x3 = (r * r - hhh - 2 * v) % p
    return x3, (r * (v - x3) - y1 * hhh) % p, z1 * h % p
