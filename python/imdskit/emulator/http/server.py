"""HTTP server of the emulator: sockets, threads and time limits around a service, which is a
function from requests to responses.

The classes extend the standard library's ``http.server``: :class:`Server` is a
``ThreadingHTTPServer``, and :class:`Handler` is a ``BaseHTTPRequestHandler`` that can be
subclassed. :mod:`imdskit.emulator.http.connection` parses the requests, instead of the standard
library's e-mail parser. The server sends a response in one write, because a second write can cost
40 ms (Nagle's algorithm and delayed acknowledgement).

This module serves each connection in a thread. :mod:`imdskit.emulator.http.event_loop` serves
connections without threads. No other module depends on ``http.server``.
"""

from __future__ import annotations

import errno
import socket
import socketserver
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from imdskit.clock import Clock, SystemClock
from imdskit.emulator.error_responses import BAD_REQUEST, SERVER_ERROR, WRONG_HOST
from imdskit.emulator.http.connection import CLOSED, CONTINUE, NEED_DATA, SECOND, SEND_CONTINUE, Connection
from imdskit.emulator.http.event_loop import EventLoop, Handoff, Quick
from imdskit.emulator.http.framing import Refusal
from imdskit.emulator.http.host_header import SERVICE, Hosts
from imdskit.emulator.http.messages import Delivery, Request, Response
from imdskit.emulator.published_urls import reachable
from imdskit.errors import ImdskitError, UsageError

Service = Callable[[Request], Response]

LINGER_NS = 2 * SECOND
"""Time in nanoseconds for which the server continues to read after it has refused a request.

Without it, a TCP reset could discard the response before the client reads it (RFC 9112 section
9.6).
"""
SWEEP_NS = SECOND // 4
"""Minimum interval between two checks of the time limits, in nanoseconds."""
GRACE_SECONDS = 5.0
"""Time in seconds that in-flight requests have to finish when the server stops."""
LOOK_NS = SECOND // 100
"""Interval in nanoseconds at which a thread that waits for an emulated time polls the clock."""
CONNECTIONS = 256
"""Default maximum number of open connections.

The server immediately responds to further connections with 503.
"""


def wrong_host(_: Request) -> Response:
    """Return the response to a request whose Host header is not allowed."""
    return WRONG_HOST.response()._replace(rule=WRONG_HOST.name)


class Handler(BaseHTTPRequestHandler):
    """Handler that serves one connection in a thread.

    Override :meth:`respond` to intercept requests before they reach the service.
    """

    server: Server
    connection: socket.socket
    disable_nagle_algorithm = True
    rbufsize = 0

    def setup(self) -> None:
        super().setup()
        self._handoff = self.server.handoff(self.request)
        self.state = self._handoff.connection

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()

    def handle(self) -> None:
        """Serve requests one after the other until either side closes the connection (RFC 9112
        section 9.3)."""
        state, event = self.state, self._handoff.event
        if self._handoff.unsent and not self._send(self._handoff.unsent):
            return
        while True:
            if event is NEED_DATA:
                data = self._receive()
                event = state.timed_out() if state.expired and not data else state.receive(data)
            elif event is SEND_CONTINUE:
                event = state.next_event() if self._send(CONTINUE) else CLOSED
            elif isinstance(event, Request):
                if not self._exchange(event):
                    return
                event = state.next_event() if state.keep_alive else CLOSED
            elif isinstance(event, Refusal):
                if self._send(state.refuse(self.refused(event), self.server.date())):
                    self._linger()
                return
            else:
                if not state.keep_alive and state.pending:
                    self._linger()
                return

    def respond(self, request: Request) -> Response:
        """Return the response to one request."""
        return self.server.service(request)

    def refused(self, refusal: Refusal) -> Response:
        """Return the response to a malformed request."""
        return replace(BAD_REQUEST, status=refusal.status).response()

    def _exchange(self, request: Request) -> bool:
        """Respond to a request. Return False if the connection has ended."""
        self.command, self.path = request.method, request.target
        response, self._handoff = self._handoff.response, Handoff(self.state)
        if response is None:
            response = self.server.answer(request, self.state, self.respond)
        delivery = response.delivery
        if delivery is not None and delivery.delay_ns:
            self.server.pause(delivery.delay_ns)
        data = self.state.respond(response, self.server.date(), last=self.server.stopping)
        if delivery is None:
            return self._send(data)
        return self._deliver(data, 0 if request.method == "HEAD" else len(response.body), delivery)

    def _receive(self) -> bytes:
        """Return the data that has arrived, or ``b""`` if the client has disconnected."""
        try:
            return self.connection.recv(65536)
        except OSError:
            return b""

    def _send(self, data: bytes) -> bool:
        """Send all data. Return False if the client has disconnected."""
        self.state.idle()
        try:
            self.connection.sendall(data)
        except OSError:
            return False
        return True

    def _deliver(self, data: bytes, body: int, delivery: Delivery) -> bool:
        """Send a response as a fault requires.

        The last ``body`` bytes of ``data`` are the body of the response. Return False if the
        connection has ended.
        """
        try:
            if delivery.reset:
                self._reset()
                return False
            if delivery.cut is not None:
                data = data[: len(data) - max(0, body - delivery.cut)]
            step = delivery.drip_bytes or len(data)
            for start in range(0, len(data), step):
                if start and not self.server.stopping:
                    self.state.deadline = sys.maxsize  # The server causes the pause, so the client's time limit does not apply.
                    self.server.pause(delivery.drip_ns)
                if not self._send(data[start : start + step]):
                    return False
            return delivery.cut is None
        finally:
            if delivery.left is not None:
                delivery.left()

    def _reset(self) -> None:
        """Reset the connection. If the linger time of a socket is zero, closing it sends a TCP
        reset."""
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.rfile.close()  # The file object would keep the socket open.
            self.connection.close()

    def _linger(self) -> None:
        """Close the server's side of the connection, then wait until the client closes its own."""
        self.state.expired = False
        self.state.deadline = self.server.watch.monotonic_ns() + LINGER_NS
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            for _ in range(64):
                if not self.connection.recv(65536):
                    break


class Server(ThreadingHTTPServer):
    """HTTP server on its own listening socket.

    As a context manager, it starts on entry and stops on exit.

    Args:
        service: function that returns the response to a request. Many threads call it at the same
            time.
        host: address to listen on. Every client that can reach it may send requests.
        port: TCP port; 0 selects a free one.
        clock: clock for the ``Date`` header.
        watch: clock for time limits. It is separate from ``clock``, because sockets do not follow
            the emulated time.
        connections: maximum number of open connections.
        handler: class that serves a connection in a thread.
        hosts: names that a request may have in its Host header; None allows any.
        misdirected: function that returns the response to a request whose Host header is not
            allowed.
        quick: function that returns whether the service responds to a request without waiting. The
            event loop serves such requests without a thread, if the system has ``epoll`` and
            ``handler`` is :class:`Handler` itself. None means that each connection gets a thread.
        listener: bound socket to listen on instead of ``host`` and ``port``. It is closed with the
            server.

    Raises:
        UsageError: The server cannot listen on the address.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        service: Service,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        clock: Clock | None = None,
        watch: Clock | None = None,
        connections: int = CONNECTIONS,
        handler: type[Handler] = Handler,
        hosts: Hosts | None = None,
        misdirected: Service = wrong_host,
        quick: Quick | None = None,
        listener: socket.socket | None = None,
    ) -> None:
        self.service = service
        self.clock = clock or SystemClock()
        self.watch = watch or SystemClock()
        self.connections = connections
        self.hosts = hosts
        self.misdirected = misdirected
        self.stopping = False
        self._listener = listener
        self._halt = threading.Event()
        self._date = (0, "")
        self._swept = self.watch.monotonic_ns()
        self._lock = threading.Lock()
        self._open: dict[socket.socket, tuple[threading.Thread, Handoff]] = {}
        """Connections with a thread, and the state with which the thread began."""
        self._turned_away: deque[tuple[int, socket.socket]] = deque()
        self._event_loop: EventLoop | None = None
        self._loop: threading.Thread | None = None
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), handler)
        except (OSError, OverflowError) as error:
            hint = _listen_hint(host, port, error.errno) if isinstance(error, OSError) else ""
            raise UsageError("bad-argument", f"Cannot listen on {host} port {port}: {error}.", hint=hint) from None
        if quick is not None and handler is Handler and EventLoop.possible:
            self._event_loop = EventLoop(self, quick)

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Accept connections until :meth:`shutdown` is called."""
        if self._event_loop is None:
            super().serve_forever(poll_interval)
        else:
            self._event_loop.run()

    def shutdown(self) -> None:
        """Stop :meth:`serve_forever`, and wait until it has returned."""
        if self._event_loop is None:
            super().shutdown()
        else:
            self._event_loop.stop()

    def server_bind(self) -> None:
        """Bind the listening socket, or use the given one.

        Unlike ``HTTPServer``, do not look up the host's name, which can be slow.
        """
        if self._listener is None:
            socketserver.TCPServer.server_bind(self)
        else:
            self.socket.close()
            self.socket = self._listener
            self.server_address = self.socket.getsockname()
        name, self.server_port = self.server_address[:2]
        self.server_name = str(name)

    @property
    def url(self) -> str:
        """Base address, such as ``http://127.0.0.1:8080``, without a trailing slash.

        If the server listens on 0.0.0.0 or ::, the address contains loopback instead.
        """
        host = f"[{self.server_name}]" if ":" in self.server_name else self.server_name
        return reachable(f"http://{host}:{self.server_port}")

    def start(self) -> None:
        """Start serving in a separate thread.

        Connections that clients opened since the server was created are served, too.

        Raises:
            UsageError: The system cannot start another thread.
        """
        loop = threading.Thread(target=self.serve_forever, name="imdskit-accept", daemon=True)
        try:
            loop.start()
        except RuntimeError as error:
            hint = "Raise the limit of processes: `ulimit -u` of the shell, or `--pids-limit` of the container."
            raise UsageError("bad-argument", f"The system does not let the emulator start a thread: {error}.", hint=hint) from None
        self._loop = loop  # Only a started thread is assigned, because stop() waits for it.

    def stop(self) -> None:
        """Stop accepting connections, let in-flight requests finish, and close all connections.

        Calling it twice is safe.
        """
        if self.stopping:
            return
        self.stopping = True
        self._halt.set()
        if self._loop is not None:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)  # On some systems, this wakes the accepting thread immediately.
            self.shutdown()
            self._loop.join()
        if self._event_loop is not None:
            self._event_loop.close()
        self.server_close()
        with self._lock:
            workers = {request: thread for request, (thread, _) in self._open.items()}
        for how, seconds in ((socket.SHUT_RD, GRACE_SECONDS), (socket.SHUT_RDWR, 1.0)):
            for connection in workers:
                with suppress(OSError):
                    connection.shutdown(how)
            end = self.watch.monotonic_ns() + int(seconds * SECOND)
            for thread in workers.values():
                thread.join(max(0.0, (end - self.watch.monotonic_ns()) / SECOND))
            workers = {connection: thread for connection, thread in workers.items() if thread.is_alive()}
        while self._turned_away:
            self._turned_away.popleft()[1].close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a new connection, or respond with 503 if too many are open."""
        if self.stopping:
            self.shutdown_request(request)
            return
        waiting = 0 if self._event_loop is None else len(self._event_loop)
        if len(self._open) + waiting >= self.connections:
            self._turn_away(request)
        elif self._event_loop is None:
            self.give_thread(request, client_address)
        else:
            self._event_loop.take(request, client_address)

    def connect(self, request: socket.socket, client_address: Any) -> Connection:
        """Return the protocol state of a new connection.

        Raise OSError if the client has already disconnected.
        """
        local, port = request.getsockname()[:2]
        return Connection(str(client_address[0]), str(local), port, self.hosts, self.watch)

    def answer(self, request: Request, connection: Connection, respond: Service | None = None) -> Response:
        """Return the response to a request, or status 500 if the service raises ImdskitError.

        ``respond`` replaces the service if given.
        """
        try:
            return (respond or self.service)(request) if connection.allowed else self.misdirected(request)
        except ImdskitError as error:
            sys.stderr.write(f"imdskit: {request.method} {request.target[:200]} from {request.source} failed: {error}\n")
            return SERVER_ERROR.response()

    def give_thread(self, request: socket.socket, client_address: Any, handoff: Handoff | None = None) -> None:
        """Serve a connection in a thread until it ends.

        The thread begins with the state in ``handoff``.
        """
        try:
            handoff = handoff or Handoff(self.connect(request, client_address))
        except OSError:
            self.shutdown_request(request)
            return
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        # If the system cannot start another thread, start() raises RuntimeError. The connection is
        # then turned away.
        with self._lock, suppress(RuntimeError):
            thread.start()
            self._open[request] = thread, handoff
            return
        self._turn_away(request)

    def handoff(self, request: socket.socket) -> Handoff:
        """Return the state with which the thread of a connection begins."""
        with self._lock:
            return self._open[request][1]

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection until it ends."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print the exception that is being handled, unless it is an OSError, which means that the
        client has disconnected."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def service_actions(self) -> None:
        """Enforce time limits. The accepting thread calls this at least twice per second."""
        if self.watch.monotonic_ns() - self._swept >= SWEEP_NS:
            self.sweep()

    def sweep(self) -> None:
        """End the connections whose deadline has passed."""
        now = self._swept = self.watch.monotonic_ns()
        with self._lock:
            late = [(request, each.connection) for request, (_, each) in self._open.items() if each.connection.deadline <= now]
        for request, connection in late:
            again, connection.expired = connection.expired, True  # This is set before shutdown() wakes the thread, which reads it.
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR if again else socket.SHUT_RD)
        if self._event_loop is not None:
            self._event_loop.expire(now)
        while self._turned_away and self._turned_away[0][0] <= now:
            self._turned_away.popleft()[1].close()

    def pause(self, ns: int) -> None:
        """Wait for ``ns`` nanoseconds on the emulator's clock, or until the server stops.

        A clock other than the system clock can be moved at any time and sends no notification, so
        this method polls it.
        """
        end = self.clock.monotonic_ns() + ns
        step = ns if isinstance(self.clock, SystemClock) else LOOK_NS
        while (remaining := end - self.clock.monotonic_ns()) > 0 and not self._halt.is_set():
            self._halt.wait(min(remaining, step) / SECOND)

    def date(self) -> str:
        """Return the value of the ``Date`` header (RFC 9110 section 6.6.1).

        The value is cached for one second.
        """
        now = self.clock.now()
        at, text = self._date
        if at != now:
            text = formatdate(now, usegmt=True)
            self._date = (now, text)
        return text

    def _turn_away(self, request: socket.socket) -> None:
        """Respond with 503 to a connection beyond the limit.

        Close the socket later, so that no reset discards the response.
        """
        body = b'{"error":"Service unavailable"}'
        with suppress(OSError):
            request.setblocking(False)
            request.send(
                b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json; charset=utf-8\r\n"
                b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body)
            )
            request.shutdown(socket.SHUT_WR)
        self._turned_away.append((self.watch.monotonic_ns() + SECOND, request))
        while len(self._turned_away) > self.connections:
            self._turned_away.popleft()[1].close()


def _listen_hint(host: str, port: int, number: int | None) -> str:
    """Return a hint for an error of ``bind`` or ``listen`` with the error number ``number``."""
    if number == errno.EADDRNOTAVAIL and host == SERVICE:
        return (
            "No interface of this machine has this address. `imdskit run -- COMMAND` runs a command where the address exists, without root. "
            f"To add it yourself, as root: `ip address add {SERVICE}/32 dev lo`. See docs/reach-the-address.md."
        )
    if number == errno.EADDRNOTAVAIL:
        return "No interface of this machine has this address. Use an address that `ip address` lists, or 0.0.0.0 for all of them."
    if number == errno.EADDRINUSE:
        return "Another program listens there. Stop it, or choose another port; 0 selects a free one."
    if number in (errno.EACCES, errno.EPERM):
        return f"This user may not listen on port {port}. Choose a port of 1024 or more, or use `imdskit run -- COMMAND` for port 80."
    return "The address to listen on must be that of an interface of this machine, such as 127.0.0.1."
