"""Emulator of one machine: the machine, an authority that signs its documents, and an HTTP server
on loopback.

with Emulator("windows", seed=1) as imds:
    ...send requests to imds.url, verify documents with imds.trust_pem...
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
    """Instance Metadata Service of one machine, on a free port of loopback.

    As a context manager, it starts on entry and stops on exit.

    The address and the authority exist as soon as the object does. The emulator responds between
    :meth:`start` and :meth:`stop`.

    Args:
        scenario: name of a built-in scenario (:meth:`Scenario.names`), path of a file, or a
            Scenario.
        seed: source of the machine's identifiers and of the keys. The same seed gives the same
            identifiers and keys, and None gives random ones. Anyone who knows the seed can sign as
            the emulator.
        port: TCP port of the service; 0 selects a free one.
        rate_limit: whether the rate limits of the service apply.
        clock: source of the current time for documents, certificates and limits; None is the system
            clock.
        backend: implementation of the lookups in the instance document and of the rate limits. None
            selects the Rust extension if it is installed, and Python otherwise.
        host: address to listen on. Keep it on loopback unless other machines must reach the
            emulator.
        events_enabling: seconds between a machine's first request for scheduled events and the
            first response that lists events. Responses in between list none.
        profile: name of the service profile: ``today``, ``2021`` or ``strict-header``. The service
            of Azure has changed over time, and a profile selects one of its known behaviours. None
            uses the scenario's profile.
        rules_off: names of rules to switch off. A rule is a reason for which the service refuses a
            request; ``docs/fidelity.md`` lists all rules. Rules that the scenario switches off stay
            off.
        faults: fault script, as a path or as a list of rules; ``docs/faults.md`` describes the
            format.
        allow_hosts: further names that a request may have in its ``Host`` header; ``*`` allows any.
            Loopback, 169.254.169.254, ``host``, the address that the client connected to, and the
            hosts of ``public_url``, ``pki_url`` and ``issuer`` are always allowed.
        journal: maximum number of requests that the journal keeps.
        admin_port: port of the admin API; 0 selects a free one, and None disables the admin API.
        admin_token: token that clients of the admin API must send; None generates one.
        admin_host: address that the admin API listens on. Any address other than loopback requires
            ``admin_token``.
        admin_allow_hosts: names that a request to the admin API may have in its ``Host`` header,
            besides loopback and the address that the client connected to; ``*`` allows any.
        public_url: base address at which clients reach the emulator. It appears in certificates, in
            tokens and in :attr:`url`. None uses the listening address, with loopback in place of an
            unspecified address such as 0.0.0.0.
        pki_url: base address below which clients find issuer certificates and revocation lists.
            Certificates contain it. None uses ``/pki`` below the emulator's base address.
        issuer: base address of token issuers. The issuer of a tenant is this address followed by
            the tenant, and it is the claim ``iss`` of the tenant's tokens. None uses ``/oidc``
            below the emulator's base address.
        health: whether the service responds to ``/healthz`` with 200. Azure's service has no such
            path.
        snapshot_file: file that :meth:`save` writes to. If it exists, the emulator resumes from it.
        keys: cache of generated keys. An emulator starts in milliseconds if this cache already
            contains the keys for its seed.
        listener: bound TCP socket to listen on instead of ``host`` and ``port``; it may belong to
            another network namespace. The emulator closes it.

    Attributes:
        scenario: the checked scenario. :meth:`patch`, :meth:`become` and :meth:`restore` replace
            it.
        authority: authority that signs documents.
        issuer: issuer that signs access tokens.
        app: the service without the server. It is replaced together with the scenario.
        clock: source of the current time.
        events: scheduled events, which can be announced and cancelled.
        faults: injected faults, which can be loaded, listed and cleared at any time.
        journal: the most recent requests and responses.
        admin: the admin API with its ``url`` and ``token``, or None if it is disabled.
        snapshot_file: file for snapshots, as given.
        explain: function that inspects attested documents for the admin page, or None, which is the
            initial value. An example is ``partial(inspect_document, Verifier(...))``.
            ``inspect_document`` is in ``imdskit.verify.inspection``, and ``Verifier`` is in
            ``imdskit.verify``.

    Raises:
        ScenarioError: The scenario, the fault script or the snapshot is invalid.
        UsageError: An argument has the wrong type or is out of range, the emulator cannot listen on
            an address, or a profile or rule is unknown.
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
            found = snapshots.read(snapshot_file)  # Generating keys is slow, so an invalid file is refused before that.
        super().__init__(scenario_of("scenario", scenario), options, connections=CONNECTIONS, cached_responses=MOST)
        with self.closed_on_error():
            if found is not None:
                self.restore(found)
            self.admin = open_admin(self, options)

    @property
    def scenario(self) -> Scenario:
        """The checked scenario. :meth:`patch`, :meth:`become` and :meth:`restore` replace it."""
        return self.scenario_of(0)

    @property
    def app(self) -> App:
        """The service without the server. It is replaced when the scenario changes."""
        return self.machines.get(0)

    @property
    def events(self) -> Events:
        """Scheduled events of the machine, which can be announced and cancelled."""
        return self.machines.events(0)

    def state(self) -> dict[str, Any]:
        """Return the whole scenario of the machine as a JSON object."""
        return self.machine().state()

    def patch(self, patch: object) -> None:
        """Change the machine by a JSON merge patch (RFC 7386) of :meth:`state`.

        The change applies from the next request on.

        Raises:
            ScenarioError: The result is not a valid scenario, or belongs to another cloud. The
                location is a JSON pointer. The machine is unchanged.
        """
        self.machine().patch(patch)

    def become(self, document: object) -> None:
        """Replace the machine's scenario by ``document``, which is parsed JSON.

        Events, rate limits and faults stay.

        Raises:
            ScenarioError: The document is not a valid scenario, or belongs to another cloud. The
                machine is unchanged.
        """
        self.machine().become(document)

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as a JSON object: scenario, events, faults, clock and the data
        from which the cached tokens can be created again.

        A snapshot contains no key, no seed and no token.
        """
        return snapshots.take(self)

    def restore(self, value: object) -> None:
        """Resume from a snapshot.

        If the clock is movable, it moves forward to the snapshot's time, but never back.

        Raises:
            ScenarioError: The value is not a snapshot, or belongs to another cloud. The location is
                a JSON pointer. The emulator is unchanged.
        """
        snapshots.restore(self, value)

    def save(self, path: str | Path | None = None) -> str:
        """Write a snapshot to ``path``, by default to ``snapshot_file``, and return the path.

        Only the owner may read the file.

        Raises:
            UsageError: There is neither a path nor a ``snapshot_file``, or the file cannot be
                written.
        """
        return snapshots.save(self, path)
