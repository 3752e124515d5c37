"""Scenarios: descriptions of machines in a JSON format, validated when they are loaded.

A scenario gives only the values that differ from the defaults. Its shape is that of the newest
instance document, so a recorded instance document is a scenario, too. ``docs/scenarios.md``
describes the format for people, and ``schema.json`` describes it for programs. Tests keep the page
and the schema consistent with this module. :mod:`imdskit.emulator.machine.expansion` adds the
defaults.
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
"""Maximum size of a scenario file in bytes."""

MAX_DEPTH = 24
"""Maximum nesting depth of a member that this version of imdskit does not know.

The backends refuse an instance document with more than 32 levels.
"""

KINDS = ("resource-manager", "classic")
"""Deployment models of a machine."""

_NAME_SERVERS = "network.interface[].ipv4.subnet[].dnsservers[] network.interface[].ipv4.subnet[].dnsservers[].ipaddress"
_IDENTITY = """
    identity.tenantId identity.tenantName identity.unknownResources[] identity.systemAssigned.clientId identity.systemAssigned.objectId
    identity.systemAssigned.resourceId identity.systemAssigned.tenantId identity.userAssigned[].clientId identity.userAssigned[].name
    identity.userAssigned[].objectId identity.userAssigned[].resourceId identity.userAssigned[].tenantId
"""
_PAIR = ("frontendIpAddress", "privateIpAddress")
_RULE = ("frontendIpAddress", "protocol", "frontendPort", "backendPort", "privateIpAddress")
LOAD_BALANCER = {"publicIpAddresses": _PAIR, "inboundRules": _RULE, "outboundRules": _PAIR}
"""Lists in the load balancer metadata, each with the members of its elements. Lists and members are
in the order of the service's responses."""
SHAPE = tree(
    {
        **versions.INSTANCE,
        **versions.OPTIONAL,
        **versions.NEWER,
        **versions.EXTENDED,
        **dict.fromkeys(_NAME_SERVERS.split(), versions.PREVIEW),
        **dict.fromkeys(_IDENTITY.split(), versions.ENDPOINTS["identity"]),
        **{
            f"loadbalancer.{name}[].{member}": versions.ENDPOINTS["loadbalancer"]
            for name in LOAD_BALANCER
            for member in LOAD_BALANCER[name]
        },
    }
)
"""Every known member that a scenario can have."""

FORMAT = Format("The scenario", partial(ScenarioError, "bad-scenario"), "docs/scenarios.md describes the format.", MAX_BYTES)
_TEXT = 'Write numbers and Boolean values as strings: "30", "true".'

_BOOLEANS = {"/extended/compute/hasCustomData"}
_PORT = re.compile(r"/loadbalancer/inboundRules/[0-9]+/(?:frontendPort|backendPort)")
HEAD = ("$schema", "description", "cloud", "kind", "apiVersions", "profile", "rulesOff", "template")
"""Members that describe the scenario as a whole. All other members describe responses."""
_FIXED_PARTS = ("identity", "loadbalancer")
"""Members that cannot contain unknown members. imdskit itself defines ``identity``, and
``loadbalancer`` has the same shape in every api-version."""
SCHEMA_FILE = "schema.json"
_VERSION = re.compile(r"20\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A validated scenario.

    Attributes:
        name: name of the built-in scenario, or of the file without its extension.
        description: one sentence for people.
        cloud: the cloud that the machine is in.
        classic: whether the classic deployment model created the machine. Its instance document has
            no ``compute``.
        api_versions: enabled api-versions in ascending order. ``/metadata/versions`` shows
            all of them, and ``newest-versions`` in errors shows the newest ones.
        given: the members of the scenario that describe responses, such as ``compute``,
            ``network``, ``extended``, ``identity`` and ``loadbalancer``. Responses omit a member
            that is None. Placeholders of a template are filled in.
        template: the same members with their placeholders, or None if the scenario is not a
            template.
        profile: name of the service profile, which selects one of the known behaviours of the
            service. The constructor of the emulator checks the name.
        rules_off: names of rules that are switched off. The constructor of the emulator checks the
            names.
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
        """Return the JSON Schema (draft 2020-12) of the format. Editors can validate scenarios and
        complete names with it.

        ``docs/scenarios.md`` lists the rules that the schema cannot express.
        """
        return (resources.files("imdskit.emulator.scenario") / SCHEMA_FILE).read_bytes()

    @staticmethod
    def names() -> tuple[str, ...]:
        """Return the names of the built-in scenarios."""
        folder = resources.files("imdskit.emulator.scenario") / "builtin"
        return tuple(sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json")))

    @classmethod
    def load(cls, name_or_path: str | Path) -> Scenario:
        """Return a built-in scenario, or load one from a file.

        Args:
            name_or_path: a string without a path separator and without the extension ``.json`` is
                the name of a built-in scenario. Any other value is a path.

        Raises:
            ScenarioError: the scenario does not exist, the file cannot be read, or its content is
                invalid.
        """
        text = str(name_or_path)
        if isinstance(name_or_path, str) and not text.endswith(".json") and "/" not in text and "\\" not in text:
            if text not in cls.names():
                known = ", ".join(cls.names())
                raise FORMAT.wrong(
                    f"`scenario` must be a built-in name or the path of a file; got {text!r}.",
                    hint=f"Built-in scenarios: {known}. The path of a file ends in .json or contains a slash.",
                )
            data = (resources.files("imdskit.emulator.scenario") / "builtin" / f"{text}.json").read_bytes()
            return cls.parse(data, text)
        return cls._read(FORMAT.read(text), Path(text).stem)

    @classmethod
    def parse(cls, data: bytes, name: str = "scenario") -> Scenario:
        """Return a scenario from JSON.

        Raises:
            ScenarioError: the JSON is not a valid scenario. The location is a JSON pointer (RFC
                6901) to the mistake.
        """
        return cls._read(FORMAT.parse(data), name)

    @classmethod
    def of(cls, value: object, name: str = "scenario") -> Scenario:
        """Return a scenario from parsed JSON. Raise ScenarioError like :meth:`parse`."""
        return cls._read(FORMAT.of(value), name)

    @classmethod
    def _read(cls, source: Input, name: str) -> Scenario:
        members = source.members(expected="a JSON object")
        texts = {name: members[name].text() for name in ("$schema", "description", "profile") if name in members}
        rules_off = tuple(each.value for each in members["rulesOff"].elements()) if "rulesOff" in members else ()
        if not all(isinstance(rule, str) for rule in rules_off):
            members["rulesOff"].must_be("a list of rule names")
        is_template = "template" in members and members["template"].boolean()
        kind = members["kind"].one_of(KINDS, "a deployment model") if "kind" in members else KINDS[0]
        api_versions = _versions(members.get("apiVersions"))
        newer = newest_members(api_versions) is not None
        members = {**members, **source.members(None if newer else (*HEAD, *SHAPE.members))}
        for part, member in members.items():
            if part not in HEAD:
                _check(member, SHAPE.members.get(part), newer and part not in _FIXED_PARTS)
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
        """First api-version that shows unknown members, or None. See :func:`newest_members`."""
        return newest_members(self.api_versions)

    def machine(self, index: int) -> Scenario:
        """Return the scenario of machine ``index``.

        A scenario that is not a template is the same for every machine. In an emulator with one
        machine, the machine has the number 0.

        Raises:
            ScenarioError: a network in a placeholder has too few addresses.
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
    """Return whether a string has the form of an api-version, YYYY-MM-DD."""
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
    """Return the first of a machine's api-versions that shows unknown members, or None.

    An unknown member is one that :mod:`imdskit.versions` does not list. Responses show it from the
    returned api-version on (*inferred*). The result is the oldest of the machine's api-versions
    that is newer than all in :data:`imdskit.versions.API_VERSIONS`, because an unknown member is
    most likely new. If there is no newer one, the result is the machine's oldest api-version that
    is not in this tuple, or None if the tuple contains all of them.
    """
    unknown = [version for version in api_versions if version not in versions.API_VERSIONS]
    return min((version for version in unknown if version > versions.API_VERSIONS[-1]), default=min(unknown, default=None))


def _needed(given: Any, node: Member) -> set[str]:
    """Return the api-versions that introduced a member of ``given``, and that are newer than all in
    :data:`imdskit.versions.API_VERSIONS`."""
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
    """Raise ScenarioError if an unknown member is nested too deeply or contains invalid Unicode.

    Any other JSON is accepted.
    """
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
    """Raise ScenarioError unless ``given`` fits ``node``.

    The value None always fits, and omits the member from every response.

    Args:
        given: the value.
        node: the value's node in :data:`SHAPE`. None means that the member is unknown.
        newer: whether the value can have unknown members.
    """
    location = given.location
    if given.value is None:
        return
    if node is None:
        _check_unknown(given)
        return
    if location == "/compute/tags" and isinstance(given.value, dict):
        for name, tag in given.members().items():
            Input(name, tag.location, FORMAT).text()
            tag.text(hint=_TEXT)
    elif node.kind == "leaf" and location in _BOOLEANS:
        given.boolean()
    elif node.kind == "leaf" and _PORT.fullmatch(location):
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
