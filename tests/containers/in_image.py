"""Tests of the emulator's container image. `make image` runs them.

They use tools that need no container daemon, and a client in another network namespace. They need
root, and Debian's packages mmdebstrap, umoci, runc and iproute2.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from topology import ADDRESS, Topology, missing

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("client.py")
PROGRAMS = ("mmdebstrap", "umoci", "runc", "ip")
TOKEN = "a-token-that-tests-know"
ADMIN = {"IMDSKIT_ADMIN_PORT": "9254", "IMDSKIT_ADMIN_HOST": "0.0.0.0", "IMDSKIT_ADMIN_TOKEN_FILE": "/run/secrets/admin-token"}


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the image and return the folder into which it was unpacked for an OCI runtime."""
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    if absent or missing():
        pytest.fail(f"absent: {', '.join(absent)} {missing()}")
    folder = tmp_path_factory.mktemp("image")
    run(sys.executable, ROOT / "packaging" / "containers" / "emulator" / "build_image.py", folder / "layout")
    run("umoci", "unpack", "--image", f"{folder / 'layout'}:emulator", folder / "bundle")
    return folder / "bundle"


@pytest.fixture
def topology() -> Iterator[Topology]:
    with Topology() as made:
        yield made


def configure(bundle: Path, topology: Topology, secrets: Path) -> dict[str, Any]:
    """Configure the container like the recipe for Compose: the network, the token, a read-only root, and no capabilities."""
    path = bundle / "config.json"
    config: dict[str, Any] = json.loads(path.read_bytes())
    process, linux = config["process"], config["linux"]
    process["terminal"] = False
    process["capabilities"] = {kind: [] for kind in process["capabilities"]}
    process["env"] += [f"{name}={value}" for name, value in ADMIN.items()]
    for namespace in linux["namespaces"]:
        if namespace["type"] == "network":
            namespace["path"] = f"/run/netns/{topology.emulator}"
    config["root"]["readonly"] = True
    options = ["rbind", "ro"]
    config["mounts"].append({"destination": "/run/secrets", "type": "bind", "source": str(secrets), "options": options})
    path.write_text(json.dumps(config))
    return config


def test_image_runs_as_its_user_and_serves_a_remote_client(bundle: Path, topology: Topology, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o755)
    (secrets / "admin-token").write_text(TOKEN)
    for path in (secrets, secrets / "admin-token"):
        os.chown(path, 10002, 10002)
    config = configure(bundle, topology, secrets)
    assert config["process"]["user"]["uid"] == 10002
    run("ip", "netns", "exec", topology.emulator, "sysctl", "--write", "--quiet", "net.ipv4.ip_unprivileged_port_start=0")
    name = f"imdskit-{os.getpid()}"
    container = subprocess.Popen(
        ["runc", "run", "--bundle", str(bundle), name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert container.stdout is not None
        line = container.stdout.readline()
        assert line, container.communicate(timeout=60)
        ready = json.loads(line)
        client = topology.run(
            topology.client, [sys.executable, SCRIPT, secrets / "admin-token"], env={**os.environ, "PYTHONPATH": str(ROOT / "python")}
        )
        run("runc", "kill", name, "TERM")
        out, log = container.communicate(timeout=60)
    finally:
        subprocess.run(["runc", "delete", "--force", name], capture_output=True, check=False, timeout=60)
        container.kill()
        container.wait(timeout=30)
    assert (client.returncode, client.stderr) == (0, "")
    seen = json.loads(client.stdout)
    assert ready["url"] == f"http://{ADDRESS}"
    assert (container.returncode, out) == (0, "")
    assert seen["health"] == [200, 200]
    assert seen["document"]["vmId"] == seen["vmId"]
    assert (seen["token"], seen["versions"], seen["events"]) == (True, [410, 200], ["across"])
    assert len([json.loads(line) for line in log.splitlines()]) > 5
