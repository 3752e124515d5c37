"""Scheduled events of a machine."""

from __future__ import annotations

from imdskit.emulator.events.timeline import Events

__all__ = ["Events"]
