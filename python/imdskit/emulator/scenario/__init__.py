"""Scenario files: parsing, validation, templates, the JSON Schema and the built-in scenarios."""

from __future__ import annotations

from imdskit.emulator.scenario.scenario import Scenario

__all__ = ["Scenario"]
