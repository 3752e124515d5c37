"""Keys with which callers authenticate themselves, and secret keys with which the service generates
nonces.

A key file contains the keys of callers. It has one line for each key: the name of the key, its
roles (separated by commas), and the SHA-256 of the key. ``#`` begins a comment. Each key is random
and has 256 bits, so nobody can find it from its hash. For this reason, the hash needs no salt.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterator
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from imdskit.errors import UsageError

MAX_FILE_BYTES = 256 * 1024
"""Maximum size of a key file in bytes."""

MAX_KEYS = 1000
"""Maximum number of keys in a file. The service compares the key of a request with every key in the
file, so that the duration does not reveal which key matches. A longer file would make every request
slow."""

MAX_KEY_CHARACTERS = 512
"""Maximum number of characters of a key in a request."""

NONCE_KEY_BYTES = 32
"""Minimum length in bytes of a secret with which nonces are generated."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_FORM = "NAME ROLE[,ROLE...] sha256:DIGEST"


class Role(StrEnum):
    """Role of a key. The roles of a key determine which operations its owner may use."""

    CLIENT = "client"
    """Role that may request nonces and verify documents."""
    OPERATOR = "operator"
    """Role that may audit stored documents, see why they are refused, and read metrics."""
    METRICS = "metrics"
    """Role that may read metrics."""


class Key(NamedTuple):
    """Key, as a line of the key file describes it.

    Attributes:
        name: name of the key. It is used in logs and for the rate limits.
        roles: roles of the key.
        digest: SHA-256 of the key.
    """

    name: str
    roles: frozenset[Role]
    digest: bytes


def new(name: str, roles: frozenset[Role]) -> tuple[str, str]:
    """Generate a random key. Return the key, and the line for it in a key file.

    Raises:
        UsageError: The name is invalid.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            "bad-argument", f"A key's name must have 1 to 64 letters, digits, `.`, `_` or `-`; got {name!r:.80}.", location="NAME"
        )
    key = "imdskit_" + secrets.token_urlsafe(32)
    return key, f"{name} {','.join(sorted(roles))} sha256:{sha256(key.encode()).hexdigest()}"


def read(path: Path) -> tuple[Key, ...]:
    """Return the keys of a file.

    Raises:
        UsageError: The file cannot be read, or a line is invalid. The location contains the number
            of the line.
    """
    found = tuple(_key(line, f"{path}:{number}") for number, line in _lines(path))
    if not found:
        raise UsageError("bad-argument", "The file contains no key.", location=str(path), hint="Create a key with `imdskit verifier key`.")
    if len(found) > MAX_KEYS:
        raise UsageError("bad-argument", f"The file has more than {MAX_KEYS} keys.", location=str(path))
    for names in ([key.name for key in found], [key.digest for key in found]):
        if len(set(names)) != len(names):
            raise UsageError("bad-argument", "Two lines have the same name or the same digest. Both must be unique.", location=str(path))
    return found


def find(presented: str, keys: tuple[Key, ...]) -> Key | None:
    """Return the key that a caller presents, or None if it is unknown. The duration does not depend
    on which key matches."""
    digest = sha256(presented.encode("utf-8", "replace")).digest()
    found = None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found


def read_nonce_keys(path: Path) -> tuple[bytes, ...]:
    """Return the secrets in a nonce key file.

    The file has one or two lines. Each line is a secret in hexadecimal digits. The service
    generates nonces with the first secret, and accepts nonces that were generated with either of
    them.

    Raises:
        UsageError: The file cannot be read, or does not have this format.
    """
    lines = [line for _, line in _lines(path)]
    if not 1 <= len(lines) <= 2 or not all(re.fullmatch(rf"([0-9a-f]{{2}}){{{NONCE_KEY_BYTES},128}}", line, re.ASCII) for line in lines):
        message = f"A nonce key file has one or two lines of at least {2 * NONCE_KEY_BYTES} hexadecimal digits in lower case."
        hint = "Create the file with `imdskit verifier nonce-key`. docs/attestation-service.md says how to change the secret."
        raise UsageError("bad-argument", message, location=str(path), hint=hint)
    return tuple(bytes.fromhex(line) for line in lines)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each line of a file, without comments and blank lines."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError("bad-argument", f"The file cannot be read: {error.strerror}.", location=str(path)) from None
    if len(data) > MAX_FILE_BYTES or not data.isascii():
        raise UsageError("bad-argument", f"The file is not ASCII text of at most {MAX_FILE_BYTES} bytes.", location=str(path))
    for number, line in enumerate(data.decode("ascii").split("\n"), 1):
        text = line.partition("#")[0].strip()
        if text:
            yield number, text


def _key(line: str, location: str) -> Key:
    words = line.split()
    if len(words) != 3 or not _NAME.fullmatch(words[0]) or not _DIGEST.fullmatch(words[2]):
        hint = "Create the line with `imdskit verifier key`."
        raise UsageError("bad-argument", f"The line is not of the form `{_FORM}`.", location=location, hint=hint)
    try:
        roles = frozenset(Role(word) for word in words[1].split(","))
    except ValueError:
        raise UsageError("bad-argument", f"Each role must be one of {', '.join(Role)}; got {words[1]!r:.80}.", location=location) from None
    return Key(words[0], roles, bytes.fromhex(words[2].removeprefix("sha256:")))
