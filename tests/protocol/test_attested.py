"""Tests that the signed content has the members, the order and the formats of genuine documents."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imdskit import versions
from imdskit.protocol import attested

CREATED = int(datetime(2025, 12, 31, 20, 5, 9, tzinfo=UTC).timestamp())
FACTS = {"vmId": "v", "subscriptionId": "s", "sku": "k", "licenseType": "l", "plan.name": "n", "plan.product": "p", "plan.publisher": "q"}


def members(version: str) -> list[str]:
    return list(json.loads(attested.content(FACTS, version, CREATED, "1")))


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2018-10-01", ["nonce", "plan", "timeStamp", "vmId"]),
        ("2019-03-11", ["nonce", "plan", "timeStamp", "vmId"]),
        ("2019-04-30", ["nonce", "plan", "subscriptionId", "timeStamp", "vmId"]),
        ("2019-08-15", ["nonce", "plan", "subscriptionId", "timeStamp", "vmId"]),
        ("2019-11-01", ["nonce", "plan", "sku", "subscriptionId", "timeStamp", "vmId"]),
        ("2020-09-01", ["licenseType", "nonce", "plan", "sku", "subscriptionId", "timeStamp", "vmId"]),
        ("2025-04-07", ["licenseType", "nonce", "plan", "sku", "subscriptionId", "timeStamp", "vmId"]),
    ],
)
def test_version_selects_the_members(version: str, expected: list[str]) -> None:
    assert members(version) == expected


def test_content_is_compact_and_exact() -> None:
    assert attested.content(FACTS, "2020-09-01", CREATED, None) == (
        b'{"licenseType":"l","nonce":"20260101-020509","plan":{"name":"n","product":"p","publisher":"q"},"sku":"k","subscriptionId":"s",'
        b'"timeStamp":{"createdOn":"12/31/25 20:05:09 -0000","expiresOn":"01/01/26 02:05:09 -0000"},"vmId":"v"}'
    )


def test_missing_facts_are_empty_text() -> None:
    content = json.loads(attested.content({}, "2020-09-01", CREATED, "1"))
    assert content["sku"] == content["vmId"] == content["plan"]["name"] == ""


def test_every_genuine_content_is_reproduced_byte_for_byte(shared: Path) -> None:
    seen = 0
    for meta in sorted((shared / "corpus" / "attested").glob("*.meta.json")):
        facts = json.loads(meta.read_text(encoding="utf-8"))
        envelope = json.loads((meta.parent / (meta.name.removesuffix(".meta.json") + ".json")).read_text(encoding="utf-8"))
        data = base64.b64decode("".join(envelope["signature"].split()))
        start = data.index(b'{"')
        text = data[start : data.index(b'"}', data.index(b'"vmId"')) + 2]
        content = json.loads(text)
        created = datetime.strptime(content["timeStamp"]["createdOn"], "%m/%d/%y %H:%M:%S %z")
        expires = datetime.strptime(content["timeStamp"]["expiresOn"], "%m/%d/%y %H:%M:%S %z")
        if (expires - created).total_seconds() != attested.LIFETIME:
            continue  # the sample of the documentation and one of a test, which the service did not create
        version = max((versions.ATTESTED[path] for path in flat(content)), default="")
        nonce = None if content["nonce"] == attested.default_nonce(int(created.timestamp())) else content["nonce"]
        assert attested.content(flat(content), version, int(created.timestamp()), nonce) == text, facts
        seen += 1
    assert seen >= 12


def flat(content: Mapping[str, object]) -> dict[str, str]:
    paths: dict[str, str] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            paths.update({f"{name}.{inner}": text for inner, text in value.items()})
        else:
            paths[name] = str(value)
    return paths


@pytest.mark.parametrize("nonce", ["1", "1234567890", "a" * 32, "A-b_c.d~e", "2dzYOGlxQWKsdIE_yZqHLg"])
def test_accepts_nonces_of_up_to_32_unreserved_characters(nonce: str) -> None:
    assert attested.valid_nonce(nonce)


@pytest.mark.parametrize("nonce", ["", "a" * 33, "a b", "a+b", "a/b", "a=", 'a"', "\u0661", "a\n"])
def test_rejects_other_nonces(nonce: str) -> None:
    assert not attested.valid_nonce(nonce)


def test_envelope_is_compact_base64_on_one_line() -> None:
    assert attested.envelope(b"\xff" * 100) == b'{"encoding":"pkcs7","signature":"' + base64.b64encode(b"\xff" * 100) + b'"}'
