"""Blocking client, which threads can share.

It runs the operations of :mod:`imdskit.client.operations`, and performs the effects that they
request (:mod:`imdskit.client.effects`).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from imdskit.client.effects import Effect, Operation, Send, Wait
from imdskit.client.operations import API_VERSION, PROBE_SECONDS, Operations, Probe, Retry, probe
from imdskit.client.responses import Json
from imdskit.clock import SystemClock, WaitingClock
from imdskit.errors import ClientError
from imdskit.single_flight import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imdskit.client.events import Events
    from imdskit.client.nonces import UnverifiedDocument
    from imdskit.client.retry import Policy
    from imdskit.client.tokens import Token, Tokens
    from imdskit.client.transport import Transport

MAX_BYTES = 1024 * 1024
"""Maximum size in bytes of the body of a response.

The largest body that was recorded has less than 40 kB.
"""

T = TypeVar("T")


class Client:
    """Client of the Instance Metadata Service.

    Share one client between threads: if several threads request the same thing at the same time,
    the client sends only one request.

    Requests must reach the service directly (IMDS documentation, "Proxies"). The client therefore
    never uses a proxy, even if the environment names one, and never follows a redirect.

    Args:
        base_url: address of the service, ``http://host[:port][/prefix]``. With None, the client
            takes the address from the environment variable ``AZURE_POD_IDENTITY_AUTHORITY_HOST``
            or, if that is not set, from ``IMDS_ENDPOINT``. If neither is set, the address is
            http://169.254.169.254.
        timeout: maximum number of seconds for one exchange, from resolving the host name to the
            last byte of the response.
        api_version: default api-version of requests. ``newest`` selects the newest version that
            both the service and this package support. The client determines that version once and
            caches it.
        connect_timeout: maximum number of seconds for establishing a connection. On Azure,
            connecting takes less than a millisecond. On other networks, packets to the service's
            address are often lost. Without this limit, the client would wait for the whole
            ``timeout`` on such a network.
        retry: a policy of :mod:`imdskit.client.retry`, or the name of one (``default`` or
            ``patient``). None means a single attempt.
        clock: clock for the timeouts, and for the delays between attempts.

    Raises:
        UsageError: an argument or an environment variable is invalid.
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

    @property
    def base_url(self) -> str:
        """Address of the service."""
        return self._operations.base_url

    @property
    def api_version(self) -> str:
        """Default api-version of requests."""
        return self._operations.api_version

    @overload
    def get(self, path: str, format: Literal["json"] = "json", api_version: str | None = None, **parameters: str) -> Json: ...

    @overload
    def get(self, path: str, format: Literal["text"], api_version: str | None = None, **parameters: str) -> str: ...

    def get(self, path: str, format: str = "json", api_version: str | None = None, **parameters: str) -> Json:  # noqa: A002  # IMDS calls it `format`
        """Request ``path``.

        Args:
            path: full path, ``/metadata/...``, or a short form such as ``versions``,
                ``instance/compute`` or ``compute`` (:func:`imdskit.client.address.full_path`).
            format: with ``json``, the result is a parsed object or array. ``text`` exists only
                below ``/instance``: the result is a single value as text, or the names of the
                members of an object, one per line.
            api_version: api-version of this request, instead of the client's default.
            parameters: further parameters of the query, such as ``extended="true"``.

        Raises:
            ClientError: the service did not respond, or its response is an error.
            UsageError: an argument is invalid.
        """
        return self._run(self._operations.value(path, format, api_version, parameters))

    def get_bytes(self, path: str, format: str = "json", api_version: str | None = None, **parameters: str) -> bytes:  # noqa: A002  # as above
        """Request ``path``, and check the response like :meth:`get`, but return its body
        unchanged."""
        return self._run(self._operations.raw(path, format, api_version, parameters))

    def instance(self, api_version: str | None = None) -> dict[str, Json]:
        """Return the whole instance document, ``/metadata/instance``. The errors are those of
        :meth:`get`."""
        return self._run(self._operations.instance(api_version))

    def versions(self) -> tuple[str, ...]:
        """Return the api-versions that the service supports, in ascending order
        (``/metadata/versions``). The errors are those of :meth:`get`."""
        return self._run(self._operations.versions())

    def attested_document(self, nonce: str | None = None, api_version: str | None = None) -> bytes:
        """Request an attested document, ``/metadata/attested/document``, and return its JSON
        unchanged for a verifier.

        Args:
            nonce: nonce to include in the document. With None, the service chooses a nonce, which
                contains a time.
            api_version: api-version of this request, instead of the client's default.

        Raises:
            ClientError: like :meth:`get`.
            UsageError: the nonce has a form that the service may refuse.
        """
        return self._run(self._operations.attested_document(nonce, api_version))

    def attest(self, nonce: str | None = None, api_version: str | None = None) -> UnverifiedDocument:
        """Request an attested document, and check that it carries the requested nonce.

        The signature is not verified.

        Args:
            nonce: nonce that the verifier has issued. With None, the client generates a nonce of
                ten digits.
            api_version: api-version of this request, instead of the client's default.

        Raises:
            ClientError: like :meth:`get`. The code is ``wrong-nonce`` if two documents in
                succession do not carry the requested nonce.
            UsageError: the nonce has a form that the service may refuse.
        """
        from imdskit.client import nonces  # base64 and regular expressions would add 5 ms to the 22 ms of importing the client

        return self._run(nonces.attest(self._operations, nonce, api_version))

    def token(self, resource: str, *, client_id: str | None = None, object_id: str | None = None, msi_res_id: str | None = None) -> Token:
        """Return a token of a managed identity, from the cache or from the service.

        This method renews a cached token before that token expires.

        Args:
            resource: resource that the token is for, such as ``https://vault.azure.net``.
            client_id: client id of the identity. Without any id, the service uses the
                system-assigned identity. If there is none, it uses the user-assigned identity,
                provided that the machine has only one.
            object_id: object id of the identity, instead of ``client_id``.
            msi_res_id: Azure resource id of the identity, instead of ``client_id``.

        Raises:
            ClientError: like :meth:`get`. The code is ``bad-request`` if the machine has no such
                identity.
            UsageError: the resource is missing, or more than one identity is named.
        """
        return self._run(self._tokens.token(resource, {"client_id": client_id, "object_id": object_id, "msi_res_id": msi_res_id}))

    def probe(self, timeout: float = PROBE_SECONDS) -> Probe:
        """Check whether the service responds. The client sends one request and never retries it.

        Args:
            timeout: maximum number of seconds to wait for the response.

        Raises:
            UsageError: the timeout is invalid.
        """
        return self._run(probe(timeout))

    def events(
        self, *, poll: float = 1.0, patience: float = 300.0, seen: Mapping[str, str] | None = None, api_version: str | None = None
    ) -> Events:
        """Return an iterator over scheduled events.

        It yields each event when it is announced, and again when it has started.

        Args:
            poll: seconds between two requests. Azure recommends one request per second. A smaller
                number than 0.2 is treated as 0.2.
            patience: number of seconds for which the iterator tolerates failures of the service,
                for example during a restart. After that time it raises an error.
            seen: the attribute ``seen`` of an earlier iterator. The new iterator yields an event in
                this mapping only if the status of the event has changed.
            api_version: api-version of the requests for scheduled events. None selects 2020-07-01,
                which every Azure host supports. Version 2024-07-09 adds the event type
                ``SpotRebalanceRecommendation``.

        Raises:
            ClientError: the service failed permanently, or for longer than ``patience``. The
                iterator raises this error when it requests events. This method never raises it.
            UsageError: an argument is invalid.
        """
        from imdskit.client import event_follower, events  # dataclasses would add 13 ms to the 22 ms of importing the client

        follower = event_follower.EventFollower(self._operations, poll, patience, seen or {}, api_version)
        return events.Events(follower, self._run, self.acknowledge)

    def acknowledge(self, *ids: str) -> None:
        """Approve scheduled events, so that they start at once.

        Args:
            ids: ids of the events.

        Raises:
            ClientError: like :meth:`get`. The code is ``bad-request`` if the service does not list
                one of the events. In this case, none of the events is approved.
            UsageError: no id is given, or an id is not text.
        """
        self._run(self._operations.acknowledge(ids))

    def _run(self, operation: Operation[T]) -> T:
        """Run an operation to its end, and return its result.

        The client performs each effect that the operation yields.
        """
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
            return self._transport.request(effect.target, effect.timeout, effect.body)
        if isinstance(effect, Wait):
            return self._clock.sleep(effect.seconds)
        return self._single_flight.run(effect.key, lambda: self._run(effect.operation()))

    @cached_property
    def _transport(self) -> Transport:
        from imdskit.client.transport import Transport  # http.client would add 30 ms to the 22 ms of importing the client

        operations = self._operations
        return Transport(operations.base_url, operations.timeout, operations.connect_timeout, MAX_BYTES, self._clock)

    @cached_property
    def _tokens(self) -> Tokens:
        from imdskit.client.tokens import Tokens  # dataclasses would add 13 ms to the 22 ms of importing the client

        return Tokens(self._operations)


__all__ = ["API_VERSION", "Client", "ClientError"]
