"""Shape of the instance document: its tree of members, the members of each api-version, and the
member names of the preview api-version 2017-03-01.

The functions convert a document in the newest shape to the shape of an older api-version. Documents
are parsed JSON, and all their simple values are strings. :data:`imdskit.versions.INSTANCE` is the
table of known members. For unknown members, the caller names the first api-version that has them.
From that version on, they are copied unchanged.

Source: IMDS documentation. ``docs/fidelity.md`` describes how this conversion was checked against
recorded responses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from imdskit import versions

Value: TypeAlias = "str | bool | int | float | list[Value] | dict[str, Value] | None"
Object: TypeAlias = "dict[str, Value]"


@dataclass(frozen=True, slots=True)
class Member:
    """Member of the document, as a node in the tree of members.

    Attributes:
        since: first version that has the member. For an object, it is the first version that has
            any of its members.
        kind: whether the member is an object, an array or a leaf, that is, a simple value.
        members: members of the object, or of each element of the array.
    """

    since: str
    kind: Literal["leaf", "object", "array"]
    members: Mapping[str, Member]


def tree(paths: Mapping[str, str]) -> Member:
    """Return the tree of members.

    ``paths`` maps the path of a member to its first version. The names in a path are separated by
    dots, and ``[]`` follows the name of an array.
    """
    return _subtree([(path.split("."), since) for path, since in paths.items()], "object", "")


def _subtree(paths: list[tuple[list[str], str]], kind: Literal["object", "array"], since: str) -> Member:
    below: dict[str, list[tuple[list[str], str]]] = {}
    for steps, first in paths:
        below.setdefault(steps[0], []).append((steps[1:], first))
    members: dict[str, Member] = {}
    for name in sorted(below):
        own = [first for steps, first in below[name] if not steps]
        deeper = [(steps, first) for steps, first in below[name] if steps]
        if name.endswith("[]"):
            members[name[:-2]] = _subtree(deeper, "array", own[0] if own else "")
        elif deeper:
            members[name] = _subtree(deeper, "object", "")
        else:
            members[name] = Member(own[0], "leaf", {})
    return Member(since or min((member.since for member in members.values()), default=""), kind, members)


INSTANCE = tree({**versions.INSTANCE, **versions.OPTIONAL, **versions.NEWER})


def _spellings(*paths: str) -> dict[str, str]:
    """Return a mapping from each name in the paths, in lower case, to the name."""
    return {name.lower(): name for path in paths for name in path.replace("[]", "").split(".")}


_NAMES = _spellings(*versions.INSTANCE, *versions.NEWER, *versions.EXTENDED)
_PREVIEW_NAMES = _spellings(*versions.PREVIEW_COMPUTE, *versions.PREVIEW_NETWORK)

_HIDDEN = {"extended", "dnsservers"}
"""Members that are known although the table does not contain them.

``extended`` is added only if the request has ``extended=true``, and only the preview version has
``dnsservers``.
"""


def spelled(path: tuple[str, ...], version: str, more: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return ``path`` with every key in the letter case that the document has at ``version``.

    A key that is in neither the table nor ``more`` is not changed.

    Args:
        path: keys in the request.
        version: api-version of the request.
        more: spellings of unknown keys: a mapping from each key in lower case to the key as it is
            in the document.
    """
    names = _PREVIEW_NAMES if version == versions.PREVIEW else {**(more or {}), **_NAMES}
    return tuple(names.get(step.lower(), step) for step in path)


def at_version(document: Object, version: str, newer: str | None = None) -> Object:
    """Return ``document`` with only those members that ``version`` has.

    Keys are in alphabetical order, and ``extended`` is left out.

    Args:
        document: document in the newest shape.
        version: api-version of the request.
        newer: first api-version that has the unknown members of the document. None means that no
            version has them.
    """
    if version == versions.PREVIEW:
        return _preview(document)
    return _object(document, INSTANCE, version, newer is not None and version >= newer)


def _object(value: Object, node: Member, version: str, unknown: bool) -> Object:
    shown: Object = {}
    for name in sorted(value):
        member = node.members.get(name)
        if member is None:
            if unknown and name not in _HIDDEN:
                shown[name] = value[name]
        elif member.since <= version:
            shown[name] = _visible(value[name], member, version, unknown)
    return shown


def _visible(value: Value, node: Member, version: str, unknown: bool) -> Value:
    if node.kind == "object" and isinstance(value, dict):
        return _object(value, node, version, unknown)
    if node.kind == "array" and isinstance(value, list):
        return [_object(element, node, version, unknown) for element in value if isinstance(element, dict)]
    return value


def unknown_names(value: Value, node: Member | None = INSTANCE) -> set[str]:
    """Return the names of all unknown members, and of all members below them."""
    if isinstance(value, list):
        return {name for element in value for name in unknown_names(element, node)}
    if not isinstance(value, dict):
        return set()
    found = set()
    for name, inner in value.items():
        member = None if node is None else node.members.get(name)
        found |= unknown_names(inner, member) | ({name} if member is None and name not in _HIDDEN else set())
    return found


def _preview(document: Object) -> Object:
    shown: Object = {}
    compute = document.get("compute")
    if isinstance(compute, dict):
        names = sorted(path.removeprefix("compute.") for path in versions.PREVIEW_COMPUTE)
        shown["compute"] = {name: compute[name] for name in names if name in compute}
    network = document.get("network")
    if isinstance(network, dict):
        shown["network"] = {"interface": [_preview_interface(interface) for interface in objects(network.get("interface"))]}
    return shown


def _preview_interface(interface: Object) -> Value:
    ipv4, ipv6 = member(interface, "ipv4"), member(interface, "ipv6")
    renamed = {"privateIpAddress": "ipaddress", "publicIpAddress": "publicip"}
    return {
        "ipv4": {
            "ipaddress": [{new: entry[old] for old, new in renamed.items() if old in entry} for entry in objects(ipv4.get("ipAddress"))],
            "subnet": [
                {
                    "address": entry.get("address", ""),
                    "dnsservers": entry.get("dnsservers", []),
                    "prefix": entry.get("prefix", ""),
                }
                for entry in objects(ipv4.get("subnet"))
            ],
        },
        "ipv6": {"ipaddress": [{"ipaddress": entry.get("privateIpAddress", "")} for entry in objects(ipv6.get("ipAddress"))]},
        "mac": interface.get("macAddress", ""),
    }


def objects(value: Value | None) -> list[Object]:
    """Return the objects in an array. If ``value`` is not an array, return an empty list."""
    return [element for element in value if isinstance(element, dict)] if isinstance(value, list) else []


def member(value: Object, name: str) -> Object:
    """Return the member called ``name`` if it is an object. Otherwise return an empty object."""
    found = value.get(name)
    return found if isinstance(found, dict) else {}
