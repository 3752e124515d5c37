"""The emulated service: a request in, an answer out. No socket, and no clock but the one that is given.

What belongs here: putting limits, rules and routes together. Why a request is refused is in :mod:`imdskit.emulator.rules`, what a good one
gets in :mod:`imdskit.emulator.routes`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from imdskit.backends.contract import Backend
from imdskit.clock import Clock
from imdskit.emulator.call import Call, Machine
from imdskit.emulator.instance import Instance
from imdskit.emulator.machine import Seeded
from imdskit.emulator.routes import Attestor, Routes
from imdskit.emulator.rules import refusal
from imdskit.emulator.scenario import Scenario
from imdskit.emulator.throttle import Throttle
from imdskit.protocol.messages import Request, Response
from imdskit.protocol.requests import parse_target
from imdskit.protocol.responses import NOT_FOUND, SERVER

Downloads = Callable[[str], tuple[str, bytes] | None]
"""What the emulator's authority publishes at a path: (media type, octets), or None."""


class App:
    """The service of one machine. Safe to share between threads.

    Args:
        scenario: what machine it is.
        backend: finds nodes in documents.
        clock: says what time it is.
        attestor: signs the content of attested documents.
        seed: of all values that the scenario does not give.
        throttle: the limits, or None for none.
        downloads: certificates of the emulator's own authority, below ``/pki/``; the real service has no such path.
    """

    def __init__(
        self,
        scenario: Scenario,
        backend: Backend,
        clock: Clock,
        attestor: Attestor,
        *,
        seed: int = 0,
        throttle: Throttle | None = None,
        downloads: Downloads | None = None,
    ) -> None:
        self.instance = Instance(scenario, seed, backend.document)
        self._machine = Machine(self.instance, scenario.api_versions)
        self._throttle = throttle
        self._downloads = downloads
        start, numbers = Seeded(seed).uuid("requests")[:-12], itertools.count()
        self._routes = Routes(clock, attestor, lambda: f"{start}{next(numbers):012x}")

    def handle(self, request: Request) -> Response:
        """The answer to one request. Every request has one; nothing is raised for what it says."""
        published = self._published(request)
        if published is not None:
            return published
        call = Call(self._machine, request)
        if self._throttle is None or call.category is None:
            return self._answer(call)
        if call.category == "identity":
            with self._throttle.identity() as call.admitted:
                return self._answer(call)
        call.admitted = self._throttle.general()
        return self._answer(call)

    def _answer(self, call: Call) -> Response:
        refused = refusal(call)
        return self._routes.answer(call) if refused is None else refused[1].response()

    def _published(self, request: Request) -> Response | None:
        """Certificates need no ``Metadata`` header, and white space after the address is forgiven: a known sample asks for ``...%0A``."""
        if self._downloads is None or not request.target.startswith("/pki/") or request.method not in ("GET", "HEAD"):
            return None
        found = self._downloads(parse_target(request.target).path.rstrip())
        if found is None:
            return NOT_FOUND.response()
        media_type, octets = found
        return Response(200, (("Content-Type", media_type), ("Server", SERVER)), octets)
