"""List the certificates of a trust bundle, or add intermediates to it between two releases of
imdskit.

`imdskit trust ACTION --help` describes one action.

Exit status:

  0  success, even if no certificate was missing
  1  a document was refused for a reason other
     than unknown-issuer
  2  a mistake in the arguments, a bundle that
     cannot be read or written, or a certificate
     that cannot be fetched or is not acceptable
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from imdskit.backends.contract import Limits
from imdskit.cli.shared import inputs, output
from imdskit.clock import LAST_SECOND, SystemClock
from imdskit.errors import UsageError, VerificationError
from imdskit.pki.x509 import parser
from imdskit.verify import Trust, pem
from imdskit.verify.aia import AiaFetcher
from imdskit.verify.bundles import doctor
from imdskit.verify.bundles import update as bundle_update
from imdskit.verify.bundles.bundle import day
from imdskit.verify.bundles.update import Offered

_USES = {"anchor": "anchor", "signs": "signs documents", "path": "helps to reach an anchor", "audit": "audits only"}


_ACTIONS = {
    "list": "List the certificates of a trust bundle, with their use, their state and their end of validity. No network is used.",
    "update": """Add intermediates to the bundle that a symbolic link points to, and replace the link atomically. Anchors are never added.

With --document, the missing issuer of a document is fetched from Microsoft's or DigiCert's servers, if the signature of the document is valid. With
--from, certificates are read from files. With neither option, the command adds those certificates of this release that the bundle lacks.""",
}
"""Description of each action."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing, update = (actions.add_parser(name, help=about.partition("\n")[0], description=about) for name, about in _ACTIONS.items())
    listing.add_argument("--bundle", metavar="DIR", help="trust bundle to list instead of the bundled one")
    update.add_argument(
        "--bundle", metavar="DIR", help="required: symbolic link to the bundle to update; it is created if it does not exist"
    )
    update.add_argument(
        "--document", metavar="FILE", action="append", default=[], help="document whose missing issuer is added; may be repeated"
    )
    update.add_argument(
        "--from", dest="source", metavar="PEM", action="append", default=[], help="file of certificates to add; may be repeated"
    )
    for one, meaning in ((listing, "show the states at this time"), (update, "time at which the added certificates must be valid")):
        one.add_argument("--at", metavar="TIME", help=f"{meaning}: ISO 8601, UTC unless it has a zone; by default now")
        one.add_argument("--json", action="store_true", help="write everything as JSON")


def run(options: argparse.Namespace) -> int:
    at = SystemClock().now() if options.at is None else int(inputs.time_option(options.at).timestamp() // 1)
    at = min(max(at, 0), LAST_SECOND)
    return _update(options, at) if options.action == "update" else _list(options, at)


def _list(options: argparse.Namespace, at: int) -> int:
    trust = Trust.bundled() if options.bundle is None else Trust.from_bundle(options.bundle)
    authorities = doctor.examine(trust, at, 0).authorities
    if options.json:
        members = [
            {
                "name": one.name,
                "sha256": one.fingerprint,
                "use": one.use,
                "state": one.state,
                "notAfter": day(one.not_after),
                "evidence": one.evidence,
            }
            for one in authorities
        ]
        output.value({"trust": {"origin": trust.origin, "date": trust.date}, "certificates": members})
        return 0
    output.report(f"{trust.origin}, of {trust.date}: {len(trust.anchors)} anchors, {len(trust.intermediates)} intermediates", 2)
    for use, title in _USES.items():
        chosen = [one for one in authorities if one.use == use]
        if chosen:
            output.line(f"{title}:")
        for one in chosen:
            output.report(f"  {one.state:7}{day(one.not_after)}  {one.name} ({one.fingerprint[:16]})", 21)
    return 0


def _update(options: argparse.Namespace, at: int) -> int:
    if options.bundle is None:
        hint = "Give a symbolic link, such as /var/lib/imdskit/trust, here and to `verify --bundle`. It is created if it does not exist."
        message = "`trust update` needs --bundle, because it never changes the bundle inside the installed package."
        raise UsageError("bad-argument", message, location="--bundle", hint=hint)
    link = Path(options.bundle)
    bundle_update.check_link(link)
    base = bundle_update.current(link)
    if options.document or options.source:
        offered = [*_of_files(options.source), *_of_documents(options.document, Trust(base.anchors, base.intermediates), at)]
    else:
        offered = list(bundle_update.of_release(base, at))
    done = bundle_update.update(link, offered, at)
    added = [(parser.parse_certificate(der).subject.shown, sha256(der).hexdigest()) for der in done.added]
    if options.json:
        members = [{"name": name, "sha256": fingerprint} for name, fingerprint in added]
        output.value({"bundle": str(link), "folder": str(done.folder), "added": members})
        return 0
    for name, fingerprint in added:
        output.report(f"added: {name} ({fingerprint[:16]})", 7)
    output.line(f"the bundle is now {done.folder}" if added else f"nothing to add to {done.folder}")
    return 0


def _of_files(paths: list[str]) -> Iterator[Offered]:
    for path in paths:
        for index, der in enumerate(pem.certificates(inputs.read(path, pem.MAX_BYTES), path)):
            yield Offered(der, f"{path}[{index}]")


def _of_documents(paths: list[str], trust: Trust, at: int) -> Iterator[Offered]:
    fetcher = AiaFetcher()
    for path in paths:
        document = inputs.read(path, Limits().document_bytes)
        try:
            found = bundle_update.missing_issuers(document, trust, fetcher, at)
        except VerificationError as refusal:
            output.note(f"{path}: this document is refused for another reason than a missing certificate.")
            raise refusal from None
        yield from (Offered(der, f"{path}, issuer {index}") for index, der in enumerate(found, 1))
