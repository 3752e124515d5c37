"""Reproducible source distributions: the same files give the same bytes."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path


def normalise(sdist: Path, epoch: int) -> None:
    """Sort the members, and remove everything that depends on the build: times, owners, and the effect of the umask on modes."""
    plain = io.BytesIO()
    with tarfile.open(sdist) as old, tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            like = tarfile.TarInfo(member.name)
            like.type, like.size, like.mtime = member.type, member.size, epoch
            like.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            new.addfile(like, old.extractfile(member))
    with sdist.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=epoch) as packed:
        packed.write(plain.getvalue())
