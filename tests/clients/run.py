"""Run third-party programs against the emulator, and check that they work.

    python tests/clients/run.py --emulator .venv/bin/python --clients .venv-clients/bin/python
    [--require] [--only NAME,...]

``make clients`` creates the environment of the clients and runs this program. Each script in
``scripts`` runs one client against a separate emulator, which limits the rate of requests. If the
user is root and the system allows ``unshare``, the script runs in a network namespace. There, the
emulator has the service's own address, 169.254.169.254 port 80. Otherwise, only clients that can
use another address run, and the output names the clients that are skipped.

The first lines of a script describe it: ``# client:`` names a Python distribution or a Debian
package. ``# override:`` exists if the client can use another address. It names the environment
variable with the address, or is ``url`` if the script reads ``IMDS_URL`` itself. A script may end
with status 77 if its client is not installed. With ``--require`` a script that is skipped is a
failure.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).resolve().parent / "scripts"
ADDRESS = "169.254.169.254"
NOT_INSTALLED = 77
SECONDS = 60
"""Time limit of one script, in seconds."""


class Client(NamedTuple):
    """Script that drives one client."""

    path: Path
    name: str
    override: str | None
    """How the client can use another address: an environment variable, ``url`` if the script reads
    ``IMDS_URL`` itself, or None."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Run real clients against the emulator.")
    parser.add_argument("--emulator", default=sys.executable, help="Python interpreter that runs the emulator")
    parser.add_argument("--clients", default=sys.executable, help="Python interpreter that has the client libraries")
    parser.add_argument("--only", default="", help="names of scripts to run, separated by commas")
    parser.add_argument("--require", action="store_true", help="treat a skipped script as a failure")
    parser.add_argument("--no-namespace", action="store_true", help="do not create a network namespace")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    # Scripts run in another folder, so paths must be absolute. Symbolic links are not resolved,
    # because Python finds its virtual environment by the path of the link.
    options.emulator, options.clients = str(Path(options.emulator).absolute()), str(Path(options.clients).absolute())
    if not options.inside and not options.no_namespace and _may_unshare():
        os.execvp("unshare", ["unshare", "--net", "--kill-child", sys.executable, __file__, *sys.argv[1:], "--inside"])
    if options.inside:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        subprocess.run(["ip", "address", "add", f"{ADDRESS}/32", "dev", "lo"], check=True)
    counts: Counter[str] = Counter()
    for client in _clients(options.only):
        started = time.monotonic()
        verdict, shown = _run(client, options)
        counts[verdict] += 1
        print(f"{verdict:8}{client.path.stem:24}{time.monotonic() - started:5.1f} s  {shown}", flush=True)
    where = f"at {ADDRESS}" if options.inside else "on loopback, without a namespace"
    print(f"{where}: " + ", ".join(f"{counts[verdict]} {verdict}" for verdict in ("passed", "failed", "skipped")))
    return int(bool(counts["failed"]) or not counts["passed"] or (options.require and bool(counts["skipped"])))


def _clients(only: str) -> Iterator[Client]:
    wanted = [name for name in only.split(",") if name]
    for path in sorted(SCRIPTS.glob("*.*")):
        if wanted and path.stem not in wanted:
            continue
        head = dict(re.findall(r"^# (client|override): (.+)$", path.read_text("utf-8"), re.MULTILINE))
        yield Client(path, head["client"], head.get("override"))


def _run(client: Client, options: argparse.Namespace) -> tuple[str, str]:
    """Return ``passed``, ``failed`` or ``skipped``, and the last line of output, or all of it after
    a failure."""
    if not options.inside and client.override is None:
        return "skipped", f"{client.name} cannot use another address, and there is no namespace"
    interpreter = options.clients if client.path.suffix == ".py" else shutil.which("bash") or "bash"
    with tempfile.TemporaryDirectory() as folder, _emulator(options, Path(folder)) as (url, trust):
        environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower() and name != "PYTHONPATH"}
        environment |= {"IMDS_URL": url, "IMDS_TRUST": str(trust), "HOME": folder, "TMPDIR": folder}
        environment["PATH"] = f"{Path(options.clients).parent}{os.pathsep}{environment.get('PATH', '')}"
        if not options.inside and client.override not in (None, "url"):
            environment[str(client.override)] = url
        command = ["timeout", "--kill-after=5", str(SECONDS), interpreter, str(client.path)]
        ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    lines = ran.stdout.strip().splitlines() or [""]
    if ran.returncode == 0:
        return "passed", lines[-1]
    if ran.returncode == NOT_INSTALLED:
        return "skipped", f"{client.name} is not installed"
    return "failed", f"status {ran.returncode}\n{ran.stdout}{ran.stderr}"


@contextmanager
def _emulator(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Path]]:
    trust = folder / "trust.pem"
    where = ["--host", ADDRESS, "--port", "80"] if options.inside else ["--port", "0"]
    command = [options.emulator, "-m", "imdskit", "serve", *where, "--trust-out", str(trust)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT / "python")}) as process:
        try:
            assert process.stdout is not None
            yield str(json.loads(process.stdout.readline())["url"]).removesuffix(":80"), trust
            process.send_signal(signal.SIGTERM)
            if process.wait(SECONDS):
                raise SystemExit(f"the emulator ended with status {process.returncode}")
        finally:
            process.kill()


def _may_unshare() -> bool:
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"):
        return False
    return subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
