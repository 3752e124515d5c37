"""The published schema of scenarios and the loader say the same. ``python3 tests/emulator/test_scenario_schema.py`` writes the schema.

What a schema cannot say is in :data:`ONLY_THE_LOADER` and :data:`ONLY_THE_SCHEMA`, and in ``docs/scenarios.md``.
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
    "kind": {"enum": list(scenario.KINDS), "description": "Deployment model. Responses for a classic machine have no compute."},
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
        "description": "Service profile: which known behaviour of the service the emulator has. Default: today.",
    },
    "rulesOff": {
        "type": "array",
        "items": {"enum": [rule.name for rule in RULES if rule.off]},
        "description": "Names of disabled rules.",
    },
    "template": {
        "type": "boolean",
        "description": "Whether strings have placeholders such as {index}, which are filled in for each machine of a fleet.",
    },
}

PARTS = {
    "compute": "Part of the instance document in its newest shape.",
    "network": "Part of the instance document in its newest shape.",
    "extended": "Part of the instance document that only requests with extended=true get.",
    "identity": "Managed identities. Without this member, the machine has none.",
    "loadbalancer": "Load balancer metadata. Without this member, the machine has no load balancer.",
}

NULLABLE_TEXT = {"$ref": "#/$defs/text"}


def node(member: Member, place: str) -> dict[str, Any]:
    """The schema of one place."""
    if place == "compute.tags":
        return {"anyOf": [NULLABLE_TEXT, {"type": "object", "additionalProperties": {"type": "string"}}]}
    if member.kind == "leaf":
        if place == "extended.compute.hasCustomData":
            return {"type": ["boolean", "null"]}
        return {"$ref": "#/$defs/port"} if place.endswith("Port") else NULLABLE_TEXT
    if member.kind == "array":
        items = closed(member, place) if member.members else {"type": "string"}
        return {"type": ["array", "null"], "items": items}
    return closed(member, place, ["object", "null"])


def closed(member: Member, place: str, kind: str | list[str] = "object") -> dict[str, Any]:
    properties = {name: node(inner, f"{place}.{name}" if place else name) for name, inner in member.members.items()}
    return {"type": kind, "properties": properties, "additionalProperties": False}


def schema() -> dict[str, Any]:
    parts = {name: {"description": PARTS[name], **node(scenario.SHAPE.members[name], name)} for name in PARTS}
    environment = {"properties": {"compute": {"properties": {"azEnvironment": {"anyOf": [{"$ref": "#/$defs/cloud"}, {"type": "null"}]}}}}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A scenario of imdskit: the machine that its emulator emulates",
        "description": "A member that is null is omitted from every response. Numbers and Boolean values are strings, as in the service.",
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
    """JSON in which whatever fits stands on one line."""
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
    """Whether an emulator can be made of it; profile and rules are checked then."""
    try:
        profiles.of(Scenario.of(value))
    except ScenarioError:
        return False
    return True


def test_the_file_is_what_the_members_and_versions_say() -> None:
    assert FILE.read_text(encoding="utf-8") == render()
    assert Scenario.schema().decode() == render()


def test_the_schema_is_one_of_its_draft() -> None:
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("name", Scenario.names())
def test_a_built_in_scenario_fits_the_schema(name: str) -> None:
    Draft202012Validator(schema()).validate(json.loads((FILE.parent / "builtin" / f"{name}.json").read_text(encoding="utf-8")))


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Paths to every value in ``value``."""
    yield path
    for step, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, step))


def full(member: Member, place: str = "") -> Any:
    """A scenario that gives everything that a scenario may give."""
    if place == "extended.compute.hasCustomData":
        return True
    if member.kind == "leaf":
        return 80 if place.endswith("Port") else "AzurePublicCloud" if place == "compute.azEnvironment" else "text"
    if member.kind == "array" and not member.members:
        return ["text"]
    inner = {name: full(each, f"{place}.{name}" if place else name) for name, each in member.members.items()}
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
        )  # raises TypeError for a holder that is no container, where __setitem__ would be an AttributeError

    return change


def test_everything_at_once_is_accepted_by_both() -> None:
    assert loads(FULL)
    assert accepts(FULL)


@pytest.mark.parametrize("new", REPLACEMENTS, ids=repr)
def test_schema_and_loader_agree_whatever_one_value_is_replaced_with(new: Any) -> None:
    validator = Draft202012Validator(schema())
    apart = []
    for path in places(FULL):
        value = changed(FULL, path, replaced(new))
        if bool(validator.is_valid(value)) != loads(value):
            apart.append(path)
    assert not apart


def test_schema_and_loader_agree_on_unknown_and_missing_members() -> None:
    validator = Draft202012Validator(schema())
    for path in places(FULL):
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
@given(st.sampled_from([path for path in places(FULL) if path]), JSON, st.sampled_from([path for path in places(FULL) if path]), JSON)
def test_schema_and_loader_agree_on_random_changes(
    first: tuple[str | int, ...], one: Any, second: tuple[str | int, ...], other: Any
) -> None:
    value = changed(FULL, first, replaced(one))
    with suppress(KeyError, IndexError, TypeError):  # the second place may have gone with the first
        value = changed(value, second, replaced(other))
    if not value.get("template"):  # the places in texts are the loader's
        assert accepts(value) == loads(value)


ONLY_THE_LOADER: dict[str, Any] = {
    "a place that a template does not have": {"template": True, "compute": {"name": "vm-{number}"}},
    "a network without addresses for a machine": {"template": True, "compute": {"name": "{ip:10.0.0.0/30}"}},
    "half a surrogate pair": {"compute": {"name": "\ud800"}},
    "a port written as a fraction": {"loadbalancer": {"inboundRules": [{"frontendPort": 80.0}]}},
}
"""What only the loader refuses."""

ONLY_THE_SCHEMA: dict[str, Any] = {
    "a cloud in another letter case": {"cloud": "PUBLIC"},
    "an environment in another letter case": {"compute": {"azEnvironment": "AZUREPUBLICCLOUD"}},
}
"""What only the schema refuses."""


@pytest.mark.parametrize("value", ONLY_THE_LOADER.values(), ids=ONLY_THE_LOADER)
def test_what_a_schema_cannot_say_is_refused_when_it_is_loaded(value: Any) -> None:
    assert accepts(value)
    assert not loads(value)


@pytest.mark.parametrize("value", ONLY_THE_SCHEMA.values(), ids=ONLY_THE_SCHEMA)
def test_the_schema_is_stricter_about_names_of_clouds(value: Any) -> None:
    assert not accepts(value)
    assert loads(value)


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
