"""Root file systems of Debian releases, and programs that run in them. Needs root, and Debian's
package mmdebstrap."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
FROM_HOST = ("/etc/resolv.conf", "/etc/hosts", CERTIFICATES)
"""Files of the host that a root file system needs, so that programs in it reach the same package
indexes as the host."""
PASSED_ON = ("PIP_", "SSL_CERT_", "REQUESTS_CA_", "CURL_CA_", "CARGO_", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
"""Prefixes of the names of environment variables that configure the access to package indexes."""
ENTER = """
set -e
root=$1; folder=$2; shift 2
mount --make-rprivate /
mount --bind "$root" "$root"
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
while [ "$1" != -- ]; do mkdir -p "$root$2"; mount --bind "$1" "$root$2"; shift 2; done
shift
cd "$root"
mkdir -p .host
pivot_root . .host
umount -l .host
cd "$folder"
exec "$@"
"""
"""Shell script that runs a command in a root file system. A chroot does not suffice, because the
kernel refuses user namespaces in it, and `imdskit run` needs them. The script unmounts the old root:
as long as its /proc can be reached, every process may mount a new /proc."""


def missing() -> str:
    """Return the reason why no root file system can be created on this machine, or ``""``."""
    absent = [program for program in ("mmdebstrap", "unshare", "pivot_root") if shutil.which(program) is None]
    if absent:
        return f"there is no {absent[0]} on the PATH"
    return "" if os.geteuid() == 0 else "only root may make root file systems"


def make(root: Path, suite: str, packages: Sequence[str]) -> None:
    """Unpack and configure a release with these packages, and configure its network access like
    that of the host."""
    options = ["--quiet", "--variant=minbase", '--aptopt=Acquire::Check-Valid-Until "false"']
    subprocess.run(["mmdebstrap", *options, f"--include={','.join(packages)}", suite, str(root)], check=True, timeout=1800)
    for path in FROM_HOST:
        if Path(path).is_file():
            (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root / path[1:])


def command(root: Path, arguments: Sequence[str], *, folder: str = "/", binds: Mapping[Path, str] | None = None) -> list[str]:
    """Return the command that runs ``arguments`` in the root file system. ``binds`` maps folders of
    the host to the paths at which they are visible there."""
    bound = [part for source, target in (binds or {}).items() for part in (str(source), target)]
    return ["unshare", "--mount", "sh", "-c", ENTER, "sh", str(root), folder, *bound, "--", *arguments]


def environment() -> dict[str, str]:
    """Return a minimal environment with the host's variables for package indexes."""
    passed = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", **passed}
