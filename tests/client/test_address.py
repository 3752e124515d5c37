"""Tests of addresses and paths, as users write them."""

from __future__ import annotations

import pytest

from imdskit.client import address
from imdskit.errors import UsageError

PATHS = {
    "": "/metadata/instance",
    "/": "/metadata/instance",
    "compute": "/metadata/instance/compute",
    "compute/vmId": "/metadata/instance/compute/vmId",
    "/compute/vmId": "/metadata/instance/compute/vmId",
    "network/interface/0/": "/metadata/instance/network/interface/0",
    "instance": "/metadata/instance",
    "instance/compute/vmId": "/metadata/instance/compute/vmId",
    "Instance/compute": "/metadata/Instance/compute",
    "versions": "/metadata/versions",
    "attested/document": "/metadata/attested/document",
    "scheduledEvents": "/metadata/scheduledEvents",
    "loadbalancer": "/metadata/loadbalancer",
    "THIM/amd/certification": "/metadata/THIM/amd/certification",
    "identity/info": "/metadata/identity/info",
    "/metadata": "/metadata",
    "/metadata/instance/compute": "/metadata/instance/compute",
    "metadata/instance//compute": "/metadata/instance/compute",
    "/metadata/unknown": "/metadata/unknown",
    "unknown": "/metadata/instance/unknown",
}


@pytest.mark.parametrize(("written", "full"), PATHS.items())
def test_expands_short_paths(written: str, full: str) -> None:
    assert address.full_path(written) == full


@pytest.mark.parametrize("written", ["instance?api-version=2021-02-01", "a#b", "a b", "a\r\nX: y", "a\0", "\udcff", "a\x7f", None, 3])
def test_rejects_paths_with_query_or_fragment(written: str) -> None:
    with pytest.raises(UsageError) as error:
        address.full_path(written)
    assert error.value.hint


def test_encodes_non_ascii_characters() -> None:
    assert address.target("/metadata/instance/é%", {"nonce": "a&b=c d"}) == "/metadata/instance/%C3%A9%25?nonce=a%26b%3Dc%20d"


BASES = {
    "http://169.254.169.254": "http://169.254.169.254",
    "http://169.254.169.254/": "http://169.254.169.254",
    "http://127.0.0.1:8080": "http://127.0.0.1:8080",
    "HTTP://imds": "http://imds",
    "http://imds_emulator.local:80": "http://imds_emulator.local:80",
    "http://[::1]:8080": "http://[::1]:8080",
    "http://[fe80::1]": "http://[fe80::1]",
    "http://127.0.0.1:8080/m/17": "http://127.0.0.1:8080/m/17",
    "http://127.0.0.1:8080/m/17/": "http://127.0.0.1:8080/m/17",
    "http://imds/a-b_c.d~e/%20": "http://imds/a-b_c.d~e/%20",
    "http://imds/metadata-proxy": "http://imds/metadata-proxy",
}


@pytest.mark.parametrize(("written", "base"), BASES.items())
def test_accepts_base_addresses(written: str, base: str) -> None:
    assert address.base(written) == base


@pytest.mark.parametrize(
    "written",
    [
        "", "127.0.0.1:8080", "https://127.0.0.1", "file:///etc/passwd", "ftp://127.0.0.1", "http://", "http:///metadata", "http://a/metadata",
        "http://a?b", "http://a?", "http://a#", "http://user@a", "http://user:pass@a", "http://a:0", "http://a:65536", "http://a:b", "http://a:-1",
        "http://a b", "http://a\r\nX: y", "http://[::1", "http://::1", "http://[::1]x", "http://é", "http://a\\b", "http://a:", "\udcff",
        "http://a/m/17/metadata", "http://a/METADATA/", "http://a//m", "http://a/m//", "http://a/..", "http://a/./m", "http://a/m/..", "http://a/m;é",
        None, 3,
    ],
    ids=repr,
)  # fmt: skip
def test_rejects_other_base_addresses(written: str) -> None:
    with pytest.raises(UsageError) as error:
        address.base(written)
    assert error.value.code == "bad-argument"
    assert "http://" in error.value.hint
