"""Property test: the service returns a response to every request and never raises an exception."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from imdskit import versions
from imdskit.emulator.error_responses import ERROR_RESPONSES, HOST_BAD_REQUEST, JSON, XML

WORDS = """
    metadata Metadata instance attested document identity oauth2 token info credential versions scheduledevents loadbalancer
    compute network interface ipv4 ipAddress vmId extended pki 0 1 -1 00 %2F %3F %00 %ff % .. * \u0660
"""
SEGMENTS = st.one_of(st.sampled_from(["", "9" * 5000, *WORDS.split()]), st.text(max_size=5))
VALUES = st.one_of(st.sampled_from(["text", "json", "true", "", "1234567890", *versions.API_VERSIONS[::7]]), st.text(max_size=40))
NAMES = st.one_of(
    st.sampled_from(["api-version", "format", "nonce", "extended", "resource", "client_id", "msi_res_id", "bypass_cache"]),
    st.text(max_size=5),
)
TARGETS = st.builds(
    lambda path, query: "/" + "/".join(path) + ("?" + "&".join(f"{name}={value}" for name, value in query) if query else ""),
    st.one_of(
        st.just(["metadata", "identity", "oauth2", "token"]),
        st.lists(SEGMENTS, max_size=6),
        st.lists(SEGMENTS, max_size=5).map(lambda rest: ["metadata", "instance", *rest]),
    ),
    st.one_of(
        st.lists(st.tuples(NAMES, VALUES), max_size=3),
        st.lists(st.tuples(NAMES, VALUES), max_size=2).map(lambda rest: [("api-version", "2021-08-01"), *rest]),
        st.lists(st.tuples(NAMES, VALUES), max_size=1).map(lambda rest: [("api-version", "2021-08-01"), ("resource", "x"), *rest]),
    ),
)
HEADERS = st.one_of(
    st.just({"Metadata": "true"}),
    st.dictionaries(st.sampled_from(["Metadata", "X-Forwarded-For", "Accept"]), st.text(max_size=8), max_size=2),
)


@settings(max_examples=300, deadline=None)
@given(
    scenario=st.sampled_from(["many-devices", "identities", "load-balanced"]),
    target=st.one_of(TARGETS, st.text(max_size=20)),
    method=st.sampled_from(["GET", "GET", "GET", "POST", "HEAD", "get", "PUT"]),
    headers=HEADERS,
)
def test_every_request_gets_a_response(
    scenario: str, target: str, method: str, headers: dict[str, str], service: Callable[..., Any]
) -> None:
    answer = service(scenario).ask(target, method, headers)
    assert answer.status in {200} | {known.status for known in ERROR_RESPONSES}
    kind = answer.header("Content-Type")
    if kind == JSON:
        json.loads(answer.body)
    elif kind == XML:
        assert answer.body == HOST_BAD_REQUEST.body
