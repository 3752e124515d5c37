"""Test of the verification service with schemathesis. ``make service`` runs it.

schemathesis sends requests that the OpenAPI description allows, and requests that it forbids.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from world import gunicorn

EXAMPLES_PER_OPERATION = os.environ.get("SCHEMATHESIS_EXAMPLES", "60")


def test_schemathesis_finds_no_deviation_from_the_description(tmp_path: Path) -> None:
    report = tmp_path / "report.ndjson"
    with gunicorn(tmp_path) as server:
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{server.port}/openapi.json", "--checks", "all"]
        command += [
            "--header",
            f"Authorization: Bearer {server.key}",
            "--max-examples",
            EXAMPLES_PER_OPERATION,
            "--generation-deterministic",
        ]
        command += ["--continue-on-failure", "--no-shrink", "--no-color", "--report-ndjson-path", str(report), "--output-sanitize", "false"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
        assert server.send("GET", "/healthz") == (200, {"status": "ok"})
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in report.read_text("utf-8").splitlines()]
    cases = sum(len(line["ScenarioFinished"]["recorder"].get("cases", ())) for line in lines if "ScenarioFinished" in line)
    print(f"{cases} requests")
    assert cases > 200
