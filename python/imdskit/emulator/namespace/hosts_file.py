"""A private hosts file for this mount namespace, with additional names that resolve to the
emulator. Nothing is written to disk."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from imdskit.emulator.http.host_header import SERVICE
from imdskit.emulator.namespace import system_calls as system

HOSTS = Path("/etc/hosts")

_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/mnt", "/proc")  # noqa: S108
"""Folders over which a temporary file system can be mounted for a moment. The first one that exists
is used. It need not be writable."""


def map_names(names: Iterable[str]) -> None:
    """Make names resolve to the address of the service in this mount namespace.

    The hosts file must exist. Raise OSError on failure.
    """
    content = HOSTS.read_bytes()
    lines = "".join(f"{SERVICE} {name}\n" for name in names).encode("ascii")
    folder = next(each for each in _FOLDERS if Path(each).is_dir())
    # The mount hides the folder's content until it is detached.
    system.mount("tmpfs", folder, "tmpfs", system.NO_SUID | system.NO_DEVICES, "mode=0755")
    try:
        file = Path(folder, "hosts")
        file.write_bytes(lines + content)  # The new entries come first, because the first entry of a name wins.
        file.chmod(0o644)
        system.mount(str(file), str(HOSTS), "", system.BIND)
    finally:
        system.detach(folder)
