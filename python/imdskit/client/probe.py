"""Whether the service is there: one short request, never retried.

What belongs here: the request and its four possible outcomes. More evidence of where a program runs: :mod:`imdskit.client.detect`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from imdskit.client import responses
from imdskit.client.effects import Operation, Send
from imdskit.client.operations import listed, seconds
from imdskit.codes import ClientCode
from imdskit.errors import ClientError

TARGET = "/metadata/versions"


class Probe(NamedTuple):
    """What a probe found. True if the service is there, be it busy.

    Attributes:
        state: ``there``: it responded as the service does; ``busy``: 410, 429 or 5xx, as of a service that is updated, overrun or failing;
            ``foreign``: something else responded; ``absent``: nothing did in time.
        error: what went wrong, or None.
    """

    state: Literal["there", "busy", "foreign", "absent"]
    error: ClientError | None = None

    def __bool__(self) -> bool:
        return self.state in ("there", "busy")


def probe(timeout: float) -> Operation[Probe]:
    """Ask for the versions, once. Raises UsageError for a timeout that is none."""
    try:
        response = yield Send(TARGET, seconds(timeout, "timeout"))
        responses.check(response)
        listed(response)
    except ClientError as error:
        if error.code in (ClientCode.GONE, ClientCode.THROTTLED, ClientCode.SERVER_ERROR):
            return Probe("busy", error)
        return Probe("absent" if error.code in (ClientCode.TIMED_OUT, ClientCode.UNREACHABLE) else "foreign", error)
    return Probe("there")
