"""Helpers that start ``imdskit verify --batch`` as a process and read its results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PYTHON = Path(__file__).parent.parent.parent / "python"


def text(envelope: bytes) -> str:
    signature: str = json.loads(envelope)["signature"]
    return signature


def results(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def short(out: str) -> list[tuple[object, object, object]]:
    return [(one.get("line", one.get("file")), one.get("id"), one.get("reason", one["verdict"])) for one in results(out)]


def program(*arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(PYTHON)}
    return subprocess.Popen([sys.executable, "-m", "imdskit", "verify", "--batch", *map(str, arguments)], env=environment, **options)


def record(**members: object) -> bytes:
    return json.dumps(members).encode()
