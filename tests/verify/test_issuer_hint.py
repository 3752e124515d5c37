"""The hint of ``unknown-issuer`` names the missing authority, and a hostile name does no harm."""

from __future__ import annotations

import pickle

import pytest

from imdskit.backends.contract import Backend
from imdskit.clock import ManualClock
from imdskit.emulator.authority import Authority
from imdskit.errors import VerificationError
from imdskit.pki.x509.parser import parse_certificate
from imdskit.reasons import EMULATED_AUTHORITY, Reason, hint_for
from imdskit.verify import Policy, Trust, Verifier

from .azure_chain import AT, Azure, document, leaf, make

AZURE = Azure()
TRUST = Trust((AZURE.digicert.der,), (AZURE.cross.der,))


def refusal(signed: bytes, backend: Backend, trust: Trust = TRUST) -> VerificationError:
    verifier = Verifier(trust, Policy.offline_audit(), backend=backend)
    with pytest.raises(VerificationError) as refused:
        verifier.verify(signed, at=AT)
    assert refused.value.reason is Reason.UNKNOWN_ISSUER
    (second,) = verifier.verify_many([signed], at=AT)
    assert isinstance(second, VerificationError)
    report = verifier.explain(signed, at=AT)
    assert report.error is not None
    assert refused.value.hint == second.hint == report.error.hint
    assert refused.value.hint in report.text()
    return refused.value


def test_the_hint_names_authority_address_and_remedies(backend: Backend) -> None:
    hint = refusal(document(leaf(AZURE.ocsp(16), "http://www.microsoft.com/pkiops/certs/16.crt")), backend).hint
    assert hint.startswith(
        "The missing authority is 'Microsoft TLS G2 RSA CA OCSP 16'. According to the certificate that it issued, the authority's "
        "certificate is at 'http://www.microsoft.com/pkiops/certs/16.crt'. Azure replaces its intermediates without notice"
    )
    for remedy in ("imdskit trust update", "--document FILE", "--fetch-intermediates", "AiaFetcher", "--intermediate"):
        assert remedy in hint
    assert "emulator" not in hint


def test_hint_says_that_the_certificate_gives_no_address(backend: Backend) -> None:
    assert (
        "OCSP 16'. The certificate that it issued does not say where the authority's certificate is. "
        in refusal(document(leaf(AZURE.ocsp(16))), backend).hint
    )


def test_hint_names_a_missing_authority_higher_up(backend: Backend) -> None:
    known = make("Known CA", make("Unknown CA"), addresses=["http://cacerts.digicert.com/u.crt"])
    refused = refusal(document(leaf(known)), backend, Trust(TRUST.anchors, (known.der,)))
    assert refused.location == "chain[1].issuer"
    assert refused.hint.startswith(
        "The missing authority is 'Unknown CA'. According to the certificate that it issued, the authority's certificate is at 'http://cacerts.dig"
    )


@pytest.mark.parametrize("of_root", [False, True], ids=["no intermediate", "intermediate alone"])
def test_hint_for_an_emulated_document_asks_for_its_root(backend: Backend, of_root: bool) -> None:
    authority = Authority(ManualClock(AT), "http://127.0.0.1:8080", seed=5)
    names = [
        *parse_certificate(authority.signer().certificate).issuer.common_names,
        *parse_certificate(authority.root).subject.common_names,
    ]
    assert len(names) == 2
    detail = names[of_root]
    assert detail.startswith(EMULATED_AUTHORITY), "the constant is to be changed with the emulator's names"
    hint = hint_for(Reason.UNKNOWN_ISSUER, detail)
    assert hint.startswith(f"An emulator of imdskit, not Azure, created this document. Its issuer is '{detail}'.")
    assert "give the emulator's root with `--trust`" in hint
    assert "Azure replaces" not in hint


@pytest.mark.parametrize(
    "name",
    ["\x1b[31mred\x1b[0m", "two\r\nlines", "\u202egnp.exe", "\ud800", "x" * 60_000, "'; rm -rf /", "\x00"],
    ids=["escape", "line feed", "right to left", "surrogate", "long", "quote", "NUL"],
)
def test_hostile_name_is_quoted_and_truncated(name: str) -> None:
    hint = hint_for(Reason.UNKNOWN_ISSUER, f"{name}; it may lie at http://x/{name}")
    assert hint.isprintable()
    assert len(hint) < 1500


def test_hint_contains_no_control_characters_from_certificates(backend: Backend) -> None:
    hint = refusal(document(leaf(make("Evil\x1b]0;CA\x07"), "http://x/\x1b[2J")), backend).hint
    assert hint.isprintable()
    assert r"'Evil\x1b]0;CA\x07'" in hint
    assert r"'http://x/\x1b[2J'" in hint


def test_other_refusals_keep_the_hint_of_their_reason() -> None:
    for reason in Reason:
        assert hint_for(reason, "") == reason.hint
        if reason is not Reason.UNKNOWN_ISSUER:
            assert hint_for(reason, "anything") == reason.hint


def test_a_refusal_is_the_same_after_pickling(backend: Backend) -> None:
    refused = refusal(document(leaf(AZURE.ocsp(16))), backend)
    assert pickle.loads(pickle.dumps(refused)).hint == refused.hint
