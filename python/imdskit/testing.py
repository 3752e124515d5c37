"""The emulator for tests of other projects. This module sets environment variables that tell
programs the emulator's address, and has assertions about the requests that the emulator received.

    with imdskit.testing.running("linux") as imds:
        ...  # run the program: environment variables tell it the emulator's address
        assert_requested(imds, category="identity")

This module works with every test framework. :mod:`imdskit.pytest_plugin` has fixtures for pytest.
See ``docs/testing.md``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from imdskit.emulator import Emulator, Fleet
from imdskit.emulator.authority.keys import Keys
from imdskit.emulator.journal import Entry
from imdskit.errors import ImdskitError

LOOPBACK = "127.0.0.1,localhost"
"""Hosts to which programs must connect without a proxy."""

_OTHER_SOURCES = (
    "AZURE_FEDERATED_TOKEN_FILE",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "IDENTITY_SERVER_THUMBPRINT",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "MSI_SECRET",
)
"""Environment variables by which Azure SDKs recognize App Service, Service Fabric, Arc, Cloud Shell
and workload identities. If one of them is set, an SDK does not use IMDS."""

_KEYS = Keys()
"""Keys of the emulators of this process. They are cached here, because generating them is slow."""


def environment(url: str, current: Mapping[str, str]) -> dict[str, str | None]:
    """Return the environment variables that make programs use the emulator at ``url``.

    The libraries azure-identity and msal (in several languages), the Azure CLI, PyArrow and TileDB
    read ``AZURE_POD_IDENTITY_AUTHORITY_HOST``. Terraform reads ``ARM_MSI_ENDPOINT``, and GDAL reads
    ``CPL_AZURE_VM_API_ROOT_URL``. ``NO_PROXY`` and ``no_proxy`` make programs connect to loopback
    addresses and to the emulator without a proxy. Source: tests with these programs.

    Args:
        url: base address of an emulator.
        current: current environment variables. The result extends their values of ``NO_PROXY`` and
            ``no_proxy``.

    Returns:
        Mapping from the name of a variable to its value. A variable whose value is None must be
        removed from the environment.
    """
    host = urlsplit(url).hostname or ""
    direct = LOOPBACK if host in LOOPBACK.split(",") else f"{LOOPBACK},{host}"
    names = ("NO_PROXY", "no_proxy")
    # Some programs read NO_PROXY first, and others read no_proxy first. If only one of them has a
    # value, this value is used for both.
    kept = {name: current.get(name) or current.get(other) for name, other in zip(names, reversed(names), strict=True)}
    around = {name: f"{value},{direct}" if value else direct for name, value in kept.items()}
    found = {
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": url,
        "ARM_MSI_ENDPOINT": f"{url}/metadata/identity/oauth2/token",
        "CPL_AZURE_VM_API_ROOT_URL": url,
    }
    return {**dict.fromkeys(_OTHER_SOURCES), **found, **around}


def emulator(scenario: Any = "linux", *, seed: int | None = 1, events: object = (), **options: Any) -> Emulator:
    """Create an emulator without starting it. Keys are generated only once for each process and
    seed, so later emulators with the same seed are created within milliseconds.

    Args:
        scenario: see :class:`imdskit.emulator.Emulator`.
        seed: number from which the machine and its keys are generated. The default gives the same
            machine in every run. None selects a random seed.
        events: scheduled events to announce at the start, in the JSON form of the service
            (``docs/events.md``).
        options: further options of :class:`imdskit.emulator.Emulator`.

    Raises:
        ScenarioError: the scenario or the fault script is invalid.
        UsageError: another argument is invalid.
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
    """Run an emulator, and set the variables of :func:`environment` in this process. When the
    context ends, stop the emulator and restore the variables.

    Args:
        scenario: see :func:`emulator`.
        options: see :func:`emulator`.
    """
    with emulator(scenario, **options) as imds:
        changes = environment(imds.url, os.environ)
        before = {name: os.environ.get(name) for name in changes}
        _set(changes)
        try:
            yield imds
        finally:
            _set(before)


def assert_requested(imds: Emulator | Fleet, times: int | None = None, **wanted: Any) -> list[Entry]:
    """Assert that the emulator received matching requests.

    Args:
        imds: the emulator.
        times: exact number of matching requests. None accepts any number above zero.
        wanted: conditions that a matching request meets. They are the attributes of
            :class:`imdskit.emulator.journal.Filter`: ``path``, ``category``, ``method``,
            ``status``, ``rule``, ``fault``, ``since`` and, for a fleet, ``machine``.

    Returns:
        The matching entries of the journal.

    Raises:
        AssertionError: the number of matching requests is wrong. The message lists the last 50
            requests that the emulator received.
    """
    __tracebackhide__ = True
    found = imds.journal.list(**wanted)
    if (not found) if times is None else len(found) != times:
        expected = "at least 1 request" if times is None else f"{times} request{'' if times == 1 else 's'}"
        raise AssertionError(f"Expected {expected}{_with(wanted)}, got {len(found)}. {request_log(imds)}")
    return found


def assert_not_requested(imds: Emulator | Fleet, **wanted: Any) -> None:
    """Assert that the emulator received no matching request. See :func:`assert_requested` for
    ``wanted``. If it is empty, every request matches."""
    __tracebackhide__ = True
    assert_requested(imds, 0, **wanted)


def assert_no_refusals(imds: Emulator | Fleet) -> None:
    """Assert that the tested program obeys the rules of the service. This means that the emulator
    refused no request. Requests that an injected fault refused do not count.

    Raises:
        AssertionError: the emulator refused a request. The message names the rule, and lists the
            last 50 requests that the emulator received.
    """
    __tracebackhide__ = True
    refused = [entry for entry in imds.journal if entry.status >= 400 and not entry.fault]
    if refused:
        first = refused[0]
        rule = f" by the rule {first.rule} (docs/fidelity.md)" if first.rule else ""
        raise AssertionError(f"Request {first.number} was refused with {first.status}{rule}. {request_log(imds)}")


def request_log(imds: Emulator | Fleet, most: int = 50) -> str:
    """Return the journal as text, one line for each of the last ``most`` requests."""
    entries = list(imds.journal)
    if not entries:
        return "No requests received."
    lines = [f"  {one.number:4} {one.method} {one.target} -> {one.status}{_why(one)}" for one in entries[-most:]]
    return "\n".join([f"Requests received ({len(entries)}):", *lines])


def _why(entry: Entry) -> str:
    number = "" if entry.machine is None else str(entry.machine)
    return "".join(f" ({name} {value})" for name, value in (("machine", number), ("rule", entry.rule), ("fault", entry.fault)) if value)


def _with(wanted: Mapping[str, Any]) -> str:
    return " with " + ", ".join(f"{name}={value!r}" for name, value in wanted.items()) if wanted else ""


def _set(changes: Mapping[str, str | None]) -> None:
    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


__all__ = [
    "LOOPBACK",
    "assert_no_refusals",
    "assert_not_requested",
    "assert_requested",
    "emulator",
    "environment",
    "request_log",
    "running",
]
