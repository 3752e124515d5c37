"""Types of settings. For each type, a function reads and validates the value of a setting.

The value comes from the TOML file, from an environment variable or from the command line. If it is
invalid, the function raises UsageError.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from imdskit import clouds
from imdskit.errors import UsageError

LIBRARIES = {"redis": "redis", "rediss": "redis", "valkey": "valkey", "valkeys": "valkey"}
"""Maps a URL scheme of a store to the client library for it. It is enough to install the library
for the configured URL."""


class Source(NamedTuple):
    """Value of a setting, and its location for error messages. A relative path in the value is
    relative to ``folder``."""

    value: object
    location: str
    folder: Path = Path()


def integer(low: int, high: int) -> Callable[[str, Source], int]:
    """Return a function that reads whole numbers from ``low`` to ``high``, both inclusive."""

    def read(name: str, source: Source) -> int:
        value = source.value
        if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal() and len(value) < 20:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _invalid(name, source, f"must be a whole number from {low} to {high}")
        return value

    return read


def one_of(*words: str) -> Callable[[str, Source], str]:
    """Return a function that accepts only the given words."""

    def read(name: str, source: Source) -> str:
        if source.value not in words:
            raise _invalid(name, source, f"must be one of {', '.join(words)}")
        return str(source.value)

    return read


def text_or_none(name: str, source: Source) -> str:
    """Read a setting whose value is ``-`` or the path of a file."""
    return "-" if source.value == "-" else str(file(name, source))


def file(name: str, source: Source) -> Path:
    """Read a path."""
    if not isinstance(source.value, str) or not source.value or "\x00" in source.value:
        raise _invalid(name, source, "must be a path")
    return (source.folder / source.value).absolute()


def files(name: str, source: Source) -> tuple[Path, ...]:
    """Read a list of paths."""
    return tuple(file(name, source._replace(value=each)) for each in _list(name, source))


def cloud_names(name: str, source: Source) -> tuple[str, ...]:
    """Read a list of names of Azure clouds."""
    found = _list(name, source)
    try:
        return tuple(dict.fromkeys(clouds.find(each).name for each in found))
    except UsageError:
        raise _invalid(
            name, source, f"must be a list of clouds, each of them one of {', '.join(cloud.name for cloud in clouds.CLOUDS)}"
        ) from None


def store(name: str, source: Source) -> str:
    """Read the setting for the store of used documents: ``memory``, ``sqlite:PATH``, or the URL of
    a Redis or Valkey server."""
    value = source.value
    if value == "memory":
        return "memory"
    if isinstance(value, str) and value.startswith("sqlite:"):
        return f"sqlite:{file(name, source._replace(value=value.removeprefix('sqlite:')))}"
    try:
        if isinstance(value, str) and urlsplit(value).scheme in LIBRARIES and urlsplit(value).hostname:
            return value
    except ValueError:
        pass
    # The message does not repeat the value, because a URL can contain a password.
    message = f"`{name}` must be `memory`, `sqlite:PATH`, or a URL such as `redis://host:6379/0`."
    raise UsageError("bad-argument", message, location=source.location)


def _list(name: str, source: Source) -> list[str]:
    """Read a list of strings. In TOML, it is an array. In an environment variable and on the
    command line, its items are separated by commas."""
    value: Any = source.value.split(",") if isinstance(source.value, str) else source.value
    if not isinstance(value, list) or not value or not all(isinstance(each, str) and each.strip() for each in value):
        raise _invalid(name, source, "must be a list of strings that are not empty")
    return [each.strip() for each in value]


def _invalid(name: str, source: Source, rule: str) -> UsageError:
    return UsageError("bad-argument", f"`{name}` {rule}; got {source.value!r:.60}.", location=source.location)
