"""The emulator's HTTP server: sockets, threads and time limits round anything that turns a request into an answer.

The classes are those of the standard library's ``http.server``: :class:`Server` is a ``ThreadingHTTPServer``, :class:`Handler` a
``BaseHTTPRequestHandler`` that can be subclassed. Requests are read by :mod:`imdskit.emulator.http.framing` instead of the e-mail parser, and
an answer leaves in one write: two cost 40 ms each time (Nagle's algorithm against delayed acknowledgement).

What belongs here: connections. It is the only module that knows ``http.server``; what an answer says comes from :mod:`imdskit.protocol`.
"""

from __future__ import annotations

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
from imdskit.emulator.http.event_loop import Front, Handed, Quick
from imdskit.emulator.http.framing import Head, Refusal, answer_octets, parse_head, read_chunked, refuse_early
from imdskit.emulator.http.hosts import Hosts
from imdskit.errors import ImdskitError, UsageError
from imdskit.protocol.messages import Delivery, Request, Response
from imdskit.protocol.responses import BAD_REQUEST, SERVER_ERROR, WRONG_HOST

Service = Callable[[Request], Response]

SECOND = 1_000_000_000
IDLE_NS = 60 * SECOND
"""How long a connection may be silent between two requests, and how long an answer may take to be fetched."""
REQUEST_NS = 10 * SECOND
"""How long a request may take from its first octet to its last."""
LINGER_NS = 2 * SECOND
"""How long a connection that was refused is still listened to, so that the answer is not lost in a reset (RFC 9112 section 9.6)."""
SWEEP_NS = SECOND // 4
GRACE_SECONDS = 5.0
"""How long requests in flight may take when the server stops."""
LOOK_NS = SECOND // 100
"""How often an emulated clock is looked at by who waits for it."""
CONNECTIONS = 256
"""Open connections; more are answered 503 at once."""

_NEVER = sys.maxsize
_HEAD_END = b"\r\n\r\n"


def wrong_host(_: Request) -> Response:
    """The answer to a request whose Host may not be asked."""
    return WRONG_HOST.response()._replace(rule=WRONG_HOST.name)


class Handler(BaseHTTPRequestHandler):
    """One connection. Override :meth:`respond` to stand between requests and the service."""

    server: Server
    connection: socket.socket
    disable_nagle_algorithm = True
    rbufsize = 0

    def setup(self) -> None:
        super().setup()
        self.source = str(self.client_address[0])
        local, self.port = self.connection.getsockname()[:2]
        self.local = str(local)
        self.deadline = self.server.watch.monotonic_ns() + IDLE_NS
        self.expired = False
        self.server.enter(self)

    def finish(self) -> None:
        self.server.leave(self)
        with suppress(OSError):
            super().finish()

    def handle(self) -> None:
        """Requests in their order until one side has had enough (RFC 9112 section 9.3)."""
        handed = self.server.handed(self.connection)
        self._answered = handed.response
        rest: bytes | None = handed.received
        if handed.unsent and not self._send(handed.unsent):
            return
        while rest is not None:
            rest = self._exchange(rest)

    def respond(self, request: Request) -> Response:
        """The answer to one request."""
        return self.server.service(request)

    def refused(self, refusal: Refusal) -> Response:
        """The answer to what is no request."""
        return replace(BAD_REQUEST, status=refusal.status).response()

    def expire(self) -> None:
        """Called from outside when ``deadline`` has passed: wakes the thread, whatever it waits for."""
        again, self.expired = self.expired, True  # before the thread wakes, which looks at it
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR if again else socket.SHUT_RD)

    def _exchange(self, received: bytes) -> bytes | None:
        """Read one request, answer it; the octets after it, or None if the connection is over."""
        read = self._read_head(received)
        if read is None:
            return None
        octets, end = read
        head = parse_head(octets[:end])
        if isinstance(head, Refusal):
            self._refuse(head)
            return None
        body, rest = b"", octets[end:]
        if head.length or head.chunked:
            whole = self._read_body(head, rest)
            if whole is None:
                return None
            body, rest = whole
        self.command, self.path = head.method, head.target
        self.deadline = _NEVER  # the service takes the time it takes, and a fault may add to it
        request = Request(head.method, head.target, head.headers, body, self.source, self.port)
        try:
            hosts = self.server.hosts
            known = hosts is None or hosts.allow(head.headers, self.local)
            response = self.server.misdirected(request) if not known else self._answered or self.respond(request)
        except ImdskitError as error:
            self.log_error("%s", error)
            response = SERVER_ERROR.response()
        self._answered = None
        delivery = response.delivery
        if delivery is not None and delivery.delay_ns:
            self.server.pause(delivery.delay_ns)
        # After a chunked body the connection is closed: it costs a rare client a connection, and no second request can hide in the first.
        keep_alive = head.keep_alive and not head.chunked and not self.server.stopping
        octets = self._octets(response, head, keep_alive)
        body_octets = 0 if head.method == "HEAD" else len(response.body)
        if not (self._send(octets) if delivery is None else self._deliver(octets, body_octets, delivery)):
            return None
        if not keep_alive:
            if rest:
                self._linger()
            return None
        return rest

    def _read_head(self, octets: bytes) -> tuple[bytes, int] | None:
        """Octets that begin with a whole head, and where it ends."""
        checked = 0
        started = False
        while True:
            if octets.startswith(b"\r\n"):
                octets, checked = octets[2:], 0  # RFC 9112 section 2.2: an empty line before a request is overlooked
            end = octets.find(_HEAD_END, max(0, checked - 3))
            if end >= 0:
                return octets, end + len(_HEAD_END)
            refusal = refuse_early(octets, checked)
            if refusal is not None:
                self._refuse(refusal)
                return None
            if octets and not started:
                started = True
                self.deadline = self.server.watch.monotonic_ns() + REQUEST_NS
            checked = len(octets)
            more = self._receive()
            if not more:
                if octets and self.expired:
                    self._refuse(Refusal(408, "the head took too long"))
                return None
            octets += more

    def _read_body(self, head: Head, octets: bytes) -> tuple[bytes, bytes] | None:
        """The body, and the octets after it."""
        self.deadline = self.server.watch.monotonic_ns() + REQUEST_NS
        if head.expects_continue and not octets and not self._send(b"HTTP/1.1 100 Continue\r\n\r\n"):
            return None
        parts = bytearray(octets)
        while True:
            if head.chunked:
                whole = read_chunked(bytes(parts))
                if isinstance(whole, Refusal):
                    self._refuse(whole)
                    return None
                if whole is not None:
                    return whole[0], bytes(parts[whole[1] :])
            elif len(parts) >= head.length:
                return bytes(parts[: head.length]), bytes(parts[head.length :])
            more = self._receive()
            if not more:
                if self.expired:
                    self._refuse(Refusal(408, "the body took too long"))
                return None
            parts += more

    def _receive(self) -> bytes:
        """What has come, or nothing if the client is gone."""
        try:
            return self.connection.recv(65536)
        except OSError:
            return b""

    def _send(self, octets: bytes) -> bool:
        """False if the client is gone."""
        self.deadline = self.server.watch.monotonic_ns() + IDLE_NS
        try:
            self.connection.sendall(octets)
        except OSError:
            return False
        return True

    def _deliver(self, octets: bytes, body: int, delivery: Delivery) -> bool:
        """Send an answer, the last ``body`` octets of which are its body, in another way than at once and whole. False: the connection is over."""
        try:
            if delivery.reset:
                self._reset()
                return False
            if delivery.cut is not None:
                octets = octets[: len(octets) - max(0, body - delivery.cut)]
            step = delivery.drip_octets or len(octets)
            for start in range(0, len(octets), step):
                if start and not self.server.stopping:
                    self.deadline = _NEVER
                    self.server.pause(delivery.drip_ns)
                if not self._send(octets[start : start + step]):
                    return False
            return delivery.cut is None
        finally:
            if delivery.left is not None:
                delivery.left()

    def _reset(self) -> None:
        """Let the client see a reset: a socket that does not linger says so when it is closed, if nothing was said before."""
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.rfile.close()  # it holds the socket open
            self.connection.close()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer what is no request, and listen to nothing more."""
        response = self.refused(refusal)
        if self._send(self._octets(response, None, keep_alive=False)):
            self._linger()

    def _linger(self) -> None:
        """Close our side, then wait for the client to close its own."""
        self.expired = False
        self.deadline = self.server.watch.monotonic_ns() + LINGER_NS
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            for _ in range(64):
                if not self.connection.recv(65536):
                    break

    def _octets(self, response: Response, head: Head | None, keep_alive: bool) -> bytes:
        return answer_octets(response, head, keep_alive, self.server.date())


class Server(ThreadingHTTPServer):
    """A server on a socket of its own, with a thread for each connection. A context manager: started on entry, stopped on exit.

    Args:
        service: gives the answers; called from many threads at once.
        host: address to listen on. Nothing but loopback without need: whoever reaches the emulator may ask it.
        port: 0 for any free one.
        clock: for the ``Date`` header.
        watch: for time limits; another clock than ``clock`` because the machine's sockets do not live in the emulated time.
        connections: that may be open at once.
        handler: the class that speaks to a client.
        hosts: that may be asked; None: any.
        misdirected: answers what was asked of another host.
        quick: which requests the service answers at once and without a wait: they need no thread, where the system has ``epoll`` and ``handler``
            is :class:`Handler` itself. None: each connection has a thread.

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
    ) -> None:
        self.service = service
        self.clock = clock or SystemClock()
        self.watch = watch or SystemClock()
        self.connections = connections
        self.hosts = hosts
        self.misdirected = misdirected
        self.stopping = False
        self._halt = threading.Event()
        self._date = (0, "")
        self._swept = self.watch.monotonic_ns()
        self._lock = threading.Lock()
        self._handlers: set[Handler] = set()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._turned_away: deque[tuple[int, socket.socket]] = deque()
        self._handed: dict[socket.socket, Handed] = {}
        self._front: Front | None = None
        self._loop: threading.Thread | None = None
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), handler)
        except (OSError, OverflowError) as error:
            raise UsageError("bad-argument", f"Cannot listen on {host} port {port}: {error}.") from None
        if quick is not None and handler is Handler and Front.possible:
            self._front = Front(self, quick)

    def fileno(self) -> int:
        """What the accepting thread waits for."""
        return super().fileno() if self._front is None else self._front.fileno()

    def _handle_request_noblock(self) -> None:  # of socketserver.BaseServer, and not in its stubs
        """Called by the accepting thread when there is something to do."""
        if self._front is None:
            super()._handle_request_noblock()  # type: ignore[misc]
        else:
            self._front.turn(super()._handle_request_noblock)  # type: ignore[misc]

    def server_bind(self) -> None:
        """Bind without asking the name service for the machine's name, as ``HTTPServer`` would."""
        socketserver.TCPServer.server_bind(self)
        name, self.server_port = self.server_address[:2]
        self.server_name = str(name)

    @property
    def url(self) -> str:
        """Base address, known as soon as the object is: ``http://127.0.0.1:8080``, without a slash at its end."""
        host = f"[{self.server_name}]" if ":" in self.server_name else self.server_name
        return f"http://{host}:{self.server_port}"

    def start(self) -> None:
        """Serve in a thread of its own. Connections that came since the object was made have waited and are answered now."""
        self._loop = threading.Thread(target=self.serve_forever, name="imdskit-accept", daemon=True)
        self._loop.start()

    def stop(self) -> None:
        """Take no more connections, let requests in flight finish, close everything. Safe to call twice."""
        if self.stopping:
            return
        self.stopping = True
        self._halt.set()
        if self._loop is not None:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread at once where the system allows it
            self.shutdown()
            self._loop.join()
        if self._front is not None:
            self._front.close()
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
        waiting = 0 if self._front is None else len(self._front)
        if len(self._open) + waiting >= self.connections:
            self._turn_away(request)
        elif self._front is None:
            self.give_thread(request, client_address, Handed())
        else:
            self._front.take(request, client_address)

    def give_thread(self, request: socket.socket, client_address: Any, handed: Handed) -> None:
        """A connection has a thread from now on, which begins with what was ``handed`` to it."""
        with self._lock:
            thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
            self._handed[request] = handed
            with suppress(RuntimeError):  # the system has no more threads
                thread.start()
                self._open[request] = thread
                return
            del self._handed[request]
        self._turn_away(request)

    def handed(self, request: socket.socket) -> Handed:
        """What is already there of a connection that has got its thread."""
        with self._lock:
            return self._handed.pop(request, Handed())

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The whole life of a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error; anything else is one of ours and is shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def service_actions(self) -> None:
        """Called by the accepting thread, at least twice a second."""
        if self.watch.monotonic_ns() - self._swept >= SWEEP_NS:
            self.sweep()

    def sweep(self) -> None:
        """End what has gone on for too long."""
        now = self._swept = self.watch.monotonic_ns()
        with self._lock:
            late = [handler for handler in self._handlers if handler.deadline <= now]
        for handler in late:
            handler.expire()
        if self._front is not None:
            self._front.expire(now)
        while self._turned_away and self._turned_away[0][0] <= now:
            self._turned_away.popleft()[1].close()

    def enter(self, handler: Handler) -> None:
        """A handler begins its work."""
        with self._lock:
            self._handlers.add(handler)

    def leave(self, handler: Handler) -> None:
        """A handler has ended."""
        with self._lock:
            self._handlers.discard(handler)

    def pause(self, ns: int) -> None:
        """Wait for so long on the emulator's clock, but no longer than until the server stops.

        A clock that is not the machine's can be moved at any time and tells nobody, so it is looked at again and again.
        """
        end = self.clock.monotonic_ns() + ns
        step = ns if isinstance(self.clock, SystemClock) else LOOK_NS
        while (remaining := end - self.clock.monotonic_ns()) > 0 and not self._halt.is_set():
            self._halt.wait(min(remaining, step) / SECOND)

    def date(self) -> str:
        """The ``Date`` header's value (RFC 9110 section 6.6.1), made once a second."""
        now = self.clock.now()
        at, text = self._date
        if at != now:
            text = formatdate(now, usegmt=True)
            self._date = (now, text)
        return text

    def _turn_away(self, request: socket.socket) -> None:
        """Say that there are too many connections. The socket is closed later: closed now, it would reset before the answer is read."""
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
