"""Tests that targets and headers are decoded as the service does it."""

from __future__ import annotations

import pytest

from imdskit.emulator.http.messages import Request
from imdskit.emulator.http.request_target import parse_target
from imdskit.emulator.service.rules import has_metadata_header

CASES = {
    "plain": ("/metadata/instance?a=1&b=2", ("/metadata/instance", ("metadata", "instance"), (("a", "1"), ("b", "2")))),
    "no query": ("/metadata", ("/metadata", ("metadata",), ())),
    "empty query": ("/metadata?", ("/metadata", ("metadata",), ())),
    "root": ("/", ("/", (), ())),
    "trailing slash": ("/metadata/instance/", ("/metadata/instance/", ("metadata", "instance"), ())),
    "double slash": ("//metadata//instance", ("//metadata//instance", ("metadata", "instance"), ())),
    "encoded path": ("/metadata%2Finst%61nce", ("/metadata/instance", ("metadata", "instance"), ())),
    "encoded question mark": ("/m%3Fa=1", ("/m", ("m",), (("a", "1"),))),
    "encoded and plain question mark": ("/m%3fa=1?b=2", ("/m", ("m",), (("a", "1"), ("b", "2")))),
    "decoded once": ("/m%253F", ("/m%3F", ("m%3F",), ())),
    "value with slashes": ("/m?r=https://a/b", ("/m", ("m",), (("r", "https://a/b"),))),
    "encoded value": ("/m?r=https%3A%2F%2Fa%26b", ("/m", ("m",), (("r", "https://a&b"),))),
    "value with an equals sign": ("/m?a=b=c", ("/m", ("m",), (("a", "b=c"),))),
    "name without a value": ("/m?a&b=", ("/m", ("m",), (("a", ""), ("b", "")))),
    "question mark in the query": ("/m?a=b?c", ("/m", ("m",), (("a", "b?c"),))),
    "plus is a blank": ("/m?a=b+c", ("/m", ("m",), (("a", "b c"),))),
    "broken escape": ("/m%zz?a=%", ("/m%zz", ("m%zz",), (("a", "%"),))),
    "not UTF-8": ("/m%ff", ("/m\ufffd", ("m\ufffd",), ())),
    "asterisk": ("*", ("*", ("*",), ())),
}


@pytest.mark.parametrize(("target", "expected"), CASES.values(), ids=CASES)
def test_target_is_decoded(target: str, expected: tuple[object, ...]) -> None:
    found = parse_target(target)
    assert (found.path, found.segments, found.parameters) == expected


@pytest.mark.parametrize(
    ("target", "folded", "category", "rest"),
    [
        ("/MetaData/Instance/Compute/VmId?a=1", "/metadata/instance/compute/vmid", "instance", ("Compute", "VmId")),
        ("/metadata//versions/", "/metadata/versions", "versions", ()),
        ("/metadata", "/metadata", "", ()),
        ("/metadatas/Instance", "/metadatas/instance", None, ("metadatas", "Instance")),
        ("/", "/", None, ()),
    ],
)
def test_path_is_split_at_the_category(target: str, folded: str, category: str | None, rest: tuple[str, ...]) -> None:
    found = parse_target(target)
    assert (found.folded, found.category, found.rest) == (folded, category, rest)
    assert found.route == tuple(segment.lower() for segment in rest)


def test_parameters_are_found_in_any_letter_case() -> None:
    target = parse_target("/m?API-Version=1&other=")
    assert target.parameter("api-version") == "1"
    assert target.parameter("other") == ""
    assert target.parameter("absent") is None


@pytest.mark.parametrize(
    ("query", "repeated"),
    [("a=1&b=2", None), ("a=1&a=1", "a"), ("a=1&A=2", "A"), ("a&b&a", "a"), ("%61=1&a=2", "a"), ("", None)],
)
def test_repeated_names_are_found(query: str, repeated: str | None) -> None:
    assert parse_target("/m?" + query).repeated == repeated


HEADERS = {
    "as documented": ([("Metadata", "true")], True),
    "as many clients": ([("Metadata", "True")], True),
    "lower-case name": ([("metadata", "true")], True),
    "capitals": ([("METADATA", "TRUE")], True),
    "blanks": ([("Metadata", " true ")], True),
    "absent": ([("Accept", "*/*")], False),
    "false": ([("Metadata", "false")], False),
    "empty": ([("Metadata", "")], False),
    "other value": ([("Metadata", "1")], False),
    "similar name": ([("X-Metadata", "true")], False),
    "twice": ([("Metadata", "true"), ("metadata", "true")], True),
    "contradiction": ([("Metadata", "true"), ("Metadata", "false")], False),
}


@pytest.mark.parametrize(("headers", "expected"), HEADERS.values(), ids=HEADERS)
def test_the_metadata_header_is_recognised(headers: list[tuple[str, str]], expected: bool) -> None:
    assert has_metadata_header(Request("GET", "/", tuple(headers))) is expected


def test_header_values_are_in_the_order_received() -> None:
    request = Request("GET", "/", (("A", "1"), ("b", "2"), ("a", "3")))
    assert request.header_values("a") == ("1", "3")
    assert request.header_values("c") == ()
