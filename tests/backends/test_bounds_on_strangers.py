"""Limits on the cost of unauthenticated documents, on both backends.

They concern strings in names, JSON, name constraints that cannot be applied, and the work for each
certificate during path building.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdskit import backends
from imdskit.asn1 import oids, writer
from imdskit.asn1.reader import Reader
from imdskit.asn1.writer import element, explicit, implicit, sequence, set_of
from imdskit.backends.contract import MAX_JSON_BRACKETS, Backend, Limits, Setup
from imdskit.backends.python.checker import Checker
from imdskit.errors import UsageError, VerificationError
from imdskit.pki.path.validation import Refusal
from imdskit.pki.x509 import name_constraints
from imdskit.pki.x509.certificate import GeneralName, Name
from imdskit.pki.x509.names import comparable, read_name
from imdskit.reasons import Reason

sys.path.insert(0, str(Path(__file__).parent))

from hostile.building import NOW, SHAPES, certificate, key, message, sign, signer_info, spki_of
from hostile.measuring import spent
from hostile.messages import in_sid
from hostile.paths import tower
from malformed import AUTHORITY, called, extension, name

UTF8, PRINTABLE, BMP = 0x0C, 0x13, 0x1E


def refusal(backend: Backend, document: bytes, *anchors: bytes, limits: Limits | None = None) -> tuple[str, str]:
    """Return the code and location of the refusal."""
    trusted = anchors or (certificate(AUTHORITY, subject=called("anchor"), issuer=called("anchor"), by=key(99)),)
    setup = Setup(anchors=trusted, intermediates=(), names=(("azure", "metadata.azure.com"),), limits=limits or Limits())
    try:
        backend.checker(setup).check(document, NOW, None)
    except VerificationError as error:
        return error.code, error.location
    return "accepted", ""


def is_read(backend: Backend, tag: int, octets: bytes) -> bool:
    """Return True if the backend can parse a name with this string. It then refuses the document
    only because it contains no certificate with this issuer."""
    return refusal(backend, in_sid(name(element(tag, octets))))[0] == "signer-not-found"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a" + "\u0301" * 30, True),
        ("a" + "\u0301" * 31, False),
        ("\u0344" * 30 + "a" + "\u0316" * 30, True),
        ("a" + "\u0344\u0316" * 16, False),
        ("\u00e9" * 1024, True),
        ("\u00e9" * 1025, False),
        ("a" * 1024 + "\u00e9", False),
        ("a" * 5000, True),
        ("\ufdfa" * 1024, True),
    ],
)
def test_limits_strings_in_names(text: str, read: bool, backend: Backend) -> None:
    assert is_read(backend, UTF8, text.encode()) is read
    assert is_read(backend, BMP, text.encode("utf-16-be")) is read


def test_error_locates_a_string_that_is_too_long(backend: Backend) -> None:
    code, location = refusal(backend, in_sid(name(writer.utf8_string("\u0301" * 31))))
    assert (code, location.partition("@")[0]) == ("bad-der", "signedData.signerInfos[0].sid.issuer.value")


def test_rejects_the_reported_document(shared: Path, backend: Backend) -> None:
    """Use a document whose issuer name has a string of very many combining characters. Normalization would sort them in quadratic time."""
    document = (shared / "cases" / "verifier" / "nfkc.der").read_bytes()
    assert refusal(backend, document)[0] == "bad-der"


def test_parses_a_malformed_name_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    monkeypatch.setattr("imdskit.pki.x509.names.comparable", lambda text: parsed.append(text) or comparable(text))
    document = message(
        signer_info(sequence(*(set_of(sequence(writer.oid(oids.COMMON_NAME), writer.utf8_string("\u00e9"))),), writer.null()))
    )
    assert refusal(backends.get("python"), document)[0] == "bad-der"
    assert parsed.count("\u00e9") == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\u00c5ngstr\u00f6m", "a\u030angstro\u0308m"),
        ("\ufb01", "FI"),
        ("\u212a\u00e9", "K\u0301".replace("\u0301", "") + "e\u0301"),
        ("\u00e9\u3000\u2003x ", "\u00c9 X"),
        ("\u0390", "\u03b9\u0308\u0301"),
        ("a\u0316\u0301", "A\u0301\u0316"),
    ],
)
def test_names_that_differ_only_in_unicode_form_are_equal(one: str, other: str) -> None:
    assert comparable(one) == comparable(other)


def test_ascii_separators_are_not_blanks() -> None:
    """Python's str.split treats ASCII separators such as U+001C as blanks. The comparison of names
    must not do so."""
    assert comparable("\u00e9\x1cx") != comparable("\u00e9 x")
    assert comparable("\u00e9\x1f") != comparable("\u00e9")
    assert comparable(" \u00e9\x1c  x ") == comparable("\u00e9\x1c x")


@given(st.text(max_size=40), st.text(max_size=40))
def test_both_backends_consider_the_same_names_equal(both_backends: tuple[Backend, Backend], one: str, other: str) -> None:
    """The message contains one certificate. The message names the issuer of this certificate by
    another text or by a variant of the same text."""
    for text, variant in ((one, other), (one, one.upper()), (one, f" {one.casefold()}  ")):
        try:
            issuer, sid = called(text), called(variant)
        except UnicodeEncodeError:
            return
        document = message(signer_info(sid, digest=sequence(writer.oid("1.2.3"))), certificates=(certificate(issuer=issuer),))
        assert len({refusal(backend, document) for backend in both_backends}) == 1


# PrintableString accepts the additional characters that real authorities use.


@pytest.mark.parametrize("character", "*&'()+,-./:=? aZ9")
def test_printable_string_accepts_characters_that_authorities_use(character: str, backend: Backend) -> None:
    assert is_read(backend, PRINTABLE, character.encode())


@pytest.mark.parametrize("character", '@_"#$%;<>[\\]^`{|}~!\t\x00\x7f\u00e9')
def test_printable_string_rejects_other_characters(character: str, backend: Backend) -> None:
    assert not is_read(backend, PRINTABLE, character.encode("latin-1"))


# Both backends apply the same limits to JSON, at any depth.


def wrapped(inner: bytes) -> bytes:
    return b'{"encoding":"pkcs7","signature":"AAAA","a":' + inner + b"}"


@pytest.mark.parametrize("inner", [b"1e999", b"1", rb'"\ud800"', rb'"\u0041"', b""])
@pytest.mark.parametrize("depth", [60, 63, 64, 254, 255, 256, 400])
@pytest.mark.parametrize("brackets", [64, MAX_JSON_BRACKETS])
def test_both_backends_apply_the_same_json_limits(both_backends: tuple[Backend, Backend], inner: bytes, depth: int, brackets: int) -> None:
    limits = Limits(json_brackets=brackets)
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        document = wrapped(opening * depth + inner + closing * depth)
        found = {refusal(backend, document, limits=limits)[0] for backend in both_backends}
        well = depth < brackets and (inner not in (rb'"\ud800"', b"") or (inner == b"" and opening == b"["))
        assert found == {"bad-der" if well else "bad-json"}


def test_bracket_limit_cannot_exceed_what_python_can_nest() -> None:
    assert Limits(json_brackets=MAX_JSON_BRACKETS).json_brackets == MAX_JSON_BRACKETS
    with pytest.raises(UsageError, match="json_brackets"):
        Limits(json_brackets=MAX_JSON_BRACKETS + 1)


PIECES = [
    *'{}[],:"0123456789-+.eE \t\r\n',
    '"a"',
    '"encoding":',
    '"pkcs7"',
    '"signature":"AAAA"',
    "null",
    "true",
    "false",
    "NaN",
    "Infinity",
    "1e999",
    "-0",
    "\\",
    "\\u",
    "\\u0041",
    "\\ud83d",
    "\\ude00",
    "\\n",
    "\\/",
    "\\x",
    "\x00",
    "\x1f",
    "\x7f",
    "\u00e9",
    "\u2028",
    "\ufeff",
    "\U0001f600",
]


@given(st.lists(st.sampled_from(PIECES), max_size=24).map("".join), st.booleans())
def test_both_backends_accept_the_same_json(both_backends: tuple[Backend, Backend], text: str, in_string: bool) -> None:
    document = wrapped((f'"{text}"' if in_string else text).encode())
    found = {refusal(backend, document) for backend in both_backends}
    assert len(found) == 1, found


# Name constraints that cannot be applied are refused.

MALFORMED = [
    (1, b"@b.example"),
    (1, b"@"),
    (1, b"a@"),
    (1, b"a@.b.example"),
    (1, b"a@b@c.example"),
    (1, b"a b@c.example"),
    (1, b".a@c.example"),
    (1, b"a..b@c.example"),
    (1, b"a.@c.example"),
    (1, b"a@c.example."),
    (1, b"a@*.example"),
    (1, b"."),
    (1, b"..b.example"),
    (1, b"*.b.example"),
    (1, b" b.example"),
    (1, b"b.example."),
    (2, b"b example"),
    (2, b" b.example"),
    (2, b"."),
    (2, b"..b.example"),
    (2, b"b..example"),
    (2, b"b.example."),
    (2, b"*.b.example"),
    (2, b"*"),
    (2, b"b.example:443"),
    (2, b"-b.example"),
    (2, b"a" * 64 + b".example"),
    (6, b"@b.example"),
    (6, b"u@b.example"),
    (6, b"b.example:443"),
    (6, b"http://b.example/"),
    (6, b"b.example/"),
    (6, b"10.0.0.1"),
    (6, b"[::1]"),
    (6, b"."),
    (6, b"*.b.example"),
    (7, b""),
    (7, bytes(4)),
    (7, bytes(7)),
    (7, bytes(16)),
    (7, bytes(4) + b"\xff\x00\xff\x00"),
    (7, bytes(16) + b"\x00" * 15 + b"\x01"),
]

WELL_FORMED = [
    (1, b""),
    (1, b"b.example"),
    (1, b".b.example"),
    (1, b"a.b+c'd@b.example"),
    (1, b"_x@b_c.example"),
    (2, b""),
    (2, b"example"),
    (2, b".b.example"),
    (2, b"b_c.example"),
    (6, b""),
    (6, b"b.example"),
    (6, b".b.example"),
    (7, bytes(8)),
    (7, bytes(4) + b"\xff\xff\xff\xff"),
    (7, b"\x0a\x01\x02\x03\xff\x00\x00\x00"),
    (7, bytes(32)),
]


def constrained(kind: int, base: bytes, *, excluded: bool) -> tuple[bytes, bytes]:
    """Return a document and an anchor. The document's signer is below an authority with one name constraint."""
    subtrees = sequence(implicit(kind, base))
    constraints = extension(oids.NAME_CONSTRAINTS, sequence(explicit(int(excluded), subtrees)), critical=True)
    root = certificate(AUTHORITY, subject=called("anchor"), issuer=called("anchor"), spki=spki_of(key(99)), by=key(99))
    middle = certificate(AUTHORITY, constraints, subject=called("middle"), issuer=called("anchor"), spki=spki_of(key(1)), by=key(99))
    signer = certificate(issuer=called("middle"), by=key(1))
    content = b"not claims"
    info = signer_info(called("middle"), signature=sign(key(), content))
    return message(info, certificates=(signer, middle), content=content), root


@pytest.mark.parametrize("excluded", [True, False])
@pytest.mark.parametrize(("kind", "base"), MALFORMED)
def test_rejects_a_constraint_that_can_contain_no_name(kind: int, base: bytes, excluded: bool, backend: Backend) -> None:
    document, root = constrained(kind, base, excluded=excluded)
    code, location = refusal(backend, document, root)
    # The certificate parser itself rejects a malformed address range, so the reason is another one.
    assert (code, location) == ("bad-extension" if kind == 7 else "name-constraints", "chain[1].nameConstraints")


@pytest.mark.parametrize("excluded", [True, False])
@pytest.mark.parametrize(("kind", "base"), WELL_FORMED)
def test_applies_well_formed_constraints(kind: int, base: bytes, excluded: bool, backend: Backend) -> None:
    """The signer has no names of these kinds, so the constraints forbid nothing."""
    document, root = constrained(kind, base, excluded=excluded)
    assert refusal(backend, document, root)[0] == "no-name"


def test_empty_directory_name_contains_every_name(backend: Backend) -> None:
    document, root = constrained(4, b"", excluded=True)
    assert refusal(backend, document, root)[0] == "bad-certificate"  # the tag of a CHOICE is explicit, so a name must follow inside it
    subtrees = sequence(explicit(4, sequence()))
    for number, code in ((0, "no-name"), (1, "name-constraints")):
        constraints = extension(oids.NAME_CONSTRAINTS, sequence(explicit(number, subtrees)), critical=True)
        middle = certificate(AUTHORITY, constraints, subject=called("middle"), issuer=called("anchor"), spki=spki_of(key(1)), by=key(99))
        signer = certificate(issuer=called("middle"), by=key(1))
        info = signer_info(called("middle"), signature=sign(key(), b"x"))
        assert refusal(backend, message(info, certificates=(signer, middle), content=b"x"), root)[0] == code


# Paths.


def test_search_checks_each_certificate_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate may be large, and the work budget charges little for each step. Therefore the
    search must not check a certificate again for each path through it."""
    checked: list[int] = []
    malformed = name_constraints.malformed
    monkeypatch.setattr(name_constraints, "malformed", lambda constraints: checked.append(id(constraints)) or malformed(constraints))
    constraints = extension(oids.NAME_CONSTRAINTS, sequence(explicit(1, sequence(implicit(2, b"a")))), critical=True)
    document = tower(0, layers=5, twins=3, padding_of=lambda size: constraints)
    assert refusal(backends.get("python"), document)[0] == "unknown-issuer"
    assert sorted(set(checked)) == sorted(checked)
    assert len(checked) == 15


def test_error_locates_the_issuer_at_its_index(backend: Backend) -> None:
    shared = certificate(
        subject=called("b"), issuer=called("c"), spki=spki_of(key(2)), by=key(3)
    )  # no basic constraints, so it is not an authority
    long = certificate(AUTHORITY, subject=called("a"), issuer=called("b"), spki=spki_of(key(1)), by=key(2))
    for first in (True, False):
        # Two paths lead to the same issuer: directly from the signer, and through "a".
        signer = certificate(issuer=called("b" if first else "a"), by=key(2 if first else 1))
        info = signer_info(called("b" if first else "a"), signature=sign(key(), b"x"))
        bag = (signer, long, shared)
        assert refusal(backend, message(info, certificates=bag, content=b"x")) == (
            "not-a-ca",
            f"chain[{1 if first else 2}].basicConstraints",
        )


def test_detail_of_a_refusal_is_short(backend: Backend) -> None:
    huge = certificate(
        extension(oids.AUTHORITY_INFO_ACCESS, sequence(sequence(writer.oid(oids.CA_ISSUERS), implicit(6, b"http://a/" + b"b" * 9000)))),
        issuer=called("c" * 9000),
    )
    info = signer_info(called("c" * 9000), signature=sign(key(), b"x"))
    checker = backend.checker(Setup(anchors=(certificate(AUTHORITY),), intermediates=(), names=(("azure", "a.b"),)))
    with pytest.raises(VerificationError) as caught:
        checker.check(message(info, certificates=(huge,), content=b"x"), NOW, None)
    assert caught.value.code == "unknown-issuer"
    assert len(caught.value.detail) < 500


def test_reads_a_whole_der_name() -> None:
    der = name(writer.utf8_string("\u00e9"))
    assert read_name(Reader(der), "").der == der


def test_location_of_a_refusal_follows_its_certificate() -> None:
    moved = Refusal(Reason.KEY_USAGE, "chain[1].keyUsage", "why").moved(1, 2)
    assert (moved.reason, moved.location, moved.detail) == (Reason.KEY_USAGE, "chain[2].keyUsage", "why")


def test_explain_does_not_compute_with_a_key_that_is_too_large() -> None:
    document = SHAPES["modulus-of-16384-bits"](16_384)
    setup = Setup(anchors=(certificate(AUTHORITY),), intermediates=(), names=(("azure", "metadata.azure.com"),))
    outcomes = {outcome.check: outcome.outcome for outcome in Checker(setup).explain(document, NOW)}
    assert (outcomes["signature key"], outcomes["signature"]) == ("fail", "skip")


def test_lookup_of_a_long_directory_name_takes_linear_time() -> None:
    """The lookup uses only prefixes of the name that are as long as a base of the constraints. The
    total length of all prefixes would be quadratic in the length of the name."""
    parts = tuple(b"%d" % number for number in range(10_000))
    base, long = (GeneralName("directoryName", b"", Name(b"", key, (), ())) for key in (parts[:1], (b"x", *parts)))
    subtrees = name_constraints.Subtrees([base], exclude=True)
    assert spent(lambda: subtrees.contain(long), least=True) < 20
    assert not subtrees.contain(long)
