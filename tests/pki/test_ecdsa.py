"""ECDSA: the examples of RFC 6979, signatures of another library, and numbers out of range."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from imdskit.asn1 import writer
from imdskit.pki.signatures import ecdsa
from imdskit.pki.x509.certificate import EcPublicKey

MESSAGE = b"what was signed"
CURVES: dict[str, ec.EllipticCurve] = {"secp256r1": ec.SECP256R1(), "secp384r1": ec.SECP384R1(), "secp521r1": ec.SECP521R1()}
HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


def signature(r: int, s: int) -> bytes:
    return writer.sequence(writer.integer(r), writer.integer(s))


@pytest.mark.parametrize(
    ("key", "hash_name", "r", "s"),
    [
        pytest.param(
            EcPublicKey(
                "secp256r1",
                0x60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6,
                0x7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299,
            ),
            "sha256",
            0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
            0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
            id="A.2.5-p-256-sha-256",
        ),
        pytest.param(
            EcPublicKey(
                "secp384r1",
                0xEC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64DEF8F0EA9055866064A254515480BC13,
                0x8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1288B231C3AE0D4FE7344FD2533264720,
            ),
            "sha384",
            0x94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46,
            0x99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8,
            id="A.2.6-p-384-sha-384",
        ),
        pytest.param(
            EcPublicKey(
                "secp521r1",
                0x1894550D0785932E00EAA23B694F213F8C3121F86DC97A04E5A7167DB4E5BCD371123D46E45DB6B5D5370A7F20FB633155D38FFA16D2BD761DCAC474B9A2F5023A4,
                0x0493101C962CD4D2FDDF782285E64584139C2F91B47F87FF82354D6630F746A28A0DB25741B5B34A828008B22ACC23F924FAAFBD4D33F81EA66956DFEAA2BFDFCF5,
            ),
            "sha512",
            0x0C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F174E25A1EE9017B5D450606ADD152B534931D7D4E8455CC91F9B15BF05EC36E377FA,
            0x0617CCE7CF5064806C467F678D3B4080D6F1CC50AF26CA209417308281B68AF282623EAA63E5B5C0723D8B8C37FF0777B1A20F8CCB1DCCC43997F1EE0E44DA4A67A,
            id="A.2.7-p-521-sha-512",
        ),
    ],
)
def test_accepts_the_examples_of_rfc_6979(key: EcPublicKey, hash_name: str, r: int, s: int) -> None:
    curve = ecdsa.CURVES[key.curve]
    assert ecdsa.is_on_curve(curve, key.x, key.y)
    assert ecdsa.verify(key, hash_name, b"sample", signature(r, s))
    # (r, -s) is also a valid signature. Every other changed pair is not.
    assert ecdsa.verify(key, hash_name, b"sample", signature(r, curve.n - s))
    for pair in ((s, r), (r + 1, s), (r, s + 1), (curve.n - r, s)):
        assert not ecdsa.verify(key, hash_name, b"sample", signature(*pair))
    assert not ecdsa.verify(key, hash_name, b"Sample", signature(r, s))


@pytest.fixture(scope="module", params=CURVES)
def private(request: pytest.FixtureRequest) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(CURVES[request.param])


@pytest.fixture(scope="module")
def key(private: ec.EllipticCurvePrivateKey) -> EcPublicKey:
    numbers = private.public_key().public_numbers()
    return EcPublicKey(numbers.curve.name, numbers.x, numbers.y)


@pytest.mark.parametrize("hash_name", HASHES)
def test_accepts_ecdsa_signatures_of_another_library(private: ec.EllipticCurvePrivateKey, key: EcPublicKey, hash_name: str) -> None:
    for number in range(5):
        message = MESSAGE + bytes((number,))
        good = private.sign(message, ec.ECDSA(HASHES[hash_name]))
        assert ecdsa.verify(key, hash_name, message, good)
        assert not ecdsa.verify(key, hash_name, MESSAGE, good)


def test_rejects_signature_numbers_out_of_range(private: ec.EllipticCurvePrivateKey, key: EcPublicKey) -> None:
    n = ecdsa.CURVES[key.curve].n
    r, s = decode_dss_signature(private.sign(MESSAGE, ec.ECDSA(hashes.SHA256())))
    assert ecdsa.verify(key, "sha256", MESSAGE, signature(r, s))
    for pair in (
        (0, 0),
        (0, s),
        (r, 0),
        (n, s),
        (r, n),
        (-r, s),
        (r, -s),
        (r + n, s),
        (r, s + n),
        (r - n, s),
        (r, s - n),
        (1, 1),
        (n - 1, n - 1),
    ):
        assert not ecdsa.verify(key, "sha256", MESSAGE, signature(*pair))


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda r, s: b"", id="nothing"),
        pytest.param(lambda r, s: r.to_bytes(66, "big") + s.to_bytes(66, "big"), id="two-numbers-without-der"),
        pytest.param(lambda r, s: signature(r, s) + b"\0", id="an-additional-byte"),
        pytest.param(lambda r, s: signature(r, s)[:-1], id="the-last-byte-missing"),
        pytest.param(lambda r, s: writer.sequence(writer.integer(r), writer.integer(s), writer.null()), id="an-additional-null"),
        pytest.param(lambda r, s: writer.sequence(writer.integer(r)), id="one-number"),
        pytest.param(lambda r, s: writer.set_of(writer.integer(r), writer.integer(s)), id="a-set"),
        pytest.param(lambda r, s: writer.sequence(writer.octet_string(r.to_bytes(70, "big")), writer.integer(s)), id="an-octet-string"),
        pytest.param(lambda r, s: writer.sequence(b"\2" + padded(r), writer.integer(s)), id="a-padded-number"),
        pytest.param(lambda r, s: b"\x30\x80" + signature(r, s)[2:] + b"\0\0", id="an-indefinite-length"),
    ],
)
def test_rejects_a_signature_that_is_not_der_of_two_numbers(
    private: ec.EllipticCurvePrivateKey, key: EcPublicKey, spoil: Callable[[int, int], bytes]
) -> None:
    r, s = decode_dss_signature(private.sign(MESSAGE, ec.ECDSA(hashes.SHA256())))
    assert not ecdsa.verify(key, "sha256", MESSAGE, spoil(r, s))


def padded(number: int) -> bytes:
    """Return length and contents of an INTEGER that is one byte longer than necessary."""
    octets = writer.integer(number)[2:]
    return bytes((len(octets) + 1, 0)) + octets


@pytest.mark.parametrize("curve", ecdsa.CURVES.values(), ids=ecdsa.CURVES)
def test_multiples_of_the_base_point_match_another_library(curve: ecdsa.Curve) -> None:
    for number in (1, 2, 3, 127, 128, 2**64 - 1, curve.n // 2, curve.n - 1):
        expected = ec.derive_private_key(number, CURVES[curve.name]).public_key().public_numbers()
        # Compute number * G as 0 * G + number * Q and as number * G + 0 * Q, with Q = G.
        for u1, u2 in ((0, number), (number, 0), (number - 1, 1)):
            x, y, z = ecdsa._sum_of_multiples(curve, u1, u2, (curve.gx, curve.gy))
            assert (x * pow(z, -2, curve.p) % curve.p, y * pow(z, -3, curve.p) % curve.p) == (expected.x, expected.y)


@pytest.mark.parametrize("curve", ecdsa.CURVES.values(), ids=ecdsa.CURVES)
def test_rejects_a_signature_whose_sum_is_the_point_at_infinity(curve: ecdsa.Curve) -> None:
    assert ecdsa._sum_of_multiples(curve, curve.n - 5, 5, (curve.gx, curve.gy))[2] == 0
    # With Q = G and a digest e, r = n - e makes u1 G + u2 Q the point at infinity for every s.
    e = int.from_bytes(hashlib.sha256(MESSAGE).digest(), "big")
    assert not ecdsa.verify(EcPublicKey(curve.name, curve.gx, curve.gy), "sha256", MESSAGE, signature(-e % curve.n, 7))


def test_detects_points_off_the_curve_and_out_of_range() -> None:
    for curve in ecdsa.CURVES.values():
        assert ecdsa.is_on_curve(curve, curve.gx, curve.p - curve.gy)
        for x, y in (
            (0, 0),
            (curve.gx, curve.gy + 1),
            (curve.gx + curve.p, curve.gy),
            (curve.gx, curve.gy - curve.p),
            (curve.gy, curve.gx),
        ):
            assert not ecdsa.is_on_curve(curve, x, y)
