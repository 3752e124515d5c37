"""der: bytes that are a certificate or a CMS message, or not. Only parsing is asked for."""

from __future__ import annotations

from scoring import ACCEPT, Case, Suite, Verdict

from imdskit.asn1.reader import Reader
from imdskit.backends.python import cms
from imdskit.backends.python.x509 import parse_certificate
from imdskit.errors import DerError


def judge(case: Case, suite: Suite) -> Verdict:
    """Faults that path validation refuses count as refusals: nobody may rely on such a certificate."""
    data = suite.blob(case["der"])
    try:
        if case["grammar"] == "certificate":
            faults = parse_certificate(data).faults
            if faults:
                return Verdict(False, ": ".join(faults[0]))
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
