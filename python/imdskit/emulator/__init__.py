"""Emulator of the Azure Instance Metadata Service (IMDS). It runs on any machine, and signs the
attested documents that it returns.

The names in ``__all__`` are public. The public attributes of these classes are public, too, and so
are those of the objects that their methods and attributes return. The modules of this package are
internal.
"""

from __future__ import annotations

from imdskit.emulator.emulator import Emulator
from imdskit.emulator.fleet import Fleet
from imdskit.emulator.scenario.scenario import Scenario

__all__ = ["Emulator", "Fleet", "Scenario"]
