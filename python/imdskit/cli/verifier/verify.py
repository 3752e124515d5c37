"""Check that Azure signed an attested document, and write its claims as JSON.

FILE contains the service's JSON, plain base64 or DER. No network is used, except with
--fetch-intermediates.

With --batch, FILE is a folder of documents, or a file with one document per line. The output is one
line of JSON for each document (docs/cli.md). The exit status is 1 if at least one document is not
accepted.

Exit status:

  0  the document is accepted; its claims are on
     standard output
  1  the document is refused; the reason and a
     hint are on standard error
  2  a mistake in the arguments, or a file that
     cannot be read
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

import imdskit
from imdskit import arguments, backends, clouds
from imdskit.cli.shared import inputs, output
from imdskit.errors import TrustError, UsageError, VerificationError
from imdskit.verify import Policy, Trust, Verifier, pem, signed_content
from imdskit.verify.policy import PRESETS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the document; - for standard input")
    parser.add_argument(
        "--cloud", metavar="NAME", help="accept only documents of this cloud: " + ", ".join(cloud.name for cloud in clouds.CLOUDS)
    )
    parser.add_argument(
        "--trust", metavar="PEM", action="append", help="trust these certificates instead of the bundled roots; may be repeated"
    )
    parser.add_argument("--bundle", metavar="DIR", help="use this trust bundle instead of the bundled one (docs/trust.md)")
    parser.add_argument(
        "--intermediate",
        "--intermediates",
        dest="intermediate",
        metavar="PEM",
        action="append",
        help="file of intermediate certificates to use in addition to the bundled ones; may be repeated",
    )
    parser.add_argument(
        "--intermediates-cache",
        metavar="DIR",
        help="folder that caches fetched intermediates. Its certificates are not trusted, but verified like all others",
    )
    parser.add_argument(
        "--fetch-intermediates",
        action="store_true",
        help="fetch the certificate of an unknown issuer from Microsoft's or DigiCert's servers (docs/intermediates.md)",
    )
    parser.add_argument(
        "--crl",
        metavar="FILE",
        action="append",
        help="file of revocation lists, PEM or DER; may be repeated. With this option, a list must cover each certificate below the root",
    )
    parser.add_argument("--at", metavar="TIME", help="verify as of this time: ISO 8601, UTC unless it has a zone; by default now")
    parser.add_argument("--nonce", metavar="N", help="nonce that the document must contain")
    parser.add_argument(
        "--backend", choices=backends.NAMES, default="auto", help="implementation to use; python and rust give the same verdicts"
    )
    parser.add_argument(
        "--preset", choices=PRESETS, default="offline_audit", help="verification policy; by default offline_audit, which needs no nonce"
    )
    parser.add_argument("--explain", action="store_true", help="write every check with its outcome")
    parser.add_argument("--json", action="store_true", help="write the whole result, acceptance or refusal, as JSON on standard output")
    parser.add_argument(
        "--batch",
        action="store_true",
        help="verify every line of FILE, or every file in the folder FILE; write one line of JSON for each, in the order of the input",
    )
    parser.add_argument("--output", metavar="RESULTS", help="with --batch: file for the results")
    parser.add_argument("--resume", action="store_true", help="with --output: continue an interrupted run")
    parser.add_argument("--threads", metavar="N", type=int, help="with --batch: maximum number of threads; by default one per processor")


def run(options: argparse.Namespace) -> int:
    _check_batch(options)
    at = None if options.at is None else inputs.time_option(options.at)
    policy = Policy.preset(options.preset)
    if options.cloud is not None:
        policy = replace(policy, clouds=(clouds.find(options.cloud),))
    bundled = Trust.bundled() if options.bundle is None else Trust.from_bundle(options.bundle)
    trust = _trust(bundled, options.trust, options.intermediate, options.crl)
    cache = None
    if options.intermediates_cache is not None:
        from imdskit.verify.intermediate_cache import IntermediateCache  # takes 5 ms, and few calls need it

        cache = IntermediateCache(options.intermediates_cache)
        # The verifier tries intermediates in this order. Certificates that were given explicitly
        # come before cached ones.
        trust = replace(trust, intermediates=(*trust.intermediates, *cache.load()))
    aia = imdskit.AiaFetcher(cache=cache) if options.fetch_intermediates else None
    verifier = Verifier(trust, policy, backend=backends.get(options.backend), aia=aia)
    if options.batch:
        from imdskit.cli.verifier import batch  # takes 8 ms, and a single document does not need it

        status = batch.run(verifier, options.file, at, results=options.output, resume=options.resume, threads=options.threads)
        if policy.relaxed:
            output.note("warning: not checked by this policy: " + "; ".join(policy.relaxed))
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
        output.report(report.text(), 6)
    elif attestation:
        output.line(signed_content.indented(signed_content.line(attestation.content)))
    if refusal and not options.json:
        output.error(refusal)
    if attestation and attestation.relaxed and not options.json:
        output.note("warning: not checked by this policy: " + "; ".join(attestation.relaxed))
    return 1 if refusal else 0


def _check_batch(options: argparse.Namespace) -> None:
    """Raise UsageError if an option needs another option that is missing, has no effect with
    ``--batch``, or is an invalid number of threads."""
    if options.batch:
        given, why, hint = {"--nonce": options.nonce, "--explain": options.explain or None}, "has no effect with", "Leave out --batch."
    else:
        given = {"--output": options.output, "--resume": options.resume or None, "--threads": options.threads}
        why, hint = "needs", "Give --batch as well."
    for name, value in given.items():
        if value is not None:
            raise UsageError("bad-argument", f"{name} {why} --batch.", location=name, hint=hint)
    if options.resume and options.output is None:
        raise UsageError("bad-argument", "--resume needs --output.", location="--resume", hint="Give --output as well.")
    if options.threads is not None:
        arguments.whole(options.threads, "--threads", 1, arguments.MAX_THREADS)


def _trust(trust: Trust, anchors: list[str] | None, intermediates: list[str] | None, crls: list[str] | None) -> Trust:
    """Return a copy of ``trust`` with the certificates and revocation lists in files. The other
    arguments are paths of these files. If there are files of anchors, their certificates replace
    the anchors of ``trust``. Intermediates are added to those of ``trust``."""
    if anchors:
        found = tuple(der for path in anchors for der in _certificates(path))
        trust = replace(trust, anchors=found, origin=", ".join(anchors), date="")
    trust = replace(trust, crls=tuple(der for path in crls or () for der in _crls(path)))
    return replace(trust, intermediates=(*(der for path in intermediates or () for der in _certificates(path)), *trust.intermediates))


def _crls(path: str) -> tuple[bytes, ...]:
    """Return the revocation lists in a file. If one of them cannot be parsed, raise an error that
    names the file."""
    found = pem.crls(inputs.read(path, pem.MAX_CRL_BYTES), path)
    _check(replace(Trust.bundled(), crls=found), path)
    return found


def _certificates(path: str) -> tuple[bytes, ...]:
    """Return the certificates in a file. If one of them cannot be parsed, raise an error that names
    the file."""
    found = pem.certificates(inputs.read(path, pem.MAX_BYTES), path)
    _check(Trust(found), path)
    return found


def _check(trust: Trust, path: str) -> None:
    try:
        Verifier(trust, Policy.offline_audit())
    except TrustError as error:
        raise TrustError(error.code, error.message, location=path, hint=error.hint) from None
