"""Malformed revocation lists: both backends refuse each when a verifier is created, with the defect and its location."""

from __future__ import annotations

import malformed
import pytest

from imdskit import backends
from imdskit.asn1 import writer as der
from imdskit.backends.contract import Backend
from imdskit.errors import TrustError
from imdskit.verify import Policy, Trust, Verifier

AT = 1_800_000_000
SCOPE, REASON, ISSUER, UNKNOWN = "2.5.29.28", "2.5.29.21", "2.5.29.29", "1.3.6.1.4.1.99999.1"
NUMBER = malformed.extension("2.5.29.20", der.integer(1))
NAME = malformed.called("Nobody")
HOST = der.implicit(2, b"nobody.invalid")
UNKNOWN_EXTENSION = malformed.extension(UNKNOWN, der.null())
FLAG = b"\xff"


def revocation_list(*entries: bytes, extensions: tuple[bytes, ...] = (NUMBER,), version: int = 1) -> bytes:
    """Return an unsigned revocation list. Its structure is checked before its signature."""
    members = {"extensions": extensions, "version": der.integer(version), "issuer": NAME}
    return malformed.revocation_list(*entries, this_update=der.time(AT), next_update=der.time(AT + 1), **members)


def entry(*extensions: bytes) -> bytes:
    return der.sequence(der.integer(7), der.time(AT), der.sequence(*extensions))


def scope(*members: bytes) -> bytes:
    return malformed.extension(SCOPE, der.sequence(*members), critical=True)


def reason(code: int) -> bytes:
    return malformed.extension(REASON, der.element(0x0A, bytes((code,))))


ENTRY_EXTENSIONS = "certificateList.tbsCertList.revokedCertificates[].crlEntryExtensions"
LIST_EXTENSIONS = "certificateList.tbsCertList.crlExtensions"
INDIRECT = scope(der.implicit(4, FLAG))

MALFORMED = {
    "version": (revocation_list(version=2), "The version is neither 1 nor 2.", "certificateList.tbsCertList.version"),
    "no-extensions": (revocation_list(extensions=()), "The list of extensions is empty.", LIST_EXTENSIONS),
    "extension-twice": (revocation_list(extensions=(NUMBER, NUMBER)), "An extension occurs twice.", LIST_EXTENSIONS + "[1]"),
    "entry-no-extensions": (revocation_list(entry()), "The list of extensions is empty.", ENTRY_EXTENSIONS),
    "entry-extension-twice": (
        revocation_list(entry(reason(1), UNKNOWN_EXTENSION, reason(1))),
        "An extension occurs twice.",
        ENTRY_EXTENSIONS + "[2]",
    ),
    "reason": (revocation_list(entry(reason(7))), "The reason code does not exist.", ENTRY_EXTENSIONS + "[0].extnValue"),
    "second-entry": (
        revocation_list(entry(UNKNOWN_EXTENSION), entry(reason(11))),
        "The reason code does not exist.",
        ENTRY_EXTENSIONS + "[0].extnValue",
    ),
    "entry-without-a-name": (
        revocation_list(entry(malformed.extension(ISSUER, der.sequence(HOST, HOST), critical=True)), extensions=(NUMBER, INDIRECT)),
        "The certificate issuer has no distinguished name.",
        ENTRY_EXTENSIONS + "[0].extnValue",
    ),
    "two-kinds": (
        revocation_list(extensions=(NUMBER, scope(der.implicit(1, FLAG), der.implicit(2, FLAG)))),
        "The list is limited to two kinds of certificates at once.",
        LIST_EXTENSIONS + "[1].extnValue",
    ),
}


@pytest.mark.parametrize(("crl", "message", "position"), MALFORMED.values(), ids=MALFORMED)
def test_bad_revocation_list_raises_error_with_the_location(crl: bytes, message: str, position: str, backend: Backend) -> None:
    trust = Trust((Trust.bundled().anchors[0],), crls=(revocation_list(), crl))
    with pytest.raises(TrustError) as error:
        Verifier(trust, Policy.offline_audit(), backend=backend)
    path, _, offset = error.value.location.partition("@")
    assert (error.value.code, error.value.message) == ("bad-trust", f"Not a certificate revocation list: {message}")
    assert path == f"crls[1] {position}"
    assert 0 < int(offset) <= len(crl)


def test_both_backends_report_the_same_error(backend: Backend) -> None:
    for crl, _, _ in MALFORMED.values():
        text = set()
        for one in (backends.get("python"), backend):
            with pytest.raises(TrustError) as error:
                Verifier(Trust((Trust.bundled().anchors[0],), crls=(crl,)), Policy.offline_audit(), backend=one)
            text.add(str(error.value))
        assert len(text) == 1


@pytest.mark.parametrize(
    "crl",
    [
        revocation_list(entry(UNKNOWN_EXTENSION), entry(reason(1))),
        revocation_list(
            entry(malformed.extension(ISSUER, der.sequence(HOST, der.explicit(4, NAME)), critical=True)), extensions=(NUMBER, INDIRECT)
        ),
    ],
    ids=["unknown-extension-of-an-entry", "other-names-of-an-issuer"],
)
def test_valid_list_with_unusual_entries_is_accepted(crl: bytes, backend: Backend) -> None:
    Verifier(Trust((Trust.bundled().anchors[0],), crls=(crl,)), Policy.offline_audit(), backend=backend)
