"""Say which backend runs and why, what is trusted and until when, whether an authority that signs documents is missing, which clouds could be
verified, and what to do.

No network is used. Exit status: 0 all is well; 1 something is wrong, or will be within the term;
2 a mistake in the arguments, or a bundle that cannot be read."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from importlib.resources import files

from imdskit import backends, clouds
from imdskit.cli.shared import inputs, output
from imdskit.clock import SystemClock
from imdskit.errors import BackendError
from imdskit.verify import Trust
from imdskit.verify.bundles import doctor
from imdskit.verify.verifier import LAST_SECOND

MAX_DAYS = 36_500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--at", metavar="TIME", help="the time to judge by, ISO 8601, UTC unless it says otherwise; now by default")
    parser.add_argument("--days", metavar="N", type=_days, default=60, help="complain of what ends within so many days; 60 by default")
    parser.add_argument("--cloud", metavar="NAME", action="append", help="that must be verifiable; public by default; may be repeated")
    parser.add_argument("--bundle", metavar="DIR", help="a trust bundle in place of the bundled one")
    parser.add_argument("--json", action="store_true", help="write everything as JSON")


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= MAX_DAYS):
        raise argparse.ArgumentTypeError(f"not a number of days up to {MAX_DAYS}: {text!r}")
    return int(text)


def run(options: argparse.Namespace) -> int:
    at = SystemClock().now() if options.at is None else int(inputs.time(options.at).timestamp() // 1)
    at = min(max(at, 0), LAST_SECOND - MAX_DAYS * doctor.DAY)
    trust = Trust.bundled() if options.bundle is None else Trust.from_bundle(options.bundle)
    wanted = tuple(clouds.find(name) for name in options.cloud or ("public",))
    finding = doctor.examine(trust, at, options.days, wanted)
    name, native, why, advice = _backend()
    advice = (*advice, *finding.advice)
    if options.json:
        output.value(
            {
                "ok": not advice,
                "at": _day(at),
                "days": options.days,
                "backend": {"name": name, "native": native, "why": why},
                "trust": {"origin": trust.origin, "date": trust.date},
                "authorities": [
                    {
                        "name": one.name,
                        "sha256": one.fingerprint,
                        "anchor": one.anchor,
                        "use": one.use,
                        "notAfter": _day(one.not_after),
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
    output.line(f"backend: {name}; {why}")
    output.line(f"trust: {trust.origin}, of {trust.date}; judged at {_day(at)}")
    audit = sum(one.use == "audit" for one in finding.authorities)
    for one in finding.authorities:
        if one.use != "audit":
            kind = "anchor" if one.anchor else "intermediate"
            left = (one.not_after - at) // doctor.DAY
            output.line(f"{one.state:7}{kind:13}{_day(one.not_after)} {left:6} days  {one.name} ({one.fingerprint[:16]})")
    if audit:
        output.line(f"audit: {audit} certificate(s) kept for old documents only; `imdskit trust list` shows them")
    for cloud, names in finding.clouds.items():
        output.line(f"cloud {cloud}: {', '.join(names) or 'no issuing chain is known'}")
    for line in advice:
        output.line(f"to do: {line}")
    output.line("nothing to do" if not advice else f"{len(advice)} thing(s) to do")
    return 1 if advice else 0


def _backend() -> tuple[str, list[str], str, tuple[str, ...]]:
    """Name, what of it is native, why this one, and what to do."""
    try:
        found = backends.get("rust")
    except BackendError as error:
        if error.code == "backend-absent":  # as good, only slower
            return "python", [], f"{error.code}: {_why_pure() or error.message}", ()
        return "python", [], f"{error.code}: {error.message}", (f"{error.message} {error.hint}",)
    native = sorted(found.native)
    return found.name, native, f"the extension has {', '.join(native)}; the rest is Python", ()


def _why_pure() -> str | None:
    """Return why the build made a pure package, which the build backend recorded; None if there is no record."""
    try:
        record = json.loads((files("imdskit") / "build-record.json").read_bytes())
    except FileNotFoundError:
        return None
    return f"This package was built without the extension. {record['pure']}"


def _day(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).date().isoformat()
