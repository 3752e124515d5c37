"""Emulator of the Azure Instance Metadata Service (IMDS). It runs on any machine, and signs the
attested documents that it returns.

The names in ``__all__`` are public. An attribute or method of these classes is public if its name
does not begin with an underscore. The same applies to the objects that these attributes and methods
return. The modules of this package are internal.
"""

from __future__ import annotations

from imdskit.emulator.emulator import Emulator
from imdskit.emulator.fleet import Fleet
from imdskit.emulator.scenario.scenario import Scenario

__all__ = ["Emulator", "Fleet", "Scenario"]
