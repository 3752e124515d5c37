"""Run the client scripts of the shared data against the emulator, which they reach at
169.254.169.254.

    python tests/clients/shared_scripts.py [--emulator PYTHON] [--home FOLDER] [--install] [--quick]
        [--only NAME,...] [--require]

The scripts, and the harness that runs them, are in the folder ``clients`` of the shared data. The
harness creates a network namespace, so it needs root. A script is skipped if its program is not in
``--home``. ``--install`` installs the programs: those from package registries into ``--home``, and
those from Debian into the system. All of them take about 7 GB and half an hour. ``--quick`` runs
only the scripts whose programs install quickly.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
QUICK = (
    "adlfs_py",
    "attested_gnutls",
    "attested_openssl_cms",
    "attested_php",
    "attested_ruby",
    "barman_cloud",
    "facter",
    "http_clients",
    "ms_rest_azure",
    "node_elastic_otel",
    "node_keyvault",
    "polars_py",
    "seed_commands",
    "tcl_http",
)
GROUPS = (("install.sh", ("apt", "deb", "py", "py-x", "py-old", "py-ci", "npm", "npm-big")), ("more/install.sh", ()))
"""Arguments of the installers. Without arguments, an installer installs everything."""
QUICK_GROUPS = (("install.sh", ("apt",)), ("more/install.sh", ("apt", "py", "npm")))
LISTEN = "127.0.0.1:8169"
"""The harness relays requests from 169.254.169.254 to this address."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the client scripts of the shared data against the emulator.")
    parser.add_argument("--emulator", default=sys.executable, help="Python interpreter that runs the emulator")
    parser.add_argument("--home", default="build/shared-clients", help="folder with the programs")
    parser.add_argument("--install", action="store_true", help="install the programs first")
    parser.add_argument("--quick", action="store_true", help="run only scripts whose programs install quickly")
    parser.add_argument("--only", default="", help="names of scripts to run, separated by commas")
    parser.add_argument("--seconds", type=int, default=300, help="time limit for one script, in seconds")
    parser.add_argument("--require", action="store_true", help="treat a skipped script as a failure")
    options = parser.parse_args()
    clients = Path(os.environ.get("IMDSKIT_SHARED") or ROOT.parent / "shared").absolute() / "clients"
    if not (clients / "harness.py").exists():
        print("skipped: the shared data is not at ../shared nor where IMDSKIT_SHARED points")
        return int(options.require)
    environment = {**os.environ, "CLIENTS_HOME": str(Path(options.home).absolute())}
    if options.install:
        for script, groups in QUICK_GROUPS if options.quick else GROUPS:
            subprocess.run(["bash", clients / script, *groups], env=environment, check=True)
    names = options.only or (",".join(QUICK) if options.quick else "")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root.pem")
        serve = ["env", f"PYTHONPATH={ROOT / 'python'}", str(Path(options.emulator).absolute()), "-m", "imdskit", "serve"]
        serve += ["--port", LISTEN.partition(":")[2], "--public-url", "http://169.254.169.254", "--root-out", str(root)]
        command = [sys.executable, str(clients / "harness.py"), "--server", shlex.join(serve), "--upstream", LISTEN]
        command += ["--root-ca", str(root), "--set", "open", "--out", folder, "--timeout", str(options.seconds)]
        if names:
            command += ["--only", names]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=folder) as ran:
            assert ran.stdout is not None
            last = ""
            for line in ran.stdout:
                print(line, end="", flush=True)
                last = line
    tally = re.fullmatch(r"(\d+) passed, (\d+) failed, (\d+) skipped\n", last)
    if tally is None:
        print("the harness did not end with a tally")
        return 1
    passed, failed, skipped = (int(each) for each in tally.groups())
    expected = len(names.split(",")) if names else passed + failed + skipped
    if passed + failed + skipped != expected:
        print(f"The harness must run {expected} scripts; it ran or skipped {passed + failed + skipped}.")
        return 1
    return int(ran.returncode != 0 or not passed or (options.require and skipped > 0))


if __name__ == "__main__":
    sys.exit(main())
