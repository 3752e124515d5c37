"""Protocol state of one HTTP/1.1 connection, without sockets.

It takes bytes and returns events, like the Python package h11.

:class:`Connection` handles framing, the check of the Host header, keep-alive, pipelining and time
limits. A driver owns the socket. There are two drivers: threads in
:mod:`imdskit.emulator.http.server` and the event loop in :mod:`imdskit.emulator.http.event_loop`.
For each event, the driver does the following::

    event = connection.receive(data)  # bytes of the socket; b"" after the client has closed
    NEED_DATA      -> read from the socket, then call receive(); after connection.deadline, call
                      timed_out() instead
    SEND_CONTINUE  -> send CONTINUE, then call next_event()
    a Request      -> get a response, send respond(response), then call next_event() if keep_alive,
                      else close
    a Refusal      -> send refuse(response), then close
    CLOSED         -> close

:mod:`imdskit.emulator.http.framing` parses the messages.
"""

from __future__ import annotations

import sys
from enum import Enum, auto
from typing import TypeAlias

from imdskit.clock import Clock
from imdskit.emulator.http.framing import Head, Refusal, parse_head, read_chunked, refuse_early, response_bytes
from imdskit.emulator.http.host_header import Hosts
from imdskit.emulator.http.messages import Request, Response

SECOND = 1_000_000_000
IDLE_NS = 60 * SECOND
"""Time limit in nanoseconds for the wait between two requests. The same limit applies to a client
that does not read its response."""
REQUEST_NS = 10 * SECOND
"""Time limit in nanoseconds for each part of a request. The head must be complete within this time
after its first byte, and the body within this time after the head."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
"""Interim response to a request with ``Expect: 100-continue``."""

_NEVER = sys.maxsize
_HEAD_END = b"\r\n\r\n"


class Signal(Enum):
    """Events that carry no data. The docstring of this module says what a driver does for each of
    them."""

    NEED_DATA = auto()
    SEND_CONTINUE = auto()
    CLOSED = auto()


NEED_DATA, SEND_CONTINUE, CLOSED = Signal

Event: TypeAlias = Request | Refusal | Signal


class Connection:
    """Protocol state of one connection.

    Args:
        source: address of the client.
        local: address that the client connected to.
        port: port that the client connected to.
        hosts: names that a request may have in its Host header; None allows any.
        watch: clock for time limits.

    Attributes:
        allowed: whether the Host header of the last request is allowed.
        keep_alive: whether another request may follow the last response.
        deadline: time on ``watch``, in nanoseconds, at which the driver must stop waiting for the
            client.
        expired: whether the driver has stopped waiting. Only drivers use it.
    """

    def __init__(self, source: str, local: str, port: int, hosts: Hosts | None, watch: Clock) -> None:
        self._source = source
        self._local = local
        self._port = port
        self._hosts = hosts
        self._watch = watch
        self._buffer = b""
        self._checked = 0
        self._started = False
        self._head: Head | None = None
        self._request: Request | None = None
        self._body = bytearray()
        self._reading_body = False
        self.allowed = True
        self.keep_alive = True
        self.expired = False
        self.idle()

    @property
    def pending(self) -> bool:
        """Whether the buffer contains bytes that follow the last returned request."""
        return bool(self._buffer)

    def idle(self) -> None:
        """Restart the time limit for an idle connection."""
        self.deadline = self._watch.monotonic_ns() + IDLE_NS

    def receive(self, data: bytes) -> Event:
        """Process bytes from the client, and return the next event.

        Pass ``b""`` when the client has closed its side.
        """
        if not data:
            return CLOSED
        if self._reading_body:
            self._body += data
            return self._read_body()
        self._buffer = self._buffer + data if self._buffer else data
        return self._read_head()

    def next_event(self) -> Event:
        """Return the next event from bytes that were received earlier."""
        return self._read_body() if self._reading_body else self._read_head()

    def timed_out(self) -> Event:
        """Return the event for a deadline that has passed: a refusal with status 408 if a request
        is incomplete, otherwise ``CLOSED``."""
        if self._reading_body:
            return Refusal(408, "the body took too long")
        return Refusal(408, "the head took too long") if self._buffer else CLOSED

    def respond(self, response: Response, date: str, *, last: bool = False) -> bytes:
        """Return the response to the last request as bytes.

        Args:
            response: response to send.
            date: value of the Date header.
            last: whether the server closes the connection afterwards, even if the client wants to
                keep it.
        """
        head = self._head
        # The connection is closed after a chunked body, because that rules out request smuggling.
        # This costs little, because chunked requests are rare.
        self.keep_alive = head is not None and head.keep_alive and not head.chunked and not last
        return response_bytes(response, head, self.keep_alive, date)

    def refuse(self, response: Response, date: str) -> bytes:
        """Return the response to a malformed request as bytes.

        The driver must not parse anything that follows on the connection.
        """
        self.keep_alive = False
        return response_bytes(response, None, False, date)

    def _read_head(self) -> Event:
        data = self._buffer
        while data.startswith(b"\r\n"):
            data, self._checked = data[2:], 0  # A server ignores empty lines before a request (RFC 9112 section 2.2).
        end = data.find(_HEAD_END, max(0, self._checked - 3))
        if end < 0:
            self._buffer = data
            refusal = refuse_early(data, self._checked)
            if refusal is not None:
                return refusal
            if data and not self._started:
                self._started = True
                self.deadline = self._watch.monotonic_ns() + REQUEST_NS
            self._checked = len(data)
            return NEED_DATA
        end += len(_HEAD_END)
        self._buffer, self._checked, self._started = data[end:], 0, False
        head = parse_head(data[:end])
        if isinstance(head, Refusal):
            return head
        if head is not self._head:  # parse_head caches heads. The Request object is reused if the client repeats the same bytes.
            self._head, self._request = head, None
            self.allowed = self._hosts is None or self._hosts.allow(head.headers, self._local)
        if head.length or head.chunked:
            self._reading_body, self._body, self._buffer = True, bytearray(self._buffer), b""
            self.deadline = self._watch.monotonic_ns() + REQUEST_NS
            return SEND_CONTINUE if head.expects_continue and not self._body else self._read_body()
        if self._request is None:
            self._request = self._new_request(head, b"")
        self.deadline = _NEVER  # Time limits apply to the client. The service has none, because a fault may delay its response.
        return self._request

    def _read_body(self) -> Event:
        head = self._head
        assert head is not None
        if head.chunked:
            whole = read_chunked(bytes(self._body))
            if whole is None or isinstance(whole, Refusal):
                return NEED_DATA if whole is None else whole
            body, end = whole
        elif len(self._body) < head.length:
            return NEED_DATA
        else:
            body, end = bytes(self._body[: head.length]), head.length
        self._buffer, self._body, self._reading_body = bytes(self._body[end:]), bytearray(), False
        self.deadline = _NEVER
        return self._new_request(head, body)

    def _new_request(self, head: Head, body: bytes) -> Request:
        return Request(head.method, head.target, head.headers, body, self._source, self._port)
