"""Settings are checked on creation, before a backend uses them. The error names the setting."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdskit import arguments, clouds
from imdskit.backends.contract import MAX_AGE, MAX_SKEW, Backend, Limits, Setup
from imdskit.clock import ManualClock
from imdskit.errors import ImdskitError, UsageError, VerificationError
from imdskit.verify import MemoryStore, NonceIssuer, Policy, Trust, Verifier
from imdskit.verify.aia import AiaFetcher, FetchBudget
from imdskit.verify.intermediate_cache import IntermediateCache
from imdskit.verify.stores.redis import RedisStore
from imdskit.verify.stores.sqlite import SqliteStore

Make = Callable[[Any], object]
NO_NUMBERS: list[object] = [
    True,
    False,
    "7",
    b"7",
    1.5,
    300.0,
    float("nan"),
    float("inf"),
    [1],
    (1,),
    {},
    object(),
    -1,
    10**30,
    -(10**30),
    10**5000,
]
NO_FLAGS: list[object] = [0, 1, None, "no", "true", b"", [], 1.0]
NO_TEXTS: list[object] = [None, 7, b"text", ["text"], True, 1.5]
NO_TUPLES: list[object] = [
    None,
    7,
    "text",
    b"bytes",
    [b"bytes"],
    {b"bytes"},
    (1,),
    ("text",),
    (bytearray(b"bytes"),),
    (None,),
    ((b"bytes",),),
]
NO_CLOCKS: list[object] = [7, "now", ManualClock, object(), lambda: 7]


class Client:
    """Client of a Redis without a server."""

    def set(self, name: str, value: bytes, *, px: int, nx: bool) -> object:
        return True


def policy(name: str) -> Make:
    return lambda value: Policy(**{name: value})


def limits(name: str) -> Make:
    return lambda value: Limits(**{name: value})


def setup(name: str) -> Make:
    return lambda value: Setup(**{"anchors": (), "intermediates": (), "names": (), name: value})


FLAGS = ("require_nonce", "check_chain", "check_times", "require_vm_id", "allow_common_name", "require_crl")
BOTH: list[tuple[str, Callable[[str], Make]]] = [("policy", policy), ("setup", setup)]
SETTINGS: dict[str, tuple[Make, list[object]]] = {
    **{f"limits.{field.name}": (limits(field.name), [*NO_NUMBERS, None, 0]) for field in fields(Limits)},
    **{f"{owner}.{name}": (made(name), NO_FLAGS) for owner, made in BOTH for name in FLAGS},
    **{f"{owner}.skew": (made("skew"), [*NO_NUMBERS, None, MAX_SKEW + 1]) for owner, made in BOTH},
    **{f"{owner}.max_age": (made("max_age"), [*NO_NUMBERS, MAX_AGE + 1]) for owner, made in BOTH},
    **{f"{owner}.min_rsa_bits": (made("min_rsa_bits"), [*NO_NUMBERS, None, 0, 511, 8193]) for owner, made in BOTH},
    **{f"{owner}.limits": (made("limits"), [None, 7, {}, (1, 2, 3, 4, 5)]) for owner, made in BOTH},
    **{f"setup.{name}": (setup(name), NO_TUPLES) for name in ("anchors", "intermediates", "crls")},
    "setup.names": (
        setup("names"),
        [None, "ab", ("ab",), (("a", ""),), (("", "b"),), (("a", "b", "c"),), (("a",),), ((b"a", b"b"),), [("a", "b")]],
    ),
    "policy.clouds": (
        policy("clouds"),
        [
            (),
            None,
            7,
            "public",
            ("public",),
            clouds.PUBLIC,
            [clouds.PUBLIC],
            (clouds.PUBLIC, None),
            (clouds.PUBLIC, clouds.PUBLIC),
            (clouds.PUBLIC._replace(domain=""),),
            (clouds.PUBLIC._replace(name=7),),
        ],
    ),
    "policy.max_age of a preset": (lambda value: Policy.online(max_age=value), NO_NUMBERS),
    "trust.anchors": (lambda value: Trust(value), NO_TUPLES),
    "trust.intermediates": (lambda value: Trust((b"0",), value), NO_TUPLES),
    "trust.crls": (lambda value: Trust((b"0",), crls=value), NO_TUPLES),
    "trust.origin": (lambda value: Trust((b"0",), origin=value), NO_TEXTS),
    "trust.date": (lambda value: Trust((b"0",), date=value), NO_TEXTS),
    "trust": (lambda value: Verifier(value, Policy.online()), [(), [], 0, "", b"", False, "roots.pem", Path("roots.pem")]),
    "policy": (lambda value: Verifier(policy=value), [None, (), 0, "", False, "online", Limits(), Policy]),
    "backend": (lambda value: Verifier(policy=Policy.offline_audit(), backend=value), [0, "", False, b"rust", "fortran", [], Backend]),
    "clock": (lambda value: Verifier(policy=Policy.offline_audit(), clock=value), [*NO_CLOCKS, 0, ""]),
    "aia": (lambda value: Verifier(policy=Policy.offline_audit(), aia=value), [0, "", False, True, object(), AiaFetcher]),
    "capacity": (MemoryStore, [*NO_NUMBERS, None, 0]),
    "clock of a memory store": (lambda value: MemoryStore(clock=value), NO_CLOCKS),
    "path": (SqliteStore, [None, 7, "", "a\0b", b"file", ["file"]]),
    "busy_seconds": (
        lambda value: SqliteStore("never-made", busy_seconds=value),
        [True, "7", None, [1], -0.1, -1, 10**30, float("nan"), float("inf")],
    ),
    "clock of a file store": (lambda value: SqliteStore("never-made", clock=value), NO_CLOCKS),
    "client": (lambda value: RedisStore(value, OSError), [None, 7, "redis://", object(), Client]),
    "errors": (lambda value: RedisStore(Client(), value), [None, 7, "Error", (1,), (int,), OSError(), KeyboardInterrupt]),
    "prefix": (lambda value: RedisStore(Client(), OSError, prefix=value), NO_TEXTS),
    "keys": (NonceIssuer, [None, 7, b"k" * 32, "k" * 32, [b"short"], [b"k" * 32] * 3, ["k" * 32], [None], {b"k" * 32}]),
    "lifetime": (lambda value: NonceIssuer(lifetime=value), [*NO_NUMBERS, None, 8 * 86_400]),
    "skew": (lambda value: NonceIssuer(skew=value), [*NO_NUMBERS, None, MAX_SKEW + 1]),
    "random": (lambda value: NonceIssuer(random=value), [None, 7, b"random"]),
    "request": (lambda value: NonceIssuer([b"k" * 32]).issue(value), [None, 7, "text", bytearray(b"x")]),
    "nonce": (lambda value: NonceIssuer([b"k" * 32]).check(value), [None, 7, b"nonce", ["nonce"]]),
    "fetches": (lambda value: FetchBudget(value), [*NO_NUMBERS, None]),
    "seconds": (lambda value: FetchBudget(1, value), [*NO_NUMBERS, None, 0]),
    "seconds of a fetcher": (lambda value: AiaFetcher(seconds=value), [*NO_NUMBERS, None, 0, 601]),
    "locations": (lambda value: AiaFetcher(locations=value), [None, 7, "http://a/", ["http://a/"], [None], [("a", "/", 80)]]),
    "budget": (lambda value: AiaFetcher(budget=value), [None, 30, FetchBudget]),
    "cache": (lambda value: AiaFetcher(cache=value), ["folder", 7, True, IntermediateCache]),
    "allow_addresses": (
        lambda value: AiaFetcher(allow_addresses=value),
        [None, 7, "127.0.0.1", ["localhost"], [7], [b"127.0.0.1"], ["127.0.0.0/8"]],
    ),
    "resolver": (lambda value: AiaFetcher(resolver=value), [7, "8.8.8.8", object()]),
    "transport": (lambda value: AiaFetcher(transport=value), [7, "http", object()]),
    "directory": (IntermediateCache, [None, 7, "", "a\0b", b"folder"]),
    "capacity of a cache": (lambda value: IntermediateCache("folder", capacity=value), [*NO_NUMBERS, None, 0]),
    "cloud": (clouds.find, [None, 7, b"public", "nowhere", True]),
    "preset": (Policy.preset, [None, 7, b"online", "lax", []]),
}


@pytest.mark.parametrize(("name", "make", "bad"), [(name, *setting) for name, setting in SETTINGS.items()], ids=SETTINGS)
def test_a_bad_setting_is_named(name: str, make: Make, bad: list[object]) -> None:
    for value in bad:
        with pytest.raises(UsageError) as error:
            make(value)
        assert error.value.code == "bad-argument"
        assert error.value.location.partition("[")[0] == name.partition(" of ")[0], value
        assert len(str(error.value)) < 400
        assert "(at" not in str(error.value) or f"`{error.value.location}`" not in str(error.value)


@pytest.mark.parametrize("threads", [0, -1, -(10**30), True, "2", 1.5], ids=str)
@pytest.mark.parametrize(
    "call",
    [
        lambda verifier, threads: verifier.verify_many([b"x"], at=7, threads=threads),
        lambda verifier, threads: verifier.verify_columns([b"x"], 7, threads=threads),
    ],
    ids=["many", "columns"],
)
def test_a_number_of_threads_is_checked_at_the_call(call: Callable[[Verifier, object], object], threads: object, backend: Backend) -> None:
    with pytest.raises(UsageError) as error:
        call(Verifier(policy=Policy.offline_audit(), backend=backend), threads)
    assert error.value.location == "threads"


@pytest.mark.parametrize("threads", [arguments.MAX_THREADS + 1, 100_000, 10**30], ids=str)
def test_a_large_number_of_threads_is_reduced(threads: int, backend: Backend) -> None:
    assert arguments.threads(threads) == arguments.MAX_THREADS
    (verdict,) = Verifier(policy=Policy.offline_audit(), backend=backend).verify_many([b"x"], at=7, threads=threads)
    assert isinstance(verdict, VerificationError)


class NoZone(tzinfo):
    """Time zone without an offset, so that its datetimes count as naive."""

    def utcoffset(self, _: datetime | None) -> None:
        return None


BAD_TIMES = [
    True,
    1.5,
    "2026-01-01",
    "4071882193",
    b"7",
    -1,
    253_402_300_800,
    10**30,
    datetime(2026, 1, 1),
    datetime(2026, 1, 1, tzinfo=NoZone()),
    [7],
    (7,),
]


@pytest.mark.parametrize("at", BAD_TIMES, ids=lambda at: str(at))
def test_a_bad_time_is_named(at: Any, backend: Backend) -> None:
    verifier = Verifier(policy=Policy.offline_audit(), backend=backend)
    for call in (verifier.verify, verifier.explain):
        with pytest.raises(UsageError) as error:
            call(b"x", at=at)
        assert error.value.location == "at"
        assert "(at at)" not in str(error.value)


def test_time_and_nonce_are_given_by_name(backend: Backend) -> None:
    verifier: Any = Verifier(policy=Policy.offline_audit(), backend=backend)
    for call in (verifier.verify, verifier.explain, verifier.verify_many):
        with pytest.raises(TypeError, match="positional"):
            call(b"x", "4071882193")


@pytest.mark.parametrize("document", [None, 7, ["x"], {"encoding": "pkcs7"}, object(), True], ids=lambda one: type(one).__name__)
def test_a_document_of_the_wrong_type_is_named(document: Any, backend: Backend) -> None:
    verifier = Verifier(policy=Policy.offline_audit(), backend=backend)
    calls: dict[str, Callable[[], object]] = {
        "document": lambda: verifier.verify(document, at=7),
        "document ": lambda: verifier.explain(document, at=7),
        "document  ": lambda: verifier.verify_once(document, nonce=None, store=MemoryStore()),
        "documents[1]": lambda: verifier.verify_many([b"x", document], at=7),
        "documents[1] ": lambda: verifier.verify_columns([b"x", document], 7),
    }
    for location, call in calls.items():
        with pytest.raises(UsageError) as error:
            call()
        assert error.value.location == location.strip()


@pytest.mark.parametrize("documents", [None, 7, b"one document", "one document"], ids=repr)
def test_verify_many_rejects_a_single_document(documents: Any, backend: Backend) -> None:
    for call in (
        lambda: Verifier(policy=Policy.offline_audit(), backend=backend).verify_many(documents),
        lambda: Verifier(policy=Policy.offline_audit(), backend=backend).verify_columns(documents, 7),
    ):
        with pytest.raises(UsageError) as error:
            call()
        assert error.value.location == "documents"


@pytest.mark.parametrize(
    ("name", "value", "location"),
    [
        ("at", [7], "at"),
        ("at", [7, 7, 7], "at"),
        ("at", "77", "at"),
        ("at", [7, "7"], "at[1]"),
        ("at", [True, 7], "at[0]"),
        ("nonces", ["7"], "nonces"),
        ("nonces", "77", "nonces"),
        ("nonces", 7, "nonces"),
        ("nonces", ["7", 7], "nonces[1]"),
    ],
)
def test_there_must_be_one_time_and_nonce_per_document(name: str, value: Any, location: str, backend: Backend) -> None:
    with pytest.raises(UsageError) as error:
        Verifier(policy=Policy.offline_audit(), backend=backend).verify_many([b"x", b"y"], **{name: value})
    assert error.value.location == location


@pytest.mark.parametrize("nonce", [7, b"4071882193", ["4071882193"], True], ids=repr)
def test_a_nonce_of_the_wrong_type_is_named(nonce: Any, backend: Backend) -> None:
    verifier = Verifier(policy=Policy.offline_audit(), backend=backend)
    for call in (verifier.verify, verifier.explain):
        with pytest.raises(UsageError) as error:
            call(b"x", nonce=nonce)
        assert error.value.location == "nonce"


@pytest.mark.parametrize("store", [None, 7, MemoryStore, {}], ids=repr)
def test_invalid_store_is_named(store: Any) -> None:
    with pytest.raises(UsageError) as error:
        Verifier(policy=Policy.offline_audit()).verify_once(b"x", nonce=None, store=store)
    assert error.value.location == "store"


class Broken(ManualClock):
    """Clock that returns a value other than whole seconds."""

    def now(self) -> Any:
        return 7.5


def test_clock_without_valid_seconds_is_named(backend: Backend) -> None:
    with pytest.raises(UsageError) as error:
        Verifier(policy=Policy.offline_audit(), backend=backend, clock=Broken(7)).verify(b"x")
    assert error.value.location == "clock"


@given(
    st.builds(
        Policy,
        clouds=st.permutations(clouds.CLOUDS).map(tuple),
        max_age=st.none() | st.integers(0, MAX_AGE),
        skew=st.integers(0, MAX_SKEW),
        require_nonce=st.booleans(),
        check_chain=st.booleans(),
        check_times=st.booleans(),
        min_rsa_bits=st.integers(512, 8192),
        limits=st.builds(
            Limits, st.integers(1, 1 << 24), st.integers(1, 1024), st.integers(1, 64), st.integers(1, 64), st.integers(1, 1_000_000)
        ),
    )
)
def test_both_backends_accept_every_valid_policy(backend: Backend, policy: Policy) -> None:
    with pytest.raises(ImdskitError):
        Verifier(policy=policy, backend=backend).verify(b"MII=", at=7, nonce="1")


def test_usage_error_is_a_value_error_and_can_be_pickled() -> None:
    with pytest.raises(ValueError, match=r"^bad-argument: `policy\.skew` must be a whole number from 0 to 3600; got 3601\.$") as error:
        Policy(skew=MAX_SKEW + 1)
    sent = pickle.loads(pickle.dumps(error.value))
    assert (type(sent), str(sent), sent.location) == (UsageError, str(error.value), "policy.skew")
    assert replace(Policy(), skew=MAX_SKEW).skew == MAX_SKEW


@pytest.mark.parametrize(
    "value", [10**5000, "x" * 10_000, b"x" * 10_000, [0] * 10_000, (0,) * 10_000, object(), 1e308], ids=lambda one: type(one).__name__
)
def test_found_value_is_shortened_in_the_message(value: object) -> None:
    assert len(arguments.shown(value)) < 80


def test_a_time_with_a_zone_may_be_a_fraction(backend: Backend) -> None:
    verifier = Verifier(policy=Policy.offline_audit(), backend=backend)
    assert verifier.explain(b"x", at=datetime(2026, 1, 1, 0, 0, 0, 999_999, UTC)).at == int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())


def test_there_must_be_a_time_for_each_document(backend: Backend) -> None:
    verifier = Verifier(policy=Policy.offline_audit(), backend=backend)
    with pytest.raises(UsageError) as error:
        verifier.verify_columns([b"x"], [1, 2])
    assert error.value.location == "at"
