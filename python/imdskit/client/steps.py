"""How something is asked, step by step, without doing it: a procedure is a generator that says what it wants done and gets what came of it.

So the client for threads and the one for asyncio are the same procedures, run by two small drivers. A driver answers each step with its
result, or throws the ClientError that came of it into the procedure. What belongs here: the steps, and the attempts at one exchange.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from imdskit.client import answers
from imdskit.client.answers import Answer
from imdskit.clock import Clock
from imdskit.errors import ClientError

if TYPE_CHECKING:
    from imdskit.client.retry import Kind, Policy

T = TypeVar("T")

SECOND = 1_000_000_000


class Send(NamedTuple):
    """One exchange. Its result is an :class:`imdskit.client.answers.Answer`.

    Attributes:
        target: path and query, encoded.
        timeout: seconds, at most.
        body: None for GET; a JSON body for POST.
    """

    target: str
    timeout: float
    body: bytes | None = None


class Wait(NamedTuple):
    """So many seconds pass. Its result is None."""

    seconds: float


class Share(NamedTuple):
    """What a procedure returns, which is run once for all who want it at the same time under the same key (single flight)."""

    key: Hashable
    procedure: Callable[[], Procedure[Any]]


Step: TypeAlias = Send | Wait | Share
Procedure: TypeAlias = Generator[Step, Any, T]


class Settings(NamedTuple):
    """What attempts need to know besides their request.

    Attributes:
        policy: what is asked again.
        timeout: seconds for one exchange.
        clock: measures.
        chance: gives numbers from 0 to 1.
    """

    policy: Policy
    timeout: float
    clock: Clock
    chance: Callable[[], float]


def attempts(target: str, category: str, settings: Settings, body: bytes | None = None) -> Procedure[Answer]:
    """Send, and again as the policy says, until a good answer came.

    Raises:
        ClientError: of the last attempt.
    """
    policy, clock = settings.policy, settings.clock
    began = clock.monotonic_ns()
    firsts: dict[Kind, int] = {}
    attempt, elapsed = 0, 0.0
    while True:
        attempt += 1
        try:
            answer: Answer = yield Send(target, min(settings.timeout, policy.deadline - elapsed), body)
            answers.check(answer)
            return answer
        except ClientError as error:
            failure = error
        failure.attempts = attempt
        wait = _wait(failure, category, settings, attempt, began, firsts)
        if wait is None:
            raise failure
        yield Wait(wait)
        elapsed = (clock.monotonic_ns() - began) / SECOND
        if elapsed >= policy.deadline:
            raise failure


def _wait(failure: ClientError, category: str, settings: Settings, attempt: int, began: int, firsts: dict[Kind, int]) -> float | None:
    """Seconds until the next attempt; None: it was the last."""
    from imdskit.client.retry import kind_of, next_delay

    now = settings.clock.monotonic_ns()
    kind = kind_of(category, failure)
    if kind is None:
        return None
    first = firsts.setdefault(kind, now)
    return next_delay(
        settings.policy,
        kind,
        attempt,
        (now - began) / SECOND,
        lasting=(now - first) / SECOND,
        retry_after=failure.retry_after,
        chance=settings.chance(),
    )
