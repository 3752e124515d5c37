"""Name constraints: each kind of name against each kind of base, permitted and excluded."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from imdskit.errors import VerificationError
from imdskit.pki.path.budget import Budget
from imdskit.pki.x509 import name_constraints
from imdskit.pki.x509.certificate import (
    AlgorithmIdentifier,
    Certificate,
    GeneralName,
    GeneralSubtree,
    Name,
    NameConstraints,
    UnsupportedPublicKey,
)
from imdskit.pki.x509.name_constraints import PathConstraints
from imdskit.reasons import Reason

NOBODY = Name(b"0\x00", ())
ANYBODY = Certificate(
    der=b"",
    tbs=b"",
    serial=1,
    signature_algorithm=AlgorithmIdentifier("1.2", None, b""),
    signature=b"",
    issuer=NOBODY,
    subject=NOBODY,
    not_before=0,
    not_after=0,
    spki=b"",
    public_key=UnsupportedPublicKey("1.2", "none"),
    extensions=(),
)


def directory(*parts: str) -> Name:
    return Name(b"0\x00", tuple(part.lower().encode() for part in parts), (parts[-1],) if parts else ())


def general(text: str) -> GeneralName:
    """Return the general name for ``DNS:a.b``, ``mail:a@b``, ``URI:http://a``, ``IP:1.2.3.4``, ``IP:1.2.3.0/24``, ``DN:a,b`` or ``id:x``."""
    kind, _, value = text.partition(":")
    if kind == "IP":
        if "/" in value:
            network = ip_network(value)
            return GeneralName("iPAddress", network.network_address.packed + network.netmask.packed)
        return GeneralName("iPAddress", ip_address(value).packed)
    if kind == "DN":
        return GeneralName("directoryName", b"0\x00", directory(*filter(None, value.split(","))))
    kinds = {"DNS": "dNSName", "mail": "rfc822Name", "URI": "uniformResourceIdentifier", "id": "registeredID"}
    return GeneralName(kinds[kind], value.encode())


def subtrees(*bases: str) -> tuple[GeneralSubtree, ...] | None:
    return tuple(GeneralSubtree(general(base), 0, None) for base in bases) or None


def authority(permitted: tuple[str, ...] = (), excluded: tuple[str, ...] = ()) -> Certificate:
    return ANYBODY._replace(name_constraints=NameConstraints(subtrees(*permitted), subtrees(*excluded)))


def bearer(*names: str, subject: Name = NOBODY) -> Certificate:
    return ANYBODY._replace(subject=subject, subject_alt_name=tuple(map(general, names)))


def fault(certificate: Certificate, *authorities: Certificate, common_names: bool = False, work: int = 3000) -> str | None:
    constraints = PathConstraints(Budget(work), common_names=common_names)
    for one in authorities:
        constraints.add(one)
    return constraints.fault(certificate)


WITHIN = [
    ("DNS:example.com", "DNS:example.com"),
    ("DNS:a.b.example.com", "DNS:example.com"),
    ("DNS:A.EXAMPLE.com", "DNS:example.COM"),
    ("DNS:example.com.", "DNS:example.com"),
    ("DNS:*.example.com", "DNS:example.com"),
    ("DNS:a.example.com", "DNS:.example.com"),
    ("DNS:anything", "DNS:"),
    ("DNS:a_b.example.com", "DNS:example.com"),
    ("mail:Bob@example.com", "mail:Bob@EXAMPLE.com"),
    ("mail:bob@example.com", "mail:example.com"),
    ("mail:bob@a.b.example.com", "mail:.example.com"),
    ("mail:bob@example.com", "mail:"),
    ("URI:https://example.com/x", "URI:example.com"),
    ("URI:https://me@a.example.com:8443/x", "URI:.example.com"),
    ("IP:192.0.2.77", "IP:192.0.2.0/24"),
    ("IP:192.0.2.77", "IP:0.0.0.0/0"),
    ("IP:2001:db8::1", "IP:2001:db8::/32"),
    ("DN:us,org,unit", "DN:us,org"),
    ("DN:us,org", "DN:us,org"),
    ("DN:us", "DN:"),
]

OUTSIDE = [
    ("DNS:badexample.com", "DNS:example.com"),
    ("DNS:com", "DNS:example.com"),
    ("DNS:example.com.evil.org", "DNS:example.com"),
    ("DNS:example.com", "DNS:a.example.com"),
    ("mail:bob@example.com", "mail:Bob@example.com"),
    ("mail:bob@a.example.com", "mail:example.com"),
    ("mail:bob@example.com", "mail:.example.com"),
    ("mail:bob@badexample.com", "mail:.example.com"),
    ("URI:https://a.example.com/x", "URI:example.com"),
    ("URI:https://example.com/x", "URI:.example.com"),
    ("IP:192.0.3.1", "IP:192.0.2.0/24"),
    ("IP:::c000:201", "IP:192.0.2.0/24"),
    ("IP:192.0.2.1", "IP:2001:db8::/32"),
    ("DN:us,other,org", "DN:us,org"),
    ("DN:us", "DN:us,org"),
]


@pytest.mark.parametrize(("name", "base"), WITHIN)
def test_subtree_permits_or_excludes_a_name_within_it(name: str, base: str) -> None:
    assert fault(bearer(name), authority(permitted=(base,))) is None
    assert fault(bearer(name), authority(excluded=(base,))) is not None
    assert fault(bearer(name), authority(permitted=(base,), excluded=(base,))) is not None


@pytest.mark.parametrize(("name", "base"), OUTSIDE)
def test_subtree_neither_permits_nor_excludes_a_name_outside_it(name: str, base: str) -> None:
    assert fault(bearer(name), authority(permitted=(base,))) is not None
    assert fault(bearer(name), authority(excluded=(base,))) is None


def test_leading_dot_permits_names_below_and_excludes_the_domain_too() -> None:
    assert fault(bearer("DNS:example.com"), authority(permitted=("DNS:.example.com",))) is not None
    assert fault(bearer("DNS:example.com"), authority(excluded=("DNS:.example.com",))) is not None


def test_wildcard_is_excluded_if_any_name_is_and_permitted_if_all_are() -> None:
    assert fault(bearer("DNS:*.example.com"), authority(excluded=("DNS:a.example.com",))) is not None
    assert fault(bearer("DNS:*.example.com"), authority(excluded=("DNS:a.b.example.com",))) is None
    assert fault(bearer("DNS:*.example.com"), authority(permitted=("DNS:a.example.com",))) is not None


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("DNS:.example.com", "DNS:example.com"),
        ("DNS:a..example.com", "DNS:example.com"),
        ("DNS:a b.example.com", "DNS:example.com"),
        ("DNS:a.*.example.com", "DNS:example.com"),
        ("DNS:-a.example.com", "DNS:example.com"),
        (f"DNS:{'a.' * 130}com", "DNS:com"),
        ("mail:example.com", "mail:example.com"),
        ("mail:a@b@example.com", "mail:example.com"),
        ("mail:@example.com", "mail:example.com"),
        ("URI:urn:x", "URI:example.com"),
        ("URI:http://192.0.2.1/", "URI:example.com"),
        ("URI:http://[::1]/", "URI:example.com"),
        ("URI:http://[/", "URI:example.com"),
        ("id:\x01", "id:\x02"),
    ],
)
def test_refuses_a_name_that_cannot_be_compared(name: str, base: str) -> None:
    assert fault(bearer(name), authority(permitted=(base,))) is not None
    assert fault(bearer(name), authority(excluded=(base,))) is not None


def test_refuses_an_ip_address_of_a_wrong_size() -> None:
    odd = ANYBODY._replace(subject_alt_name=(GeneralName("iPAddress", bytes(8)),))
    assert fault(odd, authority(permitted=("IP:0.0.0.0/0",))) is not None


def test_constraints_on_one_kind_of_name_do_not_affect_other_kinds() -> None:
    constrained = authority(permitted=("IP:192.0.2.0/24", "DN:us"), excluded=("mail:example.com",))
    assert fault(bearer("DNS:example.com", "id:\x01"), constrained) is None


def test_constraints_of_all_authorities_apply() -> None:
    wide, narrow, other = authority(("DNS:example.com",)), authority(("DNS:a.example.com",)), authority(("DNS:b.example.com",))
    assert fault(bearer("DNS:x.a.example.com"), wide, narrow) is None
    assert fault(bearer("DNS:a.example.com"), wide, other) is not None
    assert fault(bearer("DNS:a.example.com"), ANYBODY, wide, ANYBODY) is None
    assert fault(bearer("DNS:other.org"), ANYBODY) is None


def test_subject_counts_as_directory_name_unless_it_is_empty() -> None:
    constrained = authority(permitted=("DN:us",))
    assert fault(bearer(subject=directory("us", "org")), constrained) is None
    assert fault(bearer(subject=directory("de", "org")), constrained) is not None
    assert fault(bearer(), constrained) is None


def test_mail_addresses_in_the_subject_always_count() -> None:
    subject = directory("us")._replace(email_addresses=("bob@evil.org",))
    assert fault(bearer("mail:bob@example.com", subject=subject), authority(excluded=("mail:evil.org",))) is not None


def test_common_names_count_if_the_caller_accepts_them_as_hosts() -> None:
    constrained = authority(permitted=("DNS:example.com",))
    for common_name, good in (
        ("a.example.com", True),
        ("evil.org", False),
        ("Some Body", True),
        ("localhost", True),
        ("*.evil.org", False),
    ):
        named = ANYBODY._replace(subject=directory("us", common_name))
        assert fault(named, constrained) is None
        assert (fault(named, constrained, common_names=True) is None) == good
    named = bearer("DNS:a.example.com")._replace(subject=directory("us", "evil.org"))
    assert fault(named, constrained, common_names=True) is None


def test_refuses_too_many_comparisons() -> None:
    names = [f"DNS:a{i}.example.com" for i in range(1024)]
    just, over = authority(excluded=("DNS:x.org",) * 1024), authority(excluded=("DNS:x.org",) * 1025)
    assert fault(bearer(*names), just) is None
    with pytest.raises(VerificationError) as refusal:
        fault(bearer(*names), over)
    assert refusal.value.reason is Reason.BUDGET_SPENT
    with pytest.raises(VerificationError):
        fault(bearer(*names), just, work=10)


@pytest.mark.parametrize(
    ("base", "minimum", "maximum", "good"),
    [
        (general("DNS:example.com"), 0, None, True),
        (general("DNS:.example.com"), 0, None, True),
        (general("DNS:"), 0, None, True),
        (general("DNS:*.example.com"), 0, None, False),
        (general("DNS:exa mple.com"), 0, None, False),
        (general("DNS:example.com"), 1, None, False),
        (general("DNS:example.com"), 0, 3, False),
        (general("mail:bob@example.com"), 0, None, True),
        (general("mail:bob@"), 0, None, False),
        (general("URI:.example.com"), 0, None, True),
        (general("URI:http://example.com"), 0, None, False),
        (general("IP:192.0.2.0/24"), 0, None, True),
        (GeneralName("iPAddress", bytes.fromhex("c0000200ff00ff00")), 0, None, False),
        (GeneralName("iPAddress", bytes(4)), 0, None, False),
        (general("DN:us"), 0, None, True),
        (general("id:x"), 0, None, True),
    ],
)
def test_detects_constraints_that_cannot_be_applied(base: GeneralName, minimum: int, maximum: int | None, good: bool) -> None:
    subtree = (GeneralSubtree(base, minimum, maximum),)
    for constraints in (NameConstraints(subtree, None), NameConstraints(None, subtree)):
        assert (name_constraints.malformed(constraints) is None) == good
