"""Comparison of a certificate's names with the domain of a cloud."""

from __future__ import annotations

import pytest
from certificates import make
from cryptography import x509

from imdskit.pki.x509.certificate import Certificate, GeneralName
from imdskit.pki.x509.host_names import dns_names, matching_name

DOMAIN = "metadata.azure.com"


@pytest.fixture(scope="module")
def nameless() -> Certificate:
    return make(x509.Name([]), valid=(0, 1)).parsed


def bearer(nameless: Certificate, *names: str, kind: str = "dNSName") -> Certificate:
    return nameless._replace(subject_alt_name=tuple(GeneralName(kind, name.encode()) for name in names))


@pytest.mark.parametrize(
    "name",
    [
        DOMAIN,
        "METADATA.Azure.COM",
        "westeurope.metadata.azure.com",
        "a.b.metadata.azure.com",
        "*.metadata.azure.com",
        "*.westeurope.metadata.azure.com",
        "a_b.metadata.azure.com",
        "xn--bcher-kva.metadata.azure.com",
    ],
)
def test_matches_the_domain_and_names_below_it(nameless: Certificate, name: str) -> None:
    assert matching_name(bearer(nameless, "other.example", name), DOMAIN) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "com",
        "azure.com",
        "*.azure.com",
        "*.*.azure.com",
        "*",
        "evilmetadata.azure.com",
        "metadata.azure.com.evil.org",
        "metadata.azure.comevil",
        "metadata.azure.us",
        "metadata-azure.com",
        "metadata.azure.com.",
        ".metadata.azure.com",
        "a..metadata.azure.com",
        "a.*.metadata.azure.com",
        "w*.metadata.azure.com",
        "metadata.azure.com\0",
        "evil.org\0.metadata.azure.com",
        "metadata.azure.com/x",
        "-.metadata.azure.com",
        "a-.metadata.azure.com",
        " metadata.azure.com",
        "metadata.azure.com\n",
        f"{'a' * 64}.metadata.azure.com",
        f"{'a.' * 120}metadata.azure.com",
    ],
)
def test_rejects_names_that_look_like_the_domain(nameless: Certificate, name: str) -> None:
    assert matching_name(bearer(nameless, name), DOMAIN) is None


def test_only_dns_names_are_compared(nameless: Certificate) -> None:
    for kind in ("rfc822Name", "uniformResourceIdentifier"):
        assert dns_names(bearer(nameless, DOMAIN, kind=kind)) == ()


def test_common_name_counts_only_if_allowed_and_without_alternative_name(nameless: Certificate) -> None:
    named = nameless._replace(subject=nameless.subject._replace(common_names=(DOMAIN,)))
    assert matching_name(named, DOMAIN) is None
    assert matching_name(named, DOMAIN, allow_common_name=True) == DOMAIN
    assert matching_name(bearer(named, "other.example"), DOMAIN, allow_common_name=True) is None
    assert matching_name(bearer(named), DOMAIN, allow_common_name=True) is None


def test_letters_beyond_ascii_do_not_match_ascii_letters(nameless: Certificate) -> None:
    """The Kelvin sign becomes a k in lower case."""
    named = nameless._replace(subject=nameless.subject._replace(common_names=("bac\u212a.example.org",)))
    assert matching_name(named, "back.example.org", allow_common_name=True) is None
