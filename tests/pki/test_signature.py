"""Signatures by algorithm identifier and keys by SubjectPublicKeyInfo: which of them match one another, and which the policy accepts."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from public_keys import parse_public_key

from imdskit.asn1 import oids, writer
from imdskit.asn1.reader import Reader
from imdskit.errors import DerError
from imdskit.pki.signatures import ecdsa, signature
from imdskit.pki.signatures.signature import Fault
from imdskit.pki.x509.certificate import AlgorithmIdentifier, EcPublicKey, PublicKey, RsaPublicKey, UnsupportedPublicKey
from imdskit.pki.x509.keys import read_algorithm

MESSAGE = b"what was signed"
MD5_WITH_RSA = "1.2.840.113549.1.1.4"
NULL = writer.null()
SHA256 = writer.sequence(writer.oid(oids.SHA256), NULL)
SHA384 = writer.sequence(writer.oid(oids.SHA384), NULL)


def algorithm(oid: str, *parameters: bytes) -> AlgorithmIdentifier:
    return read_algorithm(Reader(writer.sequence(writer.oid(oid), *parameters)), "algorithm")


def mgf1(digest: bytes, oid: str = oids.MGF1) -> bytes:
    return writer.explicit(1, writer.sequence(writer.oid(oid), digest))


def pss(*members: bytes) -> AlgorithmIdentifier:
    return algorithm(oids.RSASSA_PSS, writer.sequence(*members))


PSS_SHA256 = (writer.explicit(0, SHA256), mgf1(SHA256), writer.explicit(2, writer.integer(32)))


@pytest.fixture(scope="module")
def rsa_private() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def ec_private() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def spki(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="module")
def rsa_key(rsa_private: rsa.RSAPrivateKey) -> RsaPublicKey:
    key = parse_public_key(spki(rsa_private))
    assert isinstance(key, RsaPublicKey)
    return key


@pytest.fixture(scope="module")
def ec_key(ec_private: ec.EllipticCurvePrivateKey) -> EcPublicKey:
    key = parse_public_key(spki(ec_private))
    assert isinstance(key, EcPublicKey)
    return key


RSA_SIGNATURES = (
    ("null", oids.SHA256_WITH_RSA, (NULL,), None),
    ("absent", oids.SHA256_WITH_RSA, (), None),
    ("integer", oids.SHA256_WITH_RSA, (writer.integer(0),), Fault.ALGORITHM),
    ("empty-sequence", oids.SHA256_WITH_RSA, (writer.sequence(),), Fault.ALGORITHM),
    ("another-hash", oids.SHA384_WITH_RSA, (NULL,), Fault.SIGNATURE),
    ("ecdsa", oids.ECDSA_WITH_SHA256, (), Fault.KEY),
    ("rsa-encryption-is-no-signature", oids.RSA_ENCRYPTION, (NULL,), Fault.ALGORITHM),
    ("a-hash-is-no-signature", oids.SHA256, (NULL,), Fault.ALGORITHM),
    ("md5", MD5_WITH_RSA, (NULL,), Fault.ALGORITHM),
    ("ed25519", "1.3.101.112", (), Fault.ALGORITHM),
)


@pytest.mark.parametrize(("oid", "parameters", "fault"), [case[1:] for case in RSA_SIGNATURES], ids=[case[0] for case in RSA_SIGNATURES])
def test_rsa_signature_needs_its_algorithm_and_parameters(
    rsa_private: rsa.RSAPrivateKey, rsa_key: RsaPublicKey, oid: str, parameters: tuple[bytes, ...], fault: Fault | None
) -> None:
    good = rsa_private.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    assert signature.fault(algorithm(oid, *parameters), rsa_key, MESSAGE, good) is fault


EC_SIGNATURES = (
    ("absent", oids.ECDSA_WITH_SHA256, (), None),
    ("null", oids.ECDSA_WITH_SHA256, (NULL,), Fault.ALGORITHM),
    ("curve", oids.ECDSA_WITH_SHA256, (writer.oid(oids.SECP256R1),), Fault.ALGORITHM),
    ("another-hash", oids.ECDSA_WITH_SHA384, (), Fault.SIGNATURE),
    ("rsa", oids.SHA256_WITH_RSA, (NULL,), Fault.KEY),
    ("pss", oids.RSASSA_PSS, (writer.sequence(*PSS_SHA256),), Fault.KEY),
)


@pytest.mark.parametrize(("oid", "parameters", "fault"), [case[1:] for case in EC_SIGNATURES], ids=[case[0] for case in EC_SIGNATURES])
def test_ecdsa_signature_needs_its_algorithm_without_parameters(
    ec_private: ec.EllipticCurvePrivateKey, ec_key: EcPublicKey, oid: str, parameters: tuple[bytes, ...], fault: Fault | None
) -> None:
    good = ec_private.sign(MESSAGE, ec.ECDSA(hashes.SHA256()))
    assert signature.fault(algorithm(oid, *parameters), ec_key, MESSAGE, good) is fault


def test_unsupported_key_matches_no_algorithm() -> None:
    key = UnsupportedPublicKey("1.2.3", "unknown")
    for known in (algorithm(oids.SHA256_WITH_RSA, NULL), algorithm(oids.ECDSA_WITH_SHA256), pss(*PSS_SHA256)):
        assert signature.fault(known, key, MESSAGE, b"") is Fault.KEY


PSS_SIGNATURES = (
    ("as-signed", PSS_SHA256, None),
    ("hash-without-null", (writer.explicit(0, writer.sequence(writer.oid(oids.SHA256))), *PSS_SHA256[1:]), None),
    ("trailer-written-out", (*PSS_SHA256, writer.explicit(3, writer.integer(1))), None),
    ("another-salt-length", (*PSS_SHA256[:2], writer.explicit(2, writer.integer(20))), Fault.SIGNATURE),
    ("salt-length-left-out-is-20", PSS_SHA256[:2], Fault.SIGNATURE),
    ("another-mask-hash", (PSS_SHA256[0], mgf1(SHA384), PSS_SHA256[2]), Fault.SIGNATURE),
    ("another-hash", (writer.explicit(0, SHA384), *PSS_SHA256[1:]), Fault.SIGNATURE),
    ("all-defaults-are-sha-1", (), Fault.SIGNATURE),
    ("negative-salt-length", (*PSS_SHA256[:2], writer.explicit(2, writer.integer(-1))), Fault.ALGORITHM),
    ("huge-salt-length", (*PSS_SHA256[:2], writer.explicit(2, writer.integer(1 << 70))), Fault.ALGORITHM),
    ("another-trailer", (*PSS_SHA256, writer.explicit(3, writer.integer(2))), Fault.ALGORITHM),
    ("another-mask", (PSS_SHA256[0], mgf1(SHA256, oids.SHA256), PSS_SHA256[2]), Fault.ALGORITHM),
    ("unknown-hash", (writer.explicit(0, writer.sequence(writer.oid("1.2.3"), NULL)), *PSS_SHA256[1:]), Fault.ALGORITHM),
    (
        "hash-with-an-integer",
        (writer.explicit(0, writer.sequence(writer.oid(oids.SHA256), writer.integer(1))), *PSS_SHA256[1:]),
        Fault.ALGORITHM,
    ),
    ("out-of-order", (PSS_SHA256[1], PSS_SHA256[0], PSS_SHA256[2]), Fault.ALGORITHM),
    ("more-members", (*PSS_SHA256, writer.explicit(4, NULL)), Fault.ALGORITHM),
    ("two-hashes", (writer.explicit(0, SHA256, SHA256), *PSS_SHA256[1:]), Fault.ALGORITHM),
)


@pytest.mark.parametrize(("members", "fault"), [case[1:] for case in PSS_SIGNATURES], ids=[case[0] for case in PSS_SIGNATURES])
def test_pss_signature_needs_its_own_parameters(
    rsa_private: rsa.RSAPrivateKey, rsa_key: RsaPublicKey, members: tuple[bytes, ...], fault: Fault | None
) -> None:
    good = rsa_private.sign(MESSAGE, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    assert signature.fault(pss(*members), rsa_key, MESSAGE, good) is fault


@pytest.mark.parametrize("parameters", [(), (NULL,), (writer.octet_string(b""),)], ids=["absent", "null", "octet-string"])
def test_pss_without_valid_parameters_is_an_unknown_algorithm(rsa_key: RsaPublicKey, parameters: tuple[bytes, ...]) -> None:
    assert signature.fault(algorithm(oids.RSASSA_PSS, *parameters), rsa_key, MESSAGE, bytes(256)) is Fault.ALGORITHM


def pss_key(key: RsaPublicKey, *parameters: bytes) -> PublicKey:
    numbers = writer.sequence(writer.integer(key.modulus), writer.integer(key.exponent))
    return parse_public_key(writer.sequence(writer.sequence(writer.oid(oids.RSASSA_PSS), *parameters), writer.bit_string(numbers)))


def test_pss_key_can_restrict_its_parameters(rsa_private: rsa.RSAPrivateKey, rsa_key: RsaPublicKey) -> None:
    good = rsa_private.sign(MESSAGE, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    other = rsa_private.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    shorter, longer = ((*PSS_SHA256[:2], writer.explicit(2, writer.integer(length))) for length in (20, 33))
    for parameters, fault in (
        ((), None),
        ((writer.sequence(*PSS_SHA256),), None),
        ((writer.sequence(*shorter),), None),
        ((writer.sequence(*longer),), Fault.KEY),
        ((writer.sequence(writer.explicit(0, SHA384), *PSS_SHA256[1:]),), Fault.KEY),
        ((writer.sequence(),), Fault.KEY),
        ((NULL,), Fault.KEY),
    ):
        key = pss_key(rsa_key, *parameters)
        assert signature.fault(pss(*PSS_SHA256), key, MESSAGE, good) is fault
        assert signature.fault(algorithm(oids.SHA256_WITH_RSA, NULL), key, MESSAGE, other) is Fault.KEY


@pytest.mark.parametrize(
    ("named", "accepted"),
    [
        pytest.param(algorithm(oids.SHA256_WITH_RSA, NULL), True, id="rsa-sha-256"),
        pytest.param(algorithm(oids.SHA384_WITH_RSA, NULL), True, id="rsa-sha-384"),
        pytest.param(algorithm(oids.SHA512_WITH_RSA, NULL), True, id="rsa-sha-512"),
        pytest.param(algorithm(oids.ECDSA_WITH_SHA256), True, id="ecdsa-sha-256"),
        pytest.param(algorithm(oids.ECDSA_WITH_SHA512), True, id="ecdsa-sha-512"),
        pytest.param(pss(*PSS_SHA256), True, id="pss-sha-256"),
        pytest.param(algorithm(oids.SHA1_WITH_RSA, NULL), False, id="rsa-sha-1"),
        pytest.param(algorithm(oids.SHA224_WITH_RSA, NULL), False, id="rsa-sha-224"),
        pytest.param(algorithm(oids.SHA512_256_WITH_RSA, NULL), False, id="rsa-sha-512-256"),
        pytest.param(algorithm(oids.ECDSA_WITH_SHA1), False, id="ecdsa-sha-1"),
        pytest.param(pss(), False, id="pss-defaults"),
        pytest.param(pss(PSS_SHA256[0], PSS_SHA256[2]), False, id="pss-sha-256-mask-sha-1"),
        pytest.param(algorithm(oids.RSASSA_PSS), False, id="pss-without-parameters"),
        pytest.param(algorithm("1.2.840.10040.4.3"), False, id="dsa"),
        pytest.param(algorithm("1.3.101.112"), False, id="ed25519"),
    ],
)
def test_policy_accepts_only_sha_2_with_at_least_256_bits(named: AlgorithmIdentifier, accepted: bool) -> None:
    assert (signature.algorithm_fault(named) is None) is accepted


@pytest.mark.parametrize(
    ("key", "accepted"),
    [
        pytest.param(RsaPublicKey((1 << 2048) - 1, 65537), True, id="rsa-2048"),
        pytest.param(RsaPublicKey((1 << 8192) - 1, 65537), True, id="rsa-8192"),
        pytest.param(RsaPublicKey((1 << 2048) - 1, (1 << 32) - 1), True, id="exponent-of-32-bits"),
        pytest.param(EcPublicKey("secp256r1", 1, 1), True, id="p-256"),
        pytest.param(RsaPublicKey((1 << 2047) - 1, 65537), False, id="rsa-2047"),
        pytest.param(RsaPublicKey((1 << 8193) - 1, 65537), False, id="rsa-8193"),
        pytest.param(RsaPublicKey((1 << 2048) - 2, 65537), False, id="even-modulus"),
        pytest.param(RsaPublicKey((1 << 2048) - 1, 3), False, id="exponent-3"),
        pytest.param(RsaPublicKey((1 << 2048) - 1, 65535), False, id="exponent-65535"),
        pytest.param(RsaPublicKey((1 << 2048) - 1, 65538), False, id="even-exponent"),
        pytest.param(RsaPublicKey((1 << 2048) - 1, (1 << 32) + 1), False, id="exponent-of-33-bits"),
        pytest.param(UnsupportedPublicKey("1.2.3", "unknown"), False, id="unsupported"),
    ],
)
def test_policy_limits_key_sizes_and_describes_keys(key: PublicKey, accepted: bool) -> None:
    assert (signature.key_fault(key, 2048) is None) is accepted
    assert signature.describe_key(key)


def test_description_of_a_key_omits_a_huge_exponent() -> None:
    assert len(signature.describe_key(RsaPublicKey((1 << 2048) - 1, 1 << 60_000))) < 40


def ec_spki(parameters: bytes, point: bytes, unused: int = 0) -> bytes:
    return writer.sequence(writer.sequence(writer.oid(oids.EC_PUBLIC_KEY), parameters), writer.bit_string(point, unused))


G = b"\x04" + ecdsa.P256.gx.to_bytes(32, "big") + ecdsa.P256.gy.to_bytes(32, "big")
P256 = writer.oid(oids.SECP256R1)
N = writer.integer((1 << 512) + 1)
E = writer.integer(65537)


def rsa_spki(key: bytes, *parameters: bytes, oid: str = oids.RSA_ENCRYPTION) -> bytes:
    return writer.sequence(writer.sequence(writer.oid(oid), *parameters), writer.bit_string(key))


@pytest.mark.parametrize(
    "der",
    [
        pytest.param(ec_spki(writer.oid("1.3.132.0.10"), G), id="secp256k1"),
        pytest.param(ec_spki(writer.null(), G), id="implicit-curve"),
        pytest.param(ec_spki(writer.sequence(writer.integer(1)), G), id="explicit-curve"),
        pytest.param(ec_spki(P256, b"\x02" + G[1:33]), id="compressed"),
        pytest.param(ec_spki(P256, b"\x06" + G[1:]), id="hybrid"),
        pytest.param(ec_spki(P256, b"\x00"), id="infinity"),
        pytest.param(ec_spki(P256, b""), id="no-point"),
        pytest.param(ec_spki(P256, G + b"\0"), id="point-too-long"),
        pytest.param(ec_spki(P256, G[:-1] + bytes((G[-1] ^ 1,))), id="off-the-curve"),
        pytest.param(ec_spki(writer.oid(oids.SECP384R1), G), id="of-another-curve"),
        pytest.param(rsa_spki(writer.sequence(N, E)), id="rsa-without-null"),
        pytest.param(rsa_spki(writer.sequence(N, E), writer.integer(0)), id="rsa-with-an-integer"),
        pytest.param(rsa_spki(writer.sequence(N, E), NULL, oid="2.5.8.1.1"), id="id-ea-rsa"),
        pytest.param(rsa_spki(b"\0" * 32, oid="1.3.101.112"), id="ed25519"),
    ],
)
def test_parses_unsupported_keys_without_using_them(der: bytes) -> None:
    assert isinstance(parse_public_key(der), UnsupportedPublicKey)


@pytest.mark.parametrize(
    "der",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(rsa_spki(writer.sequence(N, E), NULL) + b"\0", id="an-additional-byte"),
        pytest.param(rsa_spki(writer.sequence(N, E) + b"\0", NULL), id="an-additional-byte-after-the-numbers"),
        pytest.param(rsa_spki(writer.sequence(N, E, E), NULL), id="three-numbers"),
        pytest.param(rsa_spki(writer.sequence(N), NULL), id="one-number"),
        pytest.param(rsa_spki(writer.sequence(writer.integer(-5), E), NULL), id="negative-modulus"),
        pytest.param(rsa_spki(writer.sequence(N, writer.integer(0)), NULL), id="exponent-0"),
        pytest.param(rsa_spki(writer.sequence(b"\x02\x02\0\5", E), NULL), id="padded-modulus"),
        pytest.param(rsa_spki(b"", NULL), id="no-numbers"),
        pytest.param(rsa_spki(writer.sequence(N, E), NULL, NULL), id="two-parameters"),
        pytest.param(ec_spki(P256, G[:-1] + b"\x80", 3), id="unused-bits"),
        pytest.param(writer.sequence(writer.sequence(writer.oid(oids.RSA_ENCRYPTION), NULL)), id="not-a-key"),
    ],
)
def test_rejects_a_malformed_public_key(der: bytes) -> None:
    with pytest.raises(DerError):
        parse_public_key(der)


def test_parses_keys_of_another_library() -> None:
    for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()):
        numbers = (private := ec.generate_private_key(curve)).public_key().public_numbers()
        assert parse_public_key(spki(private)) == EcPublicKey(curve.name, numbers.x, numbers.y)
    for other in (ec.generate_private_key(ec.SECP256K1()), ed25519.Ed25519PrivateKey.generate()):
        assert isinstance(parse_public_key(spki(other)), UnsupportedPublicKey)
