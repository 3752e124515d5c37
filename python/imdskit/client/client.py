"""The client for threads. It runs the operations of :mod:`imdskit.client.operations` and performs their effects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from imdskit.client.effects import Effect, Operation, Send, Wait
from imdskit.client.operations import API_VERSION, PROBE_SECONDS, Operations, Probe, Retry, probe
from imdskit.client.responses import Json, Response
from imdskit.clock import SystemClock, WaitingClock
from imdskit.errors import ClientError
from imdskit.single_flight import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imdskit.client.events import Events
    from imdskit.client.nonces import Attestation
    from imdskit.client.retry import Policy
    from imdskit.client.tokens import Token, Tokens
    from imdskit.client.transport import Transport

MAX_BYTES = 1024 * 1024
"""The largest body that is read. The largest recorded is below 40 kB."""

T = TypeVar("T")


class Client:
    """Asks the Instance Metadata Service. Safe to share between threads, and best shared: what several ask for at the same time is fetched once.

    No proxy is ever used, whatever the environment says, and no redirect followed: the service must be asked directly (documentation,
    "Proxies").

    Args:
        base_url: where the service is: ``http://host[:port][/prefix]``. None: what ``AZURE_POD_IDENTITY_AUTHORITY_HOST`` or ``IMDS_ENDPOINT`` says;
            else http://169.254.169.254.
        timeout: seconds for one exchange, from the look-up of the name to the last octet.
        api_version: asked for where a call does not name one. ``newest``: the newest that both the host and this package know, determined
            by the first request and cached.
        connect_timeout: seconds until a connection must stand. On Azure that takes less than a millisecond; elsewhere packets often vanish.
        retry: what is asked again and until when: a policy of :mod:`imdskit.client.retry`, ``default``, ``patient``, or None for one attempt.
        clock: measures the time limits, and is waited on.

    Raises:
        UsageError: an argument or a variable cannot mean anything.
    """

    def __init__(
        self,
        base_url: str | None = None,
        timeout: float = 5.0,
        api_version: str = API_VERSION,
        *,
        connect_timeout: float = 2.0,
        retry: Policy | Retry | None = "default",
        clock: WaitingClock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._operations = Operations(base_url, timeout, api_version, connect_timeout, retry, self._clock)
        self._single_flight: SingleFlight[Any] = SingleFlight()
        self._transport: Transport | None = None
        self._tokens: Tokens | None = None

    @property
    def base_url(self) -> str:
        """Where the service is."""
        return self._operations.base_url

    @property
    def api_version(self) -> str:
        """What is asked for where a call does not name one."""
        return self._operations.api_version

    @overload
    def get(self, path: str, format: Literal["json"] = "json", api_version: str | None = None, **parameters: str) -> Json: ...

    @overload
    def get(self, path: str, format: Literal["text"], api_version: str | None = None, **parameters: str) -> str: ...

    def get(self, path: str, format: str = "json", api_version: str | None = None, **parameters: str) -> Json:  # noqa: A002  # as the service
        """What stands at ``path``.

        Args:
            path: ``/metadata/...``, or shorter: ``versions``, ``instance/compute``, ``compute`` (:func:`imdskit.client.address.full_path`).
            format: ``json`` for an object or array, parsed. ``text``, below ``/instance`` only: a single value as it is, or the names
                of the children of an object, one a line.
            api_version: instead of the client's.
            parameters: further ones of the query, for instance ``extended="true"``.

        Raises:
            ClientError: the service could not be asked, or did not answer as it should.
            UsageError: an argument cannot mean anything.
        """
        return self._run(self._operations.value(path, format, api_version, parameters))

    def get_bytes(self, path: str, format: str = "json", api_version: str | None = None, **parameters: str) -> bytes:  # noqa: A002  # as above
        """Like :meth:`get`, and checked like there; the octets of the answer unchanged."""
        return self._run(self._operations.raw(path, format, api_version, parameters))

    def instance(self, api_version: str | None = None) -> dict[str, Json]:
        """Everything that the service says of the machine: ``/metadata/instance``. Raises like :meth:`get`."""
        return self._run(self._operations.instance(api_version))

    def versions(self) -> tuple[str, ...]:
        """The api-versions that the host knows, ascending: ``/metadata/versions``. Raises like :meth:`get`."""
        return self._run(self._operations.versions())

    def attested_document(self, nonce: str | None = None, api_version: str | None = None) -> bytes:
        """A signed statement of who the machine is: ``/metadata/attested/document``. The service's JSON unchanged, ready for a verifier.

        Args:
            nonce: that the document shall carry; None lets the service put in a time.
            api_version: instead of the client's.

        Raises:
            ClientError: like :meth:`get`.
            UsageError: the nonce is one that the service may refuse.
        """
        return self._run(self._operations.attested_document(nonce, api_version))

    def attest(self, nonce: str | None = None, api_version: str | None = None) -> Attestation:
        """An attested document whose nonce was looked at: it is the one asked for. Nothing is verified by that.

        Args:
            nonce: that the verifier has issued; None makes one of ten digits.
            api_version: instead of the client's.

        Raises:
            ClientError: like :meth:`get`; ``wrong-nonce`` if another nonce came back, twice.
            UsageError: the nonce is one that the service may refuse.
        """
        from imdskit.client import nonces  # base64 and regular expressions: 5 ms to the 22 ms of importing the client

        return self._run(nonces.attest(self._operations, nonce, api_version))

    def token(self, resource: str, *, client_id: str | None = None, object_id: str | None = None, msi_res_id: str | None = None) -> Token:
        """A token of a managed identity: the one that is kept, or a new one. It is renewed before its end, while the old one is still good.

        Args:
            resource: that the token is for, such as ``https://vault.azure.net``.
            client_id: of the identity, if it is not the machine's own or only one; or instead
            object_id: of it, or
            msi_res_id: in Azure Resource Manager.

        Raises:
            ClientError: like :meth:`get`; ``bad-request`` if the machine has no such identity.
            UsageError: no resource, or more than one identity named.
        """
        if self._tokens is None:
            from imdskit.client.tokens import Tokens  # dataclasses: 13 ms to the 22 ms of importing the client

            self._tokens = Tokens(self._operations)
        return self._run(self._tokens.token(resource, {"client_id": client_id, "object_id": object_id, "msi_res_id": msi_res_id}))

    def probe(self, timeout: float = PROBE_SECONDS) -> Probe:
        """Whether the service is there: one attempt, whatever the policy.

        Args:
            timeout: seconds.

        Raises:
            UsageError: that is no time limit.
        """
        return self._run(probe(timeout))

    def events(
        self, *, poll: float = 1.0, patience: float = 300.0, seen: Mapping[str, str] | None = None, api_version: str | None = None
    ) -> Events:
        """Scheduled events as they come: an iterator that hands out each when it is announced, and again when it has begun.

        Args:
            poll: seconds between two requests. One per second is recommended; the minimum is 0.2.
            patience: seconds that the service may fail, as while it restarts, before that is an error.
            seen: what an earlier iterator had in its ``seen``: these events are not handed out again.
            api_version: of scheduled events. None: 2020-07-01, which every host knows; 2024-07-09 adds ``SpotRebalanceRecommendation``.

        Raises:
            ClientError: while iterating: like :meth:`get`, for a failure that does not pass.
            UsageError: an argument cannot mean anything.
        """
        from imdskit.client import event_follower, events  # with them come dataclasses: 13 ms to the 22 ms of importing the client

        return events.Events(
            event_follower.EventFollower(self._operations, poll, patience, seen or {}, api_version),
            self._run,
            lambda one: self.acknowledge(one),
        )

    def acknowledge(self, *ids: str) -> None:
        """Approve scheduled events, so that they begin at once.

        Args:
            ids: of the events.

        Raises:
            ClientError: like :meth:`get`; ``bad-request`` if one of them is not there, and then none is approved.
            UsageError: no id, or what is none.
        """
        from imdskit.client.event_follower import acknowledge  # as in events

        self._run(acknowledge(self._operations, ids))

    def _run(self, operation: Operation[T]) -> T:
        """Perform the effects of an operation one by one, and return its result."""
        result: Any = None
        try:
            effect = next(operation)
            while True:
                try:
                    result = self._perform(effect)
                except ClientError as error:
                    effect = operation.throw(error)
                else:
                    effect = operation.send(result)
        except StopIteration as end:
            value: T = end.value
            return value

    def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Send):
            return self._send(effect)
        if isinstance(effect, Wait):
            return self._clock.sleep(effect.seconds)
        return self._single_flight.run(effect.key, lambda: self._run(effect.operation()))

    def _send(self, effect: Send) -> Response:
        if self._transport is None:
            from imdskit.client.transport import Transport  # http.client: 30 ms to the 22 ms of importing the client

            operations = self._operations
            self._transport = Transport(operations.base_url, operations.timeout, operations.connect_timeout, MAX_BYTES, self._clock)
        if effect.body is None:
            return self._transport.get(effect.target, effect.timeout)
        return self._transport.post(effect.target, effect.body, effect.timeout)


__all__ = ["API_VERSION", "Client", "ClientError"]
