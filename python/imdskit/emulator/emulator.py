"""The emulator as one object: a machine, an authority that signs for it, and a server on loopback.

with Emulator("windows", seed=1) as imds:
    ...request imds.url, verify with imds.trust_pem...
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from imdskit.backends.contract import Backend
from imdskit.clock import Clock
from imdskit.emulator import snapshot as snapshots
from imdskit.emulator.admin import open_admin
from imdskit.emulator.authority.keys import Keys
from imdskit.emulator.events.timeline import Events
from imdskit.emulator.faults.engine import Script
from imdskit.emulator.host import Host
from imdskit.emulator.http.server import CONNECTIONS
from imdskit.emulator.journal import KEPT
from imdskit.emulator.options import Options, scenario_of
from imdskit.emulator.scenario.scenario import Scenario
from imdskit.emulator.service.app import App
from imdskit.emulator.service.response_cache import MOST


class Emulator(Host):
    """An Instance Metadata Service with one machine, on a free port of loopback. A context manager: started on entry, stopped on exit.

    The address and the authority exist as soon as the object does. It responds between :meth:`start` and :meth:`stop`.

    Args:
        scenario: a built-in name (:meth:`Scenario.names`), a path to a file, or a Scenario.
        seed: the same seed gives the same machine and the same keys; None makes both anew. Anyone who knows the seed can sign as the emulator.
        port: 0 for any free one.
        rate_limit: whether the limits of the service apply.
        clock: says what time it is, for documents, certificates and limits.
        backend: finds nodes in documents and counts requests; None for the best there is.
        host: address to listen on; keep it on loopback unless others must reach the emulator.
        events_enabling: seconds from the first request for scheduled events until they are shown.
        profile: which known behaviour of the service the rules show: ``today``, ``2021`` or ``strict-header``; None: the scenario's.
        rules_off: names of rules that are switched off, besides the scenario's; the rules are in ``docs/fidelity.md``.
        faults: fault script: its path, or its rules; the format is in ``docs/faults.md``.
        allow_hosts: names that requests may give as ``Host``, besides loopback, 169.254.169.254 and ``host``; ``*`` for any.
        journal: number of requests that the journal keeps.
        admin_port: port of the admin API, 0 for any free one; None: there is no admin API.
        admin_token: token that clients of the admin API must send; None makes one.
        admin_host: address that the admin API listens on; off loopback ``admin_token`` is required.
        admin_allow_hosts: names that requests to the admin API may give as ``Host``, besides loopback and the address they came to; ``*`` for any.
        public_url: base address at which clients reach the emulator, for documents, tokens and :attr:`url`; None: the address that it listens on,
            with loopback in the place of an unspecified address such as 0.0.0.0.
        pki_url: address below which certificates name their issuers and revocation lists; None: ``/pki`` below the base address.
        issuer: address below which tokens name their issuer, by its tenant; None: ``/oidc`` below the base address.
        health: whether ``/healthz`` responds with 200 on the port of the service, which has no such path on Azure.
        snapshot_file: file to resume from, if it exists, and to which :meth:`save` writes.
        keys: keys generated before; emulators that share them and have the same seed start in milliseconds.
        listener: bound TCP socket to listen on instead of ``host`` and ``port``, perhaps of another network namespace. The emulator closes it.

    Attributes:
        scenario: the checked scenario; another one after :meth:`patch`, :meth:`become` and :meth:`restore`.
        authority: signs documents.
        issuer: signs tokens.
        app: the service without the server; replaced with the scenario.
        clock: says what time it is.
        events: scheduled events, to be announced and cancelled.
        faults: injected faults, to be loaded, listed and cleared at any time.
        journal: requests and responses.
        admin: the admin API, with its ``url`` and ``token``, or None.
        snapshot_file: as given.
        explain: inspects documents for the page of the admin API, such as ``partial(inspect_document, Verifier(...))`` of ``imdskit.verify``; None at first.

    Raises:
        ScenarioError: the scenario, the script of faults or the snapshot is not usable.
        UsageError: an argument has the wrong type or is out of range, an address cannot be listened on, or a profile or rule is unknown.
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
        listener: socket.socket | None = None,
        public_url: str | None = None,
        pki_url: str | None = None,
        issuer: str | None = None,
        health: bool = False,
        admin_host: str = "127.0.0.1",
        admin_allow_hosts: Iterable[str] = (),
    ) -> None:
        options = Options.among(locals())
        found = None
        if snapshot_file is not None and Path(snapshot_file).exists():
            found = snapshots.read(snapshot_file)  # before the keys are generated, which takes a while
        super().__init__(scenario_of("scenario", scenario), options, connections=CONNECTIONS, cached_responses=MOST)
        with self.closed_on_error():
            if found is not None:
                self.restore(found)
            self.admin = open_admin(self, options)

    @property
    def scenario(self) -> Scenario:
        """The checked scenario. It changes with :meth:`patch`, :meth:`become` and :meth:`restore`."""
        return self.scenario_of(0)

    @property
    def app(self) -> App:
        """The service without the server. It is replaced when the scenario changes."""
        return self.machines.get(0)

    @property
    def events(self) -> Events:
        """Scheduled events, to be announced and cancelled."""
        return self.machines.events(0)

    def state(self) -> dict[str, Any]:
        """Return the whole scenario of the machine as a document."""
        return self.machine().state()

    def patch(self, patch: object) -> None:
        """Change the machine by a JSON merge patch (RFC 7386) of :meth:`state`, from the next request on.

        Raises:
            ScenarioError: the result is not a valid scenario, or of another cloud; the location is a JSON pointer. Nothing has changed.
        """
        self.machine().patch(patch)

    def become(self, document: object) -> None:
        """Give the machine another scenario, parsed JSON. Events, limits and faults stay. Raises ScenarioError like :meth:`patch`."""
        self.machine().become(document)

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON: scenario, events, faults, clock, and what the tokens are made of. No key, no seed, no token."""
        return snapshots.take(self)

    def restore(self, value: object) -> None:
        """Resume from a snapshot. A clock that can be moved is moved forward to the snapshot's time, never back.

        Raises:
            ScenarioError: it is not a snapshot, or of another cloud; the location is a JSON pointer. Nothing has changed.
        """
        snapshots.restore(self, value)

    def save(self, path: str | Path | None = None) -> str:
        """Write a snapshot that only its owner may read, by default to ``snapshot_file``, and return its path.

        Raises:
            UsageError: there is no path, or it cannot be written.
        """
        return snapshots.save(self, path)
