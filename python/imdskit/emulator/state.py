"""The state of a machine as one JSON document: its scenario in full, to be read, patched and put back.

What belongs here: a scenario as a document again, RFC 7386 merge patches of it, and whether an emulator can become what comes out. Whether a
document is a scenario is decided by :mod:`imdskit.emulator.scenario`, in one place for files and patches.
"""

from __future__ import annotations

import copy
from typing import Any

from imdskit import versions
from imdskit.clock import Clock, ManualClock, MovableClock, SystemClock
from imdskit.clouds import Cloud
from imdskit.emulator.authority.authority import Authority
from imdskit.emulator.authority.tokens import Issuer
from imdskit.emulator.scenario.scenario import Scenario
from imdskit.emulator.service.app import App
from imdskit.errors import ScenarioError, UsageError


def document(scenario: Scenario) -> dict[str, Any]:
    """What :meth:`Scenario.of` makes the same machine of. A template is filled in: it is the machine that it became."""
    written: dict[str, Any] = {"description": scenario.description, "cloud": scenario.cloud.name}
    if scenario.classic:
        written["kind"] = "classic"
    if scenario.api_versions != versions.API_VERSIONS:
        written["apiVersions"] = list(scenario.api_versions)
    if scenario.profile != "today":
        written["profile"] = scenario.profile
    if scenario.rules_off:
        written["rulesOff"] = list(scenario.rules_off)
    return {**written, **copy.deepcopy(dict(scenario.given))}


def patched(scenario: Scenario, patch: object) -> Scenario:
    """The scenario after a JSON merge patch (RFC 7386): objects are merged, null takes a member away, anything else takes its place.

    Raises:
        ScenarioError: what comes out is no scenario; with the place as a JSON pointer.
    """
    try:
        return Scenario.of(merged(document(scenario), patch), scenario.name)
    except RecursionError:
        raise ScenarioError("bad-scenario", "The patch is nested too deeply.") from None


def fits(scenario: Scenario, app: App, cloud: Cloud, authority: Authority, issuer: Issuer) -> None:
    """See whether an emulator of ``cloud`` can become ``app``, made of ``scenario``: its keys and certificates are those of one cloud.

    Raises:
        ScenarioError: it cannot; with the place as a JSON pointer.
    """
    if scenario.cloud is not cloud:
        message = f"This emulator is of the cloud {cloud.name}, and so are its certificates."
        raise ScenarioError("bad-scenario", message, location="/cloud", hint="Start another one.")
    try:
        authority.signer(region=app.instance.location)
    except UsageError as error:
        raise ScenarioError("bad-scenario", error.message, location="/compute/location", hint=error.hint) from None
    if app.machine.identities:
        issuer.prepare()


def kind(clock: Clock) -> str:
    """What an emulator says of its clock."""
    return "movable" if isinstance(clock, ManualClock | MovableClock) else "system" if isinstance(clock, SystemClock) else "other"


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386 section 2, ``MergePatch``."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result
