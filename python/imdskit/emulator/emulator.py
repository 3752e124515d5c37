"""The emulator as one object: a machine, an authority that signs for it, and a server on loopback.

with Emulator("windows", seed=1) as imds:
    ...ask imds.url, verify with imds.trust_pem...
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from imdskit.backends.contract import Backend
from imdskit.clock import Clock, SystemClock
from imdskit.emulator import attest, profiles
from imdskit.emulator.app import App
from imdskit.emulator.authority import Authority
from imdskit.emulator.faults import Faults, Script
from imdskit.emulator.flaws import Flaw
from imdskit.emulator.hosts import Hosts
from imdskit.emulator.http import Server
from imdskit.emulator.scenario import Scenario
from imdskit.emulator.throttle import Throttle
from imdskit.emulator.tokens import Issuer
from imdskit.errors import ScenarioError, UsageError


class Emulator:
    """An Instance Metadata Service of its own, on a free port of loopback. A context manager: started on entry, stopped on exit.

    The address is known, and the authority made, as soon as the object is; answers come between :meth:`start` and :meth:`stop`.

    Args:
        scenario: a built-in name (:meth:`Scenario.names`), a path to a file, or a Scenario.
        seed: the same seed gives the same machine and the same keys; None makes both anew. Who knows the seed can sign as the emulator.
        port: 0 for any free one.
        rate_limit: False answers any number of requests.
        clock: says what time it is, for documents, certificates and limits.
        backend: finds nodes in documents and counts requests; None for the best there is.
        host: address to listen on. Nothing but loopback without need.
        events_enabling: seconds from the first question for scheduled events until they are shown.
        profile: which of the service's known moods the rules show: ``today``, ``2021`` or ``strict-header``; None: the scenario's.
        rules_off: names of rules that are switched off, besides the scenario's; the rules are in ``docs/fidelity.md``.
        faults: what goes wrong: path of a script, or what it says; the format is in ``docs/faults.md``.
        allow_hosts: names that may stand as ``Host`` in requests, besides loopback, 169.254.169.254 and ``host``; ``*`` for any.

    Attributes:
        scenario: the checked scenario.
        authority: signs documents.
        issuer: signs tokens.
        app: the service without the server.
        events: scheduled events, to be announced and cancelled.
        faults: what goes wrong: to be loaded, listed and cleared at any time.

    Raises:
        ScenarioError: the scenario or the script of faults is not usable.
        UsageError: the address cannot be listened on; there is no such profile or rule, or the rule cannot be switched off.
    """

    def __init__(
        self,
        scenario: str | Path | Scenario = "linux",
        seed: int | None = None,
        port: int = 0,
        rate_limit: bool = True,
        clock: Clock | None = None,
        backend: Backend | None = None,
        *,
        host: str = "127.0.0.1",
        events_enabling: int = 0,
        profile: str | None = None,
        rules_off: Iterable[str] = (),
        faults: Script | None = None,
        allow_hosts: Iterable[str] = (),
    ) -> None:
        if backend is None:
            from imdskit.backends import best  # loads the extension, which only who needs it should pay for

            backend = best()
        clock = clock or SystemClock()
        self.scenario = scenario if isinstance(scenario, Scenario) else Scenario.load(scenario)
        self.faults = Faults(clock, faults)
        self.issuer = Issuer(lambda: self.url, seed)
        self.app = App(
            self.scenario,
            backend,
            clock,
            self._sign,
            self.issuer,
            seed=secrets.randbits(128) if seed is None else seed,
            throttle=Throttle(backend.bucket, clock) if rate_limit else None,
            downloads=self._download,
            events_enabling=events_enabling,
            profile=None if profile is None else profiles.find(profile),
            rules_off=rules_off,
            faults=self.faults,
        )
        self.events = self.app.machine.events
        if self.app.machine.identities:
            self.issuer.prepare()
        self._server = Server(self.app.handle, host, port, clock=clock, hosts=Hosts((host, *allow_hosts)))
        try:
            self.authority = Authority(clock, self.url, domain=self.scenario.cloud.domain, region=self.app.instance.location, seed=seed)
        except UsageError as error:
            self._server.server_close()
            raise ScenarioError("bad-scenario", error.message, location="/compute/location", hint=error.hint) from None

    @property
    def url(self) -> str:
        """Base address, without a slash at its end: put ``/metadata/...`` behind it."""
        return self._server.url

    @property
    def trust_pem(self) -> str:
        """Root and issuing authority of this emulator: whoever is to accept its documents must be told to trust these."""
        return self.authority.trust_pem()

    def start(self) -> Self:
        """Answer requests from now on."""
        self._server.start()
        return self

    def stop(self) -> None:
        """Answer no more requests. Safe to call twice; an emulator does not start again."""
        self._server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _sign(self, content: bytes, flaw: Flaw | None = None, /) -> bytes:
        return attest.message(self.authority.signer(flaw=flaw), content, flaw)

    def _download(self, path: str) -> tuple[str, bytes] | None:
        return self.issuer.download(path) if path.startswith("/oidc/") else self.authority.download(path)
