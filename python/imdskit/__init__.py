"""Tools for the Azure Instance Metadata Service (IMDS): a client, an emulator, and a verifier of
attested documents. They need only the standard library.

The names in ``__all__`` are imported on first use, so ``import imdskit`` takes almost no time.
``docs/api.md`` lists all public modules and names. Everything else is internal.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  # Everything before this block must also run on Python 3.8.
    sys.stderr.write(
        f"imdskit requires Python 3.11 or later, but this is Python {sys.version_info[0]}.{sys.version_info[1]} ({sys.executable}).\n"
    )
    raise SystemExit(2)

TYPE_CHECKING = False  # type checkers assume True; an import of `typing` would take fifty times as long as the rest of this module

if TYPE_CHECKING:
    from imdskit.backends import Backend
    from imdskit.client import AsyncClient, Client
    from imdskit.clock import Clock, ManualClock, SystemClock
    from imdskit.clouds import Cloud
    from imdskit.codes import ClientCode
    from imdskit.emulator import Emulator, Fleet, Scenario
    from imdskit.errors import (
        BackendError,
        ClientError,
        DerError,
        FetchError,
        FreshnessError,
        ImdskitError,
        ScenarioError,
        SelectionError,
        StoreError,
        TrustError,
        UsageError,
        VerificationError,
    )
    from imdskit.reasons import Reason, Stage
    from imdskit.verify import (
        Attestation,
        Claims,
        Limits,
        MemoryStore,
        NonceIssuer,
        NonceStore,
        Policy,
        Report,
        Trust,
        Verifier,
    )
    from imdskit.verify.aia import AiaFetcher
    from imdskit.verify.stores.redis import RedisStore
    from imdskit.verify.stores.sqlite import SqliteStore

__version__ = "0.2.0"
"""Version of imdskit."""

__all__ = [
    "AiaFetcher",
    "AsyncClient",
    "Attestation",
    "Backend",
    "BackendError",
    "Claims",
    "Client",
    "ClientCode",
    "ClientError",
    "Clock",
    "Cloud",
    "DerError",
    "Emulator",
    "FetchError",
    "Fleet",
    "FreshnessError",
    "ImdskitError",
    "Limits",
    "ManualClock",
    "MemoryStore",
    "NonceIssuer",
    "NonceStore",
    "Policy",
    "Reason",
    "RedisStore",
    "Report",
    "Scenario",
    "ScenarioError",
    "SelectionError",
    "SqliteStore",
    "Stage",
    "StoreError",
    "SystemClock",
    "Trust",
    "TrustError",
    "UsageError",
    "VerificationError",
    "Verifier",
    "__version__",
]

_NAMES = {
    "imdskit.backends": ("Backend",),
    "imdskit.client": ("AsyncClient", "Client"),
    "imdskit.clock": ("Clock", "ManualClock", "SystemClock"),
    "imdskit.clouds": ("Cloud",),
    "imdskit.codes": ("ClientCode",),
    "imdskit.emulator": ("Emulator", "Fleet", "Scenario"),
    "imdskit.reasons": ("Reason", "Stage"),
    "imdskit.verify": (
        *("Attestation", "Claims", "Limits", "MemoryStore", "NonceIssuer", "NonceStore"),
        *("Policy", "Report", "Trust", "Verifier"),
    ),
    "imdskit.verify.aia": ("AiaFetcher",),
    "imdskit.verify.stores.redis": ("RedisStore",),
    "imdskit.verify.stores.sqlite": ("SqliteStore",),
}
"""Maps a module to those of its names that this package exports. All other names in ``__all__`` are
in :mod:`imdskit.errors`."""


def lazily(package: str, name: str, names: dict[str, tuple[str, ...]], default: str) -> object:
    """Return the attribute ``name`` of a package that imports its names on first use (PEP 562), and
    store it in the package.

    Args:
        package: name of the package.
        name: name of the attribute.
        names: maps a module to the names that the package exports from it.
        default: module of all names that ``names`` does not contain.

    Raises:
        AttributeError: the package has no public name ``name``.
    """
    members = sys.modules[package].__dict__
    if name not in members["__all__"]:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    from importlib import import_module  # a global import would add 1 ms to the 0.2 ms of importing this package

    module = next((module for module, names in names.items() if name in names), default)
    members[name] = value = getattr(import_module(module), name)
    return value


if not TYPE_CHECKING:  # if type checkers saw __getattr__, they would accept any name

    def __getattr__(name: str) -> object:
        return lazily(__name__, name, _NAMES, "imdskit.errors")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
