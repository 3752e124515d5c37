"""Name constraints (RFC 5280 sections 4.2.1.10, 6.1.3 (b) and (c), 6.1.4 (g)). They limit the names
for which an authority may issue certificates.

RFC 5280 combines the constraints of all authorities on a path: it intersects the permitted subtrees
and unites the excluded ones. This module keeps the constraints of each authority separate and
requires that a name satisfies all of them, which has the same result. The subtrees are stored in
sets. The number of lookups therefore does not depend on the number of subtrees. It depends on the
name and, for an IP address, on the number of different masks.

The module understands constraints on DNS names, mail addresses, hosts of URIs, IP addresses and
directory names. If there is a constraint on another kind of name, every name of this kind is
refused. Section 4.2.1.10 is less strict: it allows verifiers to ignore such a constraint if the
extension is not critical.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from imdskit.pki.path.budget import Budget
from imdskit.pki.x509.certificate import Certificate, GeneralName, GeneralSubtree, NameConstraints
from imdskit.pki.x509.rules import ADDRESS_OCTETS, is_address_range

COUNTED = frozenset({"dNSName", "iPAddress", "directoryName", "rfc822Name"})
"""Kinds of names that count for :data:`MAX_COMPARISONS`."""
UNDERSTOOD = COUNTED | {"uniformResourceIdentifier"}
"""Kinds of names whose constraints this module understands."""

MAX_COMPARISONS = 1 << 20
"""Maximum number of comparisons of names with subtrees on one path. The number of comparisons of a
certificate is the number of its names, multiplied by the number of subtrees of all authorities
above it. Only names and subtrees of the kinds in :data:`COUNTED` count. Real paths need far fewer
comparisons. OpenSSL and BoringSSL have the same limit."""

PARTS_OF_ITEM, MASKS_OF_ITEM = 4, 16
"""Costs of lookups, in the items that :meth:`Budget.spend_items` counts. One item pays for four parts
of a name (labels of a DNS name, or relative distinguished names), or for 16 address masks."""

_LABEL = re.compile(rb"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")

_MAILBOX = re.compile(rb"[!-\-/-?A-~]+(\.[!-\-/-?A-~]+)*")
"""Local part of a mail address in a constraint. It consists of printable ASCII without an at sign,
and has no empty part between dots (Dot-string in RFC 5321 section 4.1.2)."""

Key = tuple[object, ...]
"""Lookup key of a subtree. A name is within the subtree if the key is among the keys of the
name."""


class Subtrees:
    """Set of subtrees, all of the same kind of name.

    Args:
        bases: bases of the subtrees.
        exclude: True for excluded subtrees, False for permitted ones.

    Attributes:
        keys: lookup keys of all bases.
        masks: for IP addresses: pairs (length of the address in bytes, mask).
        parents: keys of all DNS bases, each without the leftmost label of the base.
        lengths: numbers of relative distinguished names in the directory names.
        count: number of bases.
    """

    def __init__(self, bases: Iterable[GeneralName], *, exclude: bool) -> None:
        self.keys: set[Key] = set()
        self.masks: set[tuple[int, int]] = set()
        self.parents: set[Key] = set()
        self.lengths: set[int] = set()
        self.count = 0
        for base in bases:
            self.count += 1
            key = base_key(base, exclude=exclude)
            self.keys.add(key)
            if base.kind == "iPAddress":
                self.masks.add((len(base.value) // 2, int.from_bytes(base.value[len(base.value) // 2 :], "big")))
            elif base.kind == "dNSName":
                self.parents.add(key[:-1])
            elif base.kind == "directoryName":
                self.lengths.add(len(key))

    def contain(self, name: GeneralName) -> bool:
        """Return True if the name is within one of the subtrees."""
        if name.kind == "iPAddress":
            size, address = len(name.value), int.from_bytes(name.value, "big")
            return any((half, mask, address & mask) in self.keys for half, mask in self.masks if half == size)
        if name.name is not None:
            # Look up only those prefixes of the name that are as long as a base. Looking up all
            # prefixes would take quadratic time in the length of the name.
            parts = name.name.key
            return any(parts[:length] in self.keys for length in self.lengths if length <= len(parts))
        return any(key in self.keys for key in keys_above(name))

    def touch(self, name: GeneralName) -> bool:
        """Return True if the name is within one of the subtrees, or stands for such a name because
        of its wildcard.

        For example, ``*.example.com`` stands for ``a.example.com``, among other names. If
        ``a.example.com`` is excluded, ``*.example.com`` must be refused as well (CVE-2025-61727).
        """
        if name.kind == "dNSName" and name.value.startswith(b"*.") and _labels(name.value)[:-1] in self.parents:
            return True
        return self.contain(name)


class Constraints:
    """Name constraints of one authority."""

    def __init__(self, constraints: NameConstraints) -> None:
        self.permitted = _by_kind(constraints.permitted or (), exclude=False)
        self.excluded = _by_kind(constraints.excluded or (), exclude=True)
        self.count = sum(subtrees.count for kind, subtrees in (*self.permitted.items(), *self.excluded.items()) if kind in COUNTED)
        self.masks = sum(len(kinds["iPAddress"].masks) for kinds in (self.permitted, self.excluded) if "iPAddress" in kinds)

    def fault(self, name: GeneralName) -> str | None:
        """Return None if the constraints allow the name, and otherwise a text that says why they
        forbid it."""
        excluded, permitted = self.excluded.get(name.kind), self.permitted.get(name.kind)
        if excluded is None and permitted is None:
            return None
        if name.kind not in UNDERSTOOD:
            return f"{name.kind}: constraints on this kind of name are not supported"
        if not _is_well_formed(name):
            return f"{_shown(name)} cannot be compared with the constraints"
        if excluded is not None and excluded.touch(name):
            return f"{_shown(name)} is excluded"
        if permitted is not None and not permitted.contain(name):
            return f"{_shown(name)} is not permitted"
        return None


class PathConstraints:
    """Constraints of those authorities on a path that have been processed so far. The caller
    processes the path from the anchor to the signer.

    The methods raise VerificationError (``budget-spent``) if the budget is used up.

    Args:
        budget: budget of the search for a path.
        common_names: if True, constraints on DNS names apply to common names as well. The caller
            sets this if it accepts a common name as the name of a host.
    """

    def __init__(self, budget: Budget, *, common_names: bool) -> None:
        self.budget = budget
        self.common_names = common_names
        self.all: list[Constraints] = []
        self.comparisons = 0

    def add(self, certificate: Certificate) -> None:
        """Add the constraints of an authority (6.1.4 (g))."""
        constraints = certificate.name_constraints
        if constraints is not None:
            self.budget.spend_items(len(constraints.permitted or ()) + len(constraints.excluded or ()))
            self.all.append(Constraints(constraints))

    def fault(self, certificate: Certificate) -> str | None:
        """Return None if all names of the certificate are allowed, and otherwise a text about the
        first forbidden name (6.1.3 (b) and (c))."""
        if not self.all:
            return None
        others = other_names(certificate, common_names=self.common_names)
        self.comparisons += sum(name.kind in COUNTED for name in others) * sum(constraints.count for constraints in self.all)
        if self.comparisons > MAX_COMPARISONS:
            self.budget.exhaust()
        subject = certificate.subject
        addresses = sum(name.kind == "iPAddress" for name in others)
        parts = len(subject.key) + sum(_parts(name) for name in others)
        lookups = (len(others) + 1 + parts // PARTS_OF_ITEM) * len(self.all)
        self.budget.spend_items(lookups + addresses * sum(constraints.masks for constraints in self.all) // MASKS_OF_ITEM)
        # An empty subject is left out, because constraints apply only to names that the certificate
        # has (section 4.2.1.10).
        names = [GeneralName("directoryName", subject.der, subject), *others] if subject.key else others
        for constraints in self.all:
            for name in names:
                problem = constraints.fault(name)
                if problem:
                    return problem
        return None


def other_names(certificate: Certificate, *, common_names: bool) -> list[GeneralName]:
    """Return all names of a certificate except its subject. These are its alternative names, and
    the mail addresses in the subject.

    Section 4.2.1.10 ignores the mail addresses in the subject if the certificate has alternative
    names. Here they always count, which is stricter. If ``common_names`` is True and there is no
    alternative name of the kind dNSName, the result also contains those common names that look like
    DNS names.
    """
    subject = certificate.subject
    names = list(certificate.subject_alt_name or ())
    hosts: list[bytes] = []
    if common_names and not any(name.kind == "dNSName" for name in names):
        hosts = [text.encode("utf-8", "surrogatepass") for text in subject.common_names]
    names += [GeneralName("rfc822Name", address.encode("utf-8", "surrogatepass")) for address in subject.email_addresses]
    return names + [GeneralName("dNSName", host) for host in hosts if b"." in host and is_host(host.removeprefix(b"*."))]


def malformed(constraints: NameConstraints) -> str | None:
    """Return None if the constraints are well-formed, and otherwise a text that says what is wrong.

    The field minimum must be 0, and the field maximum must be absent (section 4.2.1.10). The base
    of a subtree must have a valid form for its kind of name.
    """
    for subtree in (*(constraints.permitted or ()), *(constraints.excluded or ())):
        kind, value = subtree.base.kind, subtree.base.value
        if subtree.minimum != 0 or subtree.maximum is not None:
            return "the field minimum or maximum is set"
        if kind == "iPAddress" and not is_address_range(value):
            return "the base is not a valid address and mask"
        if kind == "dNSName" and value and not is_host(value.removeprefix(b".")):
            return "the base is not a valid DNS name"
        if kind == "rfc822Name" and not _is_mail_base(value):
            return "the base is not a valid mailbox, host or domain"
        if kind == "uniformResourceIdentifier" and value and not _is_named_host(value.removeprefix(b".")):
            return "the base is not a valid host or domain"
    return None


def _is_mail_base(value: bytes) -> bool:
    """Return True if the base of a subtree of mail addresses is valid (4.2.1.10).

    A base is one mailbox, one host, a dot followed by a domain (for all hosts below the domain), or
    empty.
    """
    mailbox, at, host = value.rpartition(b"@")
    if at:
        return _MAILBOX.fullmatch(mailbox) is not None and is_host(host)
    return not value or is_host(value.removeprefix(b"."))


def base_key(base: GeneralName, *, exclude: bool) -> Key:
    """Return the lookup key of the subtree with this base. For DNS names, mail addresses and URIs,
    :func:`keys_above` yields this key for every name within the subtree."""
    if base.kind == "directoryName":
        assert base.name is not None
        return base.name.key
    if base.kind == "iPAddress":
        half = len(base.value) // 2
        address, mask = int.from_bytes(base.value[:half], "big"), int.from_bytes(base.value[half:], "big")
        return half, mask, address & mask
    if base.kind in ("rfc822Name", "uniformResourceIdentifier"):
        mailbox, at, host = base.value.rpartition(b"@")
        if at:
            return "mailbox", mailbox, _labels(host)
        # A base with a leading dot contains all hosts below the domain. A base without a leading
        # dot contains only this host. The empty base contains every host.
        return ("below", *_labels(host[1:])) if host.startswith(b".") or not host else ("host", *_labels(host))
    # A DNS base must not begin with a dot. If one does, it gets the stricter of its two possible
    # meanings. As a permitted base, it contains only the names below the domain. As an excluded
    # base, it contains the domain as well.
    if base.value.startswith(b".") and not exclude:
        return (*_labels(base.value[1:]), "below")
    return _labels(base.value.removeprefix(b"."))


def keys_above(name: GeneralName) -> Iterator[Key]:
    """Yield the keys of all possible subtrees that contain the name (4.2.1.10). The name must be a
    DNS name, a mail address or a URI."""
    if name.kind in ("rfc822Name", "uniformResourceIdentifier"):
        # Letter case matters in the local part of a mail address, but not in the host.
        mailbox, host = _mailbox(name) if name.kind == "rfc822Name" else (b"", _uri_host(name))
        labels = _labels(host)
        yield "mailbox", mailbox, labels
        yield "host", *labels
        yield from (("below", *labels[:length]) for length in range(len(labels)))
    else:
        # A subtree contains its base, and every name that adds labels to the left of the base. The
        # empty base contains every name.
        labels = _labels(name.value)
        yield from (labels[:length] for length in range(len(labels) + 1))
        yield from ((*labels[:length], "below") for length in range(1, len(labels)))


def _by_kind(subtrees: Iterable[GeneralSubtree], *, exclude: bool) -> dict[str, Subtrees]:
    kinds: dict[str, list[GeneralName]] = {}
    for subtree in subtrees:
        kinds.setdefault(subtree.base.kind, []).append(subtree.base)
    return {kind: Subtrees(bases if kind in UNDERSTOOD else (), exclude=exclude) for kind, bases in kinds.items()}


def _parts(name: GeneralName) -> int:
    """Return the number of relative distinguished names in a directory name, or the number of dots
    in another name."""
    return name.value.count(b".") if name.name is None else len(name.name.key)


def _labels(host: bytes) -> tuple[bytes, ...]:
    """Return the labels of a host, most significant first, or () for the empty name."""
    return tuple(reversed(host.lower().removesuffix(b".").split(b"."))) if host else ()


def _is_well_formed(name: GeneralName) -> bool:
    if name.kind == "iPAddress":
        return len(name.value) in ADDRESS_OCTETS
    if name.kind == "dNSName":
        return is_host(name.value.removesuffix(b".").removeprefix(b"*."))
    if name.kind == "rfc822Name":
        mailbox, host = _mailbox(name)
        return mailbox != b"" and b"@" not in mailbox and is_host(host)
    if name.kind == "uniformResourceIdentifier":
        # If there is a constraint on URIs, a URI without a host, or with an IP address as its host,
        # is refused (4.2.1.10).
        return _is_named_host(_uri_host(name))
    return True


def _mailbox(name: GeneralName) -> tuple[bytes, bytes]:
    mailbox, _, host = name.value.rpartition(b"@")
    return mailbox, host


def _uri_host(name: GeneralName) -> bytes:
    try:
        return (urlsplit(name.value).hostname or b"").removesuffix(b".")
    except ValueError:
        return b""


def is_host(name: bytes) -> bool:
    """Return True if the name is a valid host name: all labels have a valid length, and consist of
    letters, digits, underscores and inner hyphens."""
    return len(name) <= 253 and all(_LABEL.fullmatch(label) for label in name.split(b"."))


def _is_named_host(name: bytes) -> bool:
    """Return True if the name is a valid host name and not an IPv4 address."""
    return is_host(name) and not name.replace(b".", b"").isdigit()


def _shown(name: GeneralName) -> str:
    if name.name is not None:
        return f"the directory name {name.name.shown}"
    return f"{name.kind} {name.value.hex() if name.kind == 'iPAddress' else name.value.decode('ascii', 'replace')[:80]}"
