"""Parser of public keys and algorithm identifiers (RFC 5280 sections 4.1.1.2 and 4.1.2.7, RFC 3279,
RFC 4055, RFC 5480)."""

from __future__ import annotations

from imdskit.asn1 import oids
from imdskit.asn1.reader import SEQUENCE, Reader
from imdskit.pki.signatures import ecdsa
from imdskit.pki.x509.certificate import AlgorithmIdentifier, EcPublicKey, PublicKey, RsaPublicKey, UnsupportedPublicKey

NULL = b"\x05\x00"

_USUAL = {
    der: AlgorithmIdentifier(oid, NULL, der)
    for oid, der in (
        (oids.SHA256, bytes.fromhex("300d06096086480165030402010500")),
        (oids.RSA_ENCRYPTION, bytes.fromhex("300d06092a864886f70d0101010500")),
        (oids.SHA256_WITH_RSA, bytes.fromhex("300d06092a864886f70d01010b0500")),
        (oids.SHA384_WITH_RSA, bytes.fromhex("300d06092a864886f70d01010c0500")),
    )
}
"""Maps the DER of an algorithm identifier to its parsed form. The table contains the identifiers in
genuine documents and their certificates, so that they need not be parsed."""


def read_algorithm(reader: Reader, field: str) -> AlgorithmIdentifier:
    """Parse an AlgorithmIdentifier: an object identifier and at most one element of parameters."""
    pos = reader.pos
    start, stop = reader.expect(SEQUENCE, field)
    usual = _USUAL.get(reader.data[pos:stop])
    if usual is not None:
        return usual
    algorithm = Reader(reader.data, start, stop, reader.base, field, reader)
    oid = algorithm.oid("algorithm")
    parameters = algorithm.any("parameters") if algorithm.pos < stop else None
    algorithm.finish()
    return AlgorithmIdentifier(oid, parameters, reader.data[pos:stop])


def read_public_key(reader: Reader) -> PublicKey:
    """Parse a SubjectPublicKeyInfo and return its key.

    If imdskit cannot use the key, the result is an
    :class:`~imdskit.pki.x509.certificate.UnsupportedPublicKey`.

    Raises:
        DerError: the next element is not a SubjectPublicKeyInfo, or an RSA key does not contain a
            valid RSAPublicKey.
    """
    info = reader.sequence("subjectPublicKeyInfo")
    algorithm = read_algorithm(info, "algorithm")
    bits = info.enter_bit_string("subjectPublicKey")
    info.finish()
    if algorithm.oid == oids.RSA_ENCRYPTION:
        if algorithm.parameters != NULL:
            return UnsupportedPublicKey(algorithm.oid, "rsaEncryption without NULL (RFC 3279 section 2.3.1)")
        return RsaPublicKey(*_read_rsa(bits))
    if algorithm.oid == oids.RSASSA_PSS:
        return RsaPublicKey(*_read_rsa(bits), only_pss=True, pss=algorithm.parameters)
    if algorithm.oid == oids.EC_PUBLIC_KEY:
        return _elliptic(algorithm, bits.data[bits.pos : bits.stop])
    return UnsupportedPublicKey(algorithm.oid, "not RSA and not on an elliptic curve that is accepted")


def _read_rsa(reader: Reader) -> tuple[int, int]:
    """Parse an RSAPublicKey and return its modulus and exponent, which must be positive (RFC 3279
    section 2.3.1)."""
    key = reader.sequence()
    reader.finish()
    modulus, exponent = key.integer("modulus"), key.integer("publicExponent")
    key.finish()
    if modulus <= 0 or exponent <= 0:
        raise key.fault("The modulus or the exponent is not positive.")
    return modulus, exponent


def _elliptic(algorithm: AlgorithmIdentifier, point: bytes) -> PublicKey:
    """Return the key for an uncompressed point on a named curve (RFC 5480 sections 2.1.1 and 2.2).

    If the point is not on the curve, the result is an unsupported key (SEC 1 section 3.2.2).
    """
    curve = ecdsa.NAMED_BY.get(algorithm.parameters or b"")
    if curve is None:
        return UnsupportedPublicKey(algorithm.oid, "not a named curve that is accepted")
    if len(point) != 1 + 2 * curve.size or point[0] != 0x04:
        return UnsupportedPublicKey(algorithm.oid, "not an uncompressed point")
    x, y = int.from_bytes(point[1 : 1 + curve.size], "big"), int.from_bytes(point[1 + curve.size :], "big")
    if not ecdsa.is_on_curve(curve, x, y):
        return UnsupportedPublicKey(algorithm.oid, "the point is not on the curve")
    return EcPublicKey(curve.name, x, y)
