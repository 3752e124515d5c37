"""An Instance Metadata Service on any machine, with attested documents that are really signed.

Public are the names of this package. Its modules are internal, but the public attributes of what these names return are stable, too.
"""

from __future__ import annotations

from imdskit.emulator.emulator import Emulator
from imdskit.emulator.fleet import Fleet
from imdskit.emulator.scenario.scenario import Scenario

__all__ = ["Emulator", "Fleet", "Scenario"]
