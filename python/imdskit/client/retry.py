"""Retry policies: when to retry a request, and how long to wait.

This module only makes decisions. :mod:`imdskit.client.effects` sends the requests and waits.

Sources:

- IMDS documentation, "Errors and debugging": retry after a 410 for up to 70 seconds. "Rate
  limiting": 429.
- Managed identities documentation, "Retry guidance": retry after a 404, a 429 or a timeout with
  exponential back-off, and after a 5xx when at least one second has passed.
- RFC 9110 section 10.2.3: Retry-After.

The project chose all other delays and limits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from random import random
from types import MappingProxyType
from typing import Literal

from imdskit.client.responses import is_request_timeout
from imdskit.codes import ClientCode
from imdskit.errors import ClientError, UsageError

Kind = Literal["updating", "gone", "throttled", "failed", "silent", "absent"]
"""Kinds of transient failure:

- ``updating``: status 404 below ``/identity``
- ``gone``: status 410
- ``throttled``: status 429
- ``failed``: status 5xx or 408
- ``silent``: the connection was established, but no complete response arrived
- ``absent``: no connection could be established
"""

LONGEST = 24 * 60 * 60
"""Largest number of seconds that a delay or a limit in a policy may have."""


def _within(number: float, least: float, name: str) -> None:
    if isinstance(number, bool) or not isinstance(number, int | float) or not least <= number <= LONGEST:
        raise UsageError("bad-argument", f"`{name}` must be a number from {least} to {LONGEST}; got {number!r:.40}.", location=name)


@dataclass(frozen=True, slots=True)
class Rule:
    """Retry rule for one kind of failure. All times are in seconds.

    Attributes:
        first: delay between the first attempt and the second one.
        factor: number by which each delay is multiplied to give the next delay.
        longest: maximum delay between two attempts.
        within: maximum time between the first failure of this kind and the start of the last
            attempt.
    """

    first: float
    factor: float
    longest: float
    within: float

    def __post_init__(self) -> None:
        _within(self.first, 0.001, "first")
        _within(self.factor, 1, "factor")
        _within(self.longest, self.first, "longest")
        _within(self.within, 0, "within")


@dataclass(frozen=True, slots=True)
class Policy:
    """Retry policy.

    Attributes:
        deadline: maximum number of seconds for all attempts and delays together. Every attempt ends
            before the deadline.
        rules: mapping from a kind of failure to its rule. Failures of other kinds are not retried.
        jitter: maximum share by which each delay is lengthened at random. With 0.5, a delay of 2
            seconds becomes a random delay from 2 to 3 seconds. Machines whose requests
            fail at the same time therefore retry at different times.

    Raises:
        UsageError: a number is out of range.
    """

    deadline: float
    rules: Mapping[Kind, Rule]
    jitter: float = 0.5

    def __post_init__(self) -> None:
        _within(self.deadline, 0.001, "deadline")
        _within(self.jitter, 0, "jitter")
        if unknown := set(self.rules) - {"updating", "gone", "throttled", "failed", "silent", "absent"}:
            raise UsageError(
                "bad-argument",
                f"Unknown kinds of failure: {', '.join(sorted(map(str, unknown)))}.",
                location="rules",
                hint="See imdskit.client.retry.Kind.",
            )
        object.__setattr__(self, "rules", MappingProxyType(dict(self.rules)))


DEFAULT = Policy(
    deadline=100,
    rules={
        #                  first  factor  longest  within
        "updating":  Rule(     1,      2,      16,     60),
        "gone":      Rule(     1,      2,      10,     70),
        "throttled": Rule(     1,      2,      16,     60),
        "failed":    Rule(     1,      2,      16,     60),
        "silent":    Rule(     1,      2,       8,     15),
    },
)  # fmt: skip
"""Default policy.

A refused connection is not retried, so that programs outside of Azure fail quickly.
"""

PATIENT = Policy(
    deadline=300,
    rules={
        #                  first  factor  longest  within
        "updating":  Rule(     1,      2,      16,    300),
        "gone":      Rule(     1,      2,      10,    300),
        "throttled": Rule(     1,      2,      16,    300),
        "failed":    Rule(     1,      2,      16,    300),
        "silent":    Rule(     1,      2,      16,    300),
        "absent":    Rule(     1,      2,      16,    300),
    },
)  # fmt: skip
"""Policy for programs that run while an Azure machine boots, when the network may not be available
yet."""

NO_RETRY = Policy(deadline=LONGEST, rules={})
"""Policy without retries."""


def kind_of(category: str, failure: ClientError) -> Kind | None:
    """Return the kind of a transient failure, or None if the failure is permanent.

    Args:
        category: endpoint of the requested path, such as ``identity``; see
            :func:`imdskit.client.address.category`.
        failure: error of the attempt.
    """
    if failure.code == ClientCode.NOT_FOUND:
        return "updating" if category == "identity" else None
    if is_request_timeout(failure):
        return "failed"
    if failure.code in (ClientCode.TIMED_OUT, ClientCode.UNREACHABLE):
        return "silent" if failure.connected else "absent"
    return _BY_CODE.get(failure.code)


_BY_CODE: Mapping[ClientCode, Kind] = {ClientCode.GONE: "gone", ClientCode.THROTTLED: "throttled", ClientCode.SERVER_ERROR: "failed"}


def next_delay(
    policy: Policy,
    kind: Kind | None,
    attempt: int,
    elapsed: float,
    *,
    lasting: float = 0.0,
    retry_after: float | None = None,
    chance: float = 0.0,
) -> float | None:
    """Return the number of seconds until the next attempt, or None if the request must not be
    repeated.

    Args:
        policy: the retry policy.
        kind: kind of the last failure; None for a permanent failure.
        attempt: number of attempts so far.
        elapsed: number of seconds since the first attempt began.
        lasting: number of seconds since the first failure of this kind.
        retry_after: number of seconds that the service demands to wait, or None. The next attempt
            never starts earlier. If this delay exceeds the limits of the policy, there is no next
            attempt.
        chance: random number from 0 to 1, which determines the jitter.
    """
    rule = None if kind is None else policy.rules.get(kind)
    if rule is None or lasting >= rule.within:
        return None
    left = rule.within - lasting
    if retry_after is None:
        wait = min(rule.first * rule.factor ** min(attempt - 1, 64), rule.longest) * (1 + policy.jitter * chance)
        wait = max(min(wait, left), rule.first)
    elif retry_after > left:
        return None
    else:
        wait = retry_after + rule.first * policy.jitter * chance
    return wait if elapsed + wait < policy.deadline else None


def chance() -> float:
    """Return a random number from 0 to 1, which determines the jitter."""
    return random()  # an ordinary generator suffices, because the number only spreads load and need not be secret


def seconds_of(retry_after: str, now: int) -> float | None:
    """Return the number of seconds to wait according to ``Retry-After``.

    Return None if the value is neither a number nor a date (RFC 9110 section 10.2.3).

    Args:
        retry_after: value of the header field.
        now: current Unix time in seconds.
    """
    text = retry_after.strip()
    if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return None


__all__ = ["DEFAULT", "NO_RETRY", "PATIENT", "Kind", "Policy", "Rule"]
