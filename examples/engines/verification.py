"""Shared parts of these programs: the arguments, and the function that they pass to their engine."""

from __future__ import annotations

import argparse
from pathlib import Path

from imdskit.arrow import VerifyBatch
from imdskit.verify import PRESETS, Policy, Trust


def arguments(description: str | None) -> tuple[argparse.Namespace, VerifyBatch]:
    """Return the parsed arguments, and the function. The function contains trust and policy, and can be pickled for other processes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("given", metavar="IN", help="Parquet: a file or a folder of them, with a column of documents")
    parser.add_argument("found", metavar="OUT", help="Parquet: output, with the verdicts after the other columns")
    parser.add_argument("--document", default="document", help="name of the column of documents")
    parser.add_argument("--at", required=True, help="name of the column with the time of receipt, or Unix seconds for all")
    parser.add_argument("--trust", metavar="PEM", type=Path, action="append", default=[], help="instead of the Azure clouds' roots")
    parser.add_argument("--intermediate", metavar="PEM", type=Path, action="append", default=[], help="further certificates")
    parser.add_argument("--crl", metavar="FILE", type=Path, action="append", default=[], help="revocation lists; every authority needs one")
    parser.add_argument("--nonce", metavar="COLUMN", help="name of the column of the nonces that were issued")
    parser.add_argument("--preset", choices=PRESETS, default="offline_audit", help="verification policy; `online` requires nonces")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--backend", choices=["auto", "python", "rust"], default="auto")
    options = parser.parse_args()
    intermediates = [path.read_bytes() for path in options.intermediate]
    trust = Trust.bundled().with_intermediates(*intermediates)
    if options.trust:
        trust = Trust.from_pem([path.read_bytes() for path in options.trust], intermediates)
    trust = trust.with_crls(*(path.read_bytes() for path in options.crl))
    at = int(options.at) if options.at.isdecimal() else options.at
    policy = Policy.preset(options.preset)
    return options, VerifyBatch(at, trust, policy, document=options.document, nonce=options.nonce, backend=options.backend)
