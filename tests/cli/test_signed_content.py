"""Tests that all outputs with the signed content of a document are valid JSON (RFC 8259). They must
contain the values that were signed, with every digit of numbers."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imdskit.backends.contract import Backend
from imdskit.clock import ManualClock
from imdskit.emulator.authority import Authority, signed_document
from imdskit.protocol import attested
from imdskit.verify import Attestation, Policy, Trust, Verifier
from imdskit.verify.inspection import inspect_document
from imdskit.verify.signed_content import Number, indented, line, loads

Run = Callable[..., Any]
AT = 1_790_000_000
TIME = datetime.fromtimestamp(AT, UTC).isoformat()
AUTHORITY = Authority(ManualClock(AT), "http://127.0.0.1:8080", seed=21)
TRUST = Trust((AUTHORITY.root,), (AUTHORITY.issuing,))


def signed(extra: str) -> bytes:
    """Return the content of a document with an additional member."""
    content = attested.content({"vmId": "00000000-0000-4000-8000-000000000001"}, "2021-02-01", AT, "4071882193")
    return content[:-1] + b',"extra":' + extra.encode() + b"}"


def document(content: bytes) -> bytes:
    return attested.envelope(signed_document.message(AUTHORITY.signer(), content))


TOKEN = re.compile(
    r"[ \t\r\n]*(?:([\[\]{}:,])"
    r'|("(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*")'
    r"|(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    r"|(true|false|null))"
)


def strict(text: str) -> Any:
    """Parse a JSON text with an independent parser (RFC 8259). A number becomes ("number", text).
    An object becomes ("{", list of pairs)."""
    tokens: list[tuple[str, str]] = []
    at = 0
    while at < len(text.rstrip(" \t\r\n")):
        match = TOKEN.match(text, at)
        assert match, f"no JSON at {at}: {text[at : at + 40]!r}"
        at = match.end()
        kind = next(index for index, group in enumerate(match.groups()) if group is not None)
        tokens.append(("psnl"[kind], match[kind + 1]))
    value, rest = read(tokens, 0)
    assert rest == len(tokens)
    return value


def read(tokens: list[tuple[str, str]], at: int) -> tuple[Any, int]:
    kind, text = tokens[at]
    if kind == "s":
        return json.loads(text), at + 1
    if kind in "nl":
        return ("number" if kind == "n" else "literal", text), at + 1
    assert text in "[{"
    items, at, end = [], at + 1, "]}"["[{".index(text)]
    while tokens[at][1] != end or tokens[at][0] != "p":
        if items:
            assert tokens[at] == ("p", ",")
            at += 1
        value, at = read(tokens, at)
        if text == "{":
            assert isinstance(value, str)
            assert tokens[at] == ("p", ":")
            member, at = read(tokens, at + 1)
            value = (value, member)
        items.append(value)
    return (text, items), at + 1


def member(value: Any, *names: str) -> Any:
    for name in names:
        value = dict(value[1])[name]
    return value


EXTRAS = {
    "5,000 digits": "9" * 5000,
    "a negative number of 5,000 digits": "-" + "1" * 5000,
    "641 digits": "1" * 641,
    "beyond a float": "1e999",
    "far beyond a float": "-1e999999999999999999999999",
    "far below a float": "1E-999999999999999999999999",
    "20 digits": "12345678901234567890",
    "beyond 2**53": "9007199254740993",
    "40 decimals": "0.1" + "0" * 38 + "1",
    "trailing zeros": "1.500",
    "minus zero": "-0",
    "minus zero, a float": "-0.0",
    "an exponent": "1E+2",
    "a float": "0.1",
    "numbers in a list": '[1,2.0,1e5,{"a":-0e0}]',
    "NUL": '"\\u0000"',
    "line separators": '"\u2028\u2029\u0085"',
    "DEL and C1 controls": '"\x7f\u0080\u009f"',
    "a terminal escape": '"\\u001b[31m"',
    "a surrogate pair": '"\\ud83d\\ude00"',
    "outside of the BMP": '"\U0001f600"',
    "right-to-left override": '"\u202e"',
    "slashes": '"\\/\\\\\\""',
    "brackets in a string": '"{}[],:\\"}"',
    "white space": '\r\n\t{ "a" : [ 1 , 2 ] ,\n"b":{ } , "c":[\t]}\r\n',
    "60 levels": "[" * 58 + "]" * 58,
    "empty names": '{"":{"":""}}',
    "literals": "[true,false,null]",
    "2,000 items": "[" + ",".join(map(str, range(2000))) + "]",
}


@pytest.fixture(scope="session")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trust") / "root.pem"
    wrapped = (base64.encodebytes(der).decode() for der in (AUTHORITY.root, AUTHORITY.issuing))
    path.write_text("".join(f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n" for text in wrapped))
    return path


@pytest.mark.parametrize("extra", EXTRAS.values(), ids=EXTRAS)
def test_every_output_is_json_with_the_signed_values(run: Run, backend: Backend, pem: Path, tmp_path: Path, extra: str) -> None:
    content = signed(extra)
    expected = strict(content.decode())
    (tmp_path / "in").write_bytes(document(content) + b"\n" + b"MIIB\n")
    one = tmp_path / "one"
    one.write_bytes(document(content))
    options = ("--trust", pem, "--at", TIME, "--backend", backend.name)
    plain, complete, explained = (run("verify", one, *options, *more) for more in ([], ["--json"], ["--json", "--explain"]))
    assert (plain.status, complete.status, explained.status) == (0, 0, 0)
    assert all(outcome.out.isascii() for outcome in (plain, complete, explained))
    assert strict(plain.out) == expected
    assert member(strict(complete.out), "claims") == expected
    assert member(strict(explained.out), "claims") == expected
    assert member(strict(explained.out), "report", "ok") == ("literal", "true")
    results = tmp_path / "results"
    batch = ("verify", "--batch", tmp_path / "in", *options, "--output", results)
    assert run(*batch).status == 1
    first, second = results.read_text("ascii").splitlines()
    assert member(strict(first), "claims") == expected
    assert member(strict(second), "reason") == "bad-der"
    # The code of --resume and of `imdskit report` reads these results, and must accept them.
    before = results.read_bytes()
    results.write_bytes(before[: before.index(b"\n") + 1])
    assert run(*batch, "--resume").status == 1
    assert results.read_bytes() == before
    assert run("report", results).status == 0


def faithful(attestation: Attestation) -> None:
    content = strict(attestation.content.decode())
    assert member(strict(attestation.json_text()), "claims") == content
    members = json.loads(json.dumps(attestation.to_json(), allow_nan=False))
    strict(json.dumps(members))
    assert strict(indented(line(attestation.content))) == content
    assert unnumbered(strict(json.dumps(members["claims"]))) == unnumbered(content)


def unnumbered(value: Any) -> Any:
    """Replace numbers by their text, so that a number equals the same text in quotes."""
    if isinstance(value, tuple):
        kind, rest = value
        return rest if kind == "number" else (kind, unnumbered(rest))
    if isinstance(value, list):
        return [
            (one[0], unnumbered(one[1])) if isinstance(one, tuple) and one[0] not in ("[", "{", "number", "literal") else unnumbered(one)
            for one in value
        ]
    return value


@pytest.mark.parametrize("extra", EXTRAS.values(), ids=EXTRAS)
def test_attestation_is_json_with_the_signed_values(backend: Backend, extra: str) -> None:
    verifier = Verifier(TRUST, Policy.offline_audit(), backend=backend)
    faithful(verifier.verify(document(signed(extra)), at=AT))


NUMBERS = st.from_regex(r"\A-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,20})?\Z")
STRINGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).flatmap(
    lambda text: st.sampled_from([json.dumps(text), json.dumps(text, ensure_ascii=False)])
)
BLANKS = st.sampled_from(["", " ", "\n", "\r\n\t"])
VALUES = st.recursive(
    NUMBERS | STRINGS | st.sampled_from(["true", "false", "null"]),
    lambda inner: (
        st.builds(lambda items, blank: f"[{blank}{f',{blank}'.join(items)}{blank}]", st.lists(inner, max_size=4), BLANKS)
        | st.builds(
            lambda members, blank: (
                "{" + blank + f"{blank},".join(f"{json.dumps(name)}{blank}:{blank}{value}" for name, value in members.items()) + blank + "}"
            ),
            st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=4),
            BLANKS,
        )
    ),
    max_leaves=15,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES)
def test_any_content_is_json_with_the_signed_values(backend: Backend, extra: str) -> None:
    faithful(Verifier(TRUST, Policy.offline_audit(), backend=backend).verify(document(signed(extra)), at=AT))


@pytest.mark.parametrize("extra", EXTRAS.values(), ids=EXTRAS)
def test_inspection_is_json(extra: str) -> None:
    shown = inspect_document(Verifier(TRUST, Policy.offline_audit(), clock=ManualClock(AT)), document(signed(extra)))
    assert strict(json.dumps(shown, allow_nan=False))
    assert "extra" in shown["content"]["members"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-7", -7),
        ("1.5", 1.5),
        ("1" * 640, int("1" * 640)),
        ("1.50", Number("1.50")),
        ("1e999", Number("1e999")),
        ("-0", Number("-0")),
        ("1" * 641, Number("1" * 641)),
        ("1E5", Number("1E5")),
        ("9007199254740993", 9007199254740993),
    ],
    ids=lambda value: str(value)[:12],
)
def test_numbers_that_survive_a_round_trip_become_python_numbers(text: str, value: object) -> None:
    found = loads(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", '{"a":1,"a":2}', "[1,]", "01", ""])
def test_text_that_is_not_json_raises_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # Python's own message
        loads(text)
