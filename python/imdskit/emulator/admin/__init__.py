"""The admin side of an emulator: another port, where a test or a person changes and watches what clients see. Imported only where there is one."""

from __future__ import annotations

from imdskit.emulator.admin.server import Admin

__all__ = ["Admin"]
