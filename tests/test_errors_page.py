"""Tests that ``docs/errors.md`` agrees with the code. Run this file to regenerate the page."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from prose import wrap

from imdskit import errors
from imdskit.codes import FAMILIES, Code
from imdskit.errors import ClientError, DerError, ImdskitError
from imdskit.reasons import ENTRIES, Reason, Stage

PACKAGE = Path(errors.__file__).parent
PAGE = Path(__file__).parent.parent / "docs" / "errors.md"

HEAD = """# Error codes

This page explains each error code of imdskit and what you can do about it. `imdskit explain` shows the same text in a terminal:

```sh
imdskit explain unknown-issuer
```

The page has two parts. The first part lists the reasons for which a verifier refuses a document, in the order of the checks. If several
checks would fail, the verifier reports the first one. In Python, `VerificationError.code` is the reason. In JSON, it is the member
`reason`: `VerificationError.to_json()` and `imdskit verify --json` return `reason`, `stage`, `location`, `message`, `detail` and `hint`.
The second part lists the [codes of all other errors](#other-codes). The names of reasons and codes do not change between releases.

"Source" names the standard or the observation behind a reason. "Every genuine document" means that no standard defines the rule, but all
genuine documents that we know follow it.

`PYTHONPATH=python:tests/support python3 tests/test_errors_page.py` generates this page from `python/imdskit/reasons.py` and
`python/imdskit/codes.py`.
"""

OTHERS = """
## Other codes

These codes are the values of `ImdskitError.code` for errors that are not refusals of a document. The text here is general. The message,
location and hint of an error describe the specific case. `imdskit.codes` has an enumeration for each class. Its members are strings, so
`error.code == ClientCode.GONE` and `error.code == "gone"` mean the same.
"""


def render() -> str:
    parts = [HEAD]
    for stage in Stage:
        parts.append(f"\n## Stage: {stage}\n")
        for reason in Reason:
            if reason.stage is stage:
                entry = ENTRIES[reason]
                parts.append(f"\n### `{reason}`\n\n{entry.sentence} {entry.hint}\n\nSource: {entry.source}.\n")
    parts.append(OTHERS)
    for error, codes in FAMILIES.items():
        entries = [f"\n#### `{error}`: `{code}`\n\n{code.sentence} {code.hint}\n" for code in codes]
        parts += [f"\n### `{error}`\n\nEnumeration: `imdskit.codes.{codes.__name__}`\n", *entries]
    return wrap("".join(parts))


def test_page_agrees_with_the_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == render()


def test_troubleshooting_page_links_to_every_code() -> None:
    linked = re.findall(r"\(errors\.md#([a-z0-9-]+)\)", (PAGE.parent / "troubleshooting.md").read_text(encoding="utf-8"))
    codes = {f"{error.lower()}-{code}" for error, codes in FAMILIES.items() for code in codes}
    assert {*codes, *Reason} - set(linked) == set()


def test_every_reason_is_documented_once_and_in_order() -> None:
    assert list(ENTRIES) == list(Reason)
    assert [reason.stage for reason in Reason] == sorted((reason.stage for reason in Reason), key=list(Stage).index)
    for entry in ENTRIES.values():
        assert entry.sentence.endswith(".")
        assert entry.hint.endswith(".")


def test_exception_docstring_lists_or_references_its_codes() -> None:
    kinds = [kind for kind in ImdskitError.__subclasses__() if kind.__module__ == errors.__name__]
    for kind in kinds:
        documented = set(FAMILIES.get(kind.__name__, ()))
        if kind is ClientError or not documented:
            continue
        _, marker, codes = (kind.__doc__ or "").partition("Code")
        listed = re.findall(r"``([a-z]+(?:-[a-z]+)+|[a-z]+)``", codes) if marker and kind is not DerError else ["bad-der"]
        assert set(listed) - {"location", "code"} == documented
    assert {kind.__name__ for kind in kinds} == set(FAMILIES) - {"ImdskitError"} | {"VerificationError"}


def raised() -> set[tuple[str, str]]:
    """Yield the class and code of each error that the source raises with a constant code."""
    members = {f"{codes.__name__}.{code.name}": code.value for codes in FAMILIES.values() for code in codes}
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name, first = ast.unparse(node.func).rpartition(".")[2], node.args[0]
            if name == "_error":  # the helper in the client's responses
                name = "ClientError"
            if name not in vars(errors) or name == DerError.__name__:  # DerError has one code, and takes its message first
                continue
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.add((name, first.value))
            elif ast.unparse(first) in members:
                found.add((name, members[ast.unparse(first)]))
    return found


def test_every_code_that_is_raised_is_documented() -> None:
    found = raised()
    assert len(found) > 40
    assert found <= {(error, code.value) for error, codes in FAMILIES.items() for code in codes}


def test_every_documented_code_is_used_in_the_source() -> None:
    source = {
        node.value if isinstance(node, ast.Constant) else ast.unparse(node)
        for path in PACKAGE.rglob("*.py")
        if path.name != "codes.py"
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Attribute | ast.Constant)
    }
    source |= set(re.findall(r'"([a-z-]+)"', (PACKAGE.parents[1] / "rust" / "python" / "src" / "errors.rs").read_text("utf-8")))
    unused = [code for codes in FAMILIES.values() for code in codes if not source & {code.value, f"{codes.__name__}.{code.name}"}]
    assert unused == []


def test_client_errors_take_members_of_their_enumeration() -> None:
    """Check what mypy checks, too, except on ignored lines."""
    for path in (PACKAGE / "client").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("ClientError", "_error"):
                code = ast.unparse(node.args[0])
                assert code.startswith("ClientCode.") or (code == "code" and path.name == "responses.py"), ast.unparse(node)


def test_explanations_and_hints_are_sentences() -> None:
    for codes in FAMILIES.values():
        assert issubclass(codes, Code)
        for code in codes:
            assert code.sentence.endswith(".") and code.hint.endswith("."), code


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
