"""Tests of tokens: requested once, cached, and renewed early."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest

from imdskit.client import Client
from imdskit.client.responses import Response
from imdskit.client.tokens import PAUSE, SPARE, Token, parsed
from imdskit.clock import ManualClock
from imdskit.emulator import Emulator
from imdskit.errors import ClientError, UsageError

from .conftest import AT

VAULT = "https://vault.azure.net"
TOKEN_PATH = "/metadata/identity/oauth2/token"


def lasting(seconds: int, **others: object) -> list[dict[str, Any]]:
    """Return a fault rule that makes all tokens valid for this number of seconds."""
    values = {"/expires_in": str(seconds), "/expires_on": str(AT + seconds), **others}
    return [{"match": {"path": TOKEN_PATH}, "times": None, "fault": {"replace": values}}]


def test_token_is_requested_once_per_resource(imds: Emulator, clock: ManualClock) -> None:
    client = Client(imds.url, clock=clock)
    token = client.token(VAULT)
    assert token is client.token(VAULT)
    assert (token.token_type, token.resource, token.client_id != "") == ("Bearer", VAULT, True)
    assert client.token("https://management.azure.com/").access_token != token.access_token
    assert [entry.path for entry in imds.journal.list()] == [TOKEN_PATH] * 2


def test_printing_a_token_does_not_show_the_secret(imds: Emulator) -> None:
    token = Client(imds.url).token(VAULT)
    assert token.access_token not in f"{token} {token!r}"


LIVES = {
    "a day: at half of it": (86400, {}, 43200),
    "two hours: at half": (7200, {}, 3600),
    "an hour: five minutes before the end": (3600, {}, 3300),
    "a minute: at half": (60, {}, 30),
    "refresh_in as text": (86400, {"/refresh_in": "100"}, 100),
    "refresh_in as a number": (86400, {"/refresh_in": 100}, 100),
    "refresh_in after the expiry": (86400, {"/refresh_in": "90000"}, 43200),
}


@pytest.mark.parametrize(("life", "others", "early"), LIVES.values(), ids=LIVES.keys())
def test_renewal_time_depends_on_lifetime_and_refresh_in(
    imds: Emulator, clock: ManualClock, life: int, others: dict[str, object], early: int
) -> None:
    imds.faults.load(lasting(life, **others))
    client = Client(imds.url, clock=clock)
    first = client.token(VAULT)
    assert (first.expires_on - AT, first.refresh_on - AT) == (life, early)
    clock.advance(early - 1)
    assert client.token(VAULT) is first
    clock.advance(1)
    imds.faults.clear()
    second = client.token(VAULT)
    assert second is not first  # a new object, although the service may send the same access token again
    assert second is client.token(VAULT)
    assert imds.journal.count() == 2


def test_failed_renewal_returns_old_token_and_retries_later(imds: Emulator, clock: ManualClock) -> None:
    client = Client(imds.url, clock=clock)
    first = client.token(VAULT)
    imds.faults.load([{"times": None, "fault": {"status": 500}}])
    clock.advance(first.refresh_on - AT)
    for _ in range(3):
        assert client.token(VAULT) is first
    assert (imds.journal.count(), clock.now()) == (2, first.refresh_on)  # one attempt without a delay
    clock.advance(PAUSE)
    assert client.token(VAULT) is first
    assert imds.journal.count() == 3
    clock.advance(first.expires_on - SPARE - clock.now())
    with pytest.raises(ClientError, match="server-error"):
        client.token(VAULT)
    imds.faults.clear()
    assert client.token(VAULT).expires_on > first.expires_on


def test_waits_for_the_first_token(imds: Emulator, clock: ManualClock) -> None:
    imds.faults.load([{"times": 2, "fault": {"status": 404}}, {"times": 2, "fault": {"status": 429}}])
    assert Client(imds.url, clock=clock).token(VAULT).resource == VAULT
    assert imds.journal.count() == 5


def test_simultaneous_threads_request_a_token_once(imds: Emulator, clock: ManualClock) -> None:
    client, tokens, start = Client(imds.url, clock=clock), [], threading.Barrier(20)

    def ask() -> None:
        start.wait(30)
        tokens.append(client.token(VAULT))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(tokens) == 20
    assert len({id(token) for token in tokens}) == 1
    assert imds.journal.count() == 1


def test_identity_is_named_in_one_of_three_ways(imds: Emulator, clock: ManualClock) -> None:
    client = Client(imds.url, clock=clock, retry=None)
    own = client.token(VAULT)
    assert client.token(VAULT, client_id=own.client_id).client_id == own.client_id
    with pytest.raises(ClientError) as error:
        client.token(VAULT, client_id="00000000-0000-0000-0000-000000000000")
    assert error.value.code == "bad-request"
    for name in ("object_id", "msi_res_id"):
        with pytest.raises(ClientError):
            client.token(VAULT, **{name: "nobody"})
        assert dict(parse_qsl(imds.journal.list()[-1].target.partition("?")[2]))[name] == "nobody"


CALLS: dict[str, Callable[[Client], Token]] = {
    "no resource": lambda client: client.token(""),
    "a resource that is not text": lambda client: client.token(None),  # type: ignore[arg-type]
    "two identities": lambda client: client.token(VAULT, client_id="a", object_id="b"),
    "an empty identity": lambda client: client.token(VAULT, client_id=""),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_invalid_arguments_send_no_request(call: Callable[[Client], Token]) -> None:
    with pytest.raises(UsageError):
        call(Client("http://127.0.0.1:9"))


NO_TOKENS = {
    "an array": [],
    "no secret": {"expires_on": "1"},
    "an empty secret": {"access_token": "", "expires_on": "1"},
    "a secret with a line feed": {"access_token": "a\nb", "expires_on": "1"},
    "a secret that is a number": {"access_token": 1, "expires_on": "1"},
    "no expiry": {"access_token": "secret"},
    "an expiry that is a date": {"access_token": "secret", "expires_on": "2026-01-01"},
    "an expiry that is a boolean": {"access_token": "secret", "expires_on": True},
    "a negative expiry": {"access_token": "secret", "expires_on": -1},
}


@pytest.mark.parametrize("body", NO_TOKENS.values(), ids=NO_TOKENS.keys())
def test_response_without_token_is_not_imds(body: object) -> None:
    with pytest.raises(ClientError) as error:
        parsed(Response(200, "application/json", json.dumps(body).encode(), "http://x"), VAULT, AT)
    assert error.value.code == "not-imds"
    assert b"secret" not in error.value.body
    assert "secret" not in error.value.message
    is_token = isinstance(body, dict) and body.get("access_token") == "secret"
    assert ("The response contains no token" in error.value.message) is not is_token
    assert ("when the token expires" in error.value.message) is is_token


def test_expiry_can_be_given_as_remaining_seconds() -> None:
    response = Response(200, "application/json", b'{"access_token":"secret","expires_in":3600}', "http://x")
    assert parsed(response, VAULT, AT) == Token("secret", "Bearer", VAULT, "", AT + 3600, AT + 3300)
