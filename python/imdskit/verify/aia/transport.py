"""Default resolver and default HTTP client of the fetcher. This is the only module of
``imdskit.verify`` that opens sockets or uses HTTP."""

from __future__ import annotations

import io
import re
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future

from imdskit.clock import SECOND, Clock, SystemClock
from imdskit.errors import FetchError
from imdskit.verify.aia.contract import Response, Target

HEAD_BYTES = 8 * 1024
"""Maximum size of the status line, the header fields and the chunk framing together, in bytes."""

# Grammar of RFC 9112 sections 4, 5 and 7.1. The name of a header field is a token, and no white
# space may precede the colon. The value of a header field may contain any bytes.
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: [^\r\n]*)?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):(.*)", re.DOTALL)
_LENGTH = re.compile(rb"[0-9]{1,18}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?", re.DOTALL)


class SystemResolver:
    """Resolver of the operating system, ``getaddrinfo``.

    ``getaddrinfo`` has no time limit. Therefore it runs in a separate thread, and the caller stops
    waiting for this thread when the time limit is reached.
    """

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
    except (OSError, ValueError) as error:  # for example a UnicodeError, which is a ValueError
        found.set_exception(OSError(str(error)))
    else:
        found.set_result([str(entry[4][0]) for entry in entries])


class HttpTransport:
    """HTTP/1.1 client that opens one connection for one request. It supports no proxies, redirects,
    cookies or compression.

    The client does not use ``http.client``, which accepts chunks of negative size and uses an
    e-mail parser for header fields. The client raises :class:`imdskit.errors.FetchError` for a
    response that violates RFC 9112. The text of the error contains no bytes from the server.
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
                return _response(incoming, target, limit)
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


def _response(incoming: _Incoming, target: Target, limit: int) -> Response:
    """Read and return the response. Its media type does not matter, because the caller checks
    whether the body is a certificate."""
    stream = io.BufferedReader(incoming)
    status, fields = _head(stream, target)
    while status < 200:  # interim responses (RFC 9110 section 15.2); HEAD_BYTES limits their total size
        if status == 101:
            raise _not_http("It switches protocols without a request.", target)
        status, fields = _head(stream, target)
    if status != 200:
        return Response(status, b"")
    return Response(status, _body(stream, fields, target, limit))


def _head(stream: io.BufferedIOBase, target: Target) -> tuple[int, dict[bytes, list[bytes]]]:
    """Read the status line and the header section. Return the status, and a dict with the values of
    the two header fields that determine the length of the body. The keys of the dict are the names
    of these fields in lower case."""
    match = _STATUS.fullmatch(_line(stream, target))
    if match is None:
        raise _not_http("There is no status line of HTTP/1.1.", target)
    fields: dict[bytes, list[bytes]] = {b"content-length": [], b"transfer-encoding": []}
    while line := _line(stream, target):
        field = _FIELD.fullmatch(line)
        if field is None:
            raise _not_http("A header field is malformed.", target)
        fields.get(field[1].lower(), []).append(field[2].strip(b" \t"))
    return int(match[1]), fields


def _body(stream: io.BufferedIOBase, fields: dict[bytes, list[bytes]], target: Target, limit: int) -> bytes:
    """Read and return the body (RFC 9112 section 6.3). Raise FetchError if its length is
    ambiguous."""
    lengths, codings = fields[b"content-length"], fields[b"transfer-encoding"]
    if codings:
        if lengths or [coding.lower() for coding in codings] != [b"chunked"]:
            raise _not_http("Its Transfer-Encoding is not `chunked`, or it has a Content-Length as well.", target)
        return _chunks(stream, target, limit)
    if not lengths:
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise _too_large(target, limit)
        return body
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
        raise _not_http("Its Content-Length is not one number.", target)
    return _exactly(stream, int(lengths[0]), target, limit)


def _chunks(stream: io.BufferedIOBase, target: Target, limit: int) -> bytes:
    """Read the chunks and return them joined (RFC 9112 section 7.1). The trailer section is not
    read, because the connection is closed after the last chunk."""
    body = b""
    while True:
        match = _CHUNK.fullmatch(_line(stream, target))
        if match is None:
            raise _not_http("The size of a chunk is malformed.", target)
        size = int(match[1], 16)
        if size == 0:
            return body
        body += _exactly(stream, size, target, limit - len(body))
        if _line(stream, target):
            raise _not_http("A chunk is longer than its size.", target)


def _exactly(stream: io.BufferedIOBase, size: int, target: Target, limit: int) -> bytes:
    if size > limit:
        raise _too_large(target, limit)
    data = stream.read(size)
    if len(data) < size:
        raise _not_http("The body ends early.", target)
    return data


def _line(stream: io.BufferedIOBase, target: Target) -> bytes:
    """Read one line and return it without its line end. The line end is CRLF, or LF alone (RFC 9112
    section 2.2).

    Raises:
        FetchError: ``not-http``: the line is too long, has no end, or contains CR or NUL.
    """
    line = stream.readline(HEAD_BYTES)
    if not line.endswith(b"\n"):
        raise _not_http("A line ends early or is too long.", target)
    line = line.removesuffix(b"\n").removesuffix(b"\r")
    if b"\r" in line or b"\x00" in line:
        raise _not_http("A line contains CR or NUL.", target)
    return line


def _not_http(message: str, target: Target) -> FetchError:
    return FetchError("not-http", f"The response is not HTTP. {message}", location=target.host)


def _too_large(target: Target, limit: int) -> FetchError:
    return FetchError("too-large", f"The body has more than {limit} bytes.", location=target.path)


class _Incoming(io.RawIOBase):
    """Read-only file that reads from a socket. Reading raises FetchError if the server sends too
    many bytes or takes too long.

    Before each read, the timeout of the socket is set to the remaining time. Therefore a server
    cannot exceed the time limit by sending one byte at a time.
    """

    def __init__(self, connection: socket.socket, limit: int, clock: Clock, deadline: int) -> None:
        self._connection = connection
        self._left = limit
        self._clock = clock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # BufferedReader passes only memoryviews
        left = self._deadline - self._clock.monotonic_ns()
        if left <= 0:
            raise FetchError("timed-out", "The response took too long.")
        if self._left <= 0:
            raise FetchError("too-large", "The response is larger than any certificate.")
        self._connection.settimeout(left / SECOND)
        count = self._connection.recv_into(buffer[: self._left])
        self._left -= count
        return count
