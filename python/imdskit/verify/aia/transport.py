"""The network itself: the only file of ``verify`` that opens a socket or speaks HTTP. Imported by a fetcher that is given nothing else."""

from __future__ import annotations

import io
import re
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future

from imdskit.clock import Clock, SystemClock
from imdskit.errors import FetchError
from imdskit.verify.aia.contract import Response, Target

SECOND = 1_000_000_000
HEAD_BYTES = 8 * 1024
"""For status line and header fields, and for what chunks add to a body."""

# RFC 9112 sections 4, 5 and 7.1. A field value is read, if at all, with all of its octets; names are tokens without white space before the colon.
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: [^\r\n]*)?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):(.*)", re.DOTALL)
_LENGTH = re.compile(rb"[0-9]{1,18}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?", re.DOTALL)


class SystemResolver:
    """``getaddrinfo`` of the machine. It knows no time limit, so it runs in a thread that nobody waits for longer than allowed."""

    def resolve(self, host: str, timeout_ns: int) -> Sequence[str]:
        """See :meth:`imdskit.verify.aia.contract.Resolver.resolve`."""
        found: Future[list[str]] = Future()
        try:
            threading.Thread(target=_look_up, args=(host, found), name=f"resolve {host}", daemon=True).start()
        except RuntimeError:  # "can't start new thread": a limit of the system or of the container
            raise FetchError("unreachable", "No thread can be started to resolve the name.", location=host) from None
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
    """HTTP/1.1 on a socket of its own: knows no proxy, no redirect, no cookie, no compression, no second request.

    The response is parsed here and not by ``http.client``, which accepts chunks of negative size and hands header fields to a parser of mail. What is
    not HTTP by RFC 9112 ends in a :class:`imdskit.errors.FetchError`, whose text never repeats what the server sent.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    def get(self, target: Target, address: str, *, limit: int, timeout_ns: int) -> Response:
        """See :meth:`imdskit.verify.aia.contract.Transport.get`."""
        deadline = self._clock.monotonic_ns() + timeout_ns
        try:
            with socket.create_connection((address, target.port), timeout_ns / SECOND) as connection:
                connection.sendall(_request(target))
                incoming = _Incoming(connection, limit + HEAD_BYTES, self._clock, deadline)
                return _answer(incoming, target, limit)
        except TimeoutError:
            raise FetchError("timed-out", "No response in time.", location=target.host) from None


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


def _answer(incoming: _Incoming, target: Target, limit: int) -> Response:
    """The media type is not looked at: what counts is whether the body is a certificate."""
    octets = io.BufferedReader(incoming)
    status, fields = _head(octets, target)
    while status < 200:  # RFC 9110 section 15.2: interim responses; their size is bounded with that of all heads
        if status == 101:
            raise _not_http("It switches protocols without a request.", target)
        status, fields = _head(octets, target)
    if status != 200:
        return Response(status, b"")
    return Response(status, _body(octets, fields, target, limit))


def _head(octets: io.BufferedIOBase, target: Target) -> tuple[int, dict[bytes, list[bytes]]]:
    """Return the status, and the values of the two fields that say how long the body is, by lower-case name."""
    match = _STATUS.fullmatch(_line(octets, target))
    if match is None:
        raise _not_http("There is no status line of HTTP/1.1.", target)
    fields: dict[bytes, list[bytes]] = {b"content-length": [], b"transfer-encoding": []}
    while line := _line(octets, target):
        field = _FIELD.fullmatch(line)
        if field is None:
            raise _not_http("A header field is malformed.", target)
        fields.get(field[1].lower(), []).append(field[2].strip(b" \t"))
    return int(match[1]), fields


def _body(octets: io.BufferedIOBase, fields: dict[bytes, list[bytes]], target: Target, limit: int) -> bytes:
    """Return the body, by RFC 9112 section 6.3. A response that leaves room for two readings is refused."""
    lengths, codings = fields[b"content-length"], fields[b"transfer-encoding"]
    if codings:
        if lengths or [coding.lower() for coding in codings] != [b"chunked"]:
            raise _not_http("Its transfer coding is not `chunked` alone.", target)
        return _chunks(octets, target, limit)
    if not lengths:
        body = octets.read(limit + 1)
        if len(body) > limit:
            raise _too_large(target, limit)
        return body
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
        raise _not_http("Its Content-Length is not one number.", target)
    return _exactly(octets, int(lengths[0]), target, limit)


def _chunks(octets: io.BufferedIOBase, target: Target, limit: int) -> bytes:
    """Return the chunks, put together (RFC 9112 section 7.1). The trailer is not read: the connection is closed after the last chunk."""
    body = b""
    while True:
        match = _CHUNK.fullmatch(_line(octets, target))
        if match is None:
            raise _not_http("The size of a chunk is malformed.", target)
        size = int(match[1], 16)
        if size == 0:
            return body
        body += _exactly(octets, size, target, limit - len(body))
        if _line(octets, target):
            raise _not_http("A chunk is longer than its size.", target)


def _exactly(octets: io.BufferedIOBase, size: int, target: Target, limit: int) -> bytes:
    if size > limit:
        raise _too_large(target, limit)
    data = octets.read(size)
    if len(data) < size:
        raise _not_http("It ends early.", target)
    return data


def _line(octets: io.BufferedIOBase, target: Target) -> bytes:
    """Return one line without its end: CRLF, or a bare LF, which RFC 9112 section 2.2 lets a recipient accept. No bare CR is left in it."""
    line = octets.readline(HEAD_BYTES)
    if not line.endswith(b"\n"):
        raise _not_http("It ends early, or a line is too long.", target)
    line = line.removesuffix(b"\n").removesuffix(b"\r")
    if b"\r" in line or b"\x00" in line:
        raise _not_http("A line contains CR or NUL.", target)
    return line


def _not_http(message: str, target: Target) -> FetchError:
    return FetchError("not-http", f"The response is not HTTP. {message}", location=target.host)


def _too_large(target: Target, limit: int) -> FetchError:
    return FetchError("too-large", f"The body has more than {limit} octets.", location=target.path)


class _Incoming(io.RawIOBase):
    """What a socket sends, as a file that ends with an error when it is too long or takes too long.

    The time left is set before every read, so a server that sends an octet now and then gains nothing by it.
    """

    def __init__(self, connection: socket.socket, limit: int, clock: Clock, deadline: int) -> None:
        self._connection = connection
        self._left = limit
        self._clock = clock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # BufferedReader hands in nothing else
        left = self._deadline - self._clock.monotonic_ns()
        if left <= 0:
            raise FetchError("timed-out", "The response took too long.")
        if self._left <= 0:
            raise FetchError("too-large", "The response is larger than any certificate.")
        self._connection.settimeout(left / SECOND)
        count = self._connection.recv_into(buffer[: self._left])
        self._left -= count
        return count
