"""Client for the Instance Metadata Service of the machine that it runs on.

What belongs here: requests and what their responses mean. Checking an attested document is :mod:`imdskit.verify`, which this never imports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imdskit.client.client import Client

if TYPE_CHECKING:
    from imdskit.client.async_client import AsyncClient

__all__ = ["AsyncClient", "Client"]


def __getattr__(name: str) -> object:
    """asyncio costs more to import than all of the client: who does not want it does not pay for it (PEP 562)."""
    if name == "AsyncClient":
        from imdskit.client.async_client import AsyncClient

        return AsyncClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
