"""Run programs that can use only the address 169.254.169.254. They run in ``imdskit run``, as an
unprivileged user.

    python tests/clients/run_verb.py --emulator .venv/bin/python --clients .venv-clients/bin/python
        --debian FOLDER --npm FOLDER [--require] [--only NAME,...]

``make run-clients`` fetches the programs and then runs this file, which runs all scripts in
``fixed_address``, and the scripts in ``scripts`` that have no line ``# override:``; ``run.py``
describes the scripts. A script passes if it ends with status 0 and the journal has a request with
status 200 at the path that ``# requests:`` names.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NOBODY = 65534
NOT_INSTALLED = 77


def main() -> int:
    parser = argparse.ArgumentParser(description="Run programs with a fixed address inside `imdskit run`.")
    parser.add_argument("--emulator", default=sys.executable, help="Python interpreter that runs imdskit")
    parser.add_argument("--clients", default=sys.executable, help="Python interpreter that has the client libraries")
    parser.add_argument("--debian", default="", help="folder with unpacked Debian packages")
    parser.add_argument("--npm", default="", help="folder with packages of npm")
    parser.add_argument("--only", default="", help="names of scripts to run, separated by commas")
    parser.add_argument("--require", action="store_true", help="treat a skipped script as a failure")
    options = parser.parse_args()
    # Scripts run in another folder, so paths must be absolute. Symbolic links are not resolved,
    # because Python finds its virtual environment by the path of the link.
    options.emulator, options.clients = (str(Path(shutil.which(each) or each).absolute()) for each in (options.emulator, options.clients))
    user = _user(options)
    counts: Counter[str] = Counter()
    wanted = [name for name in options.only.split(",") if name]
    for path in sorted([*(HERE / "fixed_address").iterdir(), *(HERE / "scripts").iterdir()]):
        head = dict(re.findall(r"^# (client|override|requests): (.+)$", path.read_text("utf-8"), re.MULTILINE))
        if "override" in head or (wanted and path.stem not in wanted):
            continue
        verdict, shown = _run(path, head.get("requests", "/metadata"), options, user)
        counts[verdict] += 1
        print(f"{verdict:8}{path.stem:24}{shown}", flush=True)
    print(
        f"inside `imdskit run`, user {user.get('user', os.geteuid())}: "
        + ", ".join(f"{counts[each]} {each}" for each in ("passed", "failed", "skipped"))
    )
    return int(bool(counts["failed"]) or not counts["passed"] or (options.require and bool(counts["skipped"])))


def _user(options: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments with which ``subprocess`` changes to an unprivileged user.

    Return no arguments if this process is not root, or if that user cannot execute the
    interpreters.
    """
    if os.geteuid() != 0:
        return {}
    user: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    for interpreter in (options.emulator, options.clients):
        try:
            subprocess.run([interpreter, "-c", "import json"], check=True, capture_output=True, cwd="/", **user)
        except (OSError, subprocess.CalledProcessError):
            print(f"An unprivileged user cannot execute {interpreter}; running as root.")
            return {}
    return user


def _run(path: Path, requests: str, options: argparse.Namespace, user: dict[str, Any]) -> tuple[str, str]:
    """Return ``passed``, ``failed`` or ``skipped``, and the last line of output, or all of it after
    a failure."""
    interpreter = options.clients if path.suffix == ".py" else shutil.which("bash") or "bash"
    with tempfile.TemporaryDirectory() as folder:
        if user:
            os.chown(folder, NOBODY, NOBODY)
        journal, trust = Path(folder, "journal"), Path(folder, "trust.pem")
        environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        environment |= {"IMDS_URL": "http://169.254.169.254", "IMDS_TRUST": str(trust), "HOME": folder, "TMPDIR": folder}
        environment |= {"CLIENTS_DEBIAN": str(Path(options.debian).absolute()), "CLIENTS_NPM": str(Path(options.npm).absolute())}
        environment["PYTHONPATH"] = str(ROOT / "python")
        environment["PATH"] = f"{Path(options.clients).parent}{os.pathsep}{environment.get('PATH', '')}"
        command = [options.emulator, "-m", "imdskit", "run", "--seed", "1", "--scenario", "linux", "--trust-out", str(trust)]
        command += ["--journal", str(journal), "--", "env", "-u", "PYTHONPATH", "timeout", "--kill-after=5", "60", interpreter, str(path)]
        ran = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, **user
        )
        entries = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    if ran.returncode == NOT_INSTALLED:
        return "skipped", "not installed"
    if ran.returncode != 0:
        return "failed", f"status {ran.returncode}\n{ran.stdout}{ran.stderr}"
    if not any(entry["status"] == 200 and entry["target"].startswith(requests) for entry in entries):
        return "failed", f"no request with status 200 at {requests}: {[(entry['target'], entry['status']) for entry in entries]}"
    return "passed", (ran.stdout.strip().splitlines() or [""])[-1]


if __name__ == "__main__":
    sys.exit(main())
