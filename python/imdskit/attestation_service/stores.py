"""Function that opens the configured store of used documents."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import imdskit
from imdskit.attestation_service.configuration.setting_types import LIBRARIES
from imdskit.attestation_service.configuration.settings import Settings
from imdskit.clock import Clock
from imdskit.errors import UsageError
from imdskit.verify.stores.memory import MemoryStore
from imdskit.verify.stores.redis import RedisStore
from imdskit.verify.stores.store import NonceStore

_log = logging.getLogger("imdskit.attestation_service")


def open_store(settings: Settings, clock: Clock) -> NonceStore:
    """Return the store that ``settings.store`` names.

    If a Redis or Valkey server cannot be reached now, the function returns the store nevertheless,
    without checking the configuration of the server.

    Raises:
        StoreError: The SQLite file cannot be opened.
        UsageError: The client library is not installed or does not accept the URL, or the server is
            configured to discard keys.
    """
    if settings.store == "memory":
        return MemoryStore(clock=clock)
    if settings.store.startswith("sqlite:"):
        # ``imdskit.SqliteStore`` is imported on first use. The import takes 10 ms, and some builds
        # of Python have no sqlite3.
        return imdskit.SqliteStore(settings.store.removeprefix("sqlite:"), clock=clock, busy_seconds=settings.store_timeout)
    library = _library(LIBRARIES[urlsplit(settings.store).scheme])
    # The client must not retry commands. A command marks a document as used by setting a key, which
    # succeeds only once. If the response to this command is lost, the key may be set nevertheless.
    # A retry would then report that the document was used before.
    retry = import_module(f"{library.__name__}.retry").Retry(import_module(f"{library.__name__}.backoff").NoBackoff(), 0)
    timeout = settings.store_timeout
    try:
        client = library.from_url(settings.store, socket_timeout=timeout, socket_connect_timeout=timeout, retry=retry)
    except ValueError:
        raise UsageError("bad-argument", "The client library does not accept the URL in `store`.", location="store") from None
    errors = library.exceptions.RedisError if library.__name__ == "redis" else library.exceptions.ValkeyError
    _refuse_eviction(client, errors)
    return RedisStore(client, errors, clock=clock)


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        hint = f"Install it: pip install {name}."
        raise UsageError("bad-argument", f"`store` needs the Python package {name}.", location="store", hint=hint) from None


def _refuse_eviction(client: Any, errors: type[Exception]) -> None:
    """Raise UsageError if the server is configured to discard keys when its memory is full.

    If the server discarded the key of a used document, the service would accept this document
    again.
    """
    try:
        memory = client.info("memory")
    except (OSError, errors) as error:
        _log.warning("The store cannot be reached, so its maxmemory-policy was not checked. %r", str(error))
        return
    policy = memory.get("maxmemory_policy", "noeviction")
    if memory.get("maxmemory") and policy != "noeviction":
        hint = "Set maxmemory-policy to noeviction on the server."
        message = f"The server of `store` discards keys when its memory is full (maxmemory-policy {policy!s:.40})."
        raise UsageError("bad-argument", message, location="store", hint=hint)
