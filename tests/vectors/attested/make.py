"""Generator of ``vectors.ndjson``: ``python3 tests/vectors/attested/make.py``.

Each case states the expected verdict and reason. The location comes from the Python backend, which is the specification. If the verdict or
the reason differs from the expected one, nothing is written, because either the verifier or the case is wrong.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "support"), str(HERE.parents[2] / "python")]

import defects_chain  # noqa: E402  # the paths above come first
import defects_claims  # noqa: E402
import defects_envelope  # noqa: E402
import defects_identity  # noqa: E402
import defects_revocation  # noqa: E402
import defects_signature  # noqa: E402
import pki  # noqa: E402
from case import Case  # noqa: E402

from imdskit.backends.contract import Setup  # noqa: E402
from imdskit.backends.python.checker import Checker  # noqa: E402
from imdskit.clouds import CLOUDS  # noqa: E402
from imdskit.errors import VerificationError  # noqa: E402

FILE = HERE / "vectors.ndjson"
FAMILIES = (defects_envelope, defects_signature, defects_chain, defects_revocation, defects_identity, defects_claims)


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def setting() -> dict[str, object]:
    return {
        "format": "imdskit-attested-vectors/1",
        "anchors": [text(pki.root())],
        "intermediates": [text(pki.issuing())],
        "names": [cloud.domain for cloud in CLOUDS],
        "at": pki.AT,
    }


def record(case: Case) -> dict[str, object]:
    """Return the line of a case, after checking the verdict.

    Raises:
        Disagreement: the verifier gives another verdict than the case expects.
    """
    intermediates = (pki.issuing(),) if case.intermediates is None else case.intermediates
    setup = Setup((pki.root(),), intermediates, tuple((cloud.name, cloud.domain) for cloud in CLOUDS), crls=case.crls)
    line: dict[str, object] = {"id": case.id, "comment": case.comment, "document": text(case.document), "expected": case.expected}
    if case.at is not None:
        line["at"] = case.at
    if case.nonce is not None:
        line["nonce"] = case.nonce
    if case.intermediates is not None:
        line["intermediates"] = [text(certificate) for certificate in case.intermediates]
    if case.crls:
        line["crls"] = [text(crl) for crl in case.crls]
    if case.see is not None:
        line["see"] = case.see
    try:
        Checker(setup).check(case.document, pki.AT if case.at is None else case.at, case.nonce)
    except VerificationError as error:
        agreed = case.expected == "reject" and case.reason in (None, error.code) and case.stage in (None, error.stage)
        if not agreed:
            raise Disagreement(f"{case.id}: {case.expected} {case.reason or case.stage}, but {error} [{error.detail}]") from error
        line |= {"reason": error.code, "stage": error.stage, "location": error.location}
    else:
        if case.expected != "accept":
            raise Disagreement(f"{case.id}: should be refused ({case.reason or case.stage}), but is accepted")
    return line


class Disagreement(Exception):
    """Raised when the verdict of the verifier is not the expected one."""


def build() -> str:
    """Return the content of the file.

    Raises:
        Disagreement: the message has one line for each failed case.
    """
    lines = [json.dumps(setting())]
    wrong = []
    for case in (case for family in FAMILIES for case in family.cases()):
        try:
            lines.append(json.dumps(record(case)))
        except Disagreement as disagreement:
            wrong.append(str(disagreement))
    if wrong:
        raise Disagreement("\n".join(wrong))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    try:
        FILE.write_text(build(), encoding="ascii")
    except Disagreement as disagreement:
        sys.exit(str(disagreement))
