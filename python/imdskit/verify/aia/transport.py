"""The network itself: the only file of ``verify`` that opens a socket or speaks HTTP. Imported by a fetcher that is given nothing else."""

from __future__ import annotations

import http.client
import io
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future

from imdskit.clock import Clock, SystemClock
from imdskit.errors import FetchError
from imdskit.verify.aia.contract import Answer, Target

SECOND = 1_000_000_000
HEAD_BYTES = 8 * 1024
"""For status line and header fields, and for what chunks add to a body."""


class SystemResolver:
    """``getaddrinfo`` of the machine. It knows no time limit, so it runs in a thread that nobody waits for longer than allowed."""

    def resolve(self, host: str, timeout_ns: int) -> Sequence[str]:
        """See :meth:`imdskit.verify.aia.contract.Resolver.resolve`."""
        found: Future[list[str]] = Future()
        threading.Thread(target=_look_up, args=(host, found), name=f"resolve {host}", daemon=True).start()
        try:
            return found.result(timeout_ns / SECOND)
        except TimeoutError:
            raise FetchError("timed-out", "The name was not resolved in time.", location=host) from None


def _look_up(host: str, found: Future[list[str]]) -> None:
    try:
        entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:  # UnicodeError is a ValueError
        found.set_exception(OSError(str(error)))
    else:
        found.set_result([str(entry[4][0]) for entry in entries])


class HttpTransport:
    """HTTP/1.1 on a socket of its own: knows no proxy, no redirect, no cookie, no compression, no second request."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    def get(self, target: Target, address: str, *, limit: int, timeout_ns: int) -> Answer:
        """See :meth:`imdskit.verify.aia.contract.Transport.get`."""
        deadline = self._clock.monotonic_ns() + timeout_ns
        try:
            with socket.create_connection((address, target.port), timeout_ns / SECOND) as connection:
                connection.sendall(_request(target))
                incoming = _Incoming(connection, limit + HEAD_BYTES, self._clock, deadline)
                return _answer(incoming, target, limit)
        except TimeoutError:
            raise FetchError("timed-out", "No answer in time.", location=target.host) from None


def _request(target: Target) -> bytes:
    host = target.host if target.port == 80 else f"{target.host}:{target.port}"
    lines = (
        f"GET {target.path} HTTP/1.1",
        f"Host: {host}",
        "Accept: application/pkix-cert, */*;q=0.1",
        "Accept-Encoding: identity",
        "Connection: close",
        "User-Agent: imdskit",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def _answer(incoming: _Incoming, target: Target, limit: int) -> Answer:
    """The media type is not looked at: what counts is whether the body is a certificate."""
    response = http.client.HTTPResponse(incoming, method="GET")  # type: ignore[arg-type]  # it needs makefile and no more
    try:
        response.begin()
        if response.status != 200:
            return Answer(response.status, b"")
        body = response.read(limit + 1)
    except http.client.HTTPException as error:
        raise FetchError("not-http", f"{type(error).__name__}: {str(error)[:100]}", location=target.host) from None
    finally:
        response.close()
    if len(body) > limit:
        raise FetchError("too-large", f"More than {limit} octets.", location=target.path)
    return Answer(response.status, body)


class _Incoming(io.RawIOBase):
    """What a socket sends, as a file that ends with an error when it is too long or takes too long.

    The time left is set before every read, so a server that sends an octet now and then gains nothing by it.
    """

    def __init__(self, connection: socket.socket, limit: int, clock: Clock, deadline: int) -> None:
        self._connection = connection
        self._left = limit
        self._clock = clock
        self._deadline = deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What ``HTTPResponse`` calls."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # BufferedReader hands in nothing else
        left = self._deadline - self._clock.monotonic_ns()
        if left <= 0:
            raise FetchError("timed-out", "The answer took too long.")
        if self._left <= 0:
            raise FetchError("too-large", "The answer is larger than that of any authority.")
        self._connection.settimeout(left / SECOND)
        count = self._connection.recv_into(buffer[: self._left])
        self._left -= count
        return count
