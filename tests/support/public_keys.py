"""Parser of a whole SubjectPublicKeyInfo."""

from imdskit.asn1.reader import Reader
from imdskit.pki.x509.certificate import PublicKey
from imdskit.pki.x509.keys import read_public_key


def parse_public_key(spki: bytes) -> PublicKey:
    """Return the key. Raise DerError if the bytes are not a SubjectPublicKeyInfo."""
    reader = Reader(spki)
    key = read_public_key(reader)
    reader.finish()
    return key
