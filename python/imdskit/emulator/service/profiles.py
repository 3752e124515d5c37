"""Service profiles, each of which describes one known behaviour of the service.

The service has changed over time, and sources disagree about it. A profile selects one documented
or observed behaviour. It determines which rules apply, which api-version is the newest, and which
error an unknown api-version gets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from imdskit import versions
from imdskit.emulator import error_responses as r
from imdskit.emulator.error_responses import ErrorResponse, Evidence
from imdskit.emulator.json_input import guess
from imdskit.emulator.scenario.scenario import Scenario
from imdskit.emulator.service.request_context import RequestContext
from imdskit.emulator.service.rules import RULES, Rule, no_metadata_header
from imdskit.errors import ScenarioError, UsageError


@dataclass(frozen=True, slots=True)
class Profile:
    """Known behaviour of the service.

    Attributes:
        name: stable name of the profile.
        what: description of the difference from the profile ``today``.
        evidence: kind of evidence for the difference.
        source: source of the evidence.
        newest: newest api-version of the service. It has no effect if the scenario has its own list
            of api-versions.
        version_error: response for an unknown api-version.
        instead: rules in which this profile differs. Each one replaces the default rule of the same
            name.
    """

    name: str
    what: str
    evidence: Evidence
    source: str
    newest: str = versions.API_VERSIONS[-1]
    version_error: ErrorResponse = r.BAD_VERSION
    instead: Mapping[str, Rule] = field(default_factory=dict)

    def versions(self, enabled: tuple[str, ...]) -> tuple[str, ...]:
        """Return the enabled api-versions that exist in this profile.

        A scenario's own list is returned unchanged.
        """
        return tuple(one for one in enabled if one <= self.newest) if enabled == versions.API_VERSIONS else enabled

    def rules(self, off: Iterable[str] = ()) -> tuple[Rule, ...]:
        """Return the rules in the order of evaluation, without those whose names are in ``off``.

        Raises:
            UsageError: A name in ``off`` is unknown, or the rule cannot be switched off.
        """
        names = [rule.name for rule in RULES]
        unwanted = set(off)
        for name in unwanted:
            if name not in names:
                raise UsageError("bad-argument", f"Unknown rule {name!r}.", hint=guess(name, names))
            if not RULES[names.index(name)].off:
                can = ", ".join(rule.name for rule in RULES if rule.off)
                raise UsageError(
                    "bad-argument",
                    f"The rule {name} cannot be switched off, because the emulator has no other response.",
                    hint=f"Rules that can be switched off: {can}.",
                )
        return tuple(self.instead.get(rule.name, rule) for rule in RULES if rule.name not in unwanted)


def _lower_case_header(context: RequestContext) -> ErrorResponse | None:
    values = context.request.header_values("Metadata")
    return None if values and all(value.strip() == "true" for value in values) else no_metadata_header(context)


def _changed(name: str, **differences: object) -> dict[str, Rule]:
    (rule,) = (rule for rule in RULES if rule.name == name)
    return {name: replace(rule, **differences)}  # type: ignore[arg-type]  # The keys are names of fields.


PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("today", "Default: the behaviour of IMDS today.", Evidence.OBSERVED, "all tables of this page"),
        Profile(
            "2021",
            "The newest api-version is 2020-10-01. The error for an invalid api-version says `was not specified` only, without `is invalid or`.",
            Evidence.DOCUMENTED,
            "IMDS documentation of February 2021; recordings of that winter show both texts",
            newest="2020-10-01",
            version_error=r.BAD_VERSION_2021,
            instead=_changed("api-version", answers=(r.BAD_VERSION_2021,)),
        ),
        Profile(
            "strict-header",
            "The value of the header `Metadata` must be `true` in lower case. Letter case in its name does not matter.",
            Evidence.OBSERVED,
            "documentation of tokens; open-telemetry/opentelemetry-collector-contrib#46281, where `True` got a 400; the body of that "
            "response is inferred",
            instead=_changed(
                "metadata-header",
                when="The request does not have the header `Metadata` with the value `true` in lower case.",
                check=_lower_case_header,
            ),
        ),
    )
}
"""All service profiles by name."""

TODAY = PROFILES["today"]
"""Default service profile."""


def find(name: str) -> Profile:
    """Return the profile called ``name``. Raise UsageError if there is none."""
    if name not in PROFILES:
        raise UsageError(
            "bad-argument", f"`profile` must be the name of a service profile; got {name!r}.", hint=f"Known: {', '.join(PROFILES)}."
        )
    return PROFILES[name]


def of(scenario: Scenario) -> Profile:
    """Return the profile that a scenario names.

    Raises:
        ScenarioError: The profile is unknown, or the scenario switches off a rule that is unknown
            or cannot be switched off.
    """
    location = "/profile"
    try:
        profile = find(scenario.profile)
        for index, name in enumerate(scenario.rules_off):
            location = f"/rulesOff/{index}"
            profile.rules((name,))
    except UsageError as error:
        raise ScenarioError("bad-scenario", error.message, location=location, hint=error.hint) from None
    return profile
