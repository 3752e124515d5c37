"""The emulator as one object: a machine, an authority that signs for it, and a server on loopback.

with Emulator("windows", seed=1) as imds:
    ...ask imds.url, verify with imds.trust_pem...
"""

from __future__ import annotations

import itertools
import secrets
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from imdskit.backends.contract import Backend
from imdskit.clock import Clock, ManualClock, MovableClock, SystemClock
from imdskit.emulator import state
from imdskit.emulator.authority import signed_document
from imdskit.emulator.authority.authority import Authority
from imdskit.emulator.authority.document_faults import Flaw
from imdskit.emulator.authority.keys import Keys
from imdskit.emulator.authority.tokens import Issuer
from imdskit.emulator.events.timeline import Events
from imdskit.emulator.faults.engine import Faults, Script
from imdskit.emulator.http.hosts import Hosts
from imdskit.emulator.http.server import Server, wrong_host
from imdskit.emulator.journal import KEPT, Journal
from imdskit.emulator.machine import expansion
from imdskit.emulator.scenario.scenario import Scenario
from imdskit.emulator.service import profiles
from imdskit.emulator.service.app import App
from imdskit.emulator.service.rate_limits import Throttle
from imdskit.errors import ImdskitError, ScenarioError, UsageError
from imdskit.protocol.messages import Request, Response

if TYPE_CHECKING:
    from imdskit.emulator.admin import Admin


Explain = Callable[[bytes, str | None], dict[str, Any]]
"""Takes a document apart, and checks it against the nonce if there is one; the answer is JSON. No verifier is part of an emulator."""


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
        journal: so many requests are remembered.
        admin_port: there is an admin side on this port of loopback, 0 for any free one; None: there is none.
        admin_token: that whoever asks the admin side must have; None makes one.
        snapshot_file: to go on from, if it exists, and where :meth:`save` writes.
        keys: that were made before: emulators that share them and have the same seed start in milliseconds.

    Attributes:
        scenario: the checked scenario; another one after :meth:`patch`, :meth:`become` and :meth:`restore`.
        authority: signs documents.
        issuer: signs tokens.
        app: the service without the server; replaced with the scenario.
        clock: says what time it is.
        events: scheduled events, to be announced and cancelled.
        faults: what goes wrong: to be loaded, listed and cleared at any time.
        journal: what was asked and answered.
        admin: the admin side, with its ``url`` and ``token``, or None.
        snapshot_file: as given.
        explain: takes documents apart for the admin side's page, such as ``partial(anatomy, Verifier(...))`` of ``imdskit.verify``; None at first.

    Raises:
        ScenarioError: the scenario, the script of faults or the snapshot is not usable.
        UsageError: an address cannot be listened on; there is no such profile or rule, or the rule cannot be switched off.
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
        journal: int = KEPT,
        admin_port: int | None = None,
        admin_token: str | None = None,
        snapshot_file: str | Path | None = None,
        keys: Keys | None = None,
    ) -> None:
        if backend is None:
            from imdskit.backends import best  # loads the extension, which only who needs it should pay for

            backend = best()
        self._backend = backend
        self.clock = clock = clock or SystemClock()
        self.scenario = scenario if isinstance(scenario, Scenario) else Scenario.load(scenario)
        self.faults = Faults(clock, faults)
        self.issuer = Issuer(lambda: self.url, seed, keys)
        self.journal = Journal(clock, journal)
        self.snapshot_file = snapshot_file
        self.explain: Explain | None = None
        self._seed = secrets.randbits(128) if seed is None else seed
        self._throttle = Throttle(backend.bucket, clock) if rate_limit else None
        self._profile = None if profile is None else profiles.find(profile)
        self._rules_off = tuple(rules_off)
        self._allow_hosts = tuple(allow_hosts)
        self._numbers = itertools.count()
        self._changing = threading.RLock()
        self.events = Events(clock, _name(self.scenario, self._seed), self._seed, enabling=events_enabling)
        self.app = self._made(self.scenario)
        found = None
        if snapshot_file is not None and Path(snapshot_file).exists():
            from imdskit.emulator import snapshot

            found = snapshot.read(snapshot_file)  # before keys are made, which takes a while
        if self.app.machine.identities:
            self.issuer.prepare()
        self.admin: Admin | None = None
        hosts = Hosts((host, *self._allow_hosts))
        self._server = Server(self.handle, host, port, clock=clock, hosts=hosts, misdirected=self.misdirected, quick=self.quick)
        try:
            self.authority = self._authority(seed, keys)
            if found is not None:
                self.restore(found)
            if admin_port is not None:
                from imdskit.emulator.admin import Admin  # most emulators have none

                self.admin = Admin(self, admin_port, admin_token)
        except ImdskitError:
            self._server.stop()
            raise

    @property
    def url(self) -> str:
        """Base address, without a slash at its end: put ``/metadata/...`` behind it."""
        return self._server.url

    @property
    def trust_pem(self) -> str:
        """Root and issuing authority of this emulator: whoever is to accept its documents must be told to trust these."""
        return self.authority.trust_pem()

    def handle(self, request: Request) -> Response:
        """The answer to one request, which goes into the journal."""
        return self.journal.answered(self.app.handle, request)

    def misdirected(self, request: Request) -> Response:
        """The answer to a request whose Host may not be asked; it goes into the journal, and no rule, limit or fault sees it."""
        return self.journal.answered(wrong_host, request)

    def quick(self, request: Request) -> bool:
        """Whether the answer takes no time worth speaking of."""
        return self.app.quick(request)

    def state(self) -> dict[str, Any]:
        """The scenario of the machine, in full, as a document of its own."""
        return state.document(self.scenario)

    def patch(self, patch: object) -> None:
        """Change the machine by a JSON merge patch (RFC 7386) of :meth:`state`. From the next request on it answers so.

        Raises:
            ScenarioError: what comes out is no scenario, or of another cloud; with the place as a JSON pointer. Nothing has changed.
        """
        with self._changing:
            self._become(state.patched(self.scenario, patch))

    def become(self, document: object) -> None:
        """Be the machine of another scenario, parsed JSON. Events, limits, faults and the journal stay. Raises ScenarioError as :meth:`patch`."""
        with self._changing:
            self._become(Scenario.of(document, self.scenario.name))

    def snapshot(self) -> dict[str, Any]:
        """The whole state, in JSON: scenario, events, faults, clock, and what the tokens are made of. No key, no seed, no token."""
        from imdskit.emulator import snapshot

        with self._changing:
            parts = self.events.snapshot(), self.faults.snapshot(), self.app.tokens.snapshot()
            return snapshot.of(self.clock.now(), self.scenario.name, self.state(), *parts)

    def restore(self, value: object) -> None:
        """Go on from a snapshot. A clock that can be moved is moved forward to the snapshot's time, never back.

        Raises:
            ScenarioError: it is no snapshot, or of another cloud; with the place as a JSON pointer. Nothing has changed.
        """
        from imdskit.emulator import snapshot

        parts = snapshot.checked(value)
        with self._changing:
            place = ""
            try:
                place = "/scenario/document"
                scenario = Scenario.of(parts["scenario"]["document"], parts["scenario"]["name"])
                app = self._checked(scenario)
                place = "/tokens"
                app.tokens.restore(parts["tokens"], app.machine.identities)
                place = "/events"
                Events(self.clock, "", 0).restore(parts["events"])
                place = "/faults"
                Faults(self.clock).restore(parts["faults"])
            except (ScenarioError, UsageError) as error:
                raise snapshot.wrong(error.message, place + error.location.rstrip("/"), error.hint) from None
            ahead = parts["clock"]["now"] - self.clock.now()
            if ahead > 0 and isinstance(self.clock, ManualClock | MovableClock):
                self.clock.advance(ahead)
            self.events.restore(parts["events"])
            self.faults.restore(parts["faults"])
            self._swap(scenario, app)

    def save(self, path: str | Path | None = None) -> str:
        """Write a snapshot that only its owner may read; by default to ``snapshot_file``.

        Returns:
            its path.

        Raises:
            UsageError: there is no path, or it cannot be written.
        """
        from imdskit.emulator import snapshot

        target = self.snapshot_file if path is None else path
        if target is None:
            raise UsageError("bad-argument", "There is no file for snapshots.", hint="Start the emulator with one: serve --snapshot FILE.")
        snapshot.write(target, self.snapshot())
        return str(target)

    def configuration(self) -> dict[str, Any]:
        """What is in effect, in JSON. The seed and the token of the admin side are not in it."""
        scenario, app = self.scenario, self.app
        profile = self._profile or profiles.of(scenario)
        return {
            "url": self.url,
            "admin": None if self.admin is None else self.admin.url,
            "scenario": scenario.name,
            "cloud": scenario.cloud.name,
            "apiVersions": list(app.machine.api_versions),
            "profile": profile.name,
            "rules": [rule.name for rule in profile.rules((*scenario.rules_off, *self._rules_off))],
            "rateLimit": self._throttle is not None,
            "eventsEnabling": self.events.enabling,
            "faults": len(self.faults.list()),
            "allowHosts": list(self._allow_hosts),
            "journal": self.journal.most,
            "clock": state.kind(self.clock),
            "backend": self._backend.name,
            "snapshotFile": None if self.snapshot_file is None else str(self.snapshot_file),
            "fleet": None,
        }

    def start(self) -> Self:
        """Answer requests from now on."""
        self._server.start()
        if self.admin is not None:
            self.admin.start()
        return self

    def stop(self) -> None:
        """Answer no more requests. Safe to call twice; an emulator does not start again."""
        self.journal.close()
        if self.admin is not None:
            self.admin.stop()
        self._server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _made(self, scenario: Scenario) -> App:
        return App(
            scenario,
            self._backend,
            self.clock,
            self._sign,
            self.issuer,
            seed=self._seed,
            throttle=self._throttle,
            downloads=self._download,
            profile=self._profile,
            rules_off=self._rules_off,
            faults=self.faults,
            events=self.events,
            numbers=self._numbers,
        )

    def _authority(self, seed: int | None, keys: Keys | None) -> Authority:
        domain, region = self.scenario.cloud.domain, self.app.instance.location
        try:
            return Authority(self.clock, self.url, domain=domain, region=region, seed=seed, keys=keys)
        except UsageError as error:
            raise ScenarioError("bad-scenario", error.message, location="/compute/location", hint=error.hint) from None

    def _checked(self, scenario: Scenario) -> App:
        """The service of ``scenario``, if this emulator can become it."""
        app = self._made(scenario)
        state.fits(scenario, app, self.scenario.cloud, self.authority, self.issuer)
        return app

    def _become(self, scenario: Scenario) -> None:
        app = self._checked(scenario)
        app.tokens.restore(self.app.tokens.snapshot(), app.machine.identities)
        self._swap(scenario, app)

    def _swap(self, scenario: Scenario, app: App) -> None:
        self.scenario, self.app = scenario, app
        self.events.name = _name(scenario, self._seed)

    def _sign(self, content: bytes, flaw: Flaw | None = None, /) -> bytes:
        return signed_document.message(self.authority.signer(region=self.app.instance.location, flaw=flaw), content, flaw)

    def _download(self, path: str) -> tuple[str, bytes] | None:
        return self.issuer.download(path) if path.startswith("/oidc/") else self.authority.download(path)


def _name(scenario: Scenario, seed: int) -> str:
    """Of the machine, as events name it."""
    return str(expansion.compute(scenario, seed).get("name", ""))
