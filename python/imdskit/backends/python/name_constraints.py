"""Name constraints (RFC 5280 sections 4.2.1.10 and 6.1.3 (b), (c), 6.1.4 (g)): for which names an authority may issue.

Each certificate's constraints are kept apart and all applied, which is the same as intersecting them and easier to see. DNS names, mail
addresses, hosts of URIs, addresses and directory names are understood. A constraint of another kind is refused as soon as a name of that kind turns
up under it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from urllib.parse import urlsplit

from imdskit.backends.python.budget import Budget
from imdskit.backends.python.certificate import Certificate, GeneralName, NameConstraints

Labels = tuple[str, ...]


def fault(certificate: Certificate, constraints: Sequence[NameConstraints], budget: Budget) -> str | None:
    """The first name of the certificate that one of the constraints forbids, in words; None if there is none."""
    if not constraints:
        return None
    names: dict[str, list[GeneralName]] = {}
    for name in names_of(certificate):
        names.setdefault(name.kind, []).append(name)
    for constraint in constraints:
        for kind, group in names.items():
            excluded = [subtree.base for subtree in constraint.excluded or () if subtree.base.kind == kind]
            permitted = [subtree.base for subtree in constraint.permitted or () if subtree.base.kind == kind]
            budget.spend_names(len(group) + len(excluded) + len(permitted))
            if not excluded and not permitted:
                continue
            if kind not in _MATCHERS:
                return f"{_shown(group[0])} under a constraint on such names, which is not understood"
            if excluded:
                within = _MATCHERS[kind](excluded, True)
                for name in group:
                    if within(name):
                        return f"{_shown(name)} is excluded"
            if permitted:
                within = _MATCHERS[kind](permitted, False)
                for name in group:
                    if not within(name):
                        return f"{_shown(name)} is not permitted"
    return None


def malformed(constraints: NameConstraints) -> str | None:
    """Why constraints cannot be applied at all: RFC 5280 profiles minimum and maximum away, and a base must be one that names can lie below."""
    for subtree in (*(constraints.permitted or ()), *(constraints.excluded or ())):
        if subtree.minimum != 0 or subtree.maximum is not None:
            return "minimum or maximum"
        if subtree.base.kind == "iPAddress" and not _is_network(subtree.base.value):
            return "an address range that is none"
        if subtree.base.kind == "dNSName" and _labels(subtree.base.text.removeprefix(".")) is None:
            return "a DNS name that is none"
    return None


def names_of(certificate: Certificate) -> list[GeneralName]:
    """All names that are constrained: the alternative names, the subject, and the mail addresses in it. RFC 5280 leaves the latter out where
    there are alternative names; a verifier that counts them always is the safer one."""
    names = list(certificate.subject_alt_name or ())
    if certificate.subject.key:
        names.append(GeneralName("directoryName", certificate.subject.der, certificate.subject))
    return names + [GeneralName("rfc822Name", address.encode("ascii", "replace")) for address in certificate.subject.email_addresses]


Matcher = Callable[[GeneralName], bool]
"""Whether a name lies within one of the bases that the matcher was made for."""


def _dns(bases: Sequence[GeneralName], excluding: bool) -> Matcher:
    """A name lies within a base if labels can be put in front of the base to make it; a base with a leading dot wants at least one. A wildcard
    stands for many names: where names are excluded it lies within if one of them does, where they are permitted if all of them do."""
    exact, below = _domains(base.text for base in bases)

    def within(name: GeneralName) -> bool:
        found = _labels(name.text)
        if not found:
            return excluding
        if any(found[i:] in exact or (i > 0 and found[i:] in below) for i in range(len(found) + 1)):
            return True
        # *.example.com also stands for a.example.com, which an exclusion of a.example.com is about.
        return excluding and found[0] == "*" and any(len(base) == len(found) and base[1:] == found[1:] for base in exact)

    return within


def _mail(bases: Sequence[GeneralName], excluding: bool) -> Matcher:
    """A base is a mailbox, a host, or with a leading dot every host below it."""
    boxes = {_mailbox(base.text) for base in bases if "@" in base.text}
    hosts = {base.text.lower() for base in bases if "@" not in base.text and not base.text.startswith(".")}
    below = tuple(base.text.lower() for base in bases if base.text.startswith("."))

    def within(name: GeneralName) -> bool:
        if name.text.count("@") != 1:
            return excluding
        box = _mailbox(name.text)
        return box in boxes or box[1] in hosts or box[1].endswith(below or ("\0",)) or "" in hosts

    return within


def _uri(bases: Sequence[GeneralName], excluding: bool) -> Matcher:
    """A base is a host, or with a leading dot every host below it. A URI without a host name cannot be judged."""
    hosts = {base.text.lower() for base in bases if not base.text.startswith(".")}
    below = tuple(base.text.lower() for base in bases if base.text.startswith("."))

    def within(name: GeneralName) -> bool:
        try:
            host = urlsplit(name.text).hostname
        except ValueError:
            host = None
        if not host or _labels(host) is None or host.replace(".", "").isdigit() or ":" in host:
            return excluding
        return host in hosts or host.endswith(below or ("\0",)) or "" in hosts

    return within


def _address(bases: Sequence[GeneralName], excluding: bool) -> Matcher:
    networks = [(base.value[: len(base.value) // 2], base.value[len(base.value) // 2 :]) for base in bases]

    def within(name: GeneralName) -> bool:
        return any(
            len(name.value) == len(mask) and all(a & m == b & m for a, b, m in zip(name.value, network, mask, strict=True))
            for network, mask in networks
        )

    return within


def _directory(bases: Sequence[GeneralName], excluding: bool) -> Matcher:
    """A name lies within a base if the base is how it begins."""
    prefixes = {base.name.key for base in bases if base.name is not None}

    def within(name: GeneralName) -> bool:
        assert name.name is not None
        key = name.name.key
        return any(key[:i] in prefixes for i in range(len(key) + 1))

    return within


_MATCHERS: dict[str, Callable[[Sequence[GeneralName], bool], Matcher]] = {
    "dNSName": _dns,
    "rfc822Name": _mail,
    "uniformResourceIdentifier": _uri,
    "iPAddress": _address,
    "directoryName": _directory,
}


def _domains(bases: Iterable[str]) -> tuple[set[Labels], set[Labels]]:
    """Bases that stand for themselves and all below, and bases with a leading dot, which stand for what is below. The empty one is all names."""
    exact: set[Labels] = set()
    below: set[Labels] = set()
    for base in bases:
        parts = _labels(base.removeprefix("."))
        if parts is not None:
            (below if base.startswith(".") else exact).add(parts)
    return exact, below


def _labels(name: str) -> Labels | None:
    """In lower case; () for the empty name, None for what is no name. One dot at the end is the root's and left out."""
    text = name.lower()
    text = text.removesuffix(".") if len(text) > 1 else text
    if not text:
        return ()
    parts = tuple(text.split("."))
    return parts if all(parts) and text.isprintable() and " " not in text and "*" not in text[1:] else None


def _mailbox(text: str) -> tuple[str, str]:
    local, _, host = text.rpartition("@")
    return local, host.lower()


def _is_network(value: bytes) -> bool:
    """An address and a mask of the same length whose ones come before its zeros (RFC 4632)."""
    if len(value) not in (8, 32):
        return False
    half = len(value) // 2
    inverted = ~int.from_bytes(value[half:], "big") & ((1 << 8 * half) - 1)
    return inverted & (inverted + 1) == 0


def _shown(name: GeneralName) -> str:
    return f"{name.kind} {name.value.decode('latin-1')[:80]!a}" if name.name is None else f"directoryName {name.value.hex()[:80]}"
