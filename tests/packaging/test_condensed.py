"""Tests that the zipapp is the same program as the sources, without comments and docstrings."""

from __future__ import annotations

import ast
import importlib.util
import json
import zipfile
from pathlib import Path

import pytest

from .conftest import ROOT

pytestmark = pytest.mark.packaging

SPEC = importlib.util.spec_from_file_location("make_zipapp", ROOT / "packaging" / "make_zipapp.py")
assert SPEC is not None and SPEC.loader is not None
make_zipapp = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(make_zipapp)


def program(source: str) -> str:
    """Return the syntax tree with line numbers. Strings that are statements are replaced by empty ones."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            node.value.value, node.end_lineno, node.value.end_lineno = "", 0, 0
        for owner in (node, getattr(node, "value", None)):
            if hasattr(owner, "end_lineno"):
                owner.end_lineno = owner.end_col_offset = 0  # the end of a definition changes if it ends with a docstring
    return ast.dump(tree, include_attributes=True)


def test_condensed_program_matches_the_sources_line_by_line(full_zipapp: Path) -> None:
    shorter = 0
    with zipfile.ZipFile(full_zipapp) as archive:
        for name in archive.namelist():
            if name == "__main__.py":
                continue
            original, packed = (ROOT / "python" / name).read_bytes(), archive.read(name)
            if name.endswith(".py"):
                assert program(packed.decode()) == program(original.decode()), name
                assert packed.count(b"\n") == original.count(b"\n"), name
            elif name.endswith(".json"):
                assert json.loads(packed) == json.loads(original)
            else:
                assert packed == original
            shorter += len(original) - len(packed)
    assert shorter > 100_000


SOURCES = {
    "a line": ('def f():\n    """One."""\n', 'def f():\n    ""\n'),
    "more": ('class A:\n    """One.\n\n    Two.\n    """\n    x = 1\n', 'class A:\n    ""\n\n\n\n    x = 1\n'),
    "an attribute": ('x = 1\n"""One\ntwo."""\n', 'x = 1\n""\n\n'),
    "a statement behind it": ('def f():\n    """One."""; return 1\n', 'def f():\n    """One."""; return 1\n'),
    "letters beyond ASCII": ('x = 1\n"""\u00b5\ntwo \u00b5."""\n', 'x = 1\n""\n\n'),
    "comments": ("x = 1  # one\n    # two\n# three\ny = '# four'\n", "x = 1\n\n\ny = '# four'\n"),
    "a value": ('x = """One\ntwo."""\n', 'x = """One\ntwo."""\n'),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("source", "condensed"), SOURCES.values(), ids=SOURCES)
def test_docstrings_are_emptied_and_comments_removed(source: str, condensed: str) -> None:
    assert make_zipapp.condense(source) == condensed


def test_help_docstring_is_kept() -> None:
    source = '"""One.\n\nTwo."""\n\ndef f():\n    """One.\n    Two."""\n'
    assert make_zipapp.condense(source, help_text=True) == '"""One.\n\nTwo."""\n\ndef f():\n    ""\n\n'
