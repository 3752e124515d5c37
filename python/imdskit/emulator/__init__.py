"""An Instance Metadata Service on any machine, with attested documents that are really signed."""

from __future__ import annotations

from imdskit.emulator.emulator import Emulator
from imdskit.emulator.fleet import Fleet
from imdskit.emulator.scenario.scenario import Scenario

__all__ = ["Emulator", "Fleet", "Scenario"]
