"""The published schema of scenarios and the loader agree. ``python3 tests/emulator/test_scenario_schema.py`` writes the schema.

:data:`ONLY_THE_LOADER`, :data:`ONLY_THE_SCHEMA` and ``docs/scenarios.md`` have the differences, because a schema cannot express every rule.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from imdskit import clouds
from imdskit.emulator.scenario import Scenario, scenario
from imdskit.emulator.service import profiles
from imdskit.emulator.service.profiles import PROFILES
from imdskit.emulator.service.rules import RULES
from imdskit.errors import ScenarioError
from imdskit.protocol.instance_shape import Member

FILE = Path(scenario.__file__).parent / scenario.SCHEMA_FILE

CLOUD_NAMES = [name for cloud in clouds.CLOUDS for name in (cloud.name, cloud.environment, cloud.domain, *cloud.aliases)]

HEAD: dict[str, Any] = {
    "$schema": {"type": "string", "description": "Address or path of this schema, for editors."},
    "description": {"type": "string", "description": "One sentence for people."},
    "cloud": {"anyOf": [{"$ref": "#/$defs/cloud"}, {"type": "null"}], "description": "Default: public."},
    "kind": {"enum": list(scenario.KINDS), "description": "Deployment model. A classic machine has no compute in its instance document."},
    "apiVersions": {
        "type": ["array", "null"],
        "items": {
            "type": "string",
            "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
            "maxLength": 10,
        },
        "minItems": 1,
        "uniqueItems": True,
        "description": "Enabled api-versions. Default: all known ones.",
    },
    "profile": {
        "enum": list(PROFILES),
        "description": "Name of the service profile, which selects one of the known behaviours of the service. Default: today.",
    },
    "rulesOff": {
        "type": "array",
        "items": {"enum": [rule.name for rule in RULES if rule.off]},
        "description": "Names of rules that are switched off. Each rule is a reason for which the service refuses a request.",
    },
    "template": {
        "type": "boolean",
        "description": "Whether strings contain placeholders such as {index}. Each machine of a fleet gets other values for them.",
    },
}

PARTS = {
    "compute": "This part of the instance document, in the shape of the newest api-version.",
    "network": "This part of the instance document, in the shape of the newest api-version.",
    "extended": "This part of the instance document. Only responses to requests with extended=true contain it.",
    "identity": "Managed identities. Without this member, the machine has none.",
    "loadbalancer": "Load balancer metadata. Without this member, the machine has no load balancer.",
}

NULLABLE_TEXT = {"$ref": "#/$defs/text"}


def node(member: Member, path: str) -> dict[str, Any]:
    """Return the schema of the member at a path."""
    if path == "compute.tags":
        return {"anyOf": [NULLABLE_TEXT, {"type": "object", "additionalProperties": {"type": "string"}}]}
    if member.kind == "leaf":
        if path == "extended.compute.hasCustomData":
            return {"type": ["boolean", "null"]}
        return {"$ref": "#/$defs/port"} if path.endswith("Port") else NULLABLE_TEXT
    if member.kind == "array":
        items = closed(member, path) if member.members else {"type": "string"}
        return {"type": ["array", "null"], "items": items}
    return closed(member, path, ["object", "null"])


def closed(member: Member, path: str, kind: str | list[str] = "object") -> dict[str, Any]:
    properties = {name: node(inner, f"{path}.{name}" if path else name) for name, inner in member.members.items()}
    return {"type": kind, "properties": properties, "additionalProperties": False}


def schema() -> dict[str, Any]:
    parts = {name: {"description": PARTS[name], **node(scenario.SHAPE.members[name], name)} for name in PARTS}
    environment = {"properties": {"compute": {"properties": {"azEnvironment": {"anyOf": [{"$ref": "#/$defs/cloud"}, {"type": "null"}]}}}}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A scenario of imdskit: a description of the machine that the emulator imitates",
        "description": "Responses omit a member that is null. Numbers and Boolean values are strings, as in the service, except ports and hasCustomData.",
        "type": "object",
        "properties": {**HEAD, **parts},
        "additionalProperties": False,
        "if": {"properties": {"cloud": {"type": "null"}}},
        "then": environment,
        "$defs": {
            "text": {"type": ["string", "null"]},
            "port": {"type": ["integer", "null"], "minimum": 0, "maximum": 65535},
            "cloud": {"enum": CLOUD_NAMES},
        },
    }


def written(value: Any, indent: str = "") -> str:
    """Return JSON in which each value that fits is on one line."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= 130 or not isinstance(value, dict):
        return line
    inner = indent + "  "
    members = ",\n".join(f"{inner}{json.dumps(name)}: {written(each, inner)}" for name, each in value.items())
    return f"{{\n{members}\n{indent}}}"


def render() -> str:
    return written(schema()) + "\n"


def accepts(value: Any) -> bool:
    return bool(Draft202012Validator(schema()).is_valid(value))


def loads(value: Any) -> bool:
    """Return whether an emulator can be created from a scenario. Creating it also checks the service profile and the rules."""
    try:
        profiles.of(Scenario.of(value))
    except ScenarioError:
        return False
    return True


def test_the_file_equals_the_generated_schema() -> None:
    assert FILE.read_text(encoding="utf-8") == render()
    assert Scenario.schema().decode() == render()


def test_the_schema_is_valid_for_its_draft() -> None:
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("name", Scenario.names())
def test_built_in_scenarios_match_the_schema(name: str) -> None:
    Draft202012Validator(schema()).validate(json.loads((FILE.parent / "builtin" / f"{name}.json").read_text(encoding="utf-8")))


def paths_in(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Return the paths to all values inside ``value``."""
    yield path
    for step, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from paths_in(inner, (*path, step))


def full(member: Member, path: str = "") -> Any:
    """Return a scenario with every member that a scenario can have."""
    if path == "extended.compute.hasCustomData":
        return True
    if member.kind == "leaf":
        return 80 if path.endswith("Port") else "AzurePublicCloud" if path == "compute.azEnvironment" else "text"
    if member.kind == "array" and not member.members:
        return ["text"]
    inner = {name: full(each, f"{path}.{name}" if path else name) for name, each in member.members.items()}
    return [inner] if member.kind == "array" else inner


FULL = {
    "$schema": "schema.json",
    "description": "Everything.",
    "cloud": None,
    "kind": "classic",
    "apiVersions": ["2021-02-01", "2025-04-07"],
    "template": False,
    "profile": "2021",
    "rulesOff": ["leaf"],
    **full(scenario.SHAPE),
}

REPLACEMENTS: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    65536,
    1.5,
    "",
    "public",
    "AzureChinaCloud",
    "2021-02-01",
    [],
    [{}],
    ["text"],
    [None],
    {},
    {"x": "y"},
    {"x": 1},
)


def changed(value: Any, path: tuple[str | int, ...], change: Callable[[Any, Any], None]) -> Any:
    whole = {"whole": copy.deepcopy(value)}
    holder: Any = whole
    for step in ("whole", *path)[:-1]:
        holder = holder[step]
    change(holder, ("whole", *path)[-1])
    return whole["whole"]


def replaced(new: Any) -> Callable[[Any, Any], None]:
    def change(holder: Any, step: Any) -> None:
        holder[step] = copy.deepcopy(
            new
        )  # This raises TypeError if the holder is not a container. `__setitem__` would raise AttributeError.

    return change


def test_both_accept_a_scenario_with_all_members() -> None:
    assert loads(FULL)
    assert accepts(FULL)


@pytest.mark.parametrize("new", REPLACEMENTS, ids=repr)
def test_schema_and_loader_agree_when_any_single_value_is_replaced(new: Any) -> None:
    validator = Draft202012Validator(schema())
    apart = []
    for path in paths_in(FULL):
        value = changed(FULL, path, replaced(new))
        if bool(validator.is_valid(value)) != loads(value):
            apart.append(path)
    assert not apart


def test_schema_and_loader_agree_on_unknown_and_missing_members() -> None:
    validator = Draft202012Validator(schema())
    for path in paths_in(FULL):
        for change in (lambda holder, step: holder.__delitem__(step), _renamed):
            if not path:
                continue
            value = changed(FULL, path, change)
            assert bool(validator.is_valid(value)) == loads(value), path


def _renamed(holder: Any, step: Any) -> None:
    if isinstance(holder, dict):
        holder[f"{step}x"] = holder.pop(step)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 70_000)
    | st.text("ab:{}~/\u00e9\u2603", max_size=4)
    | st.sampled_from(["public", "2021-02-01", "usgov"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "tags", "x", ""]), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=150)
@example(("compute",), "text", ("compute", "name"), None)
@example(("compute", "storageProfile", "dataDisks"), [0], ("compute", "storageProfile", "dataDisks", 0, "managedDisk"), None)
@given(st.sampled_from([path for path in paths_in(FULL) if path]), JSON, st.sampled_from([path for path in paths_in(FULL) if path]), JSON)
def test_schema_and_loader_agree_on_random_changes(
    first: tuple[str | int, ...], one: Any, second: tuple[str | int, ...], other: Any
) -> None:
    value = changed(FULL, first, replaced(one))
    with suppress(KeyError, IndexError, TypeError):  # The first change may have removed the second value.
        value = changed(value, second, replaced(other))
    if not value.get("template"):  # Only the loader checks placeholders.
        assert accepts(value) == loads(value)


ONLY_THE_LOADER: dict[str, Any] = {
    "an unknown placeholder": {"template": True, "compute": {"name": "vm-{number}"}},
    "a network without addresses for a machine": {"template": True, "compute": {"name": "{ip:10.0.0.0/30}"}},
    "half a surrogate pair": {"compute": {"name": "\ud800"}},
    "a port written as a fraction": {"loadbalancer": {"inboundRules": [{"frontendPort": 80.0}]}},
}
"""Scenarios that only the loader rejects."""

ONLY_THE_SCHEMA: dict[str, Any] = {
    "a cloud in another letter case": {"cloud": "PUBLIC"},
    "an environment in another letter case": {"compute": {"azEnvironment": "AZUREPUBLICCLOUD"}},
}
"""Scenarios that only the schema rejects."""


@pytest.mark.parametrize("value", ONLY_THE_LOADER.values(), ids=ONLY_THE_LOADER)
def test_the_loader_rejects_mistakes_that_the_schema_cannot_express(value: Any) -> None:
    assert accepts(value)
    assert not loads(value)


@pytest.mark.parametrize("value", ONLY_THE_SCHEMA.values(), ids=ONLY_THE_SCHEMA)
def test_the_schema_is_stricter_about_cloud_names(value: Any) -> None:
    assert not accepts(value)
    assert loads(value)


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
