"""A directory in which a verifier keeps the intermediates that it found, so that the next process need not fetch them again."""

from __future__ import annotations

import logging
import os
import re
import stat
import tempfile
from hashlib import sha256
from pathlib import Path

from imdskit import arguments
from imdskit.errors import DerError
from imdskit.pki.x509 import parser
from imdskit.verify.log_entries import one_line

MAX_BYTES = 16 * 1024
_NAME = re.compile(r"([0-9a-f]{64})\.der", re.ASCII)
_log = logging.getLogger("imdskit.verify.intermediate_cache")


class IntermediateCache:
    """Certificates as DER, one a file, named by SHA-256. **Nothing in it is trusted**: whoever can write it can add certificates that lead
    nowhere.

    It is a cache: what is wrong with it is written to the log ``imdskit.verify.intermediate_cache``, and it is then as good as empty.

    Args:
        directory: made when something is to be kept.
        capacity: files that are read or kept at most, 1 to 100,000; Azure has about forty intermediates.

    Raises:
        UsageError: an argument is of the wrong type or out of range.
    """

    def __init__(self, directory: str | os.PathLike[str], *, capacity: int = 64) -> None:
        self._directory = arguments.path(directory, "directory")
        self._capacity = arguments.whole(capacity, "capacity", 1, 100_000)

    def load(self) -> tuple[bytes, ...]:
        """DER of every certificate in the directory, in the order of file names. Each is read anew and must be what its name says, and a
        certificate.

        Without a fetcher: ``Trust.bundled().with_intermediates(*cache.load())``.
        """
        found = []
        for name in self._names()[: self._capacity]:
            der = self._read(name)
            if der is not None:
                found.append(der)
        return tuple(found)

    def keep(self, der: bytes) -> None:
        """Put a certificate into the directory, unless it is there or the directory is full. Another process sees all of it or nothing."""
        name = f"{sha256(der).hexdigest()}.der"
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            names = self._names()
            if name in names or len(names) >= self._capacity:
                return
            descriptor, temporary = tempfile.mkstemp(dir=self._directory, suffix=".tmp")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(der)
                os.replace(temporary, self._directory / name)
            except OSError:
                os.unlink(temporary)
                raise
        except OSError as error:
            _log.warning("not kept: %s", one_line(error))

    def _names(self) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self._directory) if _NAME.fullmatch(name))
        except FileNotFoundError:
            return []
        except OSError as error:
            _log.warning("not read: %s", one_line(error))
            return []

    def _read(self, name: str) -> bytes | None:
        try:
            der = _content(self._directory / name)
        except OSError as error:
            _log.warning("%s: not read: %s", name, one_line(error))
            return None
        if f"{sha256(der).hexdigest()}.der" != name:
            _log.warning("%s: not what its name says", name)
            return None
        try:
            parser.parse_certificate(der)
        except DerError as error:
            _log.warning("%s: not a certificate: %s", name, one_line(error))
            return None
        return der


def _content(path: Path) -> bytes:
    """Of a regular file, without following a link and without waiting for a pipe."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("not a regular file")
        return file.read(MAX_BYTES)  # a longer one is then not what its name says


__all__ = ["IntermediateCache"]
