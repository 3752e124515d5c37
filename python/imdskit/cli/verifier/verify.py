"""Decide whether an attested document was signed by Azure, for whom, and when.

FILE is the service's JSON, bare base64, or DER; - is standard input. No network is used but with --fetch-intermediates.
With --batch FILE is a folder of documents, or lines with one each, and the results are lines of JSON; see docs/cli.md.
Exit status: 0 accepted, the signed claims as JSON on standard output;
1 refused, with reason, stage, place and hint on standard error; 2 a mistake in the arguments or a file that cannot be read."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

from imdskit import arguments, backends, clouds
from imdskit.cli.shared import inputs, output
from imdskit.cli.verifier import batch
from imdskit.errors import TrustError, UsageError, VerificationError
from imdskit.verify import Policy, Trust, Verifier, pem, signed_content
from imdskit.verify.aia import AiaFetcher
from imdskit.verify.intermediate_cache import IntermediateCache
from imdskit.verify.policy import PRESETS

BACKENDS = ("auto", "python", "rust")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the document; - for standard input")
    parser.add_argument("--cloud", metavar="NAME", help="accept this cloud only: " + ", ".join(cloud.name for cloud in clouds.CLOUDS))
    parser.add_argument(
        "--trust", metavar="PEM", action="append", help="trust these certificates and not the bundled roots; may be repeated"
    )
    parser.add_argument("--bundle", metavar="DIR", help="a trust bundle in place of the bundled one; see docs/trust.md")
    parser.add_argument(
        "--intermediate",
        "--intermediates",
        dest="intermediate",
        metavar="PEM",
        action="append",
        help="certificates that help to reach a root; may be repeated",
    )
    parser.add_argument(
        "--intermediates-cache", metavar="DIR", help="read intermediates from here, and keep fetched ones here; nothing in it is trusted"
    )
    parser.add_argument(
        "--fetch-intermediates",
        action="store_true",
        help="ask Microsoft's and DigiCert's servers for an unknown issuer; see docs/intermediates.md",
    )
    parser.add_argument(
        "--crl", metavar="FILE", action="append", help="revocation lists, PEM or DER; given one, every authority needs one; may be repeated"
    )
    parser.add_argument("--at", metavar="TIME", help="judge as of this time, ISO 8601, UTC unless it says otherwise; now by default")
    parser.add_argument("--nonce", metavar="N", help="that the document must carry")
    parser.add_argument("--backend", choices=BACKENDS, default="auto", help="which implementation decides; all give the same answers")
    parser.add_argument(
        "--preset", choices=PRESETS, default="offline_audit", help="what is demanded; offline_audit, which needs no nonce, by default"
    )
    parser.add_argument("--explain", action="store_true", help="write every check with its outcome")
    parser.add_argument("--json", action="store_true", help="write the whole answer, acceptance or refusal, as JSON on standard output")
    parser.add_argument(
        "--batch", action="store_true", help="judge every line, or every file of a folder; results as NDJSON in their order"
    )
    parser.add_argument("--output", metavar="RESULTS", help="with --batch: write the results to this file")
    parser.add_argument("--resume", action="store_true", help="with --output: go on where an earlier run was interrupted")
    parser.add_argument("--threads", metavar="N", type=int, help="with --batch: work on so many, at most; all processors by default")


def run(options: argparse.Namespace) -> int:
    _check_batch(options)
    at = None if options.at is None else inputs.time(options.at)
    policy = Policy.preset(options.preset)
    if options.cloud is not None:
        policy = replace(policy, clouds=(clouds.find(options.cloud),))
    bundled = Trust.bundled() if options.bundle is None else Trust.from_bundle(options.bundle)
    trust = _trust(bundled, options.trust, options.intermediate, options.crl)
    cache = None if options.intermediates_cache is None else IntermediateCache(options.intermediates_cache)
    if cache is not None:
        # Hints, checked by the cache itself; what a caller gives comes first.
        trust = replace(trust, intermediates=(*trust.intermediates, *cache.load()))
    aia = AiaFetcher(cache=cache) if options.fetch_intermediates else None
    verifier = Verifier(trust, policy, backend=backends.get(options.backend), aia=aia)
    if options.batch:
        status = batch.run(verifier, options.file, at, results=options.output, resume=options.resume, threads=options.threads)
        if policy.relaxed:
            output.note("warning: this was not checked: " + "; ".join(policy.relaxed))
        return status
    document = inputs.read(options.file, policy.limits.document_bytes)

    refusal = attestation = None
    try:
        attestation = verifier.verify(document, at=at, nonce=options.nonce)
    except VerificationError as error:
        refusal = error
    report = verifier.explain(document, at=at, nonce=options.nonce) if options.explain else None

    if options.json:
        text = attestation.json_text() if attestation else json.dumps({"verified": False, **(refusal.to_json() if refusal else {})})
        output.line(signed_content.indented(f'{text[:-1]},"report":{json.dumps(report.to_json())}}}' if report else text))
    elif report:
        output.line(report.text())
    elif attestation:
        output.line(signed_content.indented(signed_content.line(attestation.content)))
    if refusal and not options.json:
        output.error(refusal)
    if attestation and attestation.relaxed and not options.json:
        output.note("warning: this was not checked: " + "; ".join(attestation.relaxed))
    return 1 if refusal else 0


def _check_batch(options: argparse.Namespace) -> None:
    """Options that mean nothing together are a mistake, and not overlooked."""
    given = {"--output": options.output, "--resume": options.resume or None, "--threads": options.threads}
    for name in [] if options.batch else [name for name, value in given.items() if value is not None]:
        raise UsageError("bad-argument", f"{name} goes with --batch.", location=name)
    for name in [
        name
        for name, value in {"--nonce": options.nonce, "--explain": options.explain or None}.items()
        if value is not None and options.batch
    ]:
        raise UsageError("bad-argument", f"{name} is for one document and does not go with --batch.", location=name)
    if options.resume and options.output is None:
        raise UsageError(
            "bad-argument", "Without a file of results there is nothing to go on from.", location="--resume", hint="Give --output too."
        )
    if options.threads is not None:
        arguments.whole(options.threads, "--threads", 1, arguments.MAX_THREADS)


def _trust(trust: Trust, anchors: list[str] | None, intermediates: list[str] | None, crls: list[str] | None) -> Trust:
    """The roots of the bundle, or those given instead; the intermediates of the bundle are hints and stay."""
    if anchors:
        found = tuple(der for path in anchors for der in _certificates(path))
        trust = replace(trust, anchors=found, origin=", ".join(anchors), date="")
    trust = replace(trust, crls=tuple(der for path in crls or () for der in _crls(path)))
    return replace(trust, intermediates=(*(der for path in intermediates or () for der in _certificates(path)), *trust.intermediates))


def _crls(path: str) -> tuple[bytes, ...]:
    """The revocation lists of one file, checked in the same way."""
    found = pem.crls(inputs.read(path, pem.MAX_CRL_BYTES), path)
    _check(replace(Trust.bundled(), crls=found), path)
    return found


def _certificates(path: str) -> tuple[bytes, ...]:
    """Those of one file, each of which can be read, so that a mistake names the file and not a position in a list."""
    found = pem.certificates(inputs.read(path, pem.MAX_BYTES), path)
    _check(Trust(found), path)
    return found


def _check(trust: Trust, path: str) -> None:
    try:
        Verifier(trust, Policy.offline_audit())
    except TrustError as error:
        raise TrustError(error.code, error.message, location=path, hint=error.hint) from None
