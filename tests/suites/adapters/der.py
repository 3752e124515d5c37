"""Adapter of the kind der. A case has bytes that are, or are not, a certificate or CMS message. The adapter only parses them."""

from __future__ import annotations

from scoring import ACCEPT, Case, Suite, Verdict

from imdskit.asn1.reader import Reader
from imdskit.errors import DerError
from imdskit.pki import cms
from imdskit.pki.x509.parser import parse_certificate


def judge(case: Case, suite: Suite) -> Verdict:
    """Return the verdict of the parser.

    Faults for which path validation would refuse the certificate count as refusals, because nobody may rely on such a certificate. A fault
    of the serial number does not, because it concerns the issuer and not the parser.
    """
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
