"""Path filtering: both backends against a walk over the parsed document, and against each other."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdskit import backends
from imdskit.backends.contract import Backend
from imdskit.errors import BackendError, SelectionError

NODE = b'{"compute":{"name":"vm-1","tagsList":[{"name":"a","value":"\\u00e9\\n\\/"}],"n":1.50e3,"t":true,"z":null,"e":""},"network":{"interface":[]}}'

ANSWERS = {
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
]


def every() -> list[Backend]:
    found = [backends.get("python")]
    try:
        found.append(backends.get("rust"))
    except BackendError as error:
        assert error.code == "backend-absent"
    return found


@pytest.mark.parametrize(
    ("path", "form", "expected"), [(p, *a) for p, a in ANSWERS.items()], ids=[f"{p or 'root'}-{a[0]}" for p, a in ANSWERS.items()]
)
def test_a_node_is_rendered_as_the_service_does(path: str, form: str, expected: str | None, backend: Backend) -> None:
    document = backend.document(NODE)
    keys = tuple(filter(None, path.strip().split("/")))
    if expected is None:
        with pytest.raises(SelectionError) as refusal:
            document.select(keys, "json")
        assert refusal.value.code == "leaf-needs-text"
    else:
        assert document.select(keys, form).decode() == expected  # type: ignore[arg-type]  # both forms are in the table


@pytest.mark.parametrize("path", ABSENT)
@pytest.mark.parametrize("form", ["json", "text"])
def test_a_node_that_is_not_there_is_not_found(path: str, form: str, backend: Backend) -> None:
    with pytest.raises(SelectionError) as refusal:
        backend.document(NODE).select(tuple(path.split("/")), form)  # type: ignore[arg-type]  # both forms
    assert refusal.value.code == "not-found"


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
def test_what_has_two_meanings_or_is_too_much_is_refused(data: bytes, backend: Backend) -> None:
    with pytest.raises(SelectionError) as refusal:
        backend.document(data)
    assert refusal.value.code == "bad-document"


text = st.text(st.characters(exclude_categories=("Cs",)), max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=20,
)


def paths(value: object, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at] + [found for name, item in items for found in paths(item, (*at, str(name)))]


@given(values, st.booleans(), st.lists(text, max_size=3))
def test_every_backend_renders_every_node_alike(value: object, ascii_only: bool, stray: list[str]) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only).encode()
    documents = [backend.document(data) for backend in every()]
    for path in [*paths(value), tuple(stray)]:
        for form in ("json", "text"):
            answers = []
            for document in documents:
                try:
                    answers.append(document.select(path, form))  # type: ignore[arg-type]  # both forms
                except SelectionError as error:
                    answers.append(error.code)
            assert len(set(answers)) == 1, (path, form, answers)
    assert json.loads(documents[0].select((), "json")) == value if isinstance(value, dict | list) else True


@given(st.binary(max_size=60) | st.text('{}[]",:0123456789.eE+-\\u truefalsn \t', max_size=40).map(str.encode))
def test_every_backend_refuses_the_same_bytes(data: bytes) -> None:
    verdicts = []
    for backend in every():
        try:
            verdicts.append(backend.document(data).select((), "text"))
        except SelectionError as error:
            verdicts.append(error.code)
    assert len(set(verdicts)) == 1, verdicts
