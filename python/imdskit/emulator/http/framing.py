"""Parser of HTTP/1.1 request framing (RFC 9112), and serializer of responses.

The parser refuses every message that two parsers could interpret differently, because such messages
allow request smuggling. Examples are a bare CR or LF, folded lines, blanks before a colon, and a
second Host or Content-Length field. It also refuses Content-Length together with a transfer coding,
and any coding except plain ``chunked``. After a refusal, the caller must not parse anything that
follows on the connection.

This module uses neither sockets nor clocks. :mod:`imdskit.emulator.http.request_target` decodes the
targets of requests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

from imdskit.emulator.http.messages import Response

REQUEST_LINE_OCTETS = 8 * 1024
HEAD_OCTETS = 16 * 1024
FIELDS = 100
BODY_OCTETS = 64 * 1024
CHUNK_LINE_OCTETS = 256
CHUNKED_OCTETS = 4 * BODY_OCTETS
"""Limits of a request.

The parser refuses a message that exceeds one of them. The limits of Azure's service are unknown;
these are *inferred*.
"""

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_NAME = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=%]+|\[[0-9A-Fa-f:.]+\])"
_HOST = _NAME + r"(?::[0-9]*)?"

# Each group below can match in one way only, so backtracking takes at most linear time. Possessive
# repetition of a group would also guarantee this, but before Python 3.11.5, it fails to find
# some matches (python/cpython#106052). Possessive repetition of a single character
# class works in all versions.
_LINES = re.compile(rb"(" + _TOKEN + rb"{1,32}) ([!-~]++) HTTP/1\.([01])\r\n((?:" + _TOKEN + rb"++:[\t -~\x80-\xff]*+\r\n)*)")
_HEAD = re.compile(_LINES.pattern + rb"\r\n")
_FORBIDDEN = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r(?=[^\n])")
_ABSOLUTE = re.compile(rf"[Hh][Tt][Tt][Pp]://(?:[A-Za-z0-9\-._~!$&'()*+,;=%:]*@)?({_HOST})(/[^?]*)?(\?.*)?")
_AUTHORITY = re.compile(_HOST)
_TUNNEL = re.compile(_NAME + r":[0-9]+")
_CHUNK_LINE = re.compile(
    rb"([0-9A-Fa-f]{1,8})(?:;" + _TOKEN + rb"++(?:=(?:" + _TOKEN + rb'++|"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"))?)*\r\n'
)
_REASONS = {status.value: status.phrase for status in HTTPStatus}
_REASONS[429] = ""
"""Reason phrases by status.

The service sends none for 429 (recorded in 2023 through the Azure SDK for .NET).
"""
_SPECIAL = frozenset(("host", "content-length", "transfer-encoding", "connection", "expect"))


class Refusal(NamedTuple):
    """Reason why bytes are not a valid request: the status of the response, and a clause for the
    error message of the admin API."""

    status: int
    why: str


@dataclass(frozen=True, slots=True)
class Head:
    """Request line and header fields of one message.

    Attributes:
        method: the method token.
        target: path and query in origin form. ``*`` of OPTIONS and ``host:port`` of CONNECT stay
            unchanged.
        headers: (name, value) pairs in the order of the message. Values have no surrounding blanks
            and are decoded as Latin-1.
        length: length of the body in bytes; meaningless if ``chunked`` is true.
        chunked: whether the body has the chunked coding.
        keep_alive: whether the client may send another request on the connection.
        minor: minor version of HTTP/1, 0 or 1.
        expects_continue: whether the client waits for ``100 Continue`` before it sends the body.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    length: int = 0
    chunked: bool = False
    keep_alive: bool = True
    minor: int = 1
    expects_continue: bool = False


def refuse_early(data: bytes, checked: int) -> Refusal | None:
    """Return why the received part of a head is invalid, or None if it is valid so far.

    Earlier calls have checked ``checked`` bytes.
    """
    if _FORBIDDEN.search(data, max(0, checked - 1)):
        return Refusal(400, "it contains a control character, a bare CR or a bare LF")
    if len(data) > REQUEST_LINE_OCTETS and b"\r\n" not in data[:REQUEST_LINE_OCTETS]:
        return Refusal(414, "the request line is too long")
    if len(data) > HEAD_OCTETS:
        return Refusal(431, "the head is too long")
    complete = data.rfind(b"\r\n") + 2
    if complete > max(1, checked):
        lines = _LINES.match(data)
        if lines is None or lines.end() != complete:
            return Refusal(400, "the head does not have the form of HTTP/1.0 or HTTP/1.1")
    return None


@lru_cache(maxsize=128)
def parse_head(data: bytes) -> Head | Refusal:
    """Parse the head of a request, or return why it is refused (RFC 9112 sections 2 to 6).

    ``data`` begins with the request line and ends with the empty line after the fields. The most
    recent heads are cached, because clients that stay connected often repeat the same head.
    """
    if len(data) > HEAD_OCTETS:
        return Refusal(431, "the head is too long")
    if data.find(b"\r\n") > REQUEST_LINE_OCTETS:
        return Refusal(414, "the request line is too long")
    match = _HEAD.fullmatch(data)
    if match is None:
        return Refusal(400, "the head does not have the form of HTTP/1.0 or HTTP/1.1")
    lines = match[4].decode("latin-1").split("\r\n")[:-1]
    if len(lines) > FIELDS:
        return Refusal(431, "it has too many header fields")
    headers: list[tuple[str, str]] = []
    special: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(":")
        value = value.strip(" \t")
        headers.append((name, value))
        if name.lower() in _SPECIAL:
            special.setdefault(name.lower(), []).append(value)
    return _framed(match[1].decode("ascii"), match[2].decode("ascii"), int(match[3]), tuple(headers), special)


def _framed(method: str, target: str, minor: int, headers: tuple[tuple[str, str], ...], special: dict[str, list[str]]) -> Head | Refusal:
    hosts = special.get("host", [])
    if len(hosts) > 1 or (minor == 1 and not hosts) or not all(_AUTHORITY.fullmatch(host) for host in hosts):
        return Refusal(400, "it must have exactly one valid Host header")  # RFC 9112 section 3.2

    length = 0
    lengths = special.get("content-length", [])
    codings = special.get("transfer-encoding", [])
    if codings:
        # RFC 9112 section 6.1 lets a server refuse a request that has both fields, and treats a
        # transfer coding in HTTP/1.0 as faulty.
        if lengths or minor == 0 or [coding.lower() for coding in codings] != ["chunked"]:
            return Refusal(400, "the transfer coding makes the length of the body ambiguous")
    elif lengths:
        if len(lengths) > 1 or not (lengths[0].isascii() and lengths[0].isdigit()):
            return Refusal(400, "the Content-Length header is invalid or repeated")  # RFC 9112 section 6.3
        if len(lengths[0]) > 18 or int(lengths[0]) > BODY_OCTETS:
            return Refusal(413, "the body is too large")
        length = int(lengths[0])

    expectations = [value.lower() for value in special.get("expect", [])]
    if expectations not in ([], ["100-continue"]):
        return Refusal(417, "the value of the Expect header is unknown")  # RFC 9110 section 10.1.1

    resolved = _resolve(method, target, headers)
    if resolved is None:
        return Refusal(400, "the request target has the wrong form")
    target, headers = resolved
    options = {option.strip(" \t").lower() for value in special.get("connection", []) for option in value.split(",")}
    keep_alive = "close" not in options and (minor == 1 or "keep-alive" in options)  # RFC 9112 section 9.3
    return Head(method, target, headers, length, bool(codings), keep_alive, minor, bool(expectations) and minor == 1)


def _resolve(method: str, target: str, headers: tuple[tuple[str, str], ...]) -> tuple[str, tuple[tuple[str, str], ...]] | None:
    """Return target and headers with the target in origin form, or None if the target is invalid
    (RFC 9112 section 3.2).

    The authority of a target in absolute form replaces the value of the Host header.
    """
    if "#" in target:
        return None  # No form allows a fragment. Some parsers would remove it and others would not.
    if method == "CONNECT":
        return (target, headers) if _TUNNEL.fullmatch(target) else None
    if target.startswith("/"):
        return target, headers
    if target == "*":
        return (target, headers) if method == "OPTIONS" else None
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        return None
    authority, path, query = absolute[1], absolute[2] or "/", absolute[3] or ""
    return path + query, tuple((name, authority if name.lower() == "host" else value) for name, value in headers)


def response_bytes(response: Response, head: Head | None, keep_alive: bool, date: str) -> bytes:
    """Return a response as bytes: the headers of the service, then Date and Content-Length, in the
    order of recorded responses.

    Args:
        response: response to send.
        head: head of the request; None if the request was malformed.
        keep_alive: whether the connection stays open.
        date: value of the Date header (RFC 9110 section 6.6.1).
    """
    lines = [f"HTTP/1.1 {response.status} {_REASONS.get(response.status, '')}\r\n"]
    lengths = False
    for name, value in response.headers:
        lines.append(f"{name}: {value}\r\n")
        lengths = lengths or name == "Content-Length"
    length = "" if lengths else f"Content-Length: {len(response.body)}\r\n"
    lines.append(f"Date: {date}\r\n{length}")
    if not keep_alive:
        lines.append("Connection: close\r\n")
    elif head is not None and head.minor == 0:
        lines.append("Connection: keep-alive\r\n")
    lines.append("\r\n")
    start = "".join(lines).encode("latin-1")
    return start if head is not None and head.method == "HEAD" else start + response.body


def read_chunked(data: bytes) -> tuple[bytes, int] | Refusal | None:
    """Decode the chunked body at the start of ``data`` (RFC 9112 section 7.1).

    Chunk extensions are ignored. Trailer fields are refused, because the emulator does not use
    them.

    Returns:
        The body and the position of its end in ``data``; a Refusal if the body is invalid; None if
        more data is needed.
    """
    body: list[bytes] = []
    position = total = 0
    while True:
        line = _CHUNK_LINE.match(data, position, position + CHUNK_LINE_OCTETS)
        if line is None:
            rest = data[position : position + CHUNK_LINE_OCTETS]
            if b"\r\n" in rest or len(rest) == CHUNK_LINE_OCTETS or _FORBIDDEN.search(rest):
                return Refusal(400, "a chunk of the body is malformed")
            break
        size = int(line[1], 16)
        position = line.end()
        total += size
        if total > BODY_OCTETS:
            return Refusal(413, "the body is too large")
        end = data[position + size : position + size + 2]
        if end != b"\r\n":
            if b"\r\n".startswith(end):
                break
            return Refusal(400, "a chunk of the body has the wrong length, or the body has trailer fields")
        if size == 0:
            return b"".join(body), position + 2
        body.append(data[position : position + size])
        position += size + 2
    return Refusal(413, "the body is too large") if len(data) > CHUNKED_OCTETS else None
