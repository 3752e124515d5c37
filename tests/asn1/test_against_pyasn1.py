"""Comparison of the DER reader, the DER writer and the parsers of certificates and CMS messages
with pyasn1. It is an independent implementation of DER and of the types of RFC 5280 and RFC
5652."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attested_vectors import CASES
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pyasn1.codec.der.decoder import decode
from pyasn1.codec.der.encoder import encode
from pyasn1.error import PyAsn1Error
from pyasn1.type import char, univ, useful
from pyasn1_modules import rfc5280, rfc5652

from imdskit.asn1 import writer
from imdskit.asn1.reader import SEQUENCE, Reader
from imdskit.backends import envelope
from imdskit.client import Client
from imdskit.emulator import Emulator
from imdskit.errors import DerError, VerificationError
from imdskit.pki import cms
from imdskit.pki.x509 import parser
from imdskit.pki.x509.certificate import Certificate
from imdskit.verify import Limits, Trust

INTEGERS = (
    st.integers()
    | st.integers(-(2**2048), 2**2048)
    | st.sampled_from([n + d for e in range(66) for n in (2**e, -(2**e)) for d in (-1, 0, 1)])
)
OIDS = st.builds(
    lambda first, rest: ".".join(map(str, [*first, *rest])),
    st.tuples(st.integers(0, 1), st.integers(0, 39)) | st.tuples(st.just(2), st.integers(0, 2**20)),
    st.lists(st.integers(0, 2**40), max_size=6),
)
SECONDS = st.integers(int(datetime(1950, 1, 1, tzinfo=UTC).timestamp()), int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()))


def is_padded_by_pyasn1(number: int) -> bool:
    """Return True if pyasn1 0.6.5 writes one byte more than X.690 section 8.3.2 allows. It does so
    for -128, -32768 and so on."""
    return number < 0 and number.bit_length() % 8 == 0 and -number == 1 << (number.bit_length() - 1)


def value(der: bytes) -> Any:
    """Return the value that pyasn1 decodes. Fail if more bytes follow the value."""
    decoded, rest = decode(der)
    assert rest == b""
    return decoded


@given(INTEGERS)
def test_both_implementations_agree_on_integers(number: int) -> None:
    der = writer.integer(number)
    assert (der == encode(univ.Integer(number))) != is_padded_by_pyasn1(number)
    assert (int(value(der)), Reader(der).integer()) == (number, number)


@given(OIDS)
def test_both_implementations_agree_on_object_identifiers(dotted: str) -> None:
    der = writer.oid(dotted)
    assert der == encode(univ.ObjectIdentifier(dotted))
    assert (str(value(der)), Reader(der).oid()) == (dotted, dotted)


@given(st.binary(max_size=300))
def test_both_implementations_agree_on_octet_strings(octets: bytes) -> None:
    der = writer.octet_string(octets)
    assert der == encode(univ.OctetString(octets))
    assert (bytes(value(der)), Reader(der).octet_string()) == (octets, octets)


@given(st.text("01", max_size=300))
def test_both_implementations_agree_on_bit_strings(bits: str) -> None:
    unused = -len(bits) % 8
    octets = int(bits + "0" * unused or "0", 2).to_bytes((len(bits) + unused) // 8, "big")
    der = writer.bit_string(octets, unused)
    assert der == encode(univ.BitString((bits and f"'{bits}'B") or ()))
    assert "".join(map(str, value(der))) == bits
    assert Reader(der).bits() == (unused, octets)


@given(st.sets(st.integers(0, 40)))
def test_pyasn1_finds_the_bits_that_the_writer_sets(positions: set[int]) -> None:
    assert {position for position, bit in enumerate(value(writer.named_bits(*positions))) if bit} == positions


@given(st.booleans())
def test_both_implementations_agree_on_booleans(truth: bool) -> None:
    der = writer.boolean(truth)
    assert der == encode(univ.Boolean(truth))
    assert (bool(value(der)), Reader(der).boolean()) == (truth, truth)


@given(st.text(max_size=50).filter(lambda text: text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)))
def test_both_implementations_encode_strings_the_same(text: str) -> None:
    assert writer.utf8_string(text) == encode(char.UTF8String(text))
    if text.isascii():
        assert writer.ia5_string(text) == encode(char.IA5String(text))


@given(SECONDS)
def test_both_implementations_agree_on_times(seconds: int) -> None:
    der = writer.time(seconds)
    decoded = value(der)
    moment = datetime.fromtimestamp(seconds, UTC)
    assert isinstance(decoded, useful.UTCTime if moment.year <= 2049 else useful.GeneralizedTime)
    if moment.year >= 1969 or (
        moment.year < 1969 and not isinstance(decoded, useful.UTCTime)
    ):  # pyasn1 reads the years 50 to 68 as 2050 to 2068
        assert decoded.asDateTime == moment
    assert Reader(der).time() == seconds


@given(st.lists(INTEGERS | st.binary(max_size=40), max_size=8))
def test_both_implementations_sort_sets_the_same(members: list[int | bytes]) -> None:
    elements = [writer.integer(one) if isinstance(one, int) else writer.octet_string(one) for one in members]
    theirs = univ.SetOf(componentType=univ.Any())
    theirs.extend(elements)
    assert writer.set_of(*elements) == encode(theirs)


TREES = st.recursive(
    st.one_of(
        st.builds(writer.integer, INTEGERS),
        st.builds(writer.oid, OIDS),
        st.builds(writer.octet_string, st.binary(max_size=200)),
        st.builds(writer.bit_string, st.binary(max_size=20)),
        st.builds(writer.boolean, st.booleans()),
        st.just(writer.null()),
    ),
    lambda inner: st.builds(lambda items: writer.sequence(*items), st.lists(inner, min_size=1, max_size=5)),
    max_leaves=12,
)
CHECKED = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0A, SEQUENCE}
"""Tags of the types that both implementations check completely. Character strings, for example, are
absent: our reader checks their characters only when a caller reads the text."""


def tags(der: bytes) -> Iterator[int]:
    """Yield the identifier byte of each element, including nested elements. Trust the lengths, even
    if they are damaged."""
    pos = 0
    while pos + 2 <= len(der):
        yield der[pos]
        start = pos + 2 + (der[pos + 1] & 0x7F if der[pos + 1] & 0x80 else 0)
        length = der[pos + 1] if der[pos + 1] < 0x80 else int.from_bytes(der[pos + 2 : start], "big")
        if der[pos] & 0x20:
            yield from tags(der[start : start + length])
        pos = start + length


def integers(decoded: Any) -> Iterator[int]:
    """Yield all numbers in a value that pyasn1 has decoded."""
    if isinstance(decoded, univ.Integer):
        yield int(decoded)
    elif isinstance(decoded, univ.SequenceOfAndSetOfBase):
        for member in decoded:
            yield from integers(member)
    elif isinstance(decoded, univ.SequenceAndSetBase):
        for member in decoded.values():
            yield from integers(member)


def is_der(der: bytes) -> bool:
    """Return True if pyasn1 decodes the bytes and encodes the value as the same bytes."""
    try:
        decoded, rest = decode(der)
        assume(not any(map(is_padded_by_pyasn1, integers(decoded))))
        return rest == b"" and encode(decoded) == der
    # pyasn1 raises ValueError for a BIT STRING that has unused bits but no contents, because it
    # computes a negative number of bits. It raises OverflowError for a length field of eight bytes.
    except (PyAsn1Error, ValueError, OverflowError):
        return False


def is_accepted(der: bytes) -> bool:
    """Return True if our reader accepts the bytes as one value in DER."""
    try:
        reader = Reader(der)
        reader.any()
        reader.finish()
    except DerError:
        return False
    return True


@given(TREES)
def test_output_of_the_writer_is_der(der: bytes) -> None:
    assert is_der(der)
    assert is_accepted(der)


DAMAGES = st.tuples(
    st.sampled_from(["set", "flip", "insert", "delete"]),
    st.integers(0, 6) | st.integers(0, 400),
    st.sampled_from([0x00, 0x7F, 0x80, 0x81, 0xFF]) | st.integers(0, 255),
)


@settings(max_examples=500)
@given(TREES, st.lists(DAMAGES, min_size=1, max_size=3))
def test_both_implementations_agree_on_damaged_values(der: bytes, damages: list[tuple[str, int, int]]) -> None:
    damaged = bytearray(der)
    for kind, at, octet in damages:
        at %= len(damaged) or 1
        if kind == "set" and damaged:
            damaged[at] = octet
        elif kind == "flip" and damaged:
            damaged[at] ^= 1 << octet % 8
        elif kind == "insert":
            damaged.insert(at, octet)
        elif damaged:
            del damaged[at]
    assume(set(tags(bytes(damaged))) <= CHECKED)
    assume(bytes((SEQUENCE, 0)) not in damaged)  # pyasn1 needs to know the type of an empty SEQUENCE
    assert is_accepted(bytes(damaged)) == is_der(bytes(damaged))


def certificate_of(ours: Certificate) -> None:
    """Compare a certificate with the result of pyasn1 for the same bytes."""
    theirs, rest = decode(ours.der, asn1Spec=rfc5280.Certificate())
    assert rest == b""
    tbs = theirs["tbsCertificate"]
    assert ours.tbs == encode(tbs)
    assert ours.serial == int(tbs["serialNumber"])
    assert (ours.issuer.der, ours.subject.der) == (encode(tbs["issuer"]), encode(tbs["subject"]))
    assert ours.spki == encode(tbs["subjectPublicKeyInfo"])
    assert ours.signature == theirs["signature"].asOctets()
    assert ours.signature_algorithm.oid == str(theirs["signatureAlgorithm"]["algorithm"])
    for seconds, name in ((ours.not_before, "notBefore"), (ours.not_after, "notAfter")):
        assert datetime.fromtimestamp(seconds, UTC) == tbs["validity"][name].getComponent().asDateTime
    extensions = [(str(one["extnID"]), bool(one["critical"]), bytes(one["extnValue"])) for one in tbs["extensions"]]
    assert [(one.oid, one.critical, one.value) for one in ours.extensions] == extensions
    found = {oid: decode(octets, asn1Spec=spec())[0] for oid, _, octets in extensions if (spec := SPECS.get(oid))}
    if names := found.get(rfc5280.id_ce_subjectAltName):
        theirs_by_kind = [bytes(name.getComponent()) for name in names if name.getName() == "dNSName"]
        assert [name.value for name in ours.subject_alt_name or () if name.kind == "dns"] == theirs_by_kind
    if basic := found.get(rfc5280.id_ce_basicConstraints):
        length = int(basic["pathLenConstraint"]) if basic["pathLenConstraint"].hasValue() else None
        assert ours.basic_constraints is not None
        assert (ours.basic_constraints.ca, ours.basic_constraints.path_length) == (bool(basic["cA"]), length)
    if purposes := found.get(rfc5280.id_ce_extKeyUsage):
        assert ours.extended_key_usage == tuple(map(str, purposes))
    if key := found.get(rfc5280.id_ce_subjectKeyIdentifier):
        assert ours.subject_key_identifier == bytes(key)
    if access := found.get(rfc5280.id_pe_authorityInfoAccess):
        issuers = [str(one["accessLocation"].getComponent()) for one in access if one["accessMethod"] == rfc5280.id_ad_caIssuers]
        assert list(ours.ca_issuers) == issuers


SPECS = rfc5280.certificateExtensionsMap


def message_of(der: bytes) -> cms.SignedData:
    """Compare a CMS message with the result of pyasn1 for the same bytes. Return the result of our
    parser."""
    ours = cms.parse(der)
    info, rest = decode(der, asn1Spec=rfc5652.ContentInfo())
    assert rest == b""
    assert info["contentType"] == rfc5652.id_signedData
    theirs, rest = decode(info["content"], asn1Spec=rfc5652.SignedData())
    assert rest == b""
    inner = theirs["encapContentInfo"]
    assert (ours.version, ours.content_type) == (int(theirs["version"]), str(inner["eContentType"]))
    assert ours.content == (bytes(inner["eContent"]) if inner["eContent"].hasValue() else None)
    assert [one.oid for one in ours.digest_algorithms] == [str(one["algorithm"]) for one in theirs["digestAlgorithms"]]
    certificates = [encode(one.getComponent()) for one in theirs["certificates"]] if theirs["certificates"].hasValue() else []
    assert sorted(one.der for one in ours.certificates) == sorted(certificates)
    assert len(ours.signers) == len(theirs["signerInfos"])
    for signer, other in zip(ours.signers, theirs["signerInfos"], strict=True):
        assert signer.version == int(other["version"])
        if other["sid"].getName() == "issuerAndSerialNumber":
            sid = other["sid"]["issuerAndSerialNumber"]
            assert signer.issuer is not None
            assert (signer.issuer.der, signer.serial) == (encode(sid["issuer"]), int(sid["serialNumber"]))
        else:
            assert signer.key_identifier == bytes(other["sid"]["subjectKeyIdentifier"])
        assert signer.digest_algorithm.oid == str(other["digestAlgorithm"]["algorithm"])
        assert signer.signature_algorithm.oid == str(other["signatureAlgorithm"]["algorithm"])
        assert signer.signature == bytes(other["signature"])
        attributes = [(str(one["attrType"]), tuple(map(bytes, one["attrValues"]))) for one in other["signedAttrs"]]
        assert sorted(signer.signed_attributes.items if signer.signed_attributes else ()) == sorted(attributes)
    for certificate in ours.certificates:
        certificate_of(certificate)
    return ours


@pytest.fixture(scope="module")
def imds() -> Iterator[Emulator]:
    with Emulator("linux", seed=1, rate_limit=False) as running:
        yield running


def test_pyasn1_reads_documents_of_the_emulator(imds: Emulator) -> None:
    client = Client(imds.url)

    @settings(max_examples=30)
    @given(st.text("ABCxyz019-._~", min_size=1, max_size=32))
    def with_nonce(nonce: str) -> None:
        der = base64.b64decode(json.loads(client.attested_document(nonce))["signature"])
        content = message_of(der).content
        assert content is not None
        assert json.loads(content)["nonce"] == nonce
        info, _ = decode(der, asn1Spec=rfc5652.ContentInfo())
        signed, _ = decode(info["content"], asn1Spec=rfc5652.SignedData())
        info["content"] = encode(signed)
        assert encode(info) == der

    with_nonce()


def test_both_implementations_agree_on_bundled_certificates() -> None:
    trust = Trust.bundled()
    assert trust.anchors and trust.intermediates
    for der in (*trust.anchors, *trust.intermediates):
        certificate_of(parser.parse_certificate(der))


def test_both_implementations_agree_on_messages_of_the_vectors() -> None:
    """Compare every message that our parser accepts, including those of documents that a verifier refuses."""
    compared = 0
    for case in CASES:
        try:
            der = envelope.decode(base64.b64decode(case["document"]), Limits())
            cms.parse(der)
        except (VerificationError, DerError):
            continue
        message_of(der)
        compared += 1
    assert compared > 200


def test_both_implementations_agree_on_genuine_documents(shared: Path) -> None:
    paths = sorted((shared / "corpus" / "attested").glob("[0-9]*.json"))
    found = [path.read_bytes() for path in paths if not path.name.endswith(".meta.json")]
    assert len(found) > 10
    for document in found:
        message_of(envelope.decode(document, Limits()))
