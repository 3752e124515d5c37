"""HTTP transport: it sends one request and receives one response, within limits for time and size.

The transport uses ``http.client``, which ignores proxy settings, follows no redirects, and returns
a response for every status. One deadline applies to the whole exchange, from resolving the host
name to the last byte of the body. Before each read, the transport sets the socket's timeout to the
remaining time, so a slow server cannot exceed the deadline.

Importing this module takes longer than importing the rest of the client. The synchronous client
therefore imports this module only before its first request.
"""

from __future__ import annotations

import http.client
import io
import socket
import threading
from collections.abc import Mapping
from contextlib import closing
from urllib.parse import urlsplit

from imdskit import __version__
from imdskit.client.responses import Response
from imdskit.client.retry import seconds_of
from imdskit.clock import SECOND, Clock
from imdskit.codes import ClientCode
from imdskit.errors import ClientError

METADATA: Mapping[str, str] = {"Metadata": "true", "Accept": "application/json, text/plain"}
OWN_HEADERS: Mapping[str, str] = {"User-Agent": f"imdskit/{__version__}", "Connection": "close"}
"""Headers of every request."""
HEAD_BYTES = 64 * 1024
"""Maximum number of bytes of a response in addition to its body: status line, header fields and
chunk framing."""

_HINT = "Outside of Azure, nothing responds at this address. On an Azure machine, look for a firewall, a route or a container network that blocks it."


class Transport:
    """HTTP transport without state between requests. Safe to share between threads.

    Args:
        base_url: ``http://host[:port][/prefix]``.
        timeout: maximum number of seconds for a whole exchange.
        connect_timeout: maximum number of seconds for establishing a connection. This time counts
            towards ``timeout``.
        max_bytes: maximum size of a body in bytes.
        clock: clock that measures the timeouts.
    """

    def __init__(self, base_url: str, timeout: float, connect_timeout: float, max_bytes: int, clock: Clock) -> None:
        self._base_url = base_url
        self._timeout_ns = int(timeout * SECOND)
        self._connect_ns = int(connect_timeout * SECOND)
        self._max_bytes = max_bytes
        self._clock = clock

    def request(self, target: str, timeout: float, body: bytes | None = None) -> Response:
        """Send one request with ``Metadata: true``: POST if there is a JSON body, otherwise GET.

        Arguments and errors are like those of :meth:`send`.
        """
        if body is None:
            return self.send("GET", target, METADATA, timeout=timeout)
        return self.send("POST", target, {**METADATA, "Content-Type": "application/json"}, body, timeout)

    def send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None, timeout: float | None = None
    ) -> Response:
        """Send one request.

        Args:
            method: method of the request.
            target: path and query, encoded.
            headers: headers in addition to those that the connection needs.
            body: body of the request.
            timeout: maximum number of seconds for this exchange. A larger number than the
                transport's timeout has no effect.

        Raises:
            ClientError: ``unreachable``, ``timed-out``, ``too-large`` or ``not-imds``.
        """
        url = self._base_url + target
        timeout_ns = self._timeout_ns if timeout is None else min(self._timeout_ns, int(timeout * SECOND))
        allowance = _Allowance(self._clock, timeout_ns, self._connect_ns, self._max_bytes + HEAD_BYTES)
        try:
            base = urlsplit(self._base_url)
            with closing(_Connection(base.netloc, allowance)) as connection:
                connection.request(method, base.path + target, body, {**headers, **OWN_HEADERS})
                with connection.getresponse() as response:
                    return self._received(response, url)
        except ClientError as error:
            error.location = url
            raise
        except TimeoutError:
            message = "No complete response arrived in time."
            raise ClientError(ClientCode.TIMED_OUT, message, location=url, hint=_HINT, connected=allowance.connected) from None
        except http.client.IncompleteRead:
            raise _unreachable(url, "the response was cut off", connected=True) from None
        except OSError as error:
            raise _unreachable(url, error.strerror or str(error) or type(error).__name__, allowance.connected) from None
        except (http.client.HTTPException, ValueError) as error:
            message = f"The response is not HTTP: {type(error).__name__}."
            raise ClientError(ClientCode.NOT_IMDS, message, location=url, hint="Another program listens at this address.") from None

    def _received(self, response: http.client.HTTPResponse, url: str) -> Response:
        body = response.read(self._max_bytes + 1)
        if len(body) > self._max_bytes:
            raise _too_large()
        if response.length:  # `length` is now the number of bytes that are missing
            raise http.client.IncompleteRead(body, response.length)
        headers = response.headers
        media_type = headers.get_content_type() if "Content-Type" in headers else ""
        retry_after = seconds_of(headers["Retry-After"], self._clock.now()) if "Retry-After" in headers else None
        return Response(response.status, media_type, body, url, retry_after, headers.get("WWW-Authenticate", ""))


class _Allowance:
    """Remaining time and bytes of one exchange."""

    def __init__(self, clock: Clock, timeout_ns: int, connect_ns: int, octets: int) -> None:
        now = clock.monotonic_ns()
        self._clock = clock
        self._end = now + timeout_ns
        self._connect_end = now + min(timeout_ns, connect_ns)
        self.octets = octets
        self.connected = False

    def seconds(self, *, connecting: bool = False) -> float:
        """Return the remaining seconds. Raise TimeoutError if no time is left."""
        left = (self._connect_end if connecting else self._end) - self._clock.monotonic_ns()
        if left <= 0:
            raise TimeoutError
        return left / SECOND


class _Connection(http.client.HTTPConnection):
    """Connection whose limits come from :class:`_Allowance`.

    The timeout of ``http.client`` would apply to each read separately.
    """

    def __init__(self, host: str, allowance: _Allowance) -> None:
        super().__init__(host)
        self._allowance = allowance
        self.response_class = self._response  # type: ignore[assignment]  # http.client only calls it, so a function will do

    def connect(self) -> None:
        self.sock = _connect(self.host, self.port, self._allowance)
        self._allowance.connected = True
        self.sock.settimeout(self._allowance.seconds())

    def _response(self, sock: socket.socket, *args: object, **kwargs: object) -> http.client.HTTPResponse:
        response = http.client.HTTPResponse(sock, *args, **kwargs)  # type: ignore[arg-type]  # the arguments are passed on unchanged
        response.fp = io.BufferedReader(_Incoming(response.fp.detach(), sock, self._allowance))
        return response


class _Incoming(io.RawIOBase):
    """Input stream of a socket. It enforces the allowance of time and bytes."""

    def __init__(self, raw: io.RawIOBase, connection: socket.socket, allowance: _Allowance) -> None:
        self._raw = raw
        self._connection = connection
        self._allowance = allowance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # BufferedReader passes nothing else
        self._connection.settimeout(self._allowance.seconds())
        if self._allowance.octets <= 0:
            raise _too_large()
        count = self._raw.readinto(buffer[: self._allowance.octets]) or 0
        self._allowance.octets -= count
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def _connect(host: str, port: int, allowance: _Allowance) -> socket.socket:
    """Connect to the first address of ``host`` that accepts a connection."""
    failure: OSError = OSError("the name has no address")
    for address in _resolve(host, port, allowance):
        try:
            return socket.create_connection((address, port), allowance.seconds(connecting=True))
        except OSError as error:
            failure = error
    raise failure


def _resolve(host: str, port: int, allowance: _Allowance) -> list[str]:
    """Resolve a name in a thread, because ``getaddrinfo`` has no timeout."""
    try:
        return _addresses(host, port, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass
    found: list[str] = []
    failures: list[Exception] = []

    def look_up() -> None:
        try:
            found.extend(_addresses(host, port, 0))
        except (OSError, UnicodeError) as error:
            failures.append(error)

    thread = threading.Thread(target=look_up, name=f"resolve {host}", daemon=True)
    thread.start()
    thread.join(allowance.seconds(connecting=True))
    if thread.is_alive():
        raise TimeoutError
    if failures:
        raise OSError(f"the name cannot be resolved: {failures[0]}")
    return found


def _addresses(host: str, port: int, flags: int) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)]


def _too_large() -> ClientError:
    return ClientError(
        ClientCode.TOO_LARGE, "The response is larger than any response of the service.", hint="Another program responds at this address."
    )


def _unreachable(url: str, why: str, connected: bool) -> ClientError:
    return ClientError(ClientCode.UNREACHABLE, f"The service cannot be reached: {why}.", location=url, hint=_HINT, connected=connected)
