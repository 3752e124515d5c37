"""Shared parts of these programs: their arguments, and the function that they pass to their engine."""

from __future__ import annotations

import argparse
from pathlib import Path

from imdskit.arrow import VerifyBatch
from imdskit.verify import PRESETS, Policy, Trust


def arguments(description: str | None) -> tuple[argparse.Namespace, VerifyBatch]:
    """Return the arguments, and the VerifyBatch for the engine.

    The VerifyBatch contains the trust and the policy, and can be pickled for other processes.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", metavar="IN", help="a Parquet file or a folder of such files, with a column of documents")
    parser.add_argument("output", metavar="OUT", help="Parquet to write: the verdicts and all other columns")
    parser.add_argument("--document", default="document", help="name of the column that contains the documents")
    parser.add_argument("--at", required=True, help="column with the time of receipt of each document, or Unix seconds for all")
    parser.add_argument("--trust", metavar="PEM", type=Path, action="append", default=[], help="roots to trust instead of Azure's")
    parser.add_argument(
        "--intermediate", metavar="PEM", type=Path, action="append", default=[], help="additional intermediate certificates"
    )
    parser.add_argument(
        "--crl", metavar="FILE", type=Path, action="append", default=[], help="file with revocation lists; repeat the option for more files"
    )
    parser.add_argument("--nonce", metavar="COLUMN", help="name of the column with the issued nonces")
    parser.add_argument(
        "--preset", choices=PRESETS, default="offline_audit", help="what to check; online checks nonces and age as a service does"
    )
    parser.add_argument("--processes", type=int, default=2, help="number of processes or threads; by default 2")
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
