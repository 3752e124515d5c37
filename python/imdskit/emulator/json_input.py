"""Validating reader for all JSON input of the emulator: scenarios, fault scripts, events,
snapshots, tokens and bodies of the admin API.

The reader is strict. It refuses repeated members, ``NaN``, and numbers beyond the range of a float.
An error contains the location as a JSON pointer (RFC 6901), and its message says what was expected
and what was found. For an unknown name, the hint suggests a similar one.

Callers describe their input by a :class:`Format`. They then call the methods of :class:`Input` that
match the values they expect::

    rule = FORMAT.parse(data).members(("times", "fault"), required=("fault",))
    times = rule["times"].integer(1, 100) if "times" in rule else 1
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from imdskit.errors import ImdskitError

SHOWN = 60
"""Maximum number of characters of an invalid value that a message shows."""


def strict_json(data: bytes) -> Any:
    """Return parsed JSON.

    Raises:
        ValueError: The data is not strict JSON. The text of the exception completes a sentence that
            begins with "It is not JSON:".
    """
    try:
        return json.loads(data, object_pairs_hook=_object, parse_constant=_no_number, parse_float=_number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def escaped(name: str) -> str:
    """Return a member's name as a reference token of a JSON pointer (RFC 6901 section 3)."""
    return name.replace("~", "~0").replace("/", "~1")


def guess(name: str, known: Collection[str]) -> str:
    """Return a hint that suggests the known name most similar to ``name``.

    If none is similar, the hint lists all known names.
    """
    close = difflib.get_close_matches(name, known, 1, 0.6) or [one for one in known if one.lower() == name.lower()]
    return f"Did you mean {close[0]}?" if close else "Known: " + ", ".join(known) + "."


@dataclass(frozen=True, slots=True)
class Format:
    """Description of one kind of input, and of its errors.

    Attributes:
        name: name of the input, which becomes the subject of a sentence, such as "The snapshot".
        error: function that creates an error from a message, a location and a hint.
        hint: default hint, for errors without a more specific one.
        max_bytes: maximum size of the input in bytes.
        root: location that stands for the whole input.
        unknown_at_object: whether an error about an unknown member gives the location of the object
            that contains the member, instead of the location of the member itself.
    """

    name: str
    error: Callable[..., ImdskitError]
    hint: str
    max_bytes: int = 1024 * 1024
    root: str = ""
    unknown_at_object: bool = False

    def wrong(self, message: str, location: str = "", hint: str = "") -> ImdskitError:
        """Return an error of this format."""
        return self.error(message, location=location or self.root, hint=hint or self.hint)

    def read(self, path: str | Path) -> Input:
        """Return the parsed content of a file.

        Raises:
            ImdskitError: The file cannot be read, is too large or is not strict JSON. :attr:`error`
                determines the class.
        """
        try:
            with open(path, "rb") as file:
                data = file.read(self.max_bytes + 1)
        except (OSError, ValueError) as error:
            raise self.wrong(f"{self.name} {path} cannot be read: {error}.") from None
        return self.parse(data)

    def parse(self, data: bytes) -> Input:
        """Return the parsed value of JSON text.

        Raises:
            ImdskitError: The data is too large or is not strict JSON. :attr:`error` determines the
                class.
        """
        if len(data) > self.max_bytes:
            raise self.wrong(f"{self.name} is larger than {self.max_bytes} bytes.")
        try:
            return self.of(strict_json(data))
        except ValueError as error:
            raise self.wrong(f"{self.name} is not JSON: {error}.") from None

    def of(self, value: object) -> Input:
        """Return an input for a value that is parsed already."""
        return Input(value, "", self)


@dataclass(frozen=True, slots=True)
class Input:
    """Parsed value with its location.

    Each method that reads the value raises the format's error if the value is invalid.

    Attributes:
        value: value as returned by ``json.loads``.
        location: JSON pointer of the value.
        format: format of the whole input.
    """

    value: Any
    location: str
    format: Format

    def fail(self, message: str, hint: str = "") -> NoReturn:
        """Raise the format's error with this location."""
        raise self.format.wrong(message, self.location, hint)

    def must_be(self, expected: str, hint: str = "") -> NoReturn:
        """Raise an error whose message says that the value must be ``expected``, a noun phrase."""
        last = self.location.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
        subject = self.format.name if not self.location else f"Element {last}" if last.isdecimal() else f"`{last}`"
        self.fail(f"{subject} must be {expected}; got {_shown(self.value)}.", hint)

    def members(
        self, known: Collection[str] | None = None, required: Collection[str] = (), expected: str = "an object"
    ) -> dict[str, Input]:
        """Return the members of an object.

        Args:
            known: names that members may have; None allows any name.
            required: names of members that must be present.
            expected: noun phrase for the error message.
        """
        if not isinstance(self.value, dict):
            self.must_be(expected)
        members = {name: Input(value, f"{self.location}/{escaped(str(name))}", self.format) for name, value in self.value.items()}
        for name, member in members.items():
            if known is not None and name not in known:
                at = self if self.format.unknown_at_object else member
                at.fail(f"Unknown member {name[:64]!r}.", guess(name, known))
        for name in required:
            if name not in members:
                self.fail(f"The member `{name}` is missing.")
        return members

    def elements(self, most: int | None = None, expected: str = "a list") -> list[Input]:
        """Return the elements of a list that has at most ``most`` elements; None allows any number."""
        if not isinstance(self.value, list):
            self.must_be(expected)
        if most is not None and len(self.value) > most:
            self.must_be(f"{expected} with at most {most} elements")
        return [Input(value, f"{self.location}/{index}", self.format) for index, value in enumerate(self.value)]

    def text(self, most: int | None = None, expected: str = "text", hint: str = "") -> str:
        """Return text that is valid Unicode and has at most ``most`` characters; None allows any
        number."""
        if not isinstance(self.value, str):
            self.must_be(expected, hint)
        if most is not None and len(self.value) > most:
            self.must_be(f"{expected} of at most {most} characters", hint)
        try:
            self.value.encode()
        except UnicodeEncodeError:
            self.fail("The text is not valid Unicode.")
        return self.value

    def integer(self, least: int, most: int) -> int:
        """Return a whole number from ``least`` to ``most``. JSON's true and false are not numbers."""
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not least <= self.value <= most:
            self.must_be(f"a whole number from {least} to {most}")
        return self.value

    def boolean(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            self.must_be("`true` or `false`")
        return self.value

    def one_of(self, known: Collection[str], what: str) -> str:
        """Return text that is one of ``known``.

        The error message says that the value must be ``what``.
        """
        if not isinstance(self.value, str) or self.value not in known:
            self.must_be(what, "Known: " + ", ".join(known) + ".")
        return self.value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the member {next(name for name in names if names.count(name) > 1)!r} occurs twice")
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:SHOWN]} is too large")
    return value


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    try:
        text = json.dumps(value, ensure_ascii=True)
    except (TypeError, ValueError):
        text = repr(value)
    return f"`{text}`" if len(text) <= SHOWN else f"`{text[:SHOWN]}…`"
