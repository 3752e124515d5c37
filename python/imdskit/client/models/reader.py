"""Conversion between parsed JSON and models, based on the fields of the dataclasses.

The other modules of this package define the dataclasses.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, NamedTuple, Self

from imdskit.codes import ClientCode
from imdskit.errors import ClientError

Json = Any
"""A value that ``json.loads`` returns."""

Spelling = Literal["camelCase", "PascalCase", "snake_case"]

_JSON_TYPES = {str: "text", int: "a whole number", bool: "true or false", tuple: "an array", dict: "an object"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Base class of the models.

    If a member of the JSON is absent or null, the attribute is None. For a member without a value,
    the service usually sends ``""``, so the attribute is ``""``.

    Attributes:
        extra: members that have no field in the model, and members with the value null. The hash of
            a model ignores this attribute.
    """

    SPELLING: ClassVar[Spelling] = "camelCase"
    """Spelling of the member names in the JSON object."""
    NAMES: ClassVar[Mapping[str, str]] = {}
    """Mapping from a field to the name of its JSON member, for names that do not follow
    ``SPELLING``."""

    extra: Mapping[str, Json] = field(default_factory=dict, hash=False)

    @classmethod
    def from_json(cls, value: Json, place: str = "") -> Self:
        """Create a model from an object in a response.

        Args:
            value: parsed JSON.
            place: JSON pointer to the object (RFC 6901), for the location of errors.

        Raises:
            ClientError: ``not-imds``: a member has an unexpected type. ``location`` is its JSON
                pointer.
        """
        if not isinstance(value, dict):
            raise _wrong(dict, value, place)
        known = members(cls)
        given: dict[str, Any] = {}
        extra: dict[str, Json] = {}
        for name, item in value.items():
            member = known.get(name)
            if member is None or item is None:
                extra[name] = item
            else:
                given[member.field] = _read(item, member, f"{place}/{name}")
        return cls(**given, extra=extra)

    def to_json(self) -> dict[str, Json]:
        """Return the model as parsed JSON, equal to the JSON that it was created from."""
        written = {name: _written(getattr(self, member.field)) for name, member in members(type(self)).items()}
        return {**{name: item for name, item in written.items() if item is not None}, **self.extra}


class Member(NamedTuple):
    """One field of a model.

    Attributes:
        field: name of the field.
        kind: type of the member: ``str``, ``int``, ``bool`` or a model. For an array, it is the
            type of its elements.
        is_array: whether the member is an array.
    """

    field: str
    kind: type
    is_array: bool


def members(model: type[Model]) -> Mapping[str, Member]:
    """Return a mapping from the name of each JSON member to its field, in the order of the
    fields."""
    if model not in _MEMBERS:
        hints = typing.get_type_hints(model)
        _MEMBERS[model] = {
            model.NAMES.get(one.name) or _spelled(one.name, model.SPELLING): Member(one.name, *_kind(hints[one.name]))
            for one in fields(model)
            if one.name != "extra"
        }
    return _MEMBERS[model]


_MEMBERS: dict[type[Model], Mapping[str, Member]] = {}


def _kind(hint: Any) -> tuple[type, bool]:
    """Return the type T of an annotation ``T | None`` or ``tuple[T, ...] | None``, and whether the
    annotation is that of an array."""
    (only,) = (argument for argument in typing.get_args(hint) if argument is not types.NoneType)
    if typing.get_origin(only) is tuple:
        return typing.get_args(only)[0], True
    return only, False


def _spelled(name: str, spelling: Spelling) -> str:
    if spelling == "snake_case":
        return name
    words = name.split("_")
    first = words[0].capitalize() if spelling == "PascalCase" else words[0]
    return first + "".join(word.capitalize() for word in words[1:])


def _read(value: Json, member: Member, location: str) -> object:
    if not member.is_array:
        return _one(value, member.kind, location)
    if not isinstance(value, list):
        raise _wrong(tuple, value, location)
    return tuple(_one(item, member.kind, f"{location}/{index}") for index, item in enumerate(value))


def _one(value: Json, kind: type, location: str) -> object:
    if issubclass(kind, Model):
        return kind.from_json(value, location)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise _wrong(kind, value, location)
    return value


def _written(value: object) -> Json:
    if isinstance(value, Model):
        return value.to_json()
    return [_written(item) for item in value] if isinstance(value, tuple) else value


def _wrong(kind: type, value: Json, location: str) -> ClientError:
    """Return the error for a value that is not of type ``kind``.

    ``location`` needs no JSON pointer escapes (RFC 6901), because the service's member names
    contain neither ``~`` nor ``/``.
    """
    message = f"The response contains a value of type {type(value).__name__} where the service sends {_JSON_TYPES[kind]}."
    hint = "Another program may respond at this address, or the service has changed and imdskit needs an update."
    return ClientError(ClientCode.NOT_IMDS, message, location=location or "/", hint=hint)
