"""Emulator of the Azure Instance Metadata Service (IMDS) that runs on any machine and signs its
attested documents.

The names in ``__all__`` are public, and so are the public attributes of the objects that they
return. The modules of this package are internal.
"""

from __future__ import annotations

from imdskit.emulator.emulator import Emulator
from imdskit.emulator.fleet import Fleet
from imdskit.emulator.scenario.scenario import Scenario

__all__ = ["Emulator", "Fleet", "Scenario"]
