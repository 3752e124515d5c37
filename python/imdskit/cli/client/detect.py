"""Say whether this is an Azure machine, and what speaks for it and against it.

Looked at, in this order: the firmware's chassis asset tag, whether the service's address answers, what the answers look like, and
with --attested a document that Azure signs, which is checked with a fresh nonce.
Exit status: 0 likely or proved, with --attested proved only; 1 unlikely; 2 a mistake in the arguments; 3 it cannot be said."""

from __future__ import annotations

import argparse
from dataclasses import replace

from imdskit.cli.shared import inputs, output
from imdskit.client import Client
from imdskit.client.detect import Prove, detect

UNKNOWN = 3
_STATUS = {"proved": 0, "likely": 0, "unlikely": 1, "unknown": UNKNOWN}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--attested", action="store_true", help="ask for proof: a signed document, checked here")
    parser.add_argument(
        "--trust", metavar="PEM", action="append", help="with --attested: certificates that are trusted in place of the bundled roots"
    )
    parser.add_argument("--fetch-intermediates", action="store_true", help="with --attested: fetch a certificate that is missing")
    parser.add_argument("--base-url", metavar="URL", help="of another service; what the environment says, or the service's own by default")
    parser.add_argument("--root", metavar="DIR", default="/", help="the file system whose /sys is looked at; / by default")
    parser.add_argument("--json", action="store_true", help="write the evidence as JSON")


def run(options: argparse.Namespace) -> int:
    prove = _prover(options.trust, options.fetch_intermediates) if options.attested else None
    own = ", ".join(options.trust or ())
    signer = f"An authority that was given with --trust ({own}), not Azure by the bundled trust," if own else "Azure"
    evidence = detect(Client(options.base_url, retry=None), root=options.root, prove=prove, signer=signer)
    if options.json:
        output.value(evidence.to_json())
    else:
        for step in evidence.steps:
            output.line(f"{step.name:10}{step.outcome:9}{step.seen}")
        condition = f", if the certificates in {own} are Azure's" if own and evidence.conclusion == "proved" else ""
        output.line(f"an Azure machine: {evidence.conclusion}{condition}")
    if options.attested and evidence.conclusion == "likely":
        return UNKNOWN
    return _STATUS[evidence.conclusion]


def _prover(trust_files: list[str] | None, fetch: bool) -> Prove:
    from imdskit.verify import Policy, Trust, Verifier, aia, pem  # 35 ms to the 40 ms of importing this verb

    trust = Trust.bundled()
    if trust_files:
        given = tuple(der for path in trust_files for der in pem.certificates(inputs.read(path, pem.MAX_BYTES), path))
        trust = replace(trust, anchors=given, origin=", ".join(trust_files), date="")
    verifier = Verifier(trust, Policy(require_nonce=True), aia=aia.AiaFetcher() if fetch else None)
    return lambda document, nonce: verifier.verify(document, nonce=nonce).claims.vm_id
