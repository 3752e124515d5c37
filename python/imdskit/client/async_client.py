"""The client for asyncio: the same operations as the one for threads, with waits that cost no thread.

One exchange, which ends within its time limit, runs in a thread of the loop's executor; everything else is the loop's own
(``docs/decisions/0012-async.md``). What belongs here: the driver, single flight among tasks, and methods like those of
:class:`imdskit.client.client.Client`, whose documentation holds here too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, overload

from imdskit.client import event_follower, nonces, operations
from imdskit.client.client import MAX_BYTES
from imdskit.client.effects import Effect, Operation, Send, Share, Wait
from imdskit.client.event_follower import Event, EventFollower
from imdskit.client.events import members
from imdskit.client.operations import API_VERSION, PROBE_SECONDS, Operations, Retry
from imdskit.client.responses import Json, Response
from imdskit.client.tokens import Token, Tokens
from imdskit.client.transport import Transport
from imdskit.clock import Clock, SystemClock
from imdskit.errors import ClientError, ImdskitError
from imdskit.single_flight import copied

if TYPE_CHECKING:
    from imdskit.client.retry import Policy

T = TypeVar("T")


class AsyncClient:
    """Asks the Instance Metadata Service from asyncio. Best shared: what several tasks ask for at the same time is fetched once.

    A task that is cancelled stops waiting at once; an exchange under way ends by itself, within its time limit. To be used in one event loop
    at a time.

    Args:
        base_url: as for :class:`imdskit.client.Client`, and so are the others.
        timeout: likewise.
        api_version: likewise.
        connect_timeout: likewise.
        retry: likewise.
        clock: measures the time limits.
        sleep: waits so many seconds, on that clock.

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
        """Where the service is."""
        return self._operations.base_url

    @property
    def api_version(self) -> str:
        """What is asked for where a call does not name one."""
        return self._operations.api_version

    @overload
    async def get(self, path: str, format: Literal["json"] = "json", api_version: str | None = None, **parameters: str) -> Json: ...

    @overload
    async def get(self, path: str, format: Literal["text"], api_version: str | None = None, **parameters: str) -> str: ...

    async def get(self, path: str, format: str = "json", api_version: str | None = None, **parameters: str) -> Json:  # noqa: A002  # as the service
        """What stands at ``path``: see :meth:`imdskit.client.Client.get`."""
        return await self._run(self._operations.value(path, format, api_version, parameters))

    async def get_bytes(self, path: str, format: str = "json", api_version: str | None = None, **parameters: str) -> bytes:  # noqa: A002  # as above
        """Like :meth:`get`; the octets of the answer unchanged."""
        return await self._run(self._operations.raw(path, format, api_version, parameters))

    async def instance(self, api_version: str | None = None) -> dict[str, Json]:
        """Everything that the service says of the machine."""
        return await self._run(self._operations.instance(api_version))

    async def versions(self) -> tuple[str, ...]:
        """The api-versions that the host knows, ascending."""
        return await self._run(self._operations.versions())

    async def attested_document(self, nonce: str | None = None, api_version: str | None = None) -> bytes:
        """A signed statement of who the machine is: see :meth:`imdskit.client.Client.attested_document`."""
        return await self._run(self._operations.attested_document(nonce, api_version))

    async def attest(self, nonce: str | None = None, api_version: str | None = None) -> nonces.Attestation:
        """An attested document whose nonce was looked at: see :meth:`imdskit.client.Client.attest`."""
        return await self._run(nonces.attest(self._operations, nonce, api_version))

    async def token(
        self, resource: str, *, client_id: str | None = None, object_id: str | None = None, msi_res_id: str | None = None
    ) -> Token:
        """A token of a managed identity, kept and renewed: see :meth:`imdskit.client.Client.token`."""
        selectors = {"client_id": client_id, "object_id": object_id, "msi_res_id": msi_res_id}
        return await self._run(self._tokens.token(resource, selectors))

    async def probe(self, timeout: float = PROBE_SECONDS) -> operations.Probe:
        """Whether the service is there, in one attempt."""
        return await self._run(operations.probe(timeout))

    def events(
        self,
        *,
        poll: float = event_follower.POLL,
        patience: float = event_follower.PATIENCE,
        seen: Mapping[str, str] | None = None,
        api_version: str | None = None,
    ) -> AsyncEvents:
        """Scheduled events as they come, for ``async for``: see :meth:`imdskit.client.Client.events`."""
        return AsyncEvents(EventFollower(self._operations, poll, patience, seen or {}, api_version), self._run, self.acknowledge)

    async def acknowledge(self, *ids: str) -> None:
        """Approve scheduled events, so that they begin at once: see :meth:`imdskit.client.Client.acknowledge`."""
        await self._run(event_follower.acknowledge(self._operations, ids))

    async def _run(self, operation: Operation[T]) -> T:
        """Perform the effects of an operation one by one, and return its result."""
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
            return await asyncio.to_thread(self._send, effect)
        if isinstance(effect, Wait):
            return await self._sleep(effect.seconds)
        return await self._share(effect)

    def _send(self, effect: Send) -> Response:
        if effect.body is None:
            return self._transport.get(effect.target, effect.timeout)
        return self._transport.post(effect.target, effect.body, effect.timeout)

    async def _share(self, effect: Share) -> Any:
        """Single flight among tasks. The call belongs to no task, so a cancelled task does not take it from the others."""
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
    """An :class:`imdskit.client.event_follower.Event` of an asynchronous client."""

    approve: Callable[[str], Awaitable[None]] = field(repr=False, compare=False)

    async def acknowledge(self) -> None:
        """Let it begin at once: see :meth:`imdskit.client.events.ScheduledEvent.acknowledge`."""
        await self.approve(self.id)


class AsyncEvents:
    """Iterates like :class:`imdskit.client.events.Events`, with ``async for``. Not to be shared between tasks.

    Args:
        follower: what is new.
        run: does what an operation says.
        approve: acknowledges an event.
    """

    def __init__(
        self,
        follower: EventFollower,
        run: Callable[[Operation[list[Event]]], Awaitable[list[Event]]],
        approve: Callable[[str], Awaitable[None]],
    ) -> None:
        self._follower = follower
        self._run = run
        self._approve = approve
        self._waiting: deque[Event] = deque()

    @property
    def seen(self) -> Mapping[str, str]:
        """Status of each event that is handed out, by its id."""
        waiting = {event.id for event in self._waiting}
        return {name: status for name, status in self._follower.seen.items() if name not in waiting}

    @property
    def incarnation(self) -> int | None:
        """``DocumentIncarnation`` of the last list."""
        return self._follower.incarnation

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AsyncScheduledEvent:
        if not self._waiting:
            self._waiting.extend(await self._run(self._follower.changes()))
        return AsyncScheduledEvent(**members(self._waiting.popleft()), approve=self._approve)
