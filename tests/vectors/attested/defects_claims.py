"""Cases of the signed content. The signature is good in all of them, but the signed content is unusual, or its times are."""

from __future__ import annotations

import json
from collections.abc import Iterator

import message as m
import pki
from case import Case, accept, reject

HOUR = 3600


def _signed(content: bytes) -> bytes:
    return m.signed_data(signed=content)


def _times(created: str, expires: str) -> bytes:
    return _signed(m.content(timeStamp={"createdOn": created, "expiresOn": expires}))


def cases() -> Iterator[Case]:
    yield from _shapes()
    yield from _members()
    yield from _clock()
    yield from _nonces()


def _shapes() -> Iterator[Case]:
    whole = m.CONTENT
    old = m.content(licenseType=None, sku=None)
    yield accept("claims/2019-04-30", "the members of 2019-04-30", _signed(old))
    yield accept("claims/2018-10-01", "the members of 2018-10-01", _signed(m.content(licenseType=None, sku=None, subscriptionId=None)))
    yield accept("claims/later", "members of a later version", _signed(whole[:-1] + b',"zone":{"a":[1,2]}}'))
    yield accept("claims/spaced", "white space", _signed(json.dumps(m.claims(), indent=2).encode()))
    yield accept("claims/plan", "a marketplace plan", _signed(m.content(plan={"name": "n", "product": "p", "publisher": "q"})))
    for name, comment, content in (
        ("empty", "nothing", b""),
        ("text", "no JSON", b"hello"),
        ("cut", "the brace is missing", whole[:-1]),
        ("array", "an array", b"[" + whole + b"]"),
        ("string", "a string", json.dumps(whole.decode()).encode()),
        ("null", "null", b"null"),
        ("number", "a number", b"1"),
        ("two", "two objects", whole + whole),
        ("tail", "a zero octet behind", whole + b"\0"),
        ("byte-order-mark", "a byte order mark", b"\xef\xbb\xbf" + whole),
        ("utf-16", "UTF-16", whole.decode().encode("utf-16")),
        ("not-utf-8", "not UTF-8", whole.replace(b"22_04", b"22\xff04")),
        ("duplicate-vm-id", "vmId twice", whole[:-1] + b',"vmId":"00000000-0000-4000-8000-00000000ffff"}'),
        ("duplicate-nonce", "nonce twice", b'{"nonce":"1",' + whole[1:]),
        ("duplicate-time", "createdOn twice", whole.replace(b'"expiresOn"', b'"createdOn":"11/23/26 00:00:00 -0000","expiresOn"')),
        ("duplicate-escaped", "vmId twice, once escaped", whole[:-1] + b',"vm\\u0049d":"x"}'),
        ("deep", "a hundred arrays deep", whole[:-1] + b',"x":' + b"[" * 100 + b"]" * 100 + b"}"),
        ("nan", "NaN", whole[:-1] + b',"x":NaN}'),
        ("lone-surrogate", "half of a surrogate pair", whole[:-1] + b',"x":"\\ud83d"}'),
    ):
        yield reject(f"claims/{name}", comment, _signed(content), "bad-claims")


def _members() -> Iterator[Case]:
    for member in ("vmId", "nonce", "timeStamp"):
        yield reject(f"claims/no-{member}", f"no {member}", _signed(m.content(**{member: None})), "missing-claim")
    yield reject("claims/empty-vmId", "an empty vmId", _signed(m.content(vmId="")), "missing-claim")
    yield reject(
        "claims/timestamp",
        "timestamp with a small s, as the documentation's table has it",
        _signed(m.CONTENT.replace(b"timeStamp", b"timestamp")),
        "missing-claim",
    )
    for member in ("createdOn", "expiresOn"):
        stamps = {"createdOn": m.stamp(m.CREATED), "expiresOn": m.stamp(m.CREATED + 6 * HOUR)}
        del stamps[member]
        yield reject(f"claims/no-{member}", f"no {member}", _signed(m.content(timeStamp=stamps)), "missing-claim")
    for member, value in (
        ("vmId", 7),
        ("vmId", ["00000000-0000-4000-8000-000000000002"]),
        ("vmId", {"a": "b"}),
        ("nonce", 4071882193),
        ("nonce", True),
        ("subscriptionId", 1),
        ("sku", ["22_04-lts"]),
        ("licenseType", False),
        ("timeStamp", "11/23/26 00:00:00 -0000"),
        ("timeStamp", []),
        ("timeStamp", {"createdOn": 1, "expiresOn": 2}),
        ("plan", "none"),
        ("plan", {"name": "", "product": "", "publisher": 1}),
    ):
        shown = json.dumps(value).replace(" ", "").replace('"', "")[:24]
        yield reject(f"claims/{member}-is-{shown}", f"{member} has the wrong type", _signed(m.content(**{member: value})), "bad-claims")
    yield reject(
        "claims/vmId-is-null",
        "vmId is null",
        _signed(m.CONTENT.replace(b'"vmId":"00000000-0000-4000-8000-000000000002"', b'"vmId":null')),
        "bad-claims",
    )
    yield reject(
        "claims/plan-incomplete", "a plan without product", _signed(m.content(plan={"name": "", "publisher": ""})), "missing-claim"
    )


def _clock() -> Iterator[Case]:
    created, expires = m.CREATED, m.CREATED + 6 * HOUR
    good = m.signed_data()
    for name, at in (("at-creation", created), ("at-expiry", expires), ("skew-before", created - 120), ("skew-after", expires + 120)):
        yield accept(f"times/{name}", "within the document's life, the skew of 120 s included", good, at=at)
    yield reject("times/too-early", "one second before the skew", good, "document-not-yet-valid", at=created - 121)
    yield reject("times/too-late", "one second after the skew", good, "document-expired", at=expires + 121)
    yield reject("times/a-day-late", "a day after", good, "document-expired", at=created + pki.DAY)
    right = (m.stamp(created), m.stamp(expires))
    yield reject("times/reversed", "createdOn after expiresOn", _times(right[1], right[0]), "bad-time")
    yield accept("times/no-life", "createdOn equals expiresOn", _times(right[0], right[0]), at=created)
    for name, stamp in (
        ("empty", ""),
        ("iso", "2026-11-23T00:00:00Z"),
        ("day-first", "23/11/26 00:00:00 -0000"),
        ("four-digit-year", "11/23/2026 00:00:00 -0000"),
        ("no-zone", "11/23/26 00:00:00"),
        ("plus-zone", "11/23/26 00:00:00 +0000"),
        ("other-zone", "11/23/26 00:00:00 -0800"),
        ("letter-zone", "11/23/26 00:00:00 GMT"),
        ("month-13", "13/01/26 00:00:00 -0000"),
        ("month-0", "00/23/26 00:00:00 -0000"),
        ("february-30", "02/30/26 00:00:00 -0000"),
        ("no-leap-year", "02/29/27 00:00:00 -0000"),
        ("hour-24", "11/23/26 24:00:00 -0000"),
        ("minute-60", "11/23/26 00:60:00 -0000"),
        ("second-60", "11/23/26 00:00:60 -0000"),
        ("one-digit", "1/3/26 0:0:0 -0000"),
        ("blank-before", " 11/23/26 00:00:00 -0000"),
        ("line-break-after", "11/23/26 00:00:00 -0000\n"),
        ("two-blanks", "11/23/26  00:00:00 -0000"),
        ("signed-digits", "11/23/+6 00:00:00 -0000"),
        ("arabic-digits", "11/23/\u0662\u0666 00:00:00 -0000"),
        ("full-width-digits", "\uff11\uff11/23/26 00:00:00 -0000"),
        ("epoch", "1795000000"),
    ):
        yield reject(f"times/created-{name}", "createdOn is not written as the service writes it", _times(stamp, right[1]), "bad-time")
    yield reject("times/expires-iso", "expiresOn in ISO 8601", _times(right[0], "2026-11-23T00:00:00Z"), "bad-time")
    yield accept("times/long-life", "a life of more than six hours", _times(right[0], "12/31/99 23:59:59 -0000"))


def _nonces() -> Iterator[Case]:
    good = m.signed_data()
    yield accept("nonce/equal", "the nonce that was asked for", good, nonce="4071882193")
    for name, nonce in (
        ("other", "4071882194"),
        ("prefix", "407188219"),
        ("longer", "40718821930"),
        ("empty", ""),
        ("blank-after", "4071882193 "),
        ("zero-after", "4071882193\0"),
        ("accent", "407188219\u00e9"),
        ("inside-the-content", "22_04-lts"),
    ):
        yield reject(
            f"nonce/{name}",
            "not the nonce that was asked for",
            good,
            "nonce-mismatch",
            nonce=nonce,
            see="microsoft/azureimds: search in raw bytes",
        )
    late = m.signed_data(signed=m.content(nonce="20261119-121500"))
    yield reject(
        "nonce/default",
        "the service's default nonce where one was asked for",
        late,
        "nonce-mismatch",
        nonce="4071882193",
        see="azure-docs#43938",
    )
