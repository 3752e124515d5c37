"""Check whether this machine runs on Azure, and show the evidence.

The first check reads the chassis asset tag of the firmware. The second check tests whether a
program responds at the service's address. The third check tests whether its responses look like
those of the service. With --attested, the last check verifies an attested document with a fresh
nonce. The conclusion is proved, likely, unlikely or unknown.

Exit status:

  0  the conclusion is proved or, without
     --attested, likely
  1  the conclusion is unlikely
  2  a mistake in the arguments
  3  the conclusion is unknown or, with
     --attested, only likely
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from imdskit.cli.shared import inputs, output
from imdskit.client import Client
from imdskit.client.detect import Prove, detect

UNKNOWN = 3
_STATUS = {"proved": 0, "likely": 0, "unlikely": 1, "unknown": UNKNOWN}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--attested", action="store_true", help="demand proof: fetch an attested document and verify it")
    parser.add_argument(
        "--trust",
        metavar="PEM",
        action="append",
        help="with --attested: trust these certificates instead of the bundled roots; may be repeated",
    )
    parser.add_argument("--fetch-intermediates", action="store_true", help="with --attested: fetch a missing intermediate certificate")
    parser.add_argument(
        "--base-url",
        metavar="URL",
        help="base address of the service; by default from the environment (AZURE_POD_IDENTITY_AUTHORITY_HOST, IMDS_ENDPOINT), or else 169.254.169.254",
    )
    parser.add_argument("--root", metavar="DIR", default="/", help="root of the file system whose /sys is read; by default /")
    parser.add_argument("--json", action="store_true", help="write the evidence as JSON")


def run(options: argparse.Namespace) -> int:
    prove = _prover(options.trust, options.fetch_intermediates) if options.attested else None
    own = ", ".join(options.trust or ())
    signer = f"An authority that is trusted only because of --trust ({own})" if own else "Azure"
    evidence = detect(Client(options.base_url, retry=None), root=options.root, prove=prove, signer=signer)
    if options.json:
        output.value(evidence.to_json())
    else:
        for step in evidence.steps:
            output.report(f"{step.name:10}{step.outcome:9}{step.seen}", 19)
        condition = f", if the certificates in {own} are Azure's" if own and evidence.conclusion == "proved" else ""
        output.report(f"an Azure machine: {evidence.conclusion}{condition}")
    if options.attested and evidence.conclusion == "likely":
        return UNKNOWN
    return _STATUS[evidence.conclusion]


def _prover(trust_files: list[str] | None, fetch: bool) -> Prove:
    # These imports take 35 ms, nearly as long as importing the rest of this verb (40 ms). Only
    # --attested needs them.
    from imdskit.verify import Policy, Trust, Verifier, aia, pem

    trust = Trust.bundled()
    if trust_files:
        given = tuple(der for path in trust_files for der in pem.certificates(inputs.read(path, pem.MAX_BYTES), path))
        trust = replace(trust, anchors=given, origin=", ".join(trust_files), date="")
    verifier = Verifier(trust, Policy(require_nonce=True), aia=aia.AiaFetcher() if fetch else None)
    return lambda document, nonce: verifier.verify(document, nonce=nonce).claims.vm_id
