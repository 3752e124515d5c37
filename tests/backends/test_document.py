"""Selection of a node of a JSON document by its path. Each backend is compared with a walk over the
parsed document, and thereby with the other backend."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdskit import backends
from imdskit.backends.contract import Backend, Document, Form
from imdskit.errors import SelectionError

FORMS: tuple[Form, Form] = ("json", "text")

NODE = b'{"compute":{"name":"vm-1","tagsList":[{"name":"a","value":"\\u00e9\\n\\/"}],"n":1.50e3,"t":true,"z":null,"e":""},"network":{"interface":[]}}'

ANSWERS: dict[str, tuple[Form, str | None]] = {
    "": ("json", NODE.replace(b"\\u00e9", "\u00e9".encode()).replace(b"\\/", b"/").decode()),
    " ": ("text", "compute/\nnetwork/"),
    "compute": ("text", "name\ntagsList/\nn\nt\nz\ne"),
    "compute/name": ("text", "vm-1"),
    "compute/name ": ("json", None),
    "compute/tagsList": ("json", '[{"name":"a","value":"\u00e9\\n/"}]'),
    "compute/tagsList ": ("text", "0/"),
    "compute/tagsList/0": ("json", '{"name":"a","value":"\u00e9\\n/"}'),
    "compute/tagsList/0/value": ("text", "\u00e9\n/"),
    "compute/n": ("text", "1.50e3"),
    "compute/t": ("text", "true"),
    "compute/z": ("text", "null"),
    "compute/e": ("text", ""),
    "network/interface": ("json", "[]"),
    "network/interface ": ("text", ""),
}

ABSENT = [
    "compute/",
    "Compute",
    "compute/name/x",
    "compute/tagsList/1",
    "compute/tagsList/-1",
    "compute/tagsList/00",
    "compute/tagsList/x",
    "x",
    "\ud800",
]


@pytest.mark.parametrize(
    ("path", "form", "expected"), [(p, *a) for p, a in ANSWERS.items()], ids=[f"{p or 'root'}-{a[0]}" for p, a in ANSWERS.items()]
)
def test_renders_a_node_as_the_service_does(path: str, form: Form, expected: str | None, backend: Backend) -> None:
    document = backend.document(NODE)
    keys = tuple(filter(None, path.strip().split("/")))
    if expected is None:
        with pytest.raises(SelectionError) as refusal:
            document.select(keys, "json")
        assert refusal.value.code == "leaf-needs-text"
    else:
        assert document.select(keys, form).decode() == expected


@pytest.mark.parametrize("path", ABSENT)
@pytest.mark.parametrize("form", FORMS)
def test_absent_node_is_not_found(path: str, form: Form, backend: Backend) -> None:
    with pytest.raises(SelectionError) as refusal:
        backend.document(NODE).select(tuple(path.split("/")), form)
    assert (refusal.value.code, refusal.value.location) == ("not-found", path)


BAD = {
    "nothing": b"",
    "cut": b'{"a":',
    "twice": b'{"a":1,"\\u0061":2}',
    "nan": b"NaN",
    "lone surrogate": b'"\\ud800"',
    "not UTF-8": b'"\xff"',
    "control character": b'"\n"',
    "two values": b"{} {}",
    "deep": b"[" * 34 + b"]" * 34,
    "very deep": b"[" * 90_000 + b"]" * 90_000,
    "many brackets": b"[" + b"[]," * 100_000 + b"[]]",
    "leading zero": b"[01]",
    "leading plus": b"[+1]",
    "bare point": b"[1.]",
    "byte order mark": b"\xef\xbb\xbf{}",
    "form feed": b"\x0c{}",
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_rejects_ambiguous_or_too_large_json(data: bytes, backend: Backend) -> None:
    with pytest.raises(SelectionError) as refusal:
        backend.document(data)
    assert refusal.value.code == "bad-document"


text = st.text(max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=20,
)


any_text = st.text(st.characters(exclude_categories=()), max_size=6)


def children(value: object) -> dict[str, object]:
    if isinstance(value, dict):
        return value
    return {str(index): item for index, item in enumerate(value)} if isinstance(value, list) else {}


def paths(value: object, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    return [at] + [found for name, item in children(value).items() for found in paths(item, (*at, name))]


def walked(value: object, path: tuple[str, ...], form: Form) -> bytes | str:
    """Return the response that a walk over the parsed document finds, or the code of the error."""
    for key in path:
        if key not in children(value):
            return "not-found"
        value = children(value)[key]
    if isinstance(value, dict | list):
        listing = "\n".join(name + "/" * isinstance(item, dict | list) for name, item in children(value).items())
        return (listing if form == "text" else json.dumps(value, ensure_ascii=False, separators=(",", ":"))).encode()
    if form == "json":
        return "leaf-needs-text"
    return (value if isinstance(value, str) else json.dumps(value)).encode()


def selected(document: Document, path: tuple[str, ...], form: Form) -> bytes | str:
    try:
        return document.select(path, form)
    except SelectionError as error:
        assert error.location == "/".join(path)
        return error.code


def compare(document: Document, value: object, also: tuple[str, ...] = ()) -> None:
    for path in (*paths(value), also):
        for form in FORMS:
            assert selected(document, path, form) == walked(value, path, form), (path, form)


@given(value=values, ascii_only=st.booleans(), stray=st.lists(any_text, max_size=3))
def test_every_node_matches_a_walk_over_the_parsed_document(backend: Backend, value: object, ascii_only: bool, stray: list[str]) -> None:
    compare(backend.document(json.dumps(value, ensure_ascii=ascii_only).encode()), value, tuple(stray))


class Flat:
    """A wrong document, whose listings do not distinguish containers from leaves."""

    def __init__(self, right: Document) -> None:
        self.right = right

    def select(self, path: tuple[str, ...], form: Form) -> bytes:
        return self.right.select(path, form).replace(b"/", b"")


class Lenient(Flat):
    """A wrong document, which returns leaves as JSON."""

    def select(self, path: tuple[str, ...], form: Form) -> bytes:
        try:
            return self.right.select(path, form)
        except SelectionError:
            return self.right.select(path, "text")


@pytest.mark.parametrize("wrong", [Flat, Lenient])
def test_detects_a_deliberately_wrong_document(wrong: type[Flat], backend: Backend) -> None:
    value = {"a": {"b": "c"}}
    with pytest.raises(AssertionError):
        compare(wrong(backend.document(json.dumps(value).encode())), value)


def verdict(backend: Backend, data: bytes) -> bytes | str:
    try:
        return backend.document(data).select((), "text")
    except SelectionError as error:
        return error.code


@given(data=st.binary(max_size=60) | st.text('{}[]",:0123456789.eE+-\\u truefalsn \t', max_size=40).map(str.encode))
def test_all_backends_reject_the_same_bytes(backend: Backend, data: bytes) -> None:
    assert verdict(backend, data) == verdict(backends.get("python"), data)


@given(raw=st.text('a"\\\\/bnu0d8 \x1f\x7f\u00e9\U0001f600', max_size=80), behind=st.text("a ", max_size=40))
def test_all_backends_end_a_string_at_the_same_position(backend: Backend, raw: str, behind: str) -> None:
    for data in (f'"{raw}"', f'{{"{raw}":["{behind}"]}}'):
        assert verdict(backend, data.encode()) == verdict(backends.get("python"), data.encode())


NAMES = ["", "a", "b", "\u00e9", "1234567", "12345678", "12345678 1 12345678", "12345678 2 12345678", *map(str, range(20))]


@given(members=st.lists(st.tuples(st.sampled_from(NAMES), st.booleans()), max_size=24))
def test_rejects_an_object_with_two_equal_names(backend: Backend, members: list[tuple[str, bool]]) -> None:
    def written(name: str, escaped: bool) -> str:
        return "".join(f"\\u{ord(character):04x}" for character in name) if escaped else name

    data = "{" + ",".join(f'"{written(*member)}":0' for member in members) + "}"
    names = [name for name, _ in members]
    expected = "\n".join(names).encode() if len(set(names)) == len(names) else "bad-document"
    assert verdict(backend, data.encode()) == expected


@pytest.mark.parametrize("levels", range(30, 36))
@pytest.mark.parametrize("inner", [b"", b"0", b"{}", b'{"a":0}', b'{"a":"b"}'])
def test_all_backends_have_the_same_depth_limit(levels: int, inner: bytes, backend: Backend) -> None:
    data = b"[" * levels + inner + b"]" * levels
    assert verdict(backend, data) == verdict(backends.get("python"), data)


def test_subclass_of_str_does_not_leak(backend: Backend) -> None:
    class Other(str):
        __slots__ = ()

        def __hash__(self) -> int:
            return hash("b")

        def __eq__(self, other: object) -> bool:
            return True

    document = backend.document(b'{"a":1,"b":2}')
    with suppress(SelectionError):
        document.select((Other("a"),), "text")
    for _ in range(2):
        assert document.select(("b",), "text") == b"2"
        assert document.select(("a",), "text") == b"1"
        assert document.select((), "json") == b'{"a":1,"b":2}'
        for form in ("text", "json"):
            with pytest.raises(SelectionError, match="not-found"):
                document.select(("c",), form)
