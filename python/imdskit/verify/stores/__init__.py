"""Stores that remember what was used, so that it is used once.

The protocol is in :mod:`imdskit.verify.stores.store`. ``sqlite`` and ``redis`` are imported by those who use them.
"""

from imdskit.verify.stores.memory import MemoryStore
from imdskit.verify.stores.store import NonceStore

__all__ = ["MemoryStore", "NonceStore"]
