"""Stores of used documents and nonces, so that each is accepted only once.

The protocol is in :mod:`imdskit.verify.stores.store`. This package does not import ``sqlite`` and ``redis``; import them where you need
them.
"""

from imdskit.verify.stores.memory import MemoryStore
from imdskit.verify.stores.store import NonceStore

__all__ = ["MemoryStore", "NonceStore"]
