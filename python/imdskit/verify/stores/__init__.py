"""Stores of used documents and nonces. With a store, a verifier accepts each document and each
nonce only once. A store represents each of them by a key, which is a SHA-256 digest.

:mod:`imdskit.verify.stores.store` defines the protocol of a store. To use a store in SQLite or
Redis, import the module ``sqlite`` or ``redis`` of this package.
"""

from imdskit.verify.stores.memory import MemoryStore
from imdskit.verify.stores.store import NonceStore

__all__ = ["MemoryStore", "NonceStore"]
