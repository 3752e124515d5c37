"""Generators of hostile documents. Each shape makes a document of about the requested size, and never a larger one.

    python tests/backends/hostile [SIZE]

prints the cost of each shape, the slowest first.

Documents from ``SHAPES`` are refused before a path to an anchor is found. Documents from ``TRUSTED`` are signed below a trusted anchor, as
a malicious authority could do.
"""

from __future__ import annotations

from hostile import messages, paths, signers

__all__ = ["messages", "paths", "signers"]
"""Importing these modules fills the tables of ``building``."""
