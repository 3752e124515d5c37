"""Nonces: their form, and that the issuer recognizes its bound nonces and no others."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdskit.clock import ManualClock
from imdskit.errors import FreshnessError, UsageError
from imdskit.protocol.attested import NONCE_CHARACTERS, valid_nonce
from imdskit.verify.nonces import NonceIssuer

AT = 1_790_000_000
KEY, OTHER, THIRD = b"k" * 32, b"o" * 32, b"t" * 32


def code(call: Callable[[], object]) -> str:
    with pytest.raises(FreshnessError) as refusal:
        call()
    assert refusal.value.hint
    return refusal.value.code


@pytest.mark.parametrize("keys", [(), (KEY,), (KEY, OTHER)], ids=["random", "bound", "bound, two keys"])
def test_a_nonce_has_the_form_that_the_service_accepts(keys: tuple[bytes, ...]) -> None:
    issuer = NonceIssuer(keys)
    nonces = [issuer.issue() for _ in range(200)]
    assert len(set(nonces)) == 200
    for nonce in nonces:
        assert re.fullmatch(r"[a-z2-7]{32}", nonce)
        assert len(nonce) == NONCE_CHARACTERS
        assert valid_nonce(nonce)


def test_random_nonce_consists_of_random_bytes() -> None:
    assert NonceIssuer(random=lambda count: bytes(range(count))).issue() == "aaaqeayeaudaocajbifqydiob4ibceqt"
    assert not NonceIssuer().bound


def test_a_bound_nonce_is_time_salt_and_tag() -> None:
    """The layout must not change, because processes of two releases behind one load balancer must accept each other's nonces."""
    issuer = NonceIssuer([KEY], clock=ManualClock(AT), random=lambda count: b"s" * count)
    head = AT.to_bytes(4, "big") + b"sssss"
    tag = hmac.new(KEY, b"imdskit nonce 1\x00" + head + b"order 7", hashlib.sha256).digest()[:11]
    assert issuer.issue(b"order 7") == base64.b32encode(head + tag).decode().lower() == "nkytxadtonzxg43ajl7zpchfdyxeuftu"
    assert issuer.bound


def test_any_process_with_the_key_accepts_a_bound_nonce() -> None:
    nonce = NonceIssuer([KEY], clock=ManualClock(AT)).issue(b"order 7")
    assert NonceIssuer([KEY], clock=ManualClock(AT + 9)).check(nonce, b"order 7") == AT


def test_bound_nonce_can_be_checked_twice() -> None:
    issuer = NonceIssuer([KEY], clock=ManualClock(AT))
    nonce = issuer.issue()
    assert issuer.check(nonce) == issuer.check(nonce) == AT


@pytest.mark.parametrize("request_", [b"", b"order 8", b"order 7\x00", b"\x00order 7"], ids=repr)
def test_a_bound_nonce_is_for_its_request_only(request_: bytes) -> None:
    issuer = NonceIssuer([KEY], clock=ManualClock(AT))
    nonce = issuer.issue(b"order 7")
    assert code(lambda: issuer.check(nonce, request_)) == "nonce-unknown"


def test_a_nonce_of_another_key_is_unknown() -> None:
    nonce = NonceIssuer([OTHER], clock=ManualClock(AT)).issue()
    assert code(lambda: NonceIssuer([KEY], clock=ManualClock(AT)).check(nonce)) == "nonce-unknown"


def test_a_random_nonce_is_unknown_to_an_issuer_of_bound_ones() -> None:
    assert code(lambda: NonceIssuer([KEY]).check(NonceIssuer().issue())) == "nonce-unknown"


@given(position=st.integers(0, 31), letter=st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_no_character_of_a_bound_nonce_can_be_changed(position: int, letter: str) -> None:
    issuer = NonceIssuer([KEY], clock=ManualClock(AT), random=lambda count: b"s" * count)
    nonce = issuer.issue()
    changed = nonce[:position] + letter + nonce[position + 1 :]
    if changed != nonce:
        assert code(lambda: issuer.check(changed)) == "nonce-unknown"


@given(st.text(max_size=40))
def test_any_text_is_unknown(text: str) -> None:
    assert code(lambda: NonceIssuer([KEY], clock=ManualClock(AT)).check(text)) == "nonce-unknown"


@pytest.mark.parametrize("change", [str.upper, lambda n: n + "a", lambda n: n[:-1], lambda n: " " + n, lambda n: n + "\n", lambda _: ""])
def test_a_nonce_has_only_one_spelling(change: Callable[[str], str]) -> None:
    issuer = NonceIssuer([KEY], clock=ManualClock(AT))
    nonce = issuer.issue()
    assert code(lambda: issuer.check(change(nonce))) == "nonce-unknown"


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0, None), (300, None), (301, "nonce-expired"), (10**6, "nonce-expired"), (-30, None), (-31, "nonce-not-yet")],
    ids=["at once", "at the last second", "a second late", "days late", "issued by a clock ahead", "issued by a clock too far ahead"],
)
def test_bound_nonce_is_valid_for_its_lifetime(age: int, expected: str | None) -> None:
    nonce = NonceIssuer([KEY], clock=ManualClock(AT)).issue()
    later = NonceIssuer([KEY], lifetime=300, skew=30, clock=ManualClock(AT + age))
    if expected is None:
        assert later.check(nonce) == AT
    else:
        assert code(lambda: later.check(nonce)) == expected


def test_time_in_a_forged_nonce_is_ignored() -> None:
    """An old forged nonce is reported as unknown, not as expired."""
    nonce = NonceIssuer([OTHER], clock=ManualClock(AT - 10**6)).issue()
    assert code(lambda: NonceIssuer([KEY], clock=ManualClock(AT)).check(nonce)) == "nonce-unknown"


def test_key_rotation_invalidates_no_nonce() -> None:
    clock = ManualClock(AT)
    before = NonceIssuer([KEY], clock=clock).issue()
    both = NonceIssuer([OTHER, KEY], clock=clock)
    assert both.check(before) == AT
    during = both.issue()
    after = NonceIssuer([OTHER], clock=clock)
    assert after.check(during) == AT
    assert code(lambda: after.check(before)) == "nonce-unknown"


@pytest.mark.parametrize(
    "keys", [[b"short"], [b"k" * 31], [KEY, OTHER, THIRD], KEY, ["k" * 32], [KEY, b""]], ids=["5", "31", "three", "bytes", "text", "empty"]
)
def test_unusable_keys_are_a_usage_error(keys: list[bytes]) -> None:
    with pytest.raises(UsageError):
        NonceIssuer(keys)


@pytest.mark.parametrize(
    "call",
    [
        lambda: NonceIssuer().check("a" * 32),
        lambda: NonceIssuer().issue(b"order 7"),
        lambda: NonceIssuer([KEY]).check(None),  # type: ignore[arg-type]  # the mistake is the subject
        lambda: NonceIssuer([KEY]).check("a", "b"),  # type: ignore[arg-type]  # the mistake is the subject
        lambda: NonceIssuer([KEY], lifetime=-1),
        lambda: NonceIssuer([KEY], clock=ManualClock(1 << 32)).issue(),
    ],
    ids=["check without key", "request without key", "nonce None", "request text", "lifetime below zero", "the year 2106"],
)
def test_invalid_arguments_raise_usage_error(call: Callable[[], object]) -> None:
    with pytest.raises(UsageError):
        call()
