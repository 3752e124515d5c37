"""Check the verification backend and the trusted certificates, and say what to do.

The output shows the backend and the reason for its choice, how long each trusted certificate is
valid, and the clouds whose documents can be verified. It reports certificates that expire soon, and
missing certificates of authorities that are known to sign documents. No network is used.

Exit status:

  0  there is nothing to do
  1  there is a problem, or there will be one
     within the number of days of --days
  2  a mistake in the arguments, or a bundle
     that cannot be read
"""

from __future__ import annotations

import argparse
import json
from importlib.resources import files

from imdskit import backends, clouds
from imdskit.cli.shared import inputs, output
from imdskit.clock import LAST_SECOND, SystemClock
from imdskit.errors import BackendError
from imdskit.verify import Trust
from imdskit.verify.bundles import doctor
from imdskit.verify.bundles.bundle import day

MAX_DAYS = 36_500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--at", metavar="TIME", help="check as of this time: ISO 8601, UTC unless it has a zone; by default now")
    parser.add_argument("--days", metavar="N", type=_days, default=60, help="report certificates that expire within N days; by default 60")
    parser.add_argument(
        "--cloud",
        metavar="NAME",
        action="append",
        help="report a problem if documents of this cloud cannot be verified; by default public; may be repeated",
    )
    parser.add_argument("--bundle", metavar="DIR", help="check this trust bundle instead of the bundled one")
    parser.add_argument("--json", action="store_true", help="write everything as JSON")


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= MAX_DAYS):
        raise argparse.ArgumentTypeError(f"must be a number of days from 0 to {MAX_DAYS}; got {text!r:.40}")
    return int(text)


def run(options: argparse.Namespace) -> int:
    at = SystemClock().now() if options.at is None else int(inputs.time_option(options.at).timestamp() // 1)
    at = min(max(at, 0), LAST_SECOND - MAX_DAYS * doctor.DAY)
    trust = Trust.bundled() if options.bundle is None else Trust.from_bundle(options.bundle)
    wanted = tuple(clouds.find(name) for name in options.cloud or ("public",))
    finding = doctor.examine(trust, at, options.days, wanted)
    name, why, advice = _backend()
    advice = (*advice, *finding.advice)
    if options.json:
        output.value(
            {
                "ok": not advice,
                "at": day(at),
                "days": options.days,
                "backend": {"name": name, "why": why},
                "trust": {"origin": trust.origin, "date": trust.date},
                "authorities": [
                    {
                        "name": one.name,
                        "sha256": one.fingerprint,
                        "anchor": one.anchor,
                        "use": one.use,
                        "notAfter": day(one.not_after),
                        "daysLeft": (one.not_after - at) // doctor.DAY,
                        "state": one.state,
                        "chain": list(one.chain),
                        "reason": one.reason,
                    }
                    for one in finding.authorities
                ],
                "clouds": {cloud: {"verifiable": bool(names), "issuers": list(names)} for cloud, names in finding.clouds.items()},
                "advice": list(advice),
            }
        )
        return 1 if advice else 0
    output.report(f"backend: {name}; {why}", 2)
    output.report(f"trust: {trust.origin}, of {trust.date}; checked as of {day(at)}", 2)
    audit = sum(one.use == "audit" for one in finding.authorities)
    for title, is_anchor in (("anchors:", True), ("intermediates:", False)):
        output.line(title)
        for one in finding.authorities:
            if one.use != "audit" and one.anchor == is_anchor:
                left = (one.not_after - at) // doctor.DAY
                output.report(f"{one.state:7}{day(one.not_after)} {left:6} days  {one.name} ({one.fingerprint[:8]})", 31)
    if audit:
        output.report(f"audit: {audit} certificate(s) kept only for audits of old documents; `imdskit trust list` shows them", 2)
    for cloud, names in finding.clouds.items():
        output.report(f"cloud {cloud}: {', '.join(names) or 'no issuing chain is known'}", 2)
    for line in advice:
        output.report(f"to do: {line}", 2)
    output.line("nothing to do" if not advice else f"{len(advice)} thing(s) to do")
    return 1 if advice else 0


def _backend() -> tuple[str, str, tuple[str, ...]]:
    """Return the name of the backend, the reason for its choice, and advice."""
    try:
        found = backends.get("rust")
    except BackendError as error:
        if error.code == "backend-absent":  # there is no advice, because both backends give the same verdicts
            return "python", f"{error.code}: {_why_pure() or error.message}", ()
        return "python", f"{error.code}: {error.message}", (f"{error.message} {error.hint}",)
    return found.name, "the extension is installed", ()


def _why_pure() -> str | None:
    """Return the reason why the package was built without the extension. Return None if the build
    recorded no reason."""
    try:
        record = json.loads((files("imdskit") / "build-record.json").read_bytes())
    except FileNotFoundError:
        return None
    return f"This package was built without the extension. {record['pure']}"
