"""Scenarios: what machine the emulator plays, in one JSON format, checked when it is loaded.

A scenario gives only what differs from the defaults, in the shape of the newest instance document; so a recorded document is a scenario.
The format is in ``docs/scenarios.md``, and for other programs in ``schema.json``; tests hold both and this module together.
What is left out is filled in by :mod:`imdskit.emulator.machine`.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from imdskit import clouds, versions
from imdskit.emulator.scenario import template
from imdskit.errors import ScenarioError, UsageError
from imdskit.protocol.shape import Member, Object, tree

MAX_BYTES = 1024 * 1024
"""The largest scenario that is read."""

KINDS = ("resource-manager", "classic")

_PREVIEW_ONLY = {"network.interface[].ipv4.subnet[].dnsservers[].ipaddress": versions.PREVIEW}
_ARRAY_OF_PREVIEW = {"network.interface[].ipv4.subnet[].dnsservers[]": versions.PREVIEW}
_IDENTITY = """
    identity.tenantId identity.tenantName identity.unknownResources[] identity.systemAssigned.clientId identity.systemAssigned.objectId
    identity.systemAssigned.resourceId identity.systemAssigned.tenantId identity.userAssigned[].clientId identity.userAssigned[].name
    identity.userAssigned[].objectId identity.userAssigned[].resourceId identity.userAssigned[].tenantId
"""
_LOAD_BALANCER = """
    loadbalancer.publicIpAddresses[].frontendIpAddress loadbalancer.publicIpAddresses[].privateIpAddress
    loadbalancer.inboundRules[].frontendIpAddress loadbalancer.inboundRules[].protocol loadbalancer.inboundRules[].frontendPort
    loadbalancer.inboundRules[].backendPort loadbalancer.inboundRules[].privateIpAddress
    loadbalancer.outboundRules[].frontendIpAddress loadbalancer.outboundRules[].privateIpAddress
"""
SHAPE = tree(
    {
        **versions.INSTANCE,
        **versions.OPTIONAL,
        **versions.EXTENDED,
        **_ARRAY_OF_PREVIEW,
        **_PREVIEW_ONLY,
        **dict.fromkeys(_IDENTITY.split(), versions.ENDPOINTS["identity"]),
        **dict.fromkeys(_LOAD_BALANCER.split(), versions.ENDPOINTS["loadbalancer"]),
    }
)
"""Every member that a scenario may give."""

_BOOLEANS = {"/extended/compute/hasCustomData"}
_PORT = re.compile(r"/loadbalancer/inboundRules/[0-9]+/(?:frontendPort|backendPort)")
HEAD = ("$schema", "description", "cloud", "kind", "apiVersions", "profile", "rulesOff", "template")
"""The members that are no part of an answer."""
SCHEMA_FILE = "schema.json"
_VERSION = re.compile(r"20\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A checked scenario.

    Attributes:
        name: of the built-in scenario, or of the file without its ending.
        description: one sentence for people.
        cloud: that the machine is in.
        classic: made by the classic deployment model: there is no ``compute``, and no more than that is known of the machine.
        api_versions: enabled ones, ascending. One list drives ``/metadata/versions`` and the ``newest-versions`` of errors.
        given: the parts ``compute``, ``network``, ``extended``, ``identity`` and ``loadbalancer``, as far as they are given. A member that
            is None is left out of answers.
        template: the same parts before their texts were filled in, or None if they are to be taken as they are.
        profile: which of the service's known moods it shows; checked when an emulator is made of the scenario.
        rules_off: names of rules that are switched off; checked likewise.
    """

    name: str
    description: str = ""
    cloud: clouds.Cloud = clouds.PUBLIC
    classic: bool = False
    api_versions: tuple[str, ...] = versions.API_VERSIONS
    given: Mapping[str, Any] = field(default_factory=dict)
    template: Mapping[str, Any] | None = None
    profile: str = "today"
    rules_off: tuple[str, ...] = ()

    @staticmethod
    def schema() -> bytes:
        """The JSON Schema (draft 2020-12) of the format, to check and complete scenarios in an editor. What it cannot say is in the page."""
        return (resources.files("imdskit.emulator.scenario") / SCHEMA_FILE).read_bytes()

    @staticmethod
    def names() -> tuple[str, ...]:
        """The built-in scenarios."""
        folder = resources.files("imdskit.emulator.scenario") / "builtin"
        return tuple(sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json")))

    @classmethod
    def load(cls, name_or_path: str | Path) -> Scenario:
        """A built-in scenario by its name, or one from a file.

        A text without a path separator and without the ending ``.json`` is a name.

        Raises:
            ScenarioError: there is no such scenario, the file cannot be read, or what it says is wrong.
        """
        text = str(name_or_path)
        if isinstance(name_or_path, str) and not text.endswith(".json") and "/" not in text and "\\" not in text:
            if text not in cls.names():
                known = ", ".join(cls.names())
                raise _wrong(f"There is no scenario called {text!r}.", hint=f"Known: {known}; or give a path to a file.")
            data = (resources.files("imdskit.emulator.scenario") / "builtin" / f"{text}.json").read_bytes()
            return cls.parse(data, text)
        try:
            with open(text, "rb") as file:
                data = file.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            raise _wrong(f"The scenario {text} cannot be read: {error}.") from None
        return cls.parse(data, Path(text).stem)

    @classmethod
    def parse(cls, data: bytes, name: str = "scenario") -> Scenario:
        """A scenario from JSON.

        Raises:
            ScenarioError: with the place of the mistake as a JSON pointer (RFC 6901).
        """
        if len(data) > MAX_BYTES:
            raise _wrong(f"The scenario is larger than {MAX_BYTES} bytes.")
        try:
            value = json.loads(data, object_pairs_hook=_object_without_repeats)
        except (ValueError, RecursionError) as error:
            raise _wrong(f"The scenario is not JSON: {error}.") from None
        return cls.of(value, name)

    @classmethod
    def of(cls, value: object, name: str = "scenario") -> Scenario:
        """A scenario from parsed JSON. Raises ScenarioError like :meth:`parse`."""
        if not isinstance(value, dict):
            raise _wrong("A scenario is a JSON object.")
        for member in value:
            if member not in (*HEAD, *SHAPE.members):
                raise _unknown(member, (*HEAD, *SHAPE.members), "")
        for member in ("$schema", "description", "profile"):
            if not isinstance(value.get(member, ""), str):
                raise _wrong("This is text.", f"/{member}")
        rules_off = value.get("rulesOff", [])
        if not isinstance(rules_off, list) or not all(isinstance(rule, str) for rule in rules_off):
            raise _wrong("This is a list of names of rules.", "/rulesOff")
        if not isinstance(value.get("template", False), bool):
            raise _wrong("This is true or false.", "/template")
        kind = value.get("kind", KINDS[0])
        if kind not in KINDS:
            raise _wrong("There is no such kind of machine.", "/kind", "Known: " + ", ".join(KINDS) + ".")
        given = {part: value[part] for part in SHAPE.members if part in value}
        for part, content in given.items():
            _check(content, SHAPE.members[part], f"/{part}")
        raw = given if value.get("template", False) else None
        given = given if raw is None else template.fill(raw, 0)
        cloud, api_versions = _cloud(value.get("cloud"), given), _versions(value.get("apiVersions"))
        mood = value.get("profile", "today"), tuple(rules_off)
        return cls(name, value.get("description", ""), cloud, kind == "classic", api_versions, given, raw, *mood)

    def machine(self, index: int) -> Scenario:
        """This scenario for machine ``index`` of many; the same for all if it is no template. A template by itself is its machine 0.

        Raises:
            ScenarioError: a network in it has too few addresses.
        """
        return self if self.template is None else replace(self, given=template.fill(self.template, index))


def _cloud(name: object, given: Mapping[str, Any]) -> clouds.Cloud:
    environment = (given.get("compute") or {}).get("azEnvironment")
    place = "/cloud" if name is not None else "/compute/azEnvironment"
    chosen = environment if name is None else name
    if chosen is None:
        return clouds.PUBLIC
    try:
        return clouds.find(chosen) if isinstance(chosen, str) else clouds.find(repr(chosen))
    except UsageError as error:
        raise _wrong(error.message, place, error.hint) from None


def _versions(value: object) -> tuple[str, ...]:
    if value is None:
        return versions.API_VERSIONS
    if not isinstance(value, list) or not value:
        raise _wrong("apiVersions is a list of at least one version.", "/apiVersions")
    for index, version in enumerate(value):
        if not isinstance(version, str) or not _VERSION.fullmatch(version):
            raise _wrong("An api-version is written YYYY-MM-DD.", f"/apiVersions/{index}")
    if len(set(value)) != len(value):
        raise _wrong("An api-version stands there twice.", "/apiVersions")
    return tuple(sorted(value))


def _check(value: object, node: Member, place: str) -> None:
    """Whether ``value`` fits ``node``; None fits everywhere and leaves the member out of every answer."""
    if value is None:
        return
    if place == "/compute/tags" and isinstance(value, dict):
        for tag, text in value.items():
            _check_text(tag, f"{place}/{_escaped(tag)}")
            _check_text(text, f"{place}/{_escaped(tag)}")
    elif node.kind == "leaf":
        if place in _BOOLEANS:
            if not isinstance(value, bool):
                raise _wrong("This one member is true or false.", place)
        elif _PORT.fullmatch(place):
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 65535:
                raise _wrong("A port is a number from 0 to 65535.", place)
        else:
            _check_text(value, place)
    elif node.kind == "array":
        if not isinstance(value, list):
            raise _wrong("This is an array.", place)
        check = _check_object if node.members else _check_element
        for index, element in enumerate(value):
            check(element, node, f"{place}/{index}")
    else:
        _check_object(value, node, place)


def _check_object(value: object, node: Member, place: str) -> None:
    if not isinstance(value, dict):
        raise _wrong("This is an object.", place)
    for name, content in value.items():
        if name not in node.members:
            raise _unknown(name, tuple(node.members), place)
        _check(content, node.members[name], f"{place}/{_escaped(name)}")


def _check_element(value: object, _: Member, place: str) -> None:
    _check_text(value, place)


def _check_text(value: object, place: str) -> None:
    if not isinstance(value, str):
        raise _wrong('Every value is text; numbers and truth values too: "30", "true".', place)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _wrong("The text is not valid Unicode.", place) from None


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> Object:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError("the member " + repr(next(name for name in names if names.count(name) > 1)) + " stands there twice")
    return value


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _unknown(name: str, known: tuple[str, ...], place: str) -> ScenarioError:
    close = difflib.get_close_matches(name, known, 1, 0.6) or [one for one in known if one.lower() == name.lower()]
    hint = f"Did you mean {close[0]}?" if close else "Known: " + ", ".join(known) + "."
    return _wrong(f"There is no member {name!r} here.", f"{place}/{_escaped(name)}", hint)


def _wrong(message: str, location: str = "", hint: str = "") -> ScenarioError:
    return ScenarioError("bad-scenario", message, location=location, hint=hint or "The format is in docs/scenarios.md.")
