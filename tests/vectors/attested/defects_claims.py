"""Cases for the signed content. All signatures are valid, but the content or the time of the check is unusual."""

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
    yield accept("claims/2019-04-30", "the members of api-version 2019-04-30", _signed(old))
    yield accept(
        "claims/2018-10-01", "the members of api-version 2018-10-01", _signed(m.content(licenseType=None, sku=None, subscriptionId=None))
    )
    yield accept("claims/later", "an unknown member, as later api-versions may add", _signed(whole[:-1] + b',"zone":{"a":[1,2]}}'))
    yield accept("claims/spaced", "content with white space", _signed(json.dumps(m.claims(), indent=2).encode()))
    yield accept("claims/plan", "the plan of a Marketplace image", _signed(m.content(plan={"name": "n", "product": "p", "publisher": "q"})))
    for name, comment, content in (
        ("empty", "empty content", b""),
        ("text", "text that is not JSON", b"hello"),
        ("cut", "the closing brace is missing", whole[:-1]),
        ("array", "an array that contains the object", b"[" + whole + b"]"),
        ("string", "a JSON string that contains the object", json.dumps(whole.decode()).encode()),
        ("null", "null instead of an object", b"null"),
        ("number", "a number instead of an object", b"1"),
        ("two", "two objects", whole + whole),
        ("tail", "a zero byte after the object", whole + b"\0"),
        ("byte-order-mark", "a byte order mark before the object", b"\xef\xbb\xbf" + whole),
        ("utf-16", "content in UTF-16", whole.decode().encode("utf-16")),
        ("not-utf-8", "a byte that is not UTF-8", whole.replace(b"22_04", b"22\xff04")),
        ("duplicate-vm-id", "vmId twice", whole[:-1] + b',"vmId":"00000000-0000-4000-8000-00000000ffff"}'),
        ("duplicate-nonce", "nonce twice", b'{"nonce":"1",' + whole[1:]),
        ("duplicate-time", "createdOn twice", whole.replace(b'"expiresOn"', b'"createdOn":"11/23/26 00:00:00 -0000","expiresOn"')),
        ("duplicate-escaped", "vmId twice, once with an escape in the name", whole[:-1] + b',"vm\\u0049d":"x"}'),
        ("deep", "arrays that are nested 100 deep", whole[:-1] + b',"x":' + b"[" * 100 + b"]" * 100 + b"}"),
        ("nan", "NaN, which is not JSON", whole[:-1] + b',"x":NaN}'),
        ("lone-surrogate", "an escaped lone surrogate", whole[:-1] + b',"x":"\\ud83d"}'),
    ):
        yield reject(f"claims/{name}", comment, _signed(content), "bad-claims")


def _members() -> Iterator[Case]:
    for member in ("vmId", "nonce", "timeStamp"):
        yield reject(f"claims/no-{member}", f"no {member}", _signed(m.content(**{member: None})), "missing-claim")
    yield reject("claims/empty-vmId", "an empty vmId", _signed(m.content(vmId="")), "missing-claim")
    yield reject(
        "claims/timestamp",
        "the member timestamp instead of timeStamp, as in a table of the IMDS documentation",
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
        yield accept(f"times/{name}", "within the validity of the document, with a tolerance of 120 s", good, at=at)
    yield reject("times/too-early", "121 s before createdOn, with a tolerance of 120 s", good, "document-not-yet-valid", at=created - 121)
    yield reject("times/too-late", "121 s after expiresOn, with a tolerance of 120 s", good, "document-expired", at=expires + 121)
    yield reject("times/a-day-late", "a day after createdOn", good, "document-expired", at=created + pki.DAY)
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
        yield reject(
            f"times/created-{name}",
            "createdOn does not have the service's format, or is not a valid time",
            _times(stamp, right[1]),
            "bad-time",
        )
    yield reject("times/expires-iso", "expiresOn in ISO 8601", _times(right[0], "2026-11-23T00:00:00Z"), "bad-time")
    yield accept("times/long-life", "a validity of more than six hours", _times(right[0], "12/31/99 23:59:59 -0000"))


def _nonces() -> Iterator[Case]:
    good = m.signed_data()
    yield accept("nonce/equal", "the expected nonce", good, nonce="4071882193")
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
            "the document has another nonce than the expected one",
            good,
            "nonce-mismatch",
            nonce=nonce,
            see="microsoft/azureimds, which searches for the nonce in the raw bytes",
        )
    late = m.signed_data(signed=m.content(nonce="20261119-121500"))
    yield reject(
        "nonce/default",
        "the service's default nonce, although the client requested another one",
        late,
        "nonce-mismatch",
        nonce="4071882193",
        see="azure-docs#43938",
    )
