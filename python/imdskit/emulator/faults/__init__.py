"""Faults that the emulator injects on purpose."""

from __future__ import annotations

from imdskit.emulator.faults.engine import Faults

__all__ = ["Faults"]
