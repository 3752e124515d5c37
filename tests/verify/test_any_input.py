"""For any bytes or text, the public API of the verifier raises only ImdskitError."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imdskit.backends.contract import Backend
from imdskit.clock import ManualClock
from imdskit.emulator.authority import Authority, signed_document
from imdskit.errors import ImdskitError, VerificationError
from imdskit.protocol import attested
from imdskit.verify import NonceIssuer, Policy, Trust, Verifier
from imdskit.verify.bundles import bundle
from imdskit.verify.intermediate_cache import IntermediateCache
from imdskit.verify.stores import MemoryStore

AT = 1_790_000_000
CONTENT = attested.content({"vmId": "00000000-0000-4000-8000-000000000001"}, "2021-02-01", AT, "4071882193")


@cache
def authority() -> Authority:
    return Authority(ManualClock(AT), "http://127.0.0.1:8080", seed=11)


@cache
def good() -> bytes:
    return signed_document.message(authority().signer(), CONTENT)


@cache
def verifier(backend: Backend) -> Verifier:
    trust = Trust((authority().root,), (authority().issuing,))
    return Verifier(trust, Policy(), backend=backend, clock=ManualClock(AT))


def damaged(data: tuple[int, bytes, int]) -> bytes:
    """Return a good message with some bytes replaced."""
    location, raw, cut = data
    location %= len(good())
    return good()[:location] + raw + good()[location + cut :]


MESSAGES = st.one_of(st.binary(max_size=200), st.tuples(st.integers(0, 10_000), st.binary(max_size=6), st.integers(0, 6)).map(damaged))
BYTES = st.one_of(
    MESSAGES,
    MESSAGES.map(base64.b64encode),
    MESSAGES.map(lambda der: json.dumps({"encoding": "pkcs7", "signature": base64.b64encode(der).decode()}).encode()),
    st.binary(max_size=60).map(lambda raw: b'{"encoding":"pkcs7","signature":"' + raw + b'"}'),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
    ).map(lambda value: json.dumps(value).encode()),
)
TEXTS = st.one_of(st.text(st.characters(), max_size=80), BYTES.map(lambda raw: raw.decode("latin-1")))
DOCUMENTS = st.one_of(BYTES, TEXTS)
TIMES = st.one_of(st.none(), st.integers(0, 253_402_300_799))
NONCES = st.one_of(st.none(), st.just("4071882193"), st.text(st.characters(), max_size=40))


def ours(call: Callable[[], object]) -> object:
    """Return the result of the call, or its ImdskitError. Any other exception fails the test."""
    try:
        return call()
    except ImdskitError as error:
        str(error), repr(error)
        return error


@given(document=DOCUMENTS, at=TIMES, nonce=NONCES)
@settings(max_examples=200)
def test_any_document_raises_only_imdskit_error(backend: Backend, document: bytes | str, at: int | None, nonce: str | None) -> None:
    one = verifier(backend)
    verdict = ours(lambda: one.verify(document, at=at, nonce=nonce))
    report = ours(lambda: one.explain(document, at=at, nonce=nonce))
    assert not isinstance(report, ImdskitError)
    assert getattr(verdict, "reason", None) == getattr(report.error, "reason", None)  # type: ignore[attr-defined]  # a Report
    str(report)
    ours(lambda: one.verify_once(document, nonce=nonce, store=MemoryStore(clock=ManualClock(AT))))


@given(documents=st.lists(DOCUMENTS, max_size=6), at=TIMES)
@settings(max_examples=100)
def test_each_of_many_documents_gets_a_verdict(backend: Backend, documents: list[bytes | str], at: int | None) -> None:
    """A good document among bad ones is accepted."""
    verdicts = list(verifier(backend).verify_many([*documents, good()], at=AT if at is None else at))
    assert len(verdicts) == len(documents) + 1
    if at is None:
        assert not isinstance(verdicts[-1], VerificationError)
    raw = [document if isinstance(document, bytes) else document.encode("utf-8", "replace") for document in documents]
    assert verifier(backend).verify_columns(raw, AT).rows == len(documents)


@given(contents=DOCUMENTS)
@settings(max_examples=150)
def test_trust_from_any_content_raises_only_imdskit_error(backend: Backend, contents: bytes | str) -> None:
    pem = f"-----BEGIN CERTIFICATE-----\n{contents!r}\n-----END CERTIFICATE-----\n"
    for given_contents in (contents, pem):
        made = ours(lambda given_contents=given_contents: Trust.from_pem(given_contents))  # type: ignore[misc]  # called at once
        if isinstance(made, Trust):
            ours(lambda made=made: Verifier(made, Policy.offline_audit(), backend=backend))  # type: ignore[misc]
        base = Trust((authority().root,))
        for more in (base.with_intermediates, base.with_crls):
            wider = ours(lambda more=more, given_contents=given_contents: more(given_contents))  # type: ignore[misc]
            if isinstance(wider, Trust):
                ours(lambda wider=wider: Verifier(wider, Policy.offline_audit(), backend=backend))  # type: ignore[misc]


@given(manifest=BYTES, anchors=BYTES)
@settings(max_examples=60)
def test_bundle_with_any_content_raises_only_imdskit_error(
    tmp_path_factory: pytest.TempPathFactory, manifest: bytes, anchors: bytes
) -> None:
    folder = tmp_path_factory.mktemp("bundle")
    for name in bundle.FILES:
        (folder / name).write_bytes(anchors)
    good = [
        json.dumps({"format": name, "date": "2027-01-31", "anchors": ["0" * 64], "intermediates": []}).encode()
        for name in (bundle.FORMAT, bundle.FORMAT_OF_PEM)
    ]
    for each in (manifest, *good):
        (folder / bundle.MANIFEST).write_bytes(each)
        assert isinstance(ours(lambda: Trust.from_bundle(folder)), ImdskitError)


@given(nonce=st.text(st.characters(), max_size=40), request_octets=st.binary(max_size=40))
@settings(max_examples=100)
def test_any_text_as_nonce_raises_only_imdskit_error(nonce: str, request_octets: bytes) -> None:
    assert isinstance(ours(lambda: NonceIssuer([b"k" * 32], clock=ManualClock(AT)).check(nonce, request_octets)), ImdskitError)


@given(raw=BYTES)
@settings(max_examples=30)
def test_intermediate_cache_with_any_files_never_fails(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    folder: Path = tmp_path_factory.mktemp("cache")
    (folder / f"{'0' * 64}.der").write_bytes(raw)
    assert IntermediateCache(folder).load() == ()
