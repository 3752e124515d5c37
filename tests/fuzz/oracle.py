"""Independent rules that every accepted document must follow. They share no code with the verifier.

A differential run cannot detect an error that both backends have in common. These rules detect such
errors, because they do not use the code of the backends. They parse the claims with another JSON
parser, and verify the signatures with another library. They contain a second implementation of the
rules of RFC 5280 for the form of name constraints.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.utils import CryptographyDeprecationWarning
from der_tree import Node, read

from imdskit.backends.contract import Setup

_NAME_CONSTRAINTS = b"\x55\x1d\x1e"
"""Contents of the DER of the object identifier 2.5.29.30."""


def fault(document: bytes, accepted: Sequence[object], setup: Setup, at: int, nonce: str | None) -> str | None:
    """Return why an accepted document should have been refused, or None. ``accepted`` comes from :func:`differential.observed`."""
    _, content, claims, _, name, chain = accepted
    assert isinstance(content, bytes)
    assert isinstance(chain, tuple)
    return _content_fault(content, claims, setup, at, nonce) or _chain_fault(chain, setup, at) or (None if name else "no name")


def _content_fault(content: bytes, claims: object, setup: Setup, at: int, nonce: str | None) -> str | None:
    pairs: list[list[str]] = []

    def members(found: list[tuple[str, object]]) -> dict[str, object]:
        pairs.append([key for key, _ in found])
        return dict(found)

    try:
        # Numbers stay text, because Python limits the number of digits of an integer and JSON does not.
        read_again = json.loads(content.decode("utf-8"), object_pairs_hook=members, parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:
        return f"the content is not JSON: {error}"
    if any(len(keys) != len(set(keys)) for keys in pairs):
        return "a member of the content occurs twice"
    for member, attribute in (
        ("vmId", "vm_id"),
        ("nonce", "nonce"),
        ("subscriptionId", "subscription_id"),
        ("sku", "sku"),
        ("licenseType", "license_type"),
    ):
        if read_again.get(member) != getattr(claims, attribute):
            return f"{member} is {read_again.get(member)!r}"
    times = []
    for member, attribute in (("createdOn", "created_on"), ("expiresOn", "expires_on")):
        text = read_again["timeStamp"][member]
        # The two-digit years of the service are years of this century. strptime would read 69 to 99
        # as 1969 to 1999, so it gets four digits.
        times.append(int(datetime.strptime(f"{text[:6]}20{text[6:]}", "%m/%d/%Y %H:%M:%S %z").timestamp()))
        if times[-1] != getattr(claims, attribute):
            return f"{member} is {times[-1]}"
    if setup.check_times and not times[0] - setup.skew <= at <= times[1] + setup.skew:
        return "the document is not current"
    if nonce is not None and read_again["nonce"] != nonce:
        return "the nonce is another one"
    return None


def _chain_fault(chain: tuple[bytes, ...], setup: Setup, at: int) -> str | None:
    if not setup.check_chain:
        return None
    if chain[-1] not in setup.anchors:
        return "the chain does not end at an anchor"
    for der in chain:
        if any(_bad_mailbox_constraint(base) for base in _constraint_bases(der)):
            return "a name constraint on mail addresses that is neither a mailbox nor a host nor a domain (RFC 5280 section 4.2.1.10)"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)  # the library announces that it will become stricter
            certificates = [x509.load_der_x509_certificate(der) for der in chain]
        for child, issuer in pairwise(certificates):
            child.verify_directly_issued_by(issuer)
        moment = datetime.fromtimestamp(at, UTC)
        if any(not one.not_valid_before_utc <= moment <= one.not_valid_after_utc for one in certificates):
            return "a certificate is not valid at that time"
    except InvalidSignature:
        return "a certificate is not signed by the one above it"
    except (ValueError, TypeError, x509.UnsupportedGeneralNameType, x509.InvalidVersion):
        return None  # the other library is stricter here; see test_resigned_mutations.py
    return None


def _constraint_bases(certificate: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the tag and contents of the base of every subtree in a certificate's name constraints."""
    root = read(certificate)
    for node in root.walk() if root else ():
        if node.tag == 0x30 and node.children and node.children[0].value == _NAME_CONSTRAINTS and node.children[0].tag == 0x06:
            for subtrees in _inside(node.children[-1]):
                for subtree in subtrees.children or ():
                    for base in (subtree.children or ())[:1]:
                        yield base.tag, base.value


def _inside(value: Node) -> Iterator[Node]:
    for constraints in value.children or ():
        yield from constraints.children or ()


def _bad_mailbox_constraint(base: tuple[int, bytes]) -> bool:
    """Return True for an rfc822Name constraint with an empty local part or an empty host."""
    tag, text = base
    return tag == 0x81 and b"@" in text and not all(text.rpartition(b"@")[::2])
