"""Functions that make hostile documents. Such a function is called a shape. It makes a document of
about the requested size, and never a larger one.

    python tests/backends/hostile [SIZE]

prints the cost of each shape, the slowest first.

The module ``building`` has two tables of shapes. The documents of ``SHAPES`` are refused before a
path to a trust anchor is found. The signers of the documents of ``TRUSTED`` have certificates from
an authority below a trust anchor, as if that authority were malicious.
"""

from __future__ import annotations

from hostile import messages, paths, signers

__all__ = ["messages", "paths", "signers"]
"""Importing these modules fills the tables of ``building``."""
