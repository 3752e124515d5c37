"""The emulator's HTTP server: sockets, threads and time limits around a service that turns requests into responses.

The classes are those of the standard library's ``http.server``: :class:`Server` is a ``ThreadingHTTPServer``, :class:`Handler` a
``BaseHTTPRequestHandler`` that can be subclassed. :mod:`imdskit.emulator.http.connection` reads the requests instead of the e-mail parser, and
a response leaves in one write: two cost 40 ms each time (Nagle's algorithm against delayed acknowledgement).

This is the only module that knows ``http.server``. It has the driver with a thread for each connection; the one without is
:mod:`imdskit.emulator.http.event_loop`.
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
from imdskit.emulator.http.connection import CLOSED, CONTINUE, NEED_DATA, SECOND, SEND_CONTINUE, Connection
from imdskit.emulator.http.event_loop import EventLoop, Handoff, Quick
from imdskit.emulator.http.framing import Refusal
from imdskit.emulator.http.host_header import SERVICE, Hosts
from imdskit.emulator.public_addresses import reachable
from imdskit.errors import ImdskitError, UsageError
from imdskit.protocol.messages import Delivery, Request, Response
from imdskit.protocol.responses import BAD_REQUEST, SERVER_ERROR, WRONG_HOST

Service = Callable[[Request], Response]

LINGER_NS = 2 * SECOND
"""How long the server still reads from a connection that it refused, so that a reset does not lose the response (RFC 9112 section 9.6)."""
SWEEP_NS = SECOND // 4
GRACE_SECONDS = 5.0
"""How long requests in flight may take when the server stops."""
LOOK_NS = SECOND // 100
"""How often a thread that waits for an emulated clock looks at it."""
CONNECTIONS = 256
"""Open connections; further ones get a 503 at once."""


def wrong_host(_: Request) -> Response:
    """Return the response to a request whose Host is not allowed."""
    return WRONG_HOST.response()._replace(rule=WRONG_HOST.name)


class Handler(BaseHTTPRequestHandler):
    """The driver with a thread for one connection. Override :meth:`respond` to stand between requests and the service."""

    server: Server
    connection: socket.socket
    disable_nagle_algorithm = True
    rbufsize = 0

    def setup(self) -> None:
        super().setup()
        self._handoff = self.server.handoff(self.request, self.client_address)
        self.state = self._handoff.connection
        self.expired = False
        self.server.enter(self)

    def finish(self) -> None:
        self.server.leave(self)
        with suppress(OSError):
            super().finish()

    def handle(self) -> None:
        """Serve requests in their order until one side has had enough (RFC 9112 section 9.3)."""
        state, event = self.state, self._handoff.event
        if self._handoff.unsent and not self._send(self._handoff.unsent):
            return
        while True:
            if event is NEED_DATA:
                data = self._receive()
                event = state.timed_out() if self.expired and not data else state.receive(data)
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
        """Return the response to what is not a request."""
        return replace(BAD_REQUEST, status=refusal.status).response()

    def expire(self) -> None:
        """Wake the thread when its time limit has passed. Called by the sweeping thread."""
        again, self.expired = self.expired, True  # before the thread wakes, which looks at it
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR if again else socket.SHUT_RD)

    def _exchange(self, request: Request) -> bool:
        """Answer a request. False if the connection is over."""
        self.command, self.path = request.method, request.target
        response, self._handoff = self._handoff.response, Handoff(self.state)
        if response is None:
            response = self.server.answer(request, self.state, self.respond)
        delivery = response.delivery
        if delivery is not None and delivery.delay_ns:
            self.server.pause(delivery.delay_ns)
        octets = self.state.respond(response, self.server.date(), last=self.server.stopping)
        if delivery is None:
            return self._send(octets)
        return self._deliver(octets, 0 if request.method == "HEAD" else len(response.body), delivery)

    def _receive(self) -> bytes:
        """Return what has arrived, or nothing if the client is gone."""
        try:
            return self.connection.recv(65536)
        except OSError:
            return b""

    def _send(self, octets: bytes) -> bool:
        """Send everything. False if the client is gone."""
        self.state.idle()
        try:
            self.connection.sendall(octets)
        except OSError:
            return False
        return True

    def _deliver(self, octets: bytes, body: int, delivery: Delivery) -> bool:
        """Send a response, whose last ``body`` bytes are its body, in the way that a fault demands. False if the connection is over."""
        try:
            if delivery.reset:
                self._reset()
                return False
            if delivery.cut is not None:
                octets = octets[: len(octets) - max(0, body - delivery.cut)]
            step = delivery.drip_octets or len(octets)
            for start in range(0, len(octets), step):
                if start and not self.server.stopping:
                    self.state.deadline = sys.maxsize  # the pause is intended
                    self.server.pause(delivery.drip_ns)
                if not self._send(octets[start : start + step]):
                    return False
            return delivery.cut is None
        finally:
            if delivery.left is not None:
                delivery.left()

    def _reset(self) -> None:
        """Let the client see a reset: a socket that does not linger causes one when it is closed, if nothing was sent before."""
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.rfile.close()  # it holds the socket open
            self.connection.close()

    def _linger(self) -> None:
        """Close our side, then wait for the client to close its own."""
        self.expired = False
        self.state.deadline = self.server.watch.monotonic_ns() + LINGER_NS
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            for _ in range(64):
                if not self.connection.recv(65536):
                    break


class Server(ThreadingHTTPServer):
    """A server on a socket of its own, with a thread for each connection. A context manager: started on entry, stopped on exit.

    Args:
        service: returns the response to a request; called from many threads at once.
        host: address to listen on; everybody who reaches it may send requests.
        port: 0 for any free one.
        clock: for the ``Date`` header.
        watch: for time limits; another clock than ``clock`` because the machine's sockets do not live in the emulated time.
        connections: most open connections.
        handler: the class that serves a connection in a thread.
        hosts: names that requests may give as Host; None: any.
        misdirected: returns the response to a request for another Host.
        quick: returns whether the service answers a request without waiting. Such requests need no thread where the system has ``epoll`` and
            ``handler`` is :class:`Handler` itself. None: each connection has a thread.
        listener: bound socket to listen on instead of ``host`` and ``port``; closed with the server.

    Raises:
        UsageError: the address cannot be listened on.
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
        self._handlers: set[Handler] = set()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._turned_away: deque[tuple[int, socket.socket]] = deque()
        self._handoffs: dict[socket.socket, Handoff] = {}
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
        """End :meth:`serve_forever`, and wait for its end."""
        if self._event_loop is None:
            super().shutdown()
        else:
            self._event_loop.stop()

    def server_bind(self) -> None:
        """Bind without asking the name service for the machine's name, as ``HTTPServer`` would; or take the given socket."""
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
        """Base address, known as soon as the object is: ``http://127.0.0.1:8080``, without a slash at its end. Loopback for 0.0.0.0 and ::."""
        host = f"[{self.server_name}]" if ":" in self.server_name else self.server_name
        return reachable(f"http://{host}:{self.server_port}")

    def start(self) -> None:
        """Serve in a separate thread. Connections that arrived since the object was created have waited, and are served now.

        Raises:
            UsageError: the system refuses another thread.
        """
        loop = threading.Thread(target=self.serve_forever, name="imdskit-accept", daemon=True)
        try:
            loop.start()
        except RuntimeError as error:
            hint = "Raise the limit of processes: `ulimit -u` of the shell, or `--pids-limit` of the container."
            raise UsageError("bad-argument", f"The system does not let the emulator start a thread: {error}.", hint=hint) from None
        self._loop = loop  # not before: stop() waits for this thread

    def stop(self) -> None:
        """Stop accepting connections, let requests in flight finish, close everything. Safe to call twice."""
        if self.stopping:
            return
        self.stopping = True
        self._halt.set()
        if self._loop is not None:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread at once where the system allows it
            self.shutdown()
            self._loop.join()
        if self._event_loop is not None:
            self._event_loop.close()
        self.server_close()
        with self._lock:
            workers = dict(self._open)
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
        """Take a new connection, or turn it away if there are too many."""
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
        """Return the state of a new connection. Raises OSError if the client is gone already."""
        local, port = request.getsockname()[:2]
        return Connection(str(client_address[0]), str(local), port, self.hosts, self.watch)

    def answer(self, request: Request, connection: Connection, respond: Service | None = None) -> Response:
        """Return the response to a request, 500 where the service fails. ``respond`` takes the place of the service."""
        try:
            return (respond or self.service)(request) if connection.allowed else self.misdirected(request)
        except ImdskitError as error:
            sys.stderr.write(f"imdskit: {request.method} {request.target[:200]} from {request.source} failed: {error}\n")
            return SERVER_ERROR.response()

    def give_thread(self, request: socket.socket, client_address: Any, handoff: Handoff | None = None) -> None:
        """Serve a connection in a thread from now on, which begins with ``handoff``."""
        with self._lock:
            thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
            if handoff is not None:
                self._handoffs[request] = handoff
            with suppress(RuntimeError):  # the system has no more threads
                thread.start()
                self._open[request] = thread
                return
            self._handoffs.pop(request, None)
        self._turn_away(request)

    def handoff(self, request: socket.socket, client_address: Any) -> Handoff:
        """Return what is known of a connection that has got its thread."""
        with self._lock:
            found = self._handoffs.pop(request, None)
        return found or Handoff(self.connect(request, client_address))

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection until its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show the error, unless it is only that the client went away."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def service_actions(self) -> None:
        """Enforce time limits. Called by the accepting thread at least twice a second."""
        if self.watch.monotonic_ns() - self._swept >= SWEEP_NS:
            self.sweep()

    def sweep(self) -> None:
        """End connections whose time limit has passed."""
        now = self._swept = self.watch.monotonic_ns()
        with self._lock:
            late = [handler for handler in self._handlers if handler.state.deadline <= now]
        for handler in late:
            handler.expire()
        if self._event_loop is not None:
            self._event_loop.expire(now)
        while self._turned_away and self._turned_away[0][0] <= now:
            self._turned_away.popleft()[1].close()

    def enter(self, handler: Handler) -> None:
        """Note that a handler begins its work."""
        with self._lock:
            self._handlers.add(handler)

    def leave(self, handler: Handler) -> None:
        """Note that a handler has ended."""
        with self._lock:
            self._handlers.discard(handler)

    def pause(self, ns: int) -> None:
        """Wait on the emulator's clock until the time has passed or the server stops.

        A clock that is not the machine's can be moved at any time and notifies nobody, so that it has to be polled.
        """
        end = self.clock.monotonic_ns() + ns
        step = ns if isinstance(self.clock, SystemClock) else LOOK_NS
        while (remaining := end - self.clock.monotonic_ns()) > 0 and not self._halt.is_set():
            self._halt.wait(min(remaining, step) / SECOND)

    def date(self) -> str:
        """Return the value of the ``Date`` header (RFC 9110 section 6.6.1), formatted once a second."""
        now = self.clock.now()
        at, text = self._date
        if at != now:
            text = formatdate(now, usegmt=True)
            self._date = (now, text)
        return text

    def _turn_away(self, request: socket.socket) -> None:
        """Respond that there are too many connections. The socket is closed later, because closing it now could reset it before the client has read."""
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
    """Return what to do about an error of ``bind`` or ``listen``."""
    if number == errno.EADDRNOTAVAIL and host == SERVICE:
        return (
            "No interface of this machine has this address. `imdskit run -- COMMAND` runs a command where the address exists, without root. "
            f"To add it yourself, as root: `ip address add {SERVICE}/32 dev lo`. See docs/reach-the-address.md."
        )
    if number == errno.EADDRNOTAVAIL:
        return "No interface of this machine has this address. Give one that `ip address` lists; 0.0.0.0 stands for all of them."
    if number == errno.EADDRINUSE:
        return "Another program listens there. Stop it, or choose another port; 0 takes a free one."
    if number in (errno.EACCES, errno.EPERM):
        return f"This user may not listen on port {port}. Choose a port from 1024 up, or use `imdskit run -- COMMAND` for port 80."
    return "Give the address of an interface of this machine as --host, such as 127.0.0.1."
