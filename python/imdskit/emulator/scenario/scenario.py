"""Scenarios: descriptions of a machine in one JSON format, validated when they are loaded.

A scenario gives only what differs from the defaults, in the shape of the newest instance document, so that a recorded document is a scenario.
``docs/scenarios.md`` describes the format for people, ``schema.json`` for other programs; tests keep both consistent with this module.
:mod:`imdskit.emulator.machine.expansion` fills in the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from imdskit import clouds, versions
from imdskit.emulator.json_input import Format, Input
from imdskit.emulator.scenario import template
from imdskit.errors import ScenarioError, UsageError
from imdskit.protocol.instance_shape import Member, tree

MAX_BYTES = 1024 * 1024
"""The largest scenario that is read."""

MAX_DEPTH = 24
"""Most levels of a member that no table has. A whole document has at most 32."""

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
        **versions.NEWER,
        **versions.EXTENDED,
        **_ARRAY_OF_PREVIEW,
        **_PREVIEW_ONLY,
        **dict.fromkeys(_IDENTITY.split(), versions.ENDPOINTS["identity"]),
        **dict.fromkeys(_LOAD_BALANCER.split(), versions.ENDPOINTS["loadbalancer"]),
    }
)
"""Every member that a scenario may give."""

FORMAT = Format("The scenario", partial(ScenarioError, "bad-scenario"), "The format is in docs/scenarios.md.", MAX_BYTES)
_TEXT = 'Write numbers and truth values as text, too: "30", "true".'

_BOOLEANS = {"/extended/compute/hasCustomData"}
_PORT = re.compile(r"/loadbalancer/inboundRules/[0-9]+/(?:frontendPort|backendPort)")
HEAD = ("$schema", "description", "cloud", "kind", "apiVersions", "profile", "rulesOff", "template")
"""The members that are not part of a response."""
_OURS = ("identity", "loadbalancer")
"""Parts whose members are all known: the one is no response of the service, the other has the same shape at every api-version."""
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
            is None is left out of responses.
        template: the same parts before their texts were filled in, or None if they are to be taken as they are.
        profile: which known behaviour of the service it shows; checked when an emulator is made of the scenario.
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
                raise FORMAT.wrong(
                    f"`scenario` must be a built-in name or the path of a file; got {text!r}.",
                    hint=f"Known: {known}; or give a path to a file.",
                )
            data = (resources.files("imdskit.emulator.scenario") / "builtin" / f"{text}.json").read_bytes()
            return cls.parse(data, text)
        return cls._read(FORMAT.read(text), Path(text).stem)

    @classmethod
    def parse(cls, data: bytes, name: str = "scenario") -> Scenario:
        """A scenario from JSON.

        Raises:
            ScenarioError: with the place of the mistake as a JSON pointer (RFC 6901).
        """
        return cls._read(FORMAT.parse(data), name)

    @classmethod
    def of(cls, value: object, name: str = "scenario") -> Scenario:
        """Return a scenario from parsed JSON. Raises ScenarioError like :meth:`parse`."""
        return cls._read(FORMAT.of(value), name)

    @classmethod
    def _read(cls, source: Input, name: str) -> Scenario:
        members = source.members(expected="a JSON object")
        texts = {name: members[name].text() for name in ("$schema", "description", "profile") if name in members}
        rules_off = tuple(each.value for each in members["rulesOff"].elements()) if "rulesOff" in members else ()
        if not all(isinstance(rule, str) for rule in rules_off):
            members["rulesOff"].must_be("a list of names of rules")
        is_template = "template" in members and members["template"].boolean()
        kind = members["kind"].one_of(KINDS, "a kind of machine") if "kind" in members else KINDS[0]
        api_versions = _versions(members.get("apiVersions"))
        newer = newest_members(api_versions) is not None
        members = {**members, **source.members(None if newer else (*HEAD, *SHAPE.members))}
        for part, member in members.items():
            if part not in HEAD:
                _check(member, SHAPE.members.get(part), newer and part not in _OURS)
        given = {part: member.value for part, member in members.items() if part not in HEAD}
        if "apiVersions" not in members or members["apiVersions"].value is None:
            api_versions = tuple(sorted({*api_versions, *_needed(given, SHAPE)}))
        raw = given if is_template else None
        given = given if raw is None else template.fill(raw, 0)
        return cls(
            name,
            texts.get("description", ""),
            _cloud(members.get("cloud"), given),
            kind == "classic",
            api_versions,
            given,
            raw,
            texts.get("profile", "today"),
            rules_off,
        )

    @property
    def newer(self) -> str | None:
        """First api-version that shows members which no table has, or None."""
        return newest_members(self.api_versions)

    def machine(self, index: int) -> Scenario:
        """This scenario for machine ``index`` of many; the same for all if it is no template. A template by itself is its machine 0.

        Raises:
            ScenarioError: a network in it has too few addresses.
        """
        return self if self.template is None else replace(self, given=template.fill(self.template, index))


def _cloud(chosen: Input | None, given: Mapping[str, Any]) -> clouds.Cloud:
    if chosen is None or chosen.value is None:
        chosen = Input((given.get("compute") or {}).get("azEnvironment"), "/compute/azEnvironment", FORMAT)
    if chosen.value is None:
        return clouds.PUBLIC
    try:
        return clouds.find(chosen.value) if isinstance(chosen.value, str) else clouds.find(repr(chosen.value))
    except UsageError as error:
        chosen.fail(error.message, error.hint)


def is_version(text: str) -> bool:
    """Return whether a text is written as an api-version: YYYY-MM-DD."""
    return _VERSION.fullmatch(text) is not None


def _versions(given: Input | None) -> tuple[str, ...]:
    if given is None or given.value is None:
        return versions.API_VERSIONS
    elements = given.elements()
    if not elements:
        given.must_be("a list of at least one version")
    for each in elements:
        if not isinstance(each.value, str) or not is_version(each.value):
            each.must_be("an api-version, written YYYY-MM-DD")
    if len(set(given.value)) != len(elements):
        given.fail("An api-version occurs twice.")
    return tuple(sorted(given.value))


def newest_members(api_versions: tuple[str, ...]) -> str | None:
    """Return the first of a machine's api-versions that no table describes, or None.

    Members that no table has are shown from that version on (*inferred*). Versions after all that are known come first, because such members are
    most likely new.
    """
    unknown = [version for version in api_versions if version not in versions.API_VERSIONS]
    return min((version for version in unknown if version > versions.API_VERSIONS[-1]), default=min(unknown, default=None))


def _needed(given: Any, node: Member) -> set[str]:
    """Return the api-versions after all that are known whose members a scenario gives."""
    if isinstance(given, list):
        return {version for element in given for version in _needed(element, node)}
    if not isinstance(given, dict):
        return set()
    found: set[str] = set()
    for name, value in given.items():
        if (member := node.members.get(name)) is not None and value is not None:
            found |= _needed(value, member) | ({member.since} if not member.members and member.since > versions.API_VERSIONS[-1] else set())
    return found


def _check_unknown(given: Input, depth: int = 0) -> None:
    """Raise ScenarioError if a member that no table has is nested too deeply or has text that is not Unicode. Any other JSON may stand there."""
    if depth > MAX_DEPTH:
        given.fail("The member is nested too deeply.")
    if isinstance(given.value, dict):
        for name, member in given.members().items():
            Input(name, member.location, FORMAT).text()
            _check_unknown(member, depth + 1)
    elif isinstance(given.value, list):
        for element in given.elements():
            _check_unknown(element, depth + 1)
    elif isinstance(given.value, str):
        given.text()


def _check(given: Input, node: Member | None, newer: bool) -> None:
    """Raise ScenarioError unless ``given`` fits ``node``. None fits everywhere, and leaves the member out of every response.

    Args:
        given: the value.
        node: its place in :data:`SHAPE`; None: no table has it.
        newer: whether it may have members that no table has.
    """
    place = given.location
    if given.value is None:
        return
    if node is None:
        _check_unknown(given)
        return
    if place == "/compute/tags" and isinstance(given.value, dict):
        for name, tag in given.members().items():
            Input(name, tag.location, FORMAT).text()
            tag.text(hint=_TEXT)
    elif node.kind == "leaf" and place in _BOOLEANS:
        given.boolean()
    elif node.kind == "leaf" and _PORT.fullmatch(place):
        given.integer(0, 65535)
    elif node.kind == "leaf":
        given.text(hint=_TEXT)
    elif node.kind == "array":
        for element in given.elements():
            if node.members:
                _check_members(element, node, newer)
            else:
                element.text(hint=_TEXT)
    else:
        _check_members(given, node, newer)


def _check_members(given: Input, node: Member, newer: bool) -> None:
    for name, member in given.members(None if newer else node.members.keys()).items():
        _check(member, node.members.get(name), newer)
