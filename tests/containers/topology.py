"""Two connected network namespaces, one for the emulator and one for its clients.

Creating them needs root and the program ip of iproute2.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ADDRESS = "169.254.169.254"
CLIENT = "169.254.169.2"


def missing() -> str:
    """Return why the namespaces cannot be created here, or ``""``."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return "network namespaces need root and the program ip"
    done = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False, timeout=30)
    return "" if done.returncode == 0 else "network namespaces are not permitted here"


class Topology:
    """Context manager that creates the namespaces on entry and removes them on exit.

    Attributes:
        emulator: name of the namespace with the address 169.254.169.254.
        client: name of the other namespace.
    """

    def __init__(self) -> None:
        self.emulator = f"imdskit-{os.getpid()}-imds"
        self.client = f"imdskit-{os.getpid()}-client"

    def __enter__(self) -> Self:
        for name in (self.emulator, self.client):
            _ip("netns", "add", name)
        _ip("-n", self.emulator, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", self.client)
        for name, address in ((self.emulator, ADDRESS), (self.client, CLIENT)):
            _ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
            for link in ("lo", "eth0"):
                _ip("-n", name, "link", "set", link, "up")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for name in (self.emulator, self.client):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False, timeout=30)
        shutil.rmtree(_hosts(self.client).parent, ignore_errors=True)
        with suppress(OSError):  # other namespaces have files in this folder
            _hosts(self.client).parent.parent.rmdir()

    def resolve(self, *names: str) -> None:
        """In the client's namespace, let these names resolve to the address of the emulator. The
        method writes a hosts file for this namespace, which ``ip netns exec`` mounts as /etc/hosts.
        """
        folder = _hosts(self.client).parent
        folder.mkdir(parents=True, exist_ok=True)
        _hosts(self.client).write_text("".join(f"{ADDRESS} {name}\n" for name in names), "ascii")

    def start(self, name: str, command: Sequence[str | Path], **options: Any) -> subprocess.Popen[str]:
        """Start a program in a namespace, with its output in pipes."""
        words = ["ip", "netns", "exec", name, *map(str, command)]
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)

    def run(self, name: str, command: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a program in a namespace to its end, at most two minutes."""
        words = ["ip", "netns", "exec", name, *map(str, command)]
        return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, **options)


def _hosts(namespace: str) -> Path:
    return Path("/etc/netns", namespace, "hosts")


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr}")
