"""Fixtures of the emulator. ``service`` makes a service from a scenario. Tests send requests to
this service without a socket. ``serve`` makes an HTTP server."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import pytest

from imdskit.backends.contract import Backend
from imdskit.clock import Clock, ManualClock
from imdskit.emulator.authority.document_faults import DocumentFault
from imdskit.emulator.authority.tokens import Issuer
from imdskit.emulator.http.event_loop import EventLoop
from imdskit.emulator.http.messages import Request, Response
from imdskit.emulator.http.server import Server
from imdskit.emulator.machine.expansion import expand
from imdskit.emulator.scenario import Scenario
from imdskit.emulator.service.app import App
from imdskit.emulator.service.profiles import find
from imdskit.emulator.service.rate_limits import RateLimits

NOON = 1_767_268_800
"""2026-01-01 12:00:00 UTC in Unix seconds."""


ISSUER = Issuer(lambda: "http://127.0.0.1:8080", seed=1)
"""Issuer that all tests share, because generating its key is slow."""


class Answer:
    """Response with helpers for tests."""

    def __init__(self, response: Response) -> None:
        self.status = response.status
        self.body = response.body
        self.response = response

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        values = self.response.header_values(name)
        assert len(values) <= 1
        return values[0] if values else None


class Service:
    """Service of one machine. Instead of signing, it puts ``signed:`` before the content, so that tests can read the content."""

    def __init__(
        self, backend: Backend, scenario: Scenario | dict[str, Any] | str, clock: Clock, seed: int, limited: bool, **options: Any
    ) -> None:
        if isinstance(scenario, str):
            scenario = Scenario.load(scenario)
        if isinstance(scenario, dict):
            scenario = Scenario.of(scenario)
        throttle = RateLimits(backend.bucket, clock) if limited else None
        self.app = App(expand(scenario, seed), backend, clock, _signed, ISSUER, throttle=throttle, downloads=_downloads, **options)

    def ask(self, target: str, method: str = "GET", headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        """Send a request, with the header ``Metadata: true`` unless other headers are given."""
        given = {"Metadata": "true"} if headers is None else headers
        return Answer(self.app.handle(Request(method, target, tuple(given.items()), body)))

    def get(self, path: str, version: str = "2025-04-07", **parameters: str) -> Answer:
        query = "&".join(f"{name}={value}" for name, value in {"api-version": version, **parameters}.items())
        return self.ask(f"{path}?{query}")


def _signed(content: bytes, fault: DocumentFault | None = None, /) -> bytes:
    return (b"signed:" if fault is None else f"{fault}:".encode()) + content


def _downloads(path: str) -> tuple[str, bytes] | None:
    return ("application/pkix-cert", b"certificate") if path == "/pki/one.crt" else ISSUER.download(path)


@pytest.fixture(scope="session")
def service(backend: Backend) -> Callable[..., Service]:
    def make(
        scenario: Scenario | dict[str, Any] | str = "linux",
        *,
        clock: Clock | None = None,
        seed: int = 1,
        limited: bool = False,
        profile: str | None = None,
        **options: Any,
    ) -> Service:
        return Service(backend, scenario, clock or ManualClock(NOON), seed, limited, profile=profile and find(profile), **options)

    return make


Serve: TypeAlias = Callable[..., Server]


def quick(request: Request) -> bool:
    """Return True if the event loop may serve a request without a thread. Tests of the server use
    this rule."""
    return not request.target.startswith("/wait")


@pytest.fixture(params=["threads", "event loop"])
def serve(request: pytest.FixtureRequest) -> Serve:
    """Return the server class. Each test runs twice: with one thread per connection, and with the
    event loop."""
    if request.param == "threads":
        return Server
    if not EventLoop.possible:
        pytest.skip("the system has no epoll: every connection has a thread")
    return partial(Server, quick=quick)
