"""One HTTP/1.1 connection without sockets: bytes in, events out, as in h11. Both servers drive it.

The core does framing, the check of the Host, keep-alive, pipelining and time limits. A driver does this and nothing else::

    event = connection.receive(data)      # bytes from the socket; b"" when the client has closed its side
    NEED_DATA                             -> read from the socket until connection.deadline, then receive() or timed_out()
    SEND_CONTINUE                         -> send CONTINUE, then next_event()
    a Request                             -> get a response, send respond(response), then next_event() if keep_alive, else close
    a Refusal                             -> send refuse(response), then close
    CLOSED                                -> close

The grammar of messages is in :mod:`imdskit.emulator.http.framing`.
"""

from __future__ import annotations

import sys
from enum import Enum, auto
from typing import TypeAlias

from imdskit.clock import Clock
from imdskit.emulator.http.framing import Head, Refusal, parse_head, read_chunked, refuse_early, response_bytes
from imdskit.emulator.http.host_header import Hosts
from imdskit.protocol.messages import Request, Response

SECOND = 1_000_000_000
IDLE_NS = 60 * SECOND
"""How long a connection may be silent between two requests, and how long a client may take to fetch a response."""
REQUEST_NS = 10 * SECOND
"""How long a request may take from its first byte to the end of its head, and then to the end of its body."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_NEVER = sys.maxsize
_HEAD_END = b"\r\n\r\n"


class Signal(Enum):
    """Events without content; see the module."""

    NEED_DATA = auto()
    SEND_CONTINUE = auto()
    CLOSED = auto()


NEED_DATA, SEND_CONTINUE, CLOSED = Signal

Event: TypeAlias = Request | Refusal | Signal


class Connection:
    """The state of one connection.

    Args:
        source: address of the client.
        local: address that the connection came to.
        port: that it came to.
        hosts: names that a request may give as Host; None: any.
        watch: clock for time limits.

    Attributes:
        allowed: whether the Host of the last request is allowed.
        keep_alive: whether another request may follow the last response.
        deadline: nanoseconds on ``watch`` at which the driver must stop waiting for the client.
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
        self.idle()

    @property
    def pending(self) -> bool:
        """Whether bytes were received that belong to no request yet."""
        return bool(self._buffer)

    def idle(self) -> None:
        """Give the client the time limit for a silent connection, from now on."""
        self.deadline = self._watch.monotonic_ns() + IDLE_NS

    def receive(self, data: bytes) -> Event:
        """Take bytes from the client, or ``b""`` when it has closed its side, and return the next event."""
        if not data:
            return CLOSED
        if self._reading_body:
            self._body += data
            return self._read_body()
        self._buffer = self._buffer + data if self._buffer else data
        return self._read_head()

    def next_event(self) -> Event:
        """Return the event that follows from bytes received earlier."""
        return self._read_body() if self._reading_body else self._read_head()

    def timed_out(self) -> Event:
        """Return the event of a deadline that has passed: 408 for half a request, otherwise the end."""
        if self._reading_body:
            return Refusal(408, "the body took too long")
        return Refusal(408, "the head took too long") if self._buffer else CLOSED

    def respond(self, response: Response, date: str, *, last: bool = False) -> bytes:
        """Return the bytes of the response to the last request.

        Args:
            response: to send.
            date: value of the Date header.
            last: the server closes the connection afterwards, whatever the client prefers.
        """
        head = self._head
        # After a chunked body the connection is closed: it costs a rare client a connection, and no second request can hide in the first.
        self.keep_alive = head is not None and head.keep_alive and not head.chunked and not last
        return response_bytes(response, head, self.keep_alive, date)

    def refuse(self, response: Response, date: str) -> bytes:
        """Return the bytes of the response to what is not a request. Nothing more of the connection may be read as one."""
        self.keep_alive = False
        return response_bytes(response, None, False, date)

    def _read_head(self) -> Event:
        octets = self._buffer
        while octets.startswith(b"\r\n"):
            octets, self._checked = octets[2:], 0  # RFC 9112 section 2.2: an empty line before a request is ignored
        end = octets.find(_HEAD_END, max(0, self._checked - 3))
        if end < 0:
            self._buffer = octets
            refusal = refuse_early(octets, self._checked)
            if refusal is not None:
                return refusal
            if octets and not self._started:
                self._started = True
                self.deadline = self._watch.monotonic_ns() + REQUEST_NS
            self._checked = len(octets)
            return NEED_DATA
        end += len(_HEAD_END)
        self._buffer, self._checked, self._started = octets[end:], 0, False
        head = parse_head(octets[:end])
        if isinstance(head, Refusal):
            return head
        if head is not self._head:  # a client that sends the same bytes again gets the same Request
            self._head, self._request = head, None
            self.allowed = self._hosts is None or self._hosts.allow(head.headers, self._local)
        if head.length or head.chunked:
            self._reading_body, self._body, self._buffer = True, bytearray(self._buffer), b""
            self.deadline = self._watch.monotonic_ns() + REQUEST_NS
            return SEND_CONTINUE if head.expects_continue and not self._body else self._read_body()
        if self._request is None:
            self._request = self._made(head, b"")
        self.deadline = _NEVER  # the service takes the time it takes, and a fault may add to it
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
        return self._made(head, body)

    def _made(self, head: Head, body: bytes) -> Request:
        return Request(head.method, head.target, head.headers, body, self._source, self._port)
