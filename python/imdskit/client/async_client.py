"""Client for asyncio.

It runs the same operations as the blocking client. Delays between requests do not block a thread.

Each HTTP exchange runs in a thread of the event loop's executor and ends within its timeout.
Everything else runs in the event loop (``docs/decisions/0012-async.md``). A method without further
documentation behaves like the method of the same name in :class:`imdskit.client.client.Client`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, overload

from imdskit.client import event_follower, nonces, operations
from imdskit.client.client import MAX_BYTES
from imdskit.client.effects import Effect, Operation, Send, Share, Wait
from imdskit.client.event_follower import Event, EventFollower
from imdskit.client.events import FollowedEvents, members
from imdskit.client.operations import API_VERSION, PROBE_SECONDS, Operations, Retry
from imdskit.client.responses import Json
from imdskit.client.tokens import Token, Tokens
from imdskit.client.transport import Transport
from imdskit.clock import Clock, SystemClock
from imdskit.errors import ClientError, ImdskitError
from imdskit.single_flight import copied

if TYPE_CHECKING:
    from imdskit.client.retry import Policy

T = TypeVar("T")


class AsyncClient:
    """Client for asyncio.

    Share one client between tasks: if several tasks request the same thing at the same time, the
    client sends only one request.

    A cancelled task stops waiting at once. An HTTP exchange that is already in progress continues
    in its thread until it ends or times out. Use a client in only one event loop at a time.

    Args:
        base_url: see :class:`imdskit.client.Client`.
        timeout: see :class:`imdskit.client.Client`.
        api_version: see :class:`imdskit.client.Client`.
        connect_timeout: see :class:`imdskit.client.Client`.
        retry: see :class:`imdskit.client.Client`.
        clock: measures the timeouts.
        sleep: coroutine function that waits for a number of seconds, measured by ``clock``.

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
        clock: Clock | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        clock = clock or SystemClock()
        self._operations = operations = Operations(base_url, timeout, api_version, connect_timeout, retry, clock)
        self._transport = Transport(operations.base_url, operations.timeout, operations.connect_timeout, MAX_BYTES, clock)
        self._tokens = Tokens(operations)
        self._sleep = sleep
        self._in_progress: dict[Hashable, asyncio.Task[tuple[Any, ImdskitError | None]]] = {}

    @property
    def base_url(self) -> str:
        """Address of the service."""
        return self._operations.base_url

    @property
    def api_version(self) -> str:
        """Default api-version of requests."""
        return self._operations.api_version

    @overload
    async def get(self, path: str, format: Literal["json"] = "json", api_version: str | None = None, **parameters: str) -> Json: ...

    @overload
    async def get(self, path: str, format: Literal["text"], api_version: str | None = None, **parameters: str) -> str: ...

    async def get(self, path: str, format: str = "json", api_version: str | None = None, **parameters: str) -> Json:  # noqa: A002  # IMDS calls it `format`
        """Request ``path``; see :meth:`imdskit.client.Client.get`."""
        return await self._run(self._operations.value(path, format, api_version, parameters))

    async def get_bytes(self, path: str, format: str = "json", api_version: str | None = None, **parameters: str) -> bytes:  # noqa: A002  # as above
        """Request ``path`` like :meth:`get`, but return the body of the response unchanged."""
        return await self._run(self._operations.raw(path, format, api_version, parameters))

    async def instance(self, api_version: str | None = None) -> dict[str, Json]:
        """Return the whole instance document."""
        return await self._run(self._operations.instance(api_version))

    async def versions(self) -> tuple[str, ...]:
        """Return the api-versions that the service supports, in ascending order."""
        return await self._run(self._operations.versions())

    async def attested_document(self, nonce: str | None = None, api_version: str | None = None) -> bytes:
        """Request an attested document; see :meth:`imdskit.client.Client.attested_document`."""
        return await self._run(self._operations.attested_document(nonce, api_version))

    async def attest(self, nonce: str | None = None, api_version: str | None = None) -> nonces.UnverifiedDocument:
        """Request an attested document, and check that it carries the requested nonce; see
        :meth:`imdskit.client.Client.attest`."""
        return await self._run(nonces.attest(self._operations, nonce, api_version))

    async def token(
        self, resource: str, *, client_id: str | None = None, object_id: str | None = None, msi_res_id: str | None = None
    ) -> Token:
        """Return a cached or new token of a managed identity; see
        :meth:`imdskit.client.Client.token`."""
        selectors = {"client_id": client_id, "object_id": object_id, "msi_res_id": msi_res_id}
        return await self._run(self._tokens.token(resource, selectors))

    async def probe(self, timeout: float = PROBE_SECONDS) -> operations.Probe:
        """Check whether the service responds. The client sends one request and never retries it."""
        return await self._run(operations.probe(timeout))

    def events(
        self,
        *,
        poll: float = event_follower.POLL,
        patience: float = event_follower.PATIENCE,
        seen: Mapping[str, str] | None = None,
        api_version: str | None = None,
    ) -> AsyncEvents:
        """Return an asynchronous iterator over scheduled events; see
        :meth:`imdskit.client.Client.events`."""
        return AsyncEvents(EventFollower(self._operations, poll, patience, seen or {}, api_version), self._run, self.acknowledge)

    async def acknowledge(self, *ids: str) -> None:
        """Approve scheduled events, so that they start at once; see
        :meth:`imdskit.client.Client.acknowledge`."""
        await self._run(self._operations.acknowledge(ids))

    async def _run(self, operation: Operation[T]) -> T:
        """Run an operation to its end, and return its result.

        The client performs each effect that the operation yields.
        """
        try:
            effect = next(operation)
            while True:
                try:
                    result = await self._perform(effect)
                except ClientError as error:
                    effect = operation.throw(error)
                else:
                    effect = operation.send(result)
        except StopIteration as end:
            value: T = end.value
            return value

    async def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Send):
            return await asyncio.to_thread(self._transport.request, effect.target, effect.timeout, effect.body)
        if isinstance(effect, Wait):
            return await self._sleep(effect.seconds)
        return await self._share(effect)

    async def _share(self, effect: Share) -> Any:
        """Run one operation for all tasks that need its result.

        The operation runs in a separate task, so cancelling a waiting task does not stop it.
        """
        call = self._in_progress.get(effect.key)
        if call is None:
            call = self._in_progress[effect.key] = asyncio.create_task(self._lead(effect))
        value, error = await asyncio.shield(call)
        if error is not None:
            raise copied(error)
        return value

    async def _lead(self, effect: Share) -> tuple[Any, ImdskitError | None]:
        try:
            return await self._run(effect.operation()), None
        except ImdskitError as error:
            return None, error
        finally:
            del self._in_progress[effect.key]


@dataclass(frozen=True, slots=True)
class AsyncScheduledEvent(Event):
    """Scheduled event from an asynchronous client, with a method that acknowledges it."""

    approve: Callable[[str], Awaitable[None]] = field(repr=False, compare=False)

    async def acknowledge(self) -> None:
        """Approve the event; see :meth:`imdskit.client.events.ScheduledEvent.acknowledge`."""
        await self.approve(self.id)


class AsyncEvents(FollowedEvents):
    """Asynchronous iterator over scheduled events, like :class:`imdskit.client.events.Events`.

    Do not share it between tasks.
    """

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AsyncScheduledEvent:
        if not self._waiting:
            self._waiting.extend(await self._run(self._follower.changes()))
        return AsyncScheduledEvent(**members(self._waiting.popleft()), approve=self._approve)
