"""Adapter of the kind sig-verify. A case has a message, a signature, a SubjectPublicKeyInfo, and the names of the algorithms."""

from __future__ import annotations

from scoring import ACCEPT, Case, Suite, Verdict

from imdskit.errors import DerError
from imdskit.pki.signatures import ecdsa, rsa
from imdskit.pki.x509.certificate import EcPublicKey, RsaPublicKey
from imdskit.pki.x509.keys import parse_public_key

HASHES = {"sha512-224": "sha512_224", "sha512-256": "sha512_256"}
"""Names of hashes that differ between the suites and hashlib."""


def judge(case: Case, suite: Suite) -> Verdict:
    """Return the verdict of the primitive alone. The policy for keys and hashes is not applied."""
    message, signature = bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
    used = hash_name(case["hash"])
    try:
        key = parse_public_key(suite.blob(case["spki"]))
    except DerError as error:
        return Verdict(False, str(error))
    good = False
    if case["alg"] == "ecdsa":
        good = isinstance(key, EcPublicKey) and ecdsa.verify(key, used, message, signature)
    elif case["alg"] == "rsa-pkcs1":
        good = isinstance(key, RsaPublicKey) and not key.only_pss and rsa.verify_pkcs1v15(key, used, message, signature)
    elif case["alg"] == "rsa-pss":
        mask = hash_name(case["mgf_hash"])
        good = isinstance(key, RsaPublicKey) and rsa.verify_pss(key, used, mask, case["salt_len"], message, signature)
    else:
        raise ValueError(f"an unknown algorithm: {case['alg']}")
    return ACCEPT if good else Verdict(False, "the signature does not match")


def hash_name(name: str) -> str:
    """Return hashlib's name of a hash."""
    return HASHES.get(name, name)
