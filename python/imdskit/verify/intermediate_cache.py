"""Cache of fetched intermediates in a directory. Later processes can use these certificates without
fetching them again."""

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
"""Maximum size of a certificate in bytes."""
_NAME = re.compile(r"([0-9a-f]{64})\.der", re.ASCII)
_log = logging.getLogger("imdskit.verify.intermediate_cache")


class IntermediateCache:
    """Directory of intermediates. Each file contains one certificate as DER. The name of the file
    consists of the SHA-256 of its content and ``.der``.

    **The certificates are not trusted.** A user with write access to the directory can add
    certificates. Nevertheless, a document is accepted only if a path leads to a trust anchor.

    If the directory or a file cannot be used, the cache does not raise an error. It logs the
    problem to ``imdskit.verify.intermediate_cache``, and ignores the directory or the file.

    Args:
        directory: path of the directory. It is created when the first certificate is stored.
        capacity: maximum number of certificates in the directory, 1 to 100,000. Azure has about
            forty intermediates.

    Raises:
        UsageError: an argument is of the wrong type or out of range.
    """

    def __init__(self, directory: str | os.PathLike[str], *, capacity: int = 64) -> None:
        self._directory = arguments.path(directory, "directory")
        self._capacity = arguments.whole(capacity, "capacity", 1, 100_000)

    def load(self) -> tuple[bytes, ...]:
        """Return all certificates in the directory as DER, in the order of the file names.

        A file is ignored if its content does not match its name, or is not a certificate. A
        verifier without a fetcher can use the certificates as well:
        ``Trust.bundled().with_intermediates(*cache.load())``.
        """
        found = []
        for name in self._names()[: self._capacity]:
            der = self._read(name)
            if der is not None:
                found.append(der)
        return tuple(found)

    def keep(self, der: bytes) -> None:
        """Store a certificate, unless it is already stored or the directory is full. Other
        processes never see an incomplete file."""
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
            _log.warning("cannot store a certificate: %s", one_line(error))

    def _names(self) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self._directory) if _NAME.fullmatch(name))
        except FileNotFoundError:
            return []
        except OSError as error:
            _log.warning("cannot list the directory: %s", one_line(error))
            return []

    def _read(self, name: str) -> bytes | None:
        try:
            der = _content(self._directory / name)
        except OSError as error:
            _log.warning("%s: cannot read the file: %s", name, one_line(error))
            return None
        if f"{sha256(der).hexdigest()}.der" != name:
            _log.warning("%s: the SHA-256 of the content is not the name of the file", name)
            return None
        try:
            parser.parse_certificate(der)
        except DerError as error:
            _log.warning("%s: the content is not a certificate: %s", name, one_line(error))
            return None
        return der


def _content(path: Path) -> bytes:
    """Return the first :data:`MAX_BYTES` bytes of a regular file. Raise OSError for anything else,
    such as a symbolic link or a pipe."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("it is not a regular file")
        return file.read(MAX_BYTES)  # if the file is longer, the digest of these bytes does not match its name


__all__ = ["IntermediateCache"]
