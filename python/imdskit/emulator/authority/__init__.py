"""Everything that signs: keys, the test-only certificate authority, attested documents and access
tokens."""

from __future__ import annotations

from imdskit.emulator.authority.authority import Authority

__all__ = ["Authority"]
