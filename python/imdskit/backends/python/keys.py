"""Public keys (RFC 5280 section 4.1.2.7, RFC 3279, RFC 4055, RFC 5480)."""

from __future__ import annotations

from imdskit.asn1 import oids
from imdskit.asn1.reader import Reader
from imdskit.backends.python import ecdsa
from imdskit.backends.python.certificate import AlgorithmIdentifier, EcPublicKey, PublicKey, RsaPublicKey, UnsupportedPublicKey

NULL = b"\x05\x00"

CURVES = {oids.SECP256R1: "secp256r1", oids.SECP384R1: "secp384r1", oids.SECP521R1: "secp521r1"}


def read_algorithm(reader: Reader, field: str) -> AlgorithmIdentifier:
    """AlgorithmIdentifier: an object identifier and at most one element of parameters."""
    start = reader.pos
    algorithm = reader.sequence(field)
    oid = algorithm.oid("algorithm")
    parameters = algorithm.any("parameters") if algorithm else None
    algorithm.finish()
    return AlgorithmIdentifier(oid, parameters, reader.data[start : reader.pos])


def read_public_key(reader: Reader, field: str = "subjectPublicKeyInfo") -> PublicKey:
    """The key of a SubjectPublicKeyInfo. A key of a kind that is not used here is an :class:`UnsupportedPublicKey`; an RSA key that is not
    an RSAPublicKey is malformed."""
    info = reader.sequence(field)
    algorithm = read_algorithm(info, "algorithm")
    pos = info.pos
    bits = info.bit_string("subjectPublicKey")
    info.finish()
    if algorithm.oid in (oids.RSA_ENCRYPTION, oids.RSASSA_PSS):
        if algorithm.oid == oids.RSA_ENCRYPTION and algorithm.parameters != NULL:
            return UnsupportedPublicKey(algorithm.oid, "rsaEncryption without NULL (RFC 3279 section 2.3.1)")
        key = Reader(bits, base=info.base + pos, field=f"{info.field}.subjectPublicKey").sequence()
        modulus, exponent = key.integer("modulus"), key.integer("publicExponent")
        key.finish()
        if Reader(bits).header()[2] != len(bits):
            raise info.fault("Something follows the key.", "subjectPublicKey", pos)
        if modulus <= 0 or exponent <= 0:
            raise info.fault("A modulus or exponent that is not positive.", "subjectPublicKey", pos)
        if algorithm.oid == oids.RSASSA_PSS:
            return RsaPublicKey(modulus, exponent, True, algorithm.parameters)
        return RsaPublicKey(modulus, exponent)
    if algorithm.oid == oids.EC_PUBLIC_KEY:
        return _elliptic(algorithm, bits)
    return UnsupportedPublicKey(algorithm.oid, "not RSA and not on an elliptic curve that is accepted")


def _elliptic(algorithm: AlgorithmIdentifier, bits: bytes) -> PublicKey:
    """A point in uncompressed form on a named curve, and really on it (RFC 5480 section 2.2, SEC 1 section 3.2.2)."""
    parameters = algorithm.parameters or b""
    curve = next((name for oid, name in CURVES.items() if parameters == ecdsa.CURVES[name].oid_der), None)
    if curve is None:
        return UnsupportedPublicKey(algorithm.oid, "not a named curve that is accepted")
    size = ecdsa.CURVES[curve].size
    if len(bits) != 1 + 2 * size or bits[0] != 4:
        return UnsupportedPublicKey(algorithm.oid, "not an uncompressed point")
    x, y = int.from_bytes(bits[1 : 1 + size], "big"), int.from_bytes(bits[1 + size :], "big")
    if not ecdsa.is_on_curve(ecdsa.CURVES[curve], x, y):
        return UnsupportedPublicKey(algorithm.oid, "the point is not on the curve")
    return EcPublicKey(curve, x, y)


def parse_public_key(spki: bytes) -> PublicKey:
    """The key of a whole SubjectPublicKeyInfo.

    Raises:
        DerError: it is none.
    """
    reader = Reader(spki)
    key = read_public_key(reader)
    reader.finish()
    return key
