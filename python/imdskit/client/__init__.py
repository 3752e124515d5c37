"""Client for the Instance Metadata Service, which describes the machine that sends the requests.

The names in ``__all__`` and the modules ``detect``, ``models`` and ``retry`` are public. All other
modules are internal. The client does not verify attested documents. :mod:`imdskit.verify` does
that, and the client never imports it.
"""

from imdskit import lazily
from imdskit.client.client import Client

TYPE_CHECKING = False

if TYPE_CHECKING:
    from imdskit.client.async_client import AsyncClient, AsyncEvents, AsyncScheduledEvent
    from imdskit.client.events import Events, ScheduledEvent
    from imdskit.client.nonces import UnverifiedDocument
    from imdskit.client.operations import Probe
    from imdskit.client.tokens import Token

__all__ = [
    "AsyncClient",
    "AsyncEvents",
    "AsyncScheduledEvent",
    "Client",
    "Events",
    "Probe",
    "ScheduledEvent",
    "Token",
    "UnverifiedDocument",
]

_NAMES = {
    "imdskit.client.events": ("Events", "ScheduledEvent"),
    "imdskit.client.nonces": ("UnverifiedDocument",),
    "imdskit.client.operations": ("Probe",),
    "imdskit.client.tokens": ("Token",),
}

if not TYPE_CHECKING:  # AsyncClient is imported on first use, because asyncio alone takes longer to import than the client

    def __getattr__(name: str) -> object:
        return lazily(__name__, name, _NAMES, "imdskit.client.async_client")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
