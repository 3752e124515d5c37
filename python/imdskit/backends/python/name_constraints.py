"""Name constraints (RFC 5280 sections 4.2.1.10 and 6.1.3 (b), (c), 6.1.4 (g)): for which names an authority may issue.

Each certificate's constraints are kept apart and all applied, which is the same as intersecting them and easier to see. DNS names, addresses and
directory names are understood. A constraint of another kind is refused as soon as a name of that kind turns up under it.
"""

from __future__ import annotations

from collections.abc import Sequence

from imdskit.backends.python.budget import Budget
from imdskit.backends.python.certificate import Certificate, GeneralName, GeneralSubtree, NameConstraints
from imdskit.backends.python.names import comparable

UNDERSTOOD = ("dNSName", "iPAddress", "directoryName")


def fault(certificate: Certificate, constraints: Sequence[NameConstraints], budget: Budget) -> str | None:
    """The first name of the certificate that one of the constraints forbids, in words; None if there is none."""
    if not constraints:
        return None
    names = names_of(certificate)
    for constraint in constraints:
        for name in names:
            budget.spend_names((len(constraint.permitted or ())) + len(constraint.excluded or ()))
            problem = _forbidden(name, constraint)
            if problem:
                return problem
    return None


def malformed(constraints: NameConstraints) -> str | None:
    """Why constraints cannot be applied at all: RFC 5280 profiles minimum and maximum away, and a base must be one that names can lie below."""
    for subtree in (*(constraints.permitted or ()), *(constraints.excluded or ())):
        if subtree.minimum != 0 or subtree.maximum is not None:
            return "minimum or maximum"
        if subtree.base.kind == "iPAddress" and not _is_network(subtree.base.value):
            return "an address range that is none"
        if subtree.base.kind == "dNSName" and _constraint_labels(subtree.base.text) is None:
            return "a DNS name that is none"
    return None


def names_of(certificate: Certificate) -> list[GeneralName]:
    """All names that are constrained: the subject, its mail addresses where there is no alternative mail name, and the alternative names."""
    names = list(certificate.subject_alt_name or ())
    if certificate.subject.key:
        names.append(GeneralName("directoryName", certificate.subject.der, certificate.subject))
    if not any(name.kind == "rfc822Name" for name in names):
        names += [GeneralName("rfc822Name", address.encode("utf-8", "replace")) for address in certificate.subject.email_addresses]
    return names


def _forbidden(name: GeneralName, constraints: NameConstraints) -> str | None:
    excluded = [subtree for subtree in constraints.excluded or () if subtree.base.kind == name.kind]
    permitted = [subtree for subtree in constraints.permitted or () if subtree.base.kind == name.kind]
    if not excluded and not permitted:
        return None
    if name.kind not in UNDERSTOOD:
        return f"a {name.kind} under a constraint on such names, which is not understood"
    if any(_within(name, subtree, excluding=True) for subtree in excluded):
        return f"{_shown(name)} is excluded"
    if permitted and not any(_within(name, subtree, excluding=False) for subtree in permitted):
        return f"{_shown(name)} is not permitted"
    return None


def _within(name: GeneralName, subtree: GeneralSubtree, *, excluding: bool) -> bool:
    base = subtree.base
    if name.kind == "directoryName":
        assert name.name is not None
        assert base.name is not None
        return name.name.key[: len(base.name.key)] == base.name.key
    if name.kind == "iPAddress":
        half = len(base.value) // 2
        mask = base.value[half:]
        return len(name.value) == half and all(a & m == b & m for a, b, m in zip(name.value, base.value, mask, strict=False))
    return _dns_within(name.text, base.text, excluding=excluding)


def _dns_within(name: str, base: str, *, excluding: bool) -> bool:
    """A name lies within a base if labels can be put in front of the base to make it. A wildcard stands for many names: where names are
    excluded it lies within if one of them does, where they are permitted if all of them do."""
    wanted = _constraint_labels(base)
    if wanted is None:
        return excluding
    if wanted == ():
        return True
    found = tuple(name.lower().rstrip(".").split("."))
    if not all(found):
        return excluding
    must_be_below = base.startswith(".")
    if found[-len(wanted) :] == wanted and not (must_be_below and len(found) == len(wanted)):
        return True
    # *.example.com also stands for a.example.com, which an exclusion of a.example.com is about.
    return excluding and found[0] == "*" and len(found) == len(wanted) and found[1:] == wanted[1:] and not must_be_below


def _constraint_labels(base: str) -> tuple[str, ...] | None:
    """Labels of a constraint; () for the empty one, which is every name. A leading dot is tolerated, as everybody does."""
    text = base.lower().removeprefix(".")
    if not text:
        return () if not base else None
    parts = tuple(text.split("."))
    return parts if all(parts) and "*" not in text and text.isprintable() and " " not in text else None


def _is_network(value: bytes) -> bool:
    """An address and a mask of the same length whose ones come before its zeros (RFC 4632)."""
    if len(value) not in (8, 32):
        return False
    half = len(value) // 2
    mask = int.from_bytes(value[half:], "big")
    inverted = ~mask & ((1 << 8 * half) - 1)
    return inverted & (inverted + 1) == 0


def _shown(name: GeneralName) -> str:
    if name.name is not None:
        return "the directory name " + (comparable(name.name.common_names[-1]).decode() if name.name.common_names else name.value.hex()[:40])
    return f"{name.kind} {name.text if name.kind == 'dNSName' else name.value.hex()}"
