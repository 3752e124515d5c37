"""The DER reader: accepted and rejected values, and the locations in its errors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdskit.asn1 import writer
from imdskit.asn1.reader import MAX_DEPTH, Reader, context, decode_oid
from imdskit.errors import DerError

Read = Callable[[Reader], object]


def unix(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())


def time(tag: int, text: str) -> str:
    return writer.element(tag, text.encode("ascii")).hex()


GOOD: tuple[tuple[str, Read, str, object], ...] = (
    ("true", Reader.boolean, "0101ff", True),
    ("false", Reader.boolean, "010100", False),
    ("integer-0", Reader.integer, "020100", 0),
    ("integer-127", Reader.integer, "02017f", 127),
    ("integer-128-has-a-zero-octet", Reader.integer, "02020080", 128),
    ("integer--1", Reader.integer, "0201ff", -1),
    ("integer--128", Reader.integer, "020180", -128),
    ("integer--129", Reader.integer, "0202ff7f", -129),
    ("enumerated", Reader.enumerated, "0a0105", 5),
    ("null", Reader.null, "0500", None),
    ("octets", Reader.octet_string, "0403010203", b"\1\2\3"),
    ("no-octets", Reader.octet_string, "0400", b""),
    ("length-128-in-two-octets", Reader.octet_string, "048180" + "61" * 128, b"a" * 128),
    ("bits", Reader.bits, "030206c0", (6, b"\xc0")),
    ("no-bits", Reader.bits, "030100", (0, b"")),
    ("bits-of-whole-octets", Reader.bit_string, "03020041", b"A"),
    ("oid-of-x690-8.19.5", Reader.oid, "0603883703", "2.999.3"),
    ("oid-of-an-arc-in-three-octets", Reader.oid, "06062a864886f70d", "1.2.840.113549"),
    ("oid-0.39", Reader.oid, "060127", "0.39"),
    ("oid-1.0", Reader.oid, "060128", "1.0"),
    ("oid-2.39", Reader.oid, "060177", "2.39"),
    ("utc-time-50-is-1950", Reader.time, time(0x17, "500101000000Z"), unix(1950, 1, 1)),
    ("utc-time-49-is-2049", Reader.time, time(0x17, "491231235959Z"), unix(2049, 12, 31, 23, 59, 59)),
    ("generalized-time-2050", Reader.time, time(0x18, "20500101000000Z"), unix(2050, 1, 1)),
    ("generalized-time-before-2050", Reader.time, time(0x18, "20020501120000Z"), unix(2002, 5, 1, 12)),
    ("no-well-defined-end", Reader.time, time(0x18, "99991231235959Z"), 253402300799),
    ("leap-day", Reader.time, time(0x17, "240229000000Z"), unix(2024, 2, 29)),
    ("any-primitive", Reader.any, "0500", b"\5\0"),
    ("any-nested", Reader.any, "3005a003020100", bytes.fromhex("3005a003020100")),
    ("any-empty", Reader.any, "3000", b"0\0"),
    ("any-private-class", Reader.any, "c10101", b"\xc1\1\1"),
)


@pytest.mark.parametrize(("read", "der", "value"), [case[1:] for case in GOOD], ids=[case[0] for case in GOOD])
def test_reads_a_value_completely(read: Read, der: str, value: object) -> None:
    reader = Reader(bytes.fromhex(der))
    assert read(reader) == value
    reader.finish()
    assert not reader
    assert reader.peek() == -1


BAD: tuple[tuple[str, Read, str], ...] = (
    ("nothing", Reader.any, ""),
    ("tag-alone", Reader.any, "04"),
    ("cut", Reader.octet_string, "040261"),
    ("length-cut", Reader.octet_string, "0482"),
    ("length-cut-inside", Reader.octet_string, "048201"),
    ("length-in-two-octets-where-one-does", Reader.octet_string, "04810161"),
    ("length-127-in-two-octets", Reader.octet_string, "04817f" + "61" * 127),
    ("length-with-a-leading-zero", Reader.octet_string, "04820080" + "61" * 128),
    ("length-indefinite", Reader.octet_string, "0480610000"),
    ("length-of-five-octets", Reader.octet_string, "04850100000000"),
    ("length-reserved", Reader.octet_string, "04ff61"),
    ("length-of-four-gigabytes", Reader.octet_string, "0484ffffffff"),
    ("tag-in-two-octets", Reader.any, "1f8101" + "00"),
    ("another-tag", Reader.octet_string, "0500"),
    ("octet-string-constructed", Reader.octet_string, "2403040161"),
    ("boolean-01", Reader.boolean, "010101"),
    ("boolean-empty", Reader.boolean, "0100"),
    ("boolean-of-two-octets", Reader.boolean, "0102ffff"),
    ("integer-empty", Reader.integer, "0200"),
    ("integer-padded", Reader.integer, "0202007f"),
    ("integer-negative-padded", Reader.integer, "0202ff80"),
    ("null-with-contents", Reader.null, "050100"),
    ("bits-without-count", Reader.bits, "0300"),
    ("bits-unused-of-none", Reader.bits, "030101"),
    ("bits-unused-8", Reader.bits, "03020800"),
    ("bits-unused-set", Reader.bits, "030206e0"),
    ("bits-not-whole", Reader.bit_string, "030206c0"),
    ("oid-empty", Reader.oid, "0600"),
    ("oid-cut", Reader.oid, "060288b7"),
    ("oid-padded", Reader.oid, "0603808837"),
    ("oid-arc-padded", Reader.oid, "06042a808648"),
    ("oid-of-65-octets", Reader.oid, "0641" + "2a" * 65),
    ("time-of-another-type", Reader.time, time(0x16, "240229000000Z")),
    ("utc-time-without-seconds", Reader.time, time(0x17, "2402290000Z")),
    ("utc-time-with-an-offset", Reader.time, time(0x17, "240229000000+0000")),
    ("utc-time-without-zone", Reader.time, time(0x17, "240229000000")),
    ("utc-time-of-another-zone", Reader.time, time(0x17, "240229000000A")),
    ("utc-time-with-a-letter", Reader.time, time(0x17, "24022900000xZ")),
    ("utc-time-with-a-sign", Reader.time, time(0x17, "24022900+100Z")),
    ("generalized-time-with-a-fraction", Reader.time, time(0x18, "20500101000000.5Z")),
    ("generalized-time-of-year-0", Reader.time, time(0x18, "00000101000000Z")),
    ("month-13", Reader.time, time(0x17, "241329000000Z")),
    ("no-leap-day", Reader.time, time(0x17, "230229000000Z")),
    ("hour-24", Reader.time, time(0x17, "240229240000Z")),
    ("second-60", Reader.time, time(0x17, "240229235960Z")),
    ("any-cut-inside", Reader.any, "3003020200"),
    ("any-indefinite-inside", Reader.any, "30043080" + "0000"),
    ("any-end-of-contents", Reader.any, "0000"),
    ("any-sequence-primitive", Reader.any, "1000"),
    ("any-string-constructed", Reader.any, "2c030c0161"),
    ("any-null-with-contents", Reader.any, "3003050100"),
    ("any-integer-empty", Reader.any, "0200"),
    ("any-integer-padded", Reader.any, "30040202007f"),
    ("any-oid-cut", Reader.any, "30030601ff"),
    ("any-bits-unused-set", Reader.any, "3004030206e0"),
)


@pytest.mark.parametrize(("read", "der"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_rejects_values_that_are_not_der(read: Read, der: str) -> None:
    with pytest.raises(DerError) as refusal:
        read(Reader(bytes.fromhex(der)))
    assert refusal.value.code == "bad-der"


def test_rejects_bytes_after_the_last_element() -> None:
    reader = Reader(b"\5\0\5\0")
    reader.null()
    with pytest.raises(DerError) as refusal:
        reader.finish()
    assert refusal.value.offset == 2


def test_rejects_an_element_longer_than_its_container() -> None:
    data = bytes.fromhex("3003" + "0402" + "61" + "6162")
    with pytest.raises(DerError):
        Reader(data).sequence().octet_string()


@pytest.mark.parametrize("depth", [1, MAX_DEPTH - 1])
def test_accepts_open_types_up_to_the_maximum_depth(depth: int) -> None:
    element = b""
    for _ in range(depth):
        element = writer.sequence(element)
    assert Reader(element).any() == element


@pytest.mark.parametrize("depth", [MAX_DEPTH + 2, 10_000])
def test_rejects_hostile_depth_without_recursion(depth: int) -> None:
    element = b""
    for _ in range(depth):
        element = writer.sequence(element)
    with pytest.raises(DerError):
        Reader(element).any()


def test_error_has_the_path_and_the_offset_in_the_outermost_buffer() -> None:
    # A SEQUENCE of two items, 100 bytes into a larger buffer. The serial number of the second item is an INTEGER that is longer than
    # necessary.
    data = writer.sequence(writer.sequence(writer.integer(1)), writer.sequence(writer.null(), b"\x02\x02\x00\x01"))
    outer = Reader(data, base=100, field="outer")
    items = outer.sequence("items")
    items.sequence("[0]")
    item = items.sequence("[1]")
    item.null()
    with pytest.raises(DerError) as refusal:
        item.integer("serialNumber")
    assert refusal.value.field == "outer.items[1].serialNumber"
    assert refusal.value.offset == 100 + data.index(b"\x02\x02\x00\x01")
    assert refusal.value.location == f"{refusal.value.field}@{refusal.value.offset}"


def test_enters_a_bit_string() -> None:
    inner = Reader(writer.bit_string(writer.sequence(writer.integer(7)))).enter_bit_string("key").sequence()
    assert inner.integer() == 7
    for der in ("0300", "030206c0", "030101"):
        with pytest.raises(DerError):
            Reader(bytes.fromhex(der)).enter_bit_string("key")


def test_enters_context_tags_by_identifier_octet() -> None:
    reader = Reader(writer.explicit(3, writer.null()) + writer.implicit(1, b"x"))
    reader.enter(context(3)).null()
    assert reader.contents(context(1, constructed=False)) == b"x"


@given(st.integers(min_value=-(2**600), max_value=2**600))
def test_reads_written_integers(value: int) -> None:
    assert Reader(writer.integer(value)).integer() == value


@given(st.tuples(st.integers(0, 2), st.integers(0, 39)), st.lists(st.integers(0, 2**40), max_size=8))
def test_reads_written_object_identifiers(roots: tuple[int, int], arcs: list[int]) -> None:
    dotted = ".".join(map(str, (*roots, *arcs)))
    assert decode_oid(writer.oid(dotted)[2:]) == dotted


@given(st.integers(unix(1950, 1, 1), unix(9999, 12, 31, 23, 59, 59)))
def test_reads_written_times(seconds: int) -> None:
    assert Reader(writer.time(seconds)).time() == seconds


@given(st.binary(max_size=60))
def test_reads_any_bytes_completely_or_rejects_them(data: bytes) -> None:
    reader = Reader(data)
    try:
        element = reader.any()
        reader.finish()
    except DerError as refusal:
        assert 0 <= refusal.offset <= len(data)
    else:
        assert element == data
