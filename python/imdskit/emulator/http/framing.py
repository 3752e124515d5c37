"""The grammar of HTTP/1.1 messages: where a request begins and ends, strictly (RFC 9112), and responses as bytes.

Anything that two parsers could read differently is refused: bare CR or LF, folded lines, blanks before a colon, a second Host or
Content-Length, a length together with a transfer coding, any coding but plain ``chunked``. After a refusal nothing more of the connection
may be read as a request.

This module knows no sockets and no time. :mod:`imdskit.protocol` says what a request means.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

from imdskit.protocol.messages import Response

REQUEST_LINE_OCTETS = 8 * 1024
HEAD_OCTETS = 16 * 1024
FIELDS = 100
BODY_OCTETS = 64 * 1024
CHUNK_LINE_OCTETS = 256
CHUNKED_OCTETS = 4 * BODY_OCTETS
"""Bounds; a message beyond one of them is refused. The service's own are not known: *inferred*."""

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_NAME = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=%]+|\[[0-9A-Fa-f:.]+\])"
_HOST = _NAME + r"(?::[0-9]*)?"

# Every group below has one way only to match, so giving back costs no more than it gained. Groups are not repeated possessively all the same:
# before Python 3.11.5 that misses matches (python/cpython#106052). Repeating one class of octets so is sound.
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
"""The service's status line has no reason phrase for 429 (recorded in 2023 through the Azure SDK for .NET)."""
_SPECIAL = frozenset(("host", "content-length", "transfer-encoding", "connection", "expect"))


class Refusal(NamedTuple):
    """Why bytes are not a valid request: the status of the response, and a phrase for a log."""

    status: int
    why: str


@dataclass(frozen=True, slots=True)
class Head:
    """Request line and header fields of one message.

    Attributes:
        method: the method token.
        target: path and query in origin form; ``*`` of OPTIONS and ``host:port`` of CONNECT stay as they are.
        headers: (name, value) in the order of the wire, values without the blanks round them, octets beyond ASCII as Latin-1.
        length: of the body in octets; meaningless if ``chunked``.
        chunked: the body is in the chunked coding.
        keep_alive: the client will send another request on the connection.
        minor: 0 or 1, of HTTP/1.x.
        expects_continue: the client waits for ``100 Continue`` before it sends the body.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    length: int = 0
    chunked: bool = False
    keep_alive: bool = True
    minor: int = 1
    expects_continue: bool = False


def refuse_early(octets: bytes, checked: int) -> Refusal | None:
    """Return what is wrong with a head whose end has not arrived yet, or None. The first ``checked`` octets were clean at the last call."""
    if _FORBIDDEN.search(octets, max(0, checked - 1)):
        return Refusal(400, "a control character, bare CR or bare LF")
    if len(octets) > REQUEST_LINE_OCTETS and b"\r\n" not in octets[:REQUEST_LINE_OCTETS]:
        return Refusal(414, "request line too long")
    if len(octets) > HEAD_OCTETS:
        return Refusal(431, "head too long")
    complete = octets.rfind(b"\r\n") + 2
    if complete > max(1, checked):
        lines = _LINES.match(octets)
        if lines is None or lines.end() != complete:
            return Refusal(400, "not a head of HTTP/1.0 or HTTP/1.1")
    return None


@lru_cache(maxsize=128)
def parse_head(octets: bytes) -> Head | Refusal:
    """The head in ``octets``: from the first octet of the request line to the empty line, inclusive (RFC 9112 sections 2 to 6).

    Clients that stay connected send the same head again and again, so the most recent ones are cached.
    """
    if len(octets) > HEAD_OCTETS:
        return Refusal(431, "head too long")
    if octets.find(b"\r\n") > REQUEST_LINE_OCTETS:
        return Refusal(414, "request line too long")
    match = _HEAD.fullmatch(octets)
    if match is None:
        return Refusal(400, "not a head of HTTP/1.0 or HTTP/1.1")
    lines = match[4].decode("latin-1").split("\r\n")[:-1]
    if len(lines) > FIELDS:
        return Refusal(431, "too many fields")
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
        return Refusal(400, "not exactly one good Host")  # RFC 9112 section 3.2

    length = 0
    lengths = special.get("content-length", [])
    codings = special.get("transfer-encoding", [])
    if codings:
        # RFC 9112 section 6.1 lets a server refuse both together, and asks it to distrust HTTP/1.0 with a coding.
        if lengths or minor == 0 or [coding.lower() for coding in codings] != ["chunked"]:
            return Refusal(400, "a transfer coding that leaves the length in doubt")
    elif lengths:
        if len(lengths) > 1 or not (lengths[0].isascii() and lengths[0].isdigit()):
            return Refusal(400, "not exactly one good Content-Length")  # RFC 9112 section 6.3
        if len(lengths[0]) > 18 or int(lengths[0]) > BODY_OCTETS:
            return Refusal(413, "body too large")
        length = int(lengths[0])

    expectations = [value.lower() for value in special.get("expect", [])]
    if expectations not in ([], ["100-continue"]):
        return Refusal(417, "an expectation that is not known")  # RFC 9110 section 10.1.1

    resolved = _resolve(method, target, headers)
    if resolved is None:
        return Refusal(400, "a request target of the wrong form")
    target, headers = resolved
    options = {option.strip(" \t").lower() for value in special.get("connection", []) for option in value.split(",")}
    keep_alive = "close" not in options and (minor == 1 or "keep-alive" in options)  # RFC 9112 section 9.3
    return Head(method, target, headers, length, bool(codings), keep_alive, minor, bool(expectations) and minor == 1)


def _resolve(method: str, target: str, headers: tuple[tuple[str, str], ...]) -> tuple[str, tuple[tuple[str, str], ...]] | None:
    """Target and headers after RFC 9112 section 3.2, or None: absolute form becomes origin form, and its authority is the Host."""
    if "#" in target:
        return None  # a fragment is no part of any form; cutting it off is where parsers differ
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
    """Return a response on the wire: the service's headers, then Date and Content-Length, as recorded.

    Args:
        response: to send.
        head: of the request; None: there was none that could be read.
        keep_alive: the connection stays open.
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
    octets = "".join(lines).encode("latin-1")
    return octets if head is not None and head.method == "HEAD" else octets + response.body


def read_chunked(octets: bytes) -> tuple[bytes, int] | Refusal | None:
    """The body in chunked coding at the start of ``octets`` and where it ends, or None if more octets are needed.

    Chunk extensions are read over. Trailer fields are refused: nothing here would heed them (RFC 9112 section 7.1).
    """
    body: list[bytes] = []
    position = total = 0
    while True:
        line = _CHUNK_LINE.match(octets, position, position + CHUNK_LINE_OCTETS)
        if line is None:
            rest = octets[position : position + CHUNK_LINE_OCTETS]
            if b"\r\n" in rest or len(rest) == CHUNK_LINE_OCTETS or _FORBIDDEN.search(rest):
                return Refusal(400, "a bad chunk")
            break
        size = int(line[1], 16)
        position = line.end()
        total += size
        if total > BODY_OCTETS:
            return Refusal(413, "body too large")
        end = octets[position + size : position + size + 2]
        if end != b"\r\n":
            if b"\r\n".startswith(end):
                break
            return Refusal(400, "a chunk that does not end where it says, or a trailer")
        if size == 0:
            return b"".join(body), position + 2
        body.append(octets[position : position + size])
        position += size + 2
    return Refusal(413, "body too large") if len(octets) > CHUNKED_OCTETS else None
