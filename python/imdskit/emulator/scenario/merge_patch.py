"""Conversion of scenarios to JSON documents, and changes of a scenario by a merge patch.

:mod:`imdskit.emulator.scenario.scenario` validates a changed scenario in the same way as a scenario
from a file.
"""

from __future__ import annotations

import copy
from typing import Any

from imdskit import versions
from imdskit.emulator.scenario.scenario import Scenario
from imdskit.errors import ScenarioError


def to_json(scenario: Scenario) -> dict[str, Any]:
    """Return the JSON document from which :meth:`Scenario.of` creates the same machine.

    The placeholders of a template are filled in.
    """
    head: dict[str, Any] = {"description": scenario.description, "cloud": scenario.cloud.name}
    if scenario.classic:
        head["kind"] = "classic"
    if scenario.api_versions != versions.API_VERSIONS:
        head["apiVersions"] = list(scenario.api_versions)
    if scenario.profile != "today":
        head["profile"] = scenario.profile
    if scenario.rules_off:
        head["rulesOff"] = list(scenario.rules_off)
    return {**head, **copy.deepcopy(dict(scenario.given))}


def patched(scenario: Scenario, patch: object) -> Scenario:
    """Return the scenario after a JSON merge patch (RFC 7386).

    Raises:
        ScenarioError: the result is not a valid scenario; the location is a JSON pointer.
    """
    try:
        return Scenario.of(merged(to_json(scenario), patch), scenario.name)
    except RecursionError:
        raise ScenarioError("bad-scenario", "The patch is nested too deeply.") from None


def merged(target: Any, patch: Any) -> Any:
    """Return ``MergePatch(target, patch)`` of RFC 7386 section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result
