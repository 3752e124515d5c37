"""der: bytes that are a certificate or a CMS message, or not. Only parsing is asked for."""

from __future__ import annotations

from scoring import ACCEPT, Case, Suite, Verdict

from imdskit.asn1.reader import Reader
from imdskit.errors import DerError
from imdskit.pki import cms
from imdskit.pki.x509.parser import parse_certificate


def judge(case: Case, suite: Suite) -> Verdict:
    """What path validation refuses of a certificate alone counts as a refusal: nobody may rely on it. Its serial number does not, which is
    an issuer's affair and not one of parsing."""
    data = suite.blob(case["der"])
    try:
        if case["grammar"] == "certificate":
            certificate = parse_certificate(data)
            faults = [f"{field}: {problem}" for field, problem in certificate.faults if field != "serialNumber"]
            faults += [f"{oid} is critical and not known" for oid in certificate.unknown_critical]
            if faults:
                return Verdict(False, faults[0])
        elif case["grammar"] == "cms":
            cms.parse(data)
        elif case["grammar"] == "any":
            reader = Reader(data)
            reader.any()
            reader.finish()
        else:
            raise ValueError(f"an unknown grammar: {case['grammar']}")
    except DerError as error:
        return Verdict(False, str(error))
    return ACCEPT
