"""Tests of request framing: a table of valid heads, a table of invalid heads, and chunked bodies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdskit.emulator.http.framing import BODY_OCTETS, FIELDS, HEAD_OCTETS, Head, Refusal, parse_head, read_chunked, refuse_early

HOST = ("Host", "a")


def head(line: str, *fields: str) -> bytes:
    return "\r\n".join([line, *fields, "", ""]).encode("latin-1")


ACCEPTED = [
    pytest.param(head("GET / HTTP/1.1", "Host: a"), Head("GET", "/", (HOST,)), id="plain"),
    pytest.param(
        head("GET //a/./b?c=d&e=%2f+|[]{}\"'<> HTTP/1.1", "Host: a"), Head("GET", "//a/./b?c=d&e=%2f+|[]{}\"'<>", (HOST,)), id="raw-target"
    ),
    pytest.param(head("get / HTTP/1.1", "Host: a"), Head("get", "/", (HOST,)), id="method-case-is-kept"),
    pytest.param(head("GET / HTTP/1.1", "hOSt:\t a \t"), Head("GET", "/", (("hOSt", "a"),)), id="blanks-round-a-value"),
    pytest.param(head("GET / HTTP/1.1", "Host: [::1]:80"), Head("GET", "/", (("Host", "[::1]:80"),)), id="ipv6-host"),
    pytest.param(head("GET / HTTP/1.1", "Host: 0.0.0.0=5000"), Head("GET", "/", (("Host", "0.0.0.0=5000"),)), id="odd-but-legal-host"),
    pytest.param(head("GET / HTTP/1.1", "Host: a", "X: caf\xe9"), Head("GET", "/", (HOST, ("X", "caf\xe9"))), id="obs-text-is-latin-1"),
    pytest.param(head("GET / HTTP/1.1", "Host: a", "X.|~: "), Head("GET", "/", (HOST, ("X.|~", ""))), id="odd-name-and-empty-value"),
    pytest.param(head("GET / HTTP/1.0"), Head("GET", "/", (), keep_alive=False, minor=0), id="http-1.0-without-host"),
    pytest.param(
        head("GET / HTTP/1.0", "Connection: Keep-Alive"),
        Head("GET", "/", (("Connection", "Keep-Alive"),), minor=0),
        id="http-1.0-keep-alive",
    ),
    pytest.param(
        head("GET / HTTP/1.1", "Host: a", "Connection: x, Close"),
        Head("GET", "/", (HOST, ("Connection", "x, Close")), keep_alive=False),
        id="close-among-others",
    ),
    pytest.param(
        head("GET / HTTP/1.1", "Host: a", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"),
        Head("GET", "/", (HOST, ("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"))),
        id="an-upgrade-is-not-taken",
    ),
    pytest.param(
        head("POST / HTTP/1.1", "Host: a", "Content-Length: 003"),
        Head("POST", "/", (HOST, ("Content-Length", "003")), length=3),
        id="length",
    ),
    pytest.param(
        head("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: Chunked"),
        Head("POST", "/", (HOST, ("Transfer-Encoding", "Chunked")), chunked=True),
        id="chunked",
    ),
    pytest.param(
        head("POST / HTTP/1.1", "Host: a", "Expect: 100-Continue", "Content-Length: 1"),
        Head("POST", "/", (HOST, ("Expect", "100-Continue"), ("Content-Length", "1")), length=1, expects_continue=True),
        id="expects-continue",
    ),
    pytest.param(
        head("GET http://u:p@b:8080/x?y HTTP/1.1", "Host: a"), Head("GET", "/x?y", (("Host", "b:8080"),)), id="absolute-form-names-the-host"
    ),
    pytest.param(head("GET http://b?y HTTP/1.1", "Host: a"), Head("GET", "/?y", (("Host", "b"),)), id="absolute-form-without-path"),
    pytest.param(head("GET HTTP://[::1] HTTP/1.1", "Host: a"), Head("GET", "/", (("Host", "[::1]"),)), id="absolute-form-bare"),
    pytest.param(head("OPTIONS * HTTP/1.1", "Host: a"), Head("OPTIONS", "*", (HOST,)), id="asterisk-form"),
    pytest.param(head("CONNECT [::1]:443 HTTP/1.1", "Host: a"), Head("CONNECT", "[::1]:443", (HOST,)), id="authority-form"),
]

REFUSED = [
    pytest.param(head("GET / HTTP/1.1"), 400, id="no-host"),
    pytest.param(head("GET / HTTP/1.1", "Host: a", "Host: a"), 400, id="two-hosts"),
    pytest.param(head("GET / HTTP/1.0", "Host: a", "host: b"), 400, id="two-hosts-of-1.0"),
    pytest.param(head("GET / HTTP/1.1", "Host: "), 400, id="empty-host"),
    pytest.param(head("GET / HTTP/1.1", "Host: a/b"), 400, id="path-in-host"),
    pytest.param(head("GET / HTTP/1.1", "Host: a@b"), 400, id="user-in-host"),
    pytest.param(head("GET / HTTP/1.1", "Host: a b"), 400, id="blank-in-host"),
    pytest.param(head("GET / HTTP/1.1", "Host : a"), 400, id="blank-before-colon"),
    pytest.param(head("GET / HTTP/1.1", " Host: a"), 400, id="blank-before-name"),
    pytest.param(head("GET / HTTP/1.1", "Host: a", "X: b", " c"), 400, id="folded-line"),
    pytest.param(head("GET / HTTP/1.1", "Host: a", "X: b\nY: c"), 400, id="bare-lf"),
    pytest.param(head("GET / HTTP/1.1", "Host: a", "X: b\rY: c"), 400, id="bare-cr"),
    pytest.param(head("GET / HTTP/1.1", "Host: a", "X: b\0"), 400, id="nul-in-value"),
    pytest.param(head("GET / HTTP/1.1", "Host: a", "X: b\x7f"), 400, id="del-in-value"),
    pytest.param(head("GET / HTTP/1.1", "Host: a", "X\0: b"), 400, id="nul-in-name"),
    pytest.param(head("GET / HTTP/1.1", "Host: a", "X\xe9: b"), 400, id="non-ascii-name"),
    pytest.param(head("GET / HTTP/1.1", "Host: a", ": b"), 400, id="no-name"),
    pytest.param(head("GET / HTTP/1.1", "Host: a", "X"), 400, id="no-colon"),
    pytest.param(head("GET  / HTTP/1.1", "Host: a"), 400, id="two-blanks"),
    pytest.param(head("GET\t/ HTTP/1.1", "Host: a"), 400, id="tab"),
    pytest.param(head(" GET / HTTP/1.1", "Host: a"), 400, id="blank-before-method"),
    pytest.param(head("GET / HTTP/1.1 ", "Host: a"), 400, id="blank-after-version"),
    pytest.param(head("G(T / HTTP/1.1", "Host: a"), 400, id="no-token"),
    pytest.param(head("X" * 33 + " / HTTP/1.1", "Host: a"), 400, id="endless-method"),
    pytest.param(head("GET / HTTP/1.2", "Host: a"), 400, id="version-1.2"),
    pytest.param(head("GET / HTTP/2.0", "Host: a"), 400, id="version-2.0"),
    pytest.param(head("GET / http/1.1", "Host: a"), 400, id="version-in-lower-case"),
    pytest.param(head("GET /", "Host: a"), 400, id="version-0.9"),
    pytest.param(head("GET /\xe9 HTTP/1.1", "Host: a"), 400, id="non-ascii-target"),
    pytest.param(head("GET /#x HTTP/1.1", "Host: a"), 400, id="fragment"),
    pytest.param(head("GET x HTTP/1.1", "Host: a"), 400, id="relative-target"),
    pytest.param(head("GET a:80 HTTP/1.1", "Host: a"), 400, id="authority-form-of-get"),
    pytest.param(head("GET * HTTP/1.1", "Host: a"), 400, id="asterisk-form-of-get"),
    pytest.param(head("GET https://a/ HTTP/1.1", "Host: a"), 400, id="another-scheme"),
    pytest.param(head("GET http:///x HTTP/1.1", "Host: a"), 400, id="absolute-form-without-host"),
    pytest.param(head("CONNECT / HTTP/1.1", "Host: a"), 400, id="origin-form-of-connect"),
    pytest.param(head("CONNECT a HTTP/1.1", "Host: a"), 400, id="connect-without-port"),
    *(
        pytest.param(head("POST / HTTP/1.1", "Host: a", f"Content-Length: {value}"), 400, id=f"length-{value!r}")
        for value in ("", "+1", "-1", "1_0", "0x1", "1.0", "1 1", "1,1", "\xb2", "a")
    ),
    pytest.param(head("POST / HTTP/1.1", "Host: a", "Content-Length: 1", "Content-Length: 1"), 400, id="two-equal-lengths"),
    pytest.param(head("POST / HTTP/1.1", "Host: a", "Content-Length: 1", "Transfer-Encoding: chunked"), 400, id="length-and-coding"),
    pytest.param(head("POST / HTTP/1.0", "Transfer-Encoding: chunked"), 400, id="coding-in-1.0"),
    *(
        pytest.param(head("POST / HTTP/1.1", "Host: a", f"Transfer-Encoding: {value}"), 400, id=f"coding-{value!r}")
        for value in ("", "identity", "gzip", "gzip, chunked", "chunked, chunked", ",chunked", "\xa0chunked", "xchunked", '"chunked"')
    ),
    pytest.param(head("POST / HTTP/1.1", "Host: a", *["Transfer-Encoding: chunked"] * 2), 400, id="two-codings"),
    pytest.param(head("POST / HTTP/1.1", "Host: a", f"Content-Length: {BODY_OCTETS + 1}"), 413, id="body-too-large"),
    pytest.param(head("POST / HTTP/1.1", "Host: a", "Content-Length: " + "9" * 5000), 413, id="length-without-end"),
    pytest.param(head("GET /" + "x" * 8200 + " HTTP/1.1", "Host: a"), 414, id="target-too-long"),
    pytest.param(head("GET / HTTP/1.1", "Host: a", *["X: y"] * FIELDS), 431, id="too-many-fields"),
    pytest.param(head("GET / HTTP/1.1", "Host: a", "X: " + "y" * HEAD_OCTETS), 431, id="head-too-long"),
    pytest.param(head("POST / HTTP/1.1", "Host: a", "Expect: tea"), 417, id="unknown-expectation"),
]


@pytest.mark.parametrize(("data", "expected"), ACCEPTED)
def test_parses_valid_head(data: bytes, expected: Head) -> None:
    assert parse_head(data) == expected


@pytest.mark.parametrize(("data", "status"), REFUSED)
def test_refuses_ambiguous_head(data: bytes, status: int) -> None:
    refusal = parse_head(data)
    assert isinstance(refusal, Refusal)
    assert refusal.status == status


@pytest.mark.parametrize(("data", "expected"), ACCEPTED)
def test_does_not_refuse_the_start_of_a_valid_head(data: bytes, expected: Head) -> None:
    assert isinstance(expected, Head)
    for step in (1, 7):
        checked = 0
        for end in range(1, len(data) - 3, step):
            assert refuse_early(data[:end], checked) is None
            checked = end


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(b"GET / HTTP/1.1\n", 400, id="bare-lf"),
        pytest.param(b"GET\0", 400, id="nul"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01", 400, id="tls"),
        pytest.param(b"PRI * HTTP/2.0\r\n", 400, id="http2"),
        pytest.param(b"GET / HTTP/1.1\r\nHost : a\r\n", 400, id="blank-before-colon"),
        pytest.param(b"GET /" + b"x" * 9000, 414, id="endless-target"),
        pytest.param(b"GET / HTTP/1.1\r\nX: " + b"y" * HEAD_OCTETS, 431, id="endless-field"),
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
def test_refuses_invalid_head_before_it_is_complete(data: bytes, status: int, step: int) -> None:
    found = [refusal for start in range(0, len(data), step) if (refusal := refuse_early(data[: start + step], start)) is not None]
    assert found[0].status == status


@given(st.binary(max_size=60), st.integers(0, 60))
def test_parser_never_raises(data: bytes, position: int) -> None:
    good = head("POST /a?b HTTP/1.1", "Host: a", "Content-Length: 3")
    changed = good[:position] + data + good[position:]
    assert isinstance(parse_head(changed), Head | Refusal)
    read_chunked(data)
    refuse_early(changed, min(position, len(changed)))


CHUNKED = [
    pytest.param(b"0\r\n\r\n", b"", id="empty"),
    pytest.param(b"5\r\nhello\r\n0\r\n\r\n", b"hello", id="one"),
    pytest.param(b"0005\r\nhello\r\n00\r\n\r\n", b"hello", id="leading-zeros"),
    pytest.param(b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", b"01234567890123456789", id="both-letter-cases"),
    pytest.param(b'5;foo="bar \\"baz";x;y=z\r\nhello\r\n0;a\r\n\r\n', b"hello", id="extensions"),
    pytest.param(b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n", id="a-line-end-as-data"),
]


@pytest.mark.parametrize(("data", "body"), CHUNKED)
def test_reads_chunked_body_exactly_to_its_end(data: bytes, body: bytes) -> None:
    assert read_chunked(data + b"GET /") == (body, len(data))


@pytest.mark.parametrize(("data", "body"), CHUNKED)
def test_waits_for_the_rest_of_a_chunked_body(data: bytes, body: bytes) -> None:
    assert [read_chunked(data[:end]) for end in range(len(data))] == [None] * len(data)
    assert read_chunked(data) == (body, len(data))


@pytest.mark.parametrize(
    "data",
    [
        *(b"\r\n", b"g\r\n", b"-1\r\n", b"+1\r\n", b"0x1\r\n", b"1_0\r\n", b" 1\r\n", b"1 \r\n", b"123456789\r\n", b"1\n", b"1\r\r;"),
        *(b"1;\r\n", b'1;a="b\r\n', b"1;" + b"x" * 300, b"1;x=\0", b"1\r\nab\r\n", b"1\r\na\n", b"0\r\nVary: x\r\n\r\n"),
    ],
)
def test_refuses_invalid_chunk(data: bytes) -> None:
    refusal = read_chunked(data)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 400


@pytest.mark.parametrize(
    "data",
    [b"ffffffff\r\n", b"%x\r\n" % (BODY_OCTETS + 1), b"1;abcdefghi\r\na\r\n" * (BODY_OCTETS // 3)],
    ids=["giant", "one-too-many", "all-extensions"],
)
def test_chunked_body_has_a_maximum_size(data: bytes) -> None:
    refusal = read_chunked(data)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 413
