"""JSON document, such as an instance document, whose nodes are looked up by path. All nodes are
rendered as JSON and as text when the object is created, so a lookup costs little.

The rules for rendering come from the IMDS documentation ("Route filtering") and
``docs/fidelity.md``.
"""

from __future__ import annotations

import json

from imdskit import strict_json
from imdskit.backends.contract import Form
from imdskit.errors import SelectionError
from imdskit.strict_json import Number

MAX_BRACKETS = 100_000
MAX_DEPTH = 32

_Path = tuple[str, ...]


class Document:
    """See :class:`imdskit.backends.contract.Document`.

    Raises:
        SelectionError: ``bad-document``: the data is not strict JSON or has more than 32 levels.
    """

    __slots__ = ("_json", "_text")

    def __init__(self, data: bytes) -> None:
        try:
            value = strict_json.loads(data, MAX_BRACKETS)
        except strict_json.JsonError as error:
            raise SelectionError("bad-document", f"The document is not strict JSON. {error}") from None
        self._json: dict[_Path, bytes | None] = {}
        self._text: dict[_Path, bytes] = {}
        self._index((), value)

    def select(self, path: tuple[str, ...], form: Form) -> bytes:
        """See :meth:`imdskit.backends.contract.Document.select`."""
        try:
            found = self._text[path] if form == "text" else self._json[path]
        except KeyError:
            raise SelectionError("not-found", "There is no such node.", location="/".join(path)) from None
        if found is None:
            raise SelectionError("leaf-needs-text", "The node is a leaf, which has no JSON form.", location="/".join(path))
        return found

    def _index(self, path: _Path, value: object) -> bytes:
        """Render the node ``value`` and all nodes below it. Return the JSON form of the node."""
        if len(path) > MAX_DEPTH:
            raise SelectionError("bad-document", f"The document is more than {MAX_DEPTH} levels deep.")
        if not isinstance(value, dict | list) or isinstance(value, Number):
            rendered = _leaf(value)
            self._json[path] = None
            self._text[path] = value.encode() if isinstance(value, str) else rendered
            return rendered
        items = value.items() if isinstance(value, dict) else ((str(index), item) for index, item in enumerate(value))
        members, listing = [], []
        for name, item in items:
            rendered = self._index((*path, name), item)
            container = isinstance(item, dict | list) and not isinstance(item, Number)
            listing.append(name.encode() + (b"/" if container else b""))
            members.append(_leaf(name) + b":" + rendered if isinstance(value, dict) else rendered)
        body = b",".join(members)
        self._json[path] = b"{" + body + b"}" if isinstance(value, dict) else b"[" + body + b"]"
        self._text[path] = b"\n".join(listing)
        return self._json[path] or b""


def _leaf(value: object) -> bytes:
    if isinstance(value, Number):
        return value.text.encode()
    return json.dumps(value, ensure_ascii=False).encode()
