"""HTTP server on the loopback interface that serves certificates of issuers, with many faults that such a server can have."""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress

KEPT = 500
"""Number of certificates that are served. Older ones are dropped."""
PATIENCE = 5.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/pkix-cert\r\n"


def _plain(body: bytes) -> Iterator[bytes]:
    yield HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body


def _wrong_bytes(body: bytes) -> Iterator[bytes]:
    yield from _plain(random.randbytes(len(body)))


def _cut(body: bytes) -> Iterator[bytes]:
    yield HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body[: len(body) // 2]


def _too_long(body: bytes) -> Iterator[bytes]:
    yield HEAD + b"\r\n" + body
    for _ in range(64):
        yield bytes(64 * 1024)


def _long_head(body: bytes) -> Iterator[bytes]:
    yield HEAD
    for number in range(2000):
        yield b"X-%d: %s\r\n" % (number, b"a" * 1000)


def _drip(body: bytes) -> Iterator[bytes]:
    yield HEAD + b"Content-Length: %d\r\n\r\n" % len(body)
    for octet in body:
        yield bytes((octet,))


def _chunks(*sizes: bytes) -> Callable[[bytes], Iterator[bytes]]:
    def behave(body: bytes) -> Iterator[bytes]:
        yield HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        for size in sizes:
            yield size + b"\r\n" + body + b"\r\n"
        yield b"0\r\n\r\n"

    return behave


def _text(text: bytes) -> Callable[[bytes], Iterator[bytes]]:
    return lambda body: iter((text,))


FAULTS: dict[str, Callable[[bytes], Iterator[bytes]]] = {
    "plain": _plain,
    "wrong-bytes": _wrong_bytes,
    "cut": _cut,
    "too-long": _too_long,
    "long-head": _long_head,
    "drip": _drip,
    "chunk-negative": _chunks(b"-5"),
    "chunk-no-number": _chunks(b"zz"),
    "chunk-huge": _chunks(b"7fffffffffffffff"),
    "chunk-endless-size": _chunks(b"1" * 70_000),
    "chunk-wrong": _chunks(b"1", b"2"),
    "redirect": _text(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
    "redirect-itself": _text(b"HTTP/1.1 301 Moved\r\nLocation: /plain-1.crt\r\nContent-Length: 0\r\n\r\n"),
    "status-1xx": _text(b"HTTP/1.1 100 Continue\r\n\r\n" * 300),
    "status-404": _text(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
    "status-odd": _text(b"HTTP/1.1 \x1b[31m999999 \r\n\r\n"),
    "not-http": _text(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20),
    "length-negative": _text(HEAD + b"Content-Length: -1\r\n\r\nabc"),
    "length-huge": _text(HEAD + b"Content-Length: 99999999999999999999\r\n\r\nabc"),
    "length-twice": _text(HEAD + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde"),
    "empty": _text(b""),
    "reset": _text(b""),
    "silent": _text(b""),
}  # fmt: skip


class FaultyIssuers:
    """Server of ``/FAULT-NUMBER.crt``. Every connection has a thread. The thread ends if a single
    read or write takes longer than :data:`PATIENCE` seconds."""

    def __init__(self) -> None:
        self._certificates: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.served = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def offer(self, name: str, certificate: bytes) -> None:
        """Serve this certificate under this name."""
        with self._lock:
            self._certificates[name.encode()] = certificate
            if len(self._certificates) > KEPT:
                self._certificates.popitem(last=False)

    def close(self) -> None:
        self._closed.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE)

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(PATIENCE)
            head = b""
            while b"\r\n\r\n" not in head and len(head) < 8192 and (more := connection.recv(4096)):
                head += more
            name = head.partition(b" /")[2].partition(b".crt")[0]
            fault = name.rpartition(b"-")[0].decode("latin-1")
            with self._lock:
                self.served += 1
                body = self._certificates.get(name, b"unknown")
            if fault == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if fault == "silent":
                self._closed.wait(PATIENCE)
                return
            for part in FAULTS.get(fault, _plain)(body):
                connection.sendall(part)
                if fault == "drip" and self._closed.wait(0.05):
                    return
