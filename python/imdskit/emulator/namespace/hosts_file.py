"""A hosts file of this mount namespace alone, in which more names lead to the emulator. Nothing is written to the disk."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from imdskit.emulator.http.host_header import SERVICE
from imdskit.emulator.namespace import system_calls as system

HOSTS = Path("/etc/hosts")

_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/mnt", "/proc")  # noqa: S108
"""Folders that may be hidden for a moment. They need not be writable."""


def map_names(names: Iterable[str], address: str = SERVICE) -> None:
    """Let names resolve to an address, in this mount namespace. Raises OSError; the hosts file must exist."""
    content = HOSTS.read_bytes()
    lines = "".join(f"{address} {name}\n" for name in names).encode("ascii")
    folder = next(each for each in _FOLDERS if Path(each).is_dir())
    system.mount("tmpfs", folder, "tmpfs", system.NO_SUID | system.NO_DEVICES, "mode=0755")  # hides the folder until it is detached
    try:
        file = Path(folder, "hosts")
        file.write_bytes(lines + content)  # the first entry of a name wins
        file.chmod(0o644)
        system.mount(str(file), str(HOSTS), "", system.BIND)
    finally:
        system.detach(folder)
