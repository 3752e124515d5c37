"""Test the emulator against the published interface descriptions with schemathesis, except for known differences.

    python tests/swagger/run.py --python .venv/bin/python [--examples N] [--only VERSION]

``make swagger`` runs this program in a separate environment (requirements.txt in this folder). For each of the 25 api-versions with a
description, schemathesis sends valid and invalid requests to an emulator without rate limits. The descriptions accept any text as
api-version. The program restricts the api-version to that of the description, because the emulator would otherwise refuse nearly every
request for its version. The newest description is also used unchanged.

For every failed check, there must be an entry of :data:`KNOWN` that explains it. Each entry is
listed in docs/fidelity.md, "Differences from the interface description". A run without ``--only``
also fails if an entry explains no failed check.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "fidelity.md"
HEADING = "## Differences from the interface description"
VERSIONS = 25
AT_ONCE = 2
MINUTES = 5
ANY = "any"


class Finding(NamedTuple):
    """Failed check of schemathesis: the requested api-version, operation and check, then the request, then the response."""

    version: str
    operation: str
    check: str
    request: str
    status: int
    body: str


@dataclass(frozen=True)
class Difference:
    """Intended difference from the description, which explains findings.

    Attributes:
        name: name of the difference in docs/fidelity.md.
        check: check of schemathesis.
        status: status of the response.
        body: pattern that the body of the response must contain.
        request: pattern that method and address must contain.
    """

    name: str
    check: str
    status: int
    body: str
    request: str = ""

    def explains(self, finding: Finding) -> bool:
        return (
            self.check == finding.check
            and self.status == finding.status
            and re.search(self.body, finding.body) is not None
            and re.search(self.request, finding.request) is not None
        )


VERSION_REFUSED = "Bad request\\. api-version is invalid or was not specified"
UNREADABLE = r'^\{ "error": "Bad request" \}$'

IDENTITY_REFUSED = '"invalid_request","error_description":"(Bad request|Identity not found)"'
HEADER_MISSING = "Required metadata header not specified"
ACCEPTANCE, SCHEMA = "positive_data_acceptance", "response_schema_conformance"

KNOWN = (
    Difference("Any text as api-version", ACCEPTANCE, 400, VERSION_REFUSED),
    Difference("Any text as nonce", ACCEPTANCE, 400, UNREADABLE, "/metadata/attested/document\\?.*nonce="),
    Difference("Any text as identity", ACCEPTANCE, 400, IDENTITY_REFUSED, "_id="),
    Difference("An empty resource", ACCEPTANCE, 400, "variable 'resource' is missing", "resource=(&| )"),
    Difference("Versions without the header", ACCEPTANCE, 400, HEADER_MISSING, "^GET [^ ]*/metadata/versions $"),
    Difference("Error codes of identity: the api-version", SCHEMA, 400, VERSION_REFUSED, "/metadata/identity/"),
    Difference("Error codes of identity: the request itself", SCHEMA, 400, UNREADABLE, "/metadata/identity/"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description="Interface descriptions against the emulator")
    parser.add_argument("--python", default=sys.executable, help="that runs the emulator")
    parser.add_argument("--examples", type=int, default=8, help="per operation and phase")
    parser.add_argument("--only", help="one api-version")
    parser.add_argument("--require-shared", action="store_true", help="fail where the descriptions are absent")
    options = parser.parse_args()
    shared = Path(os.environ.get("IMDSKIT_SHARED") or ROOT.parent / "shared")
    descriptions = {path.parent.name: path for path in sorted((shared / "spec" / "swagger").glob("**/stable/*/imds.json"))}
    if not descriptions:
        print("skipped: the shared data is not at ../shared nor where IMDSKIT_SHARED points")
        return int(options.require_shared)
    if len(descriptions) != VERSIONS:
        print(f"{len(descriptions)} descriptions, not {VERSIONS}")
        return 1
    newest = max(descriptions)
    runs = [(version, path) for version, path in descriptions.items() if options.only in (None, version)]
    if options.only in (None, ANY):
        runs.append((ANY, descriptions[newest]))
    with tempfile.TemporaryDirectory() as folder, _Emulator(options.python) as url, ThreadPoolExecutor(AT_ONCE) as pool:
        done = list(pool.map(lambda run: _explore(run[0], run[1], url, Path(folder), options.examples), runs))
    return _judge(
        [finding for cases, findings in done for finding in findings], sum(cases for cases, _ in done), complete=options.only is None
    )


def _judge(findings: list[Finding], cases: int, *, complete: bool) -> int:
    used: Counter[str] = Counter()
    wrong = []
    for finding in findings:
        names = [known.name for known in KNOWN if known.explains(finding)]
        used.update(names)
        if not names:
            wrong.append(finding)
    for name, count in used.items():
        print(f"{count:6} {name}")
    page = PAGE.read_text("utf-8").partition(HEADING)[2]
    problems = [f"not explained: {finding}" for finding in wrong]
    problems += [f"not on the page: {known.name}" for known in KNOWN if f"**{known.name}**" not in page]
    if complete:
        problems += [f"explains nothing: {known.name}" for known in KNOWN if not used[known.name]]
    for problem in problems:
        print(problem)
    print(f"{cases} requests, {len(findings)} findings, {len(wrong)} of them not explained")
    return int(bool(problems))


class _Emulator:
    """Emulator in a separate process, started from the command line."""

    def __init__(self, python: str) -> None:
        self._command = [python, "-m", "imdskit", "serve", "--port", "0", "--no-rate-limit", "--scenario", "linux"]

    def __enter__(self) -> str:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, env=environment)
        assert self._process.stdout is not None
        return str(json.loads(self._process.stdout.readline())["url"])

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(30)
        finally:
            self._process.kill()
        if status:
            raise SystemExit(f"the emulator ended with status {status}")


def _explore(version: str, description: Path, url: str, folder: Path, examples: int) -> tuple[int, list[Finding]]:
    """Test the emulator with one description. Return the number of requests, and all failed
    checks."""
    program = shutil.which("schemathesis", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if program is None:
        raise SystemExit("schemathesis is not installed beside this Python")
    narrowed, report = folder / f"{version}.json", folder / f"{version}.ndjson"
    narrowed.write_text(json.dumps(_narrowed(json.loads(description.read_text("utf-8-sig")), version)), "utf-8")
    command = [program, "run", str(narrowed), "--url", f"{url}/metadata", "--checks", "all"]
    command += ["--max-examples", str(examples), "--generation-deterministic", "--continue-on-failure", "--no-shrink", "--no-color"]
    command += ["--report-ndjson-path", str(report), "--output-sanitize", "false"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=MINUTES * 60, check=False)
    if ran.returncode not in (0, 1) or not report.is_file():
        raise SystemExit(f"schemathesis ended with {ran.returncode}:\n{ran.stdout}\n{ran.stderr}")
    lines = [json.loads(line) for line in report.read_text("utf-8").splitlines()]
    broken = [line for line in lines if next(iter(line)) in ("NonFatalError", "FatalError")]
    if broken:
        raise SystemExit(f"schemathesis could not go on at {version}: {broken}")
    recorders = [line["ScenarioFinished"]["recorder"] for line in lines if "ScenarioFinished" in line]
    cases = sum(len(recorder.get("cases", ())) for recorder in recorders)
    if not cases:
        raise SystemExit(f"schemathesis sent no request for {version}")
    return cases, [finding for recorder in recorders for finding in _failed(version, recorder)]


def _narrowed(description: dict[str, Any], version: str) -> dict[str, Any]:
    """Restrict the api-version of all requests to ``version``, unless that is ``ANY``. Return the
    description."""
    for parameter in description["parameters"].values():
        if parameter["name"] == "api-version" and version != ANY:
            parameter["enum"] = [version]
    return description


def _failed(version: str, recorder: dict[str, Any]) -> Iterator[Finding]:
    for name, checks in recorder.get("checks", {}).items():
        interaction = recorder["interactions"].get(name)
        for check in checks:
            if check["status"] == "success":
                continue
            if interaction is None or interaction.get("response") is None:
                yield Finding(version, recorder["label"], check["name"], "", 0, json.dumps(check))
                continue
            request, response = interaction["request"], interaction["response"]
            content = (response.get("content") or {}).get("$base64", "")
            body = base64.b64decode(content).decode("utf-8", "replace")
            headers = " ".join(f"{key}: {value}" for key, value in request["headers"].items())
            yield Finding(
                version, recorder["label"], check["name"], f"{request['method']} {request['uri']} {headers}", response["status_code"], body
            )


if __name__ == "__main__":
    sys.exit(main())
