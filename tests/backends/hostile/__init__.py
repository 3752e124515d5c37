"""Hostile documents that grow: each shape makes one of about the size that is asked for, never larger.

    python tests/backends/hostile [SIZE]

prints what each shape costs, the slowest first.

``SHAPES`` are refused before a path to an anchor is proved. ``TRUSTED`` are signed below an anchor that the checker trusts: what an authority
that has turned against us can send.
"""

from __future__ import annotations

from hostile import messages, paths, signers

__all__ = ["messages", "paths", "signers"]
"""Their import fills the tables of ``building``."""
