"""The emulator for other people's tests: with the environment that programs look at, and sentences when something was not asked.

with imdskit.testing.running("linux") as imds:
    ...run the program...
    assert_asked(imds, category="identity")

What belongs here: what tests need whatever their framework is. Fixtures of pytest are in :mod:`imdskit.pytest_plugin`; the page is
``docs/testing.md``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from imdskit.emulator import Emulator, Fleet
from imdskit.emulator.authority.keys import Keys
from imdskit.emulator.journal import Entry
from imdskit.errors import ImdskitError

LOOPBACK = "127.0.0.1,localhost"

_OTHER_SOURCES = (
    "AZURE_FEDERATED_TOKEN_FILE",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "IDENTITY_SERVER_THUMBPRINT",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "MSI_SECRET",
)
"""By these the SDKs of Azure recognise App Service, Service Fabric, Arc, Cloud Shell and workload identities, and do not ask IMDS."""

_KEYS = Keys()
"""Of this process: a key that was made for one test is there for the next."""


def environment(url: str, current: Mapping[str, str]) -> dict[str, str | None]:
    """Variables by which programs find the service at ``url``.

    ``AZURE_POD_IDENTITY_AUTHORITY_HOST`` is read by azure-identity and msal of several languages, the Azure CLI, PyArrow and TileDB;
    ``ARM_MSI_ENDPOINT`` by Terraform; ``CPL_AZURE_VM_API_ROOT_URL`` by GDAL. Loopback is excepted from proxies. Sources: those programs, tried.

    Args:
        url: base address of an emulator.
        current: variables that there are, of which ``NO_PROXY`` is kept and added to.

    Returns:
        value by name; None: it must not be set.
    """
    around = {name: f"{current[name]},{LOOPBACK}" if current.get(name) else LOOPBACK for name in ("NO_PROXY", "no_proxy")}
    found = {
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": url,
        "ARM_MSI_ENDPOINT": f"{url}/metadata/identity/oauth2/token",
        "CPL_AZURE_VM_API_ROOT_URL": url,
    }
    return {**dict.fromkeys(_OTHER_SOURCES), **found, **around}


def emulator(scenario: Any = "linux", *, seed: int | None = 1, events: object = (), **options: Any) -> Emulator:
    """An emulator that is not started yet. Its keys are made once in a process for each seed, so all but the first start in milliseconds.

    Args:
        scenario: as :class:`imdskit.emulator.Emulator` takes it.
        seed: the same by default, so that the machine and its keys are the same in every run; None for others each time.
        events: announced at the start, in the service's own form (``docs/events.md``).
        options: further ones of :class:`imdskit.emulator.Emulator`.

    Raises:
        ScenarioError: the scenario or the script of faults is not usable.
        UsageError: another argument cannot mean anything.
    """
    made = Emulator(scenario, seed, keys=_KEYS, **options)
    try:
        if events:
            made.events.announce(events)
    except ImdskitError:
        made.stop()
        raise
    return made


@contextmanager
def running(scenario: Any = "linux", **options: Any) -> Iterator[Emulator]:
    """An emulator that answers, with :func:`environment` set in this process, for whatever is started in it, and as it was before at the end.

    Args:
        scenario: as for :func:`emulator`.
        options: likewise.
    """
    with emulator(scenario, **options) as imds:
        changes = environment(imds.url, os.environ)
        before = {name: os.environ.get(name) for name in changes}
        _set(changes)
        try:
            yield imds
        finally:
            _set(before)


def assert_asked(imds: Emulator | Fleet, times: int | None = None, **wanted: Any) -> list[Entry]:
    """Something was asked of the emulator.

    Args:
        imds: that was asked.
        times: exactly so often; None for once at least.
        wanted: ``path``, ``category``, ``method``, ``status``, ``rule``, ``fault``, ``since``, of a fleet ``machine``: attributes
            of :class:`imdskit.emulator.journal.Filter`.

    Returns:
        the entries of the journal that were meant.

    Raises:
        AssertionError: it was not; with all that was asked.
    """
    __tracebackhide__ = True
    found = imds.journal.list(**wanted)
    if (not found) if times is None else len(found) != times:
        expected = "at least once" if times is None else _so_often(times)
        raise AssertionError(f"{_words(wanted)} was to be asked {expected}, and was asked {_so_often(len(found))}.\n{told(imds)}")
    return found


def assert_not_asked(imds: Emulator | Fleet, **wanted: Any) -> None:
    """Something was not asked; without further words, nothing at all. As :func:`assert_asked`."""
    __tracebackhide__ = True
    assert_asked(imds, 0, **wanted)


def assert_no_refusals(imds: Emulator | Fleet) -> None:
    """The program keeps the rules of the service: nothing was refused but by a fault that the test asked for.

    Raises:
        AssertionError: something was; with the rule and all that was asked.
    """
    __tracebackhide__ = True
    refused = [entry for entry in imds.journal if entry.status >= 400 and not entry.fault]
    if refused:
        first = refused[0]
        rule = f" by the rule {first.rule} (docs/fidelity.md)" if first.rule else ""
        raise AssertionError(f"Request {first.number} was refused with {first.status}{rule}.\n{told(imds)}")


def told(imds: Emulator | Fleet, most: int = 50) -> str:
    """The journal for people: a line for each of the last so many requests."""
    entries = list(imds.journal)
    if not entries:
        return "Nothing was asked."
    lines = [f"  {one.number:4} {one.method} {one.target} -> {one.status}{_why(one)}" for one in entries[-most:]]
    return "\n".join([f"Asked were, the last of {len(entries)}:", *lines])


def _why(entry: Entry) -> str:
    number = "" if entry.machine is None else str(entry.machine)
    return "".join(f" ({name} {value})" for name, value in (("machine", number), ("rule", entry.rule), ("fault", entry.fault)) if value)


def _words(wanted: Mapping[str, Any]) -> str:
    return "What has " + ", ".join(f"{name} {value!r}" for name, value in wanted.items()) if wanted else "Anything"


def _so_often(times: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(times, f"{times} times")


def _set(changes: Mapping[str, str | None]) -> None:
    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
