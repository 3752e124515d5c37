"""Effects: actions that an operation requests from its client.

An operation is a generator, for example for fetching a token. It yields effects: send a request,
wait, or share the result of another operation. The client performs each effect. It sends the result
into the generator, or throws the ClientError that occurred. The blocking client and the asyncio
client therefore share all operations, and differ only in how they perform effects. This module
contains the effects, and the operation that sends a request with retries.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from imdskit.client import responses
from imdskit.client.responses import Response
from imdskit.clock import SECOND, Clock
from imdskit.errors import ClientError

if TYPE_CHECKING:
    from imdskit.client.retry import Kind, Policy

T = TypeVar("T")


class Send(NamedTuple):
    """Send one request. The result is a :class:`imdskit.client.responses.Response`.

    Attributes:
        target: path and query, encoded.
        timeout: maximum number of seconds for the exchange.
        body: JSON body of a POST request. None sends a GET request.
    """

    target: str
    timeout: float
    body: bytes | None = None


class Wait(NamedTuple):
    """Wait for a number of seconds. The result is None."""

    seconds: float


class Share(NamedTuple):
    """Run an operation, or wait for one with the same key that another caller has already started
    (single flight). Every caller gets the result."""

    key: Hashable
    operation: Callable[[], Operation[Any]]


Effect: TypeAlias = Send | Wait | Share
Operation: TypeAlias = Generator[Effect, Any, T]


class RetrySettings(NamedTuple):
    """Settings of a request that is retried.

    Attributes:
        policy: retry policy, which decides which failures are retried.
        timeout: maximum number of seconds for one exchange.
        clock: clock that measures the time since the first attempt.
        chance: function that returns random numbers from 0 to 1. They vary the delays (jitter).
    """

    policy: Policy
    timeout: float
    clock: Clock
    chance: Callable[[], float]


def send_with_retries(target: str, category: str, settings: RetrySettings, body: bytes | None = None) -> Operation[Response]:
    """Send a request, and repeat it until a successful response arrives or the retry policy gives
    up.

    Raises:
        ClientError: the error of the last attempt.
    """
    from imdskit.client.retry import kind_of, next_delay  # dataclasses would add 13 ms to the 22 ms of importing the client

    policy, clock = settings.policy, settings.clock
    began = clock.monotonic_ns()
    firsts: dict[Kind | None, int] = {}
    attempt, elapsed = 0, 0.0
    while True:
        attempt += 1
        try:
            response: Response = yield Send(target, min(settings.timeout, policy.deadline - elapsed), body)
            responses.check(response)
            return response
        except ClientError as error:
            failure = error
        failure.attempts = attempt
        now, kind = clock.monotonic_ns(), kind_of(category, failure)
        wait = next_delay(
            policy,
            kind,
            attempt,
            (now - began) / SECOND,
            lasting=(now - firsts.setdefault(kind, now)) / SECOND,
            retry_after=failure.retry_after,
            chance=settings.chance(),
        )
        if wait is None:
            raise failure
        yield Wait(wait)
        elapsed = (clock.monotonic_ns() - began) / SECOND
        if elapsed >= policy.deadline:
            raise failure
