"""Checks of arguments and settings, for the whole package. This module is internal.

Each check raises :class:`imdskit.errors.UsageError` (``bad-argument``) if the argument is invalid.
The attribute ``location`` of the error is ``name``, the name of the argument. A wrong type and a
value out of range raise the same error, because both are mistakes of the caller. The public
functions and classes of the package check all their arguments before they do anything else.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, TypeVar

from imdskit.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

MAX_THREADS = 1024
"""Maximum number of threads that one call of a function of this package uses."""
LARGEST = 2**63 - 1
"""Largest number that :func:`whole` accepts by default, which is the largest signed 64-bit
integer."""
_SHOWN = 60


def whole(value: object, name: str, least: int, most: int = LARGEST) -> int:
    """Return ``value`` if it is an ``int`` (but not a ``bool``) from ``least`` to ``most``, both
    inclusive."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        bounds = f" from {least} to {most}" if most < LARGEST else f", {least} or more" if least > -LARGEST else ""
        raise mistake(name, f"a whole number{bounds}", value)
    return value


def number(value: object, name: str, least: float, most: float) -> float:
    """Return ``value`` if it is a finite ``int`` or ``float`` from ``least`` to ``most``, both
    inclusive."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and least <= value <= most):
        raise mistake(name, f"a number from {least:g} to {most:g}", value)
    return value


def threads(value: object) -> int | None:
    """Return ``value`` if it is None or a whole number, 1 or more. None means one thread per
    processor. A number above :data:`MAX_THREADS` is reduced to this maximum.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise mistake("threads", "None or a whole number, 1 or more", value)
    return min(value, MAX_THREADS)


def flag(value: object, name: str) -> bool:
    """Return ``value`` if it is True or False."""
    if not isinstance(value, bool):
        raise mistake(name, "True or False", value)
    return value


def instance(value: object, name: str, kind: type[T], accepted: str = "") -> T:
    """Return ``value`` if it is an instance of ``kind``. ``accepted`` says in the error message
    what the argument must be. By default, the message names the type."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise mistake(name, accepted or f"of type {kind.__name__}", value)
    return value


def items(value: object, name: str, kind: type[T]) -> tuple[T, ...]:
    """Return ``value`` if it is a tuple of instances of ``kind``."""
    if type(value) is not tuple:
        raise mistake(name, f"a tuple of {kind.__name__}", value)
    for index, item in enumerate(value):
        instance(item, f"{name}[{index}]", kind)
    return value


def path(value: object, name: str) -> Path:
    """Return ``value`` as a path if it is a non-empty str without NUL, or an ``os.PathLike`` for
    such a str."""
    if not isinstance(value, str | os.PathLike) or not isinstance(text := os.fspath(value), str) or not text or "\0" in text:
        raise mistake(name, "a path: a non-empty str without NUL, or an os.PathLike", value)
    from pathlib import Path  # a verifier whose trust comes from memory need not import it

    return Path(text)


def methods(value: T, name: str, *needed: str) -> T:
    """Return ``value`` if it is an object (but not a class) that has the methods ``needed``."""
    missing = [method for method in needed if isinstance(value, type) or not callable(getattr(value, method, None))]
    if missing:
        raise mistake(name, "an object with the method " + ", ".join(f"{method}()" for method in missing), value)
    return value


def mistake(name: str, accepted: str, value: object, *, hint: str = "") -> UsageError:
    """Return an error that says which argument is wrong, what is accepted, and what was found."""
    return UsageError("bad-argument", f"`{name}` must be {accepted}; got {shown(value)}.", location=name, hint=hint)


def shown(value: object) -> str:
    """Return a short text that stands for a value in an error message. For simple values it is the
    ``repr``, truncated if necessary. For others it is a description."""
    if isinstance(value, int) and value.bit_length() > 200:
        return f"a number of {value.bit_length()} bits"
    if not isinstance(value, int | float | str | bytes | bytearray | tuple | type(None)):
        return f"an object of type {type(value).__name__}"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)} items"
    text = repr(value[:_SHOWN] if isinstance(value, str | bytes | bytearray) else value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
