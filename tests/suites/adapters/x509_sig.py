"""Adapter of the kind x509-sig. A case has the parts of a signature in a certificate: AlgorithmIdentifier, SubjectPublicKeyInfo, data and
BIT STRING."""

from __future__ import annotations

from public_keys import parse_public_key
from scoring import ACCEPT, Case, Suite, Verdict

from imdskit.asn1.reader import Reader
from imdskit.errors import DerError
from imdskit.pki.signatures import signature as signatures
from imdskit.pki.x509.keys import read_algorithm


def judge(case: Case, suite: Suite) -> Verdict:
    """Return the verdict on the signature. Algorithm, parameters and key must match one another. Weak algorithms are accepted."""
    try:
        reader = Reader(suite.blob(case["algid"]))
        algorithm = read_algorithm(reader, "signatureAlgorithm")
        reader.finish()
        key = parse_public_key(suite.blob(case["spki"]))
        reader = Reader(suite.blob(case["sig_bitstring"]))
        signature = reader.bit_string("signatureValue")
        reader.finish()
    except DerError as error:
        return Verdict(False, str(error))
    fault = signatures.fault(algorithm, key, suite.blob(case["data"]), signature)
    return ACCEPT if fault is None else Verdict(False, fault.value)
