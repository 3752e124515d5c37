"""``docs/errors.md`` says of every reason what the code says. Run this file to write the page anew."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from imdskit import errors
from imdskit.cli.codes import CODES
from imdskit.errors import DerError, ImdskitError
from imdskit.reasons import ENTRIES, Reason, Stage

PACKAGE = Path(errors.__file__).parent
PAGE = Path(__file__).parent.parent / "docs" / "errors.md"

HEAD = """# Why a document is refused

A verifier reports the first failure in this order. The code in the heading is stable: `VerificationError.code`, and `reason` in JSON.
`imdskit explain CODE` says the same. At the end are the [codes of all other errors](#other-codes).
`python3 tests/test_errors_page.py` writes this page; a test holds it equal to `python/imdskit/reasons.py` and `python/imdskit/cli/codes.py`.
"""

OTHERS = """
## Other codes

`ImdskitError.code` of everything that is not a refusal. The error itself says more: its sentence, place and hint are of the case at hand.
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
    for error in dict.fromkeys(one.error for one in CODES):
        rows = [f"| `{one.code}` | {one.sentence} {one.hint} |\n" for one in CODES if one.error is error]
        parts += [f"\n### `{error.__name__}`\n\n| code | |\n|---|---|\n", *rows]
    return "".join(parts)


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == render()


def test_every_reason_is_documented_once_and_in_order() -> None:
    assert list(ENTRIES) == list(Reason)
    assert [reason.stage for reason in Reason] == sorted((reason.stage for reason in Reason), key=list(Stage).index)
    for entry in ENTRIES.values():
        assert entry.sentence.endswith(".")
        assert entry.hint.endswith(".")


def test_every_code_that_an_exception_says_it_has_is_documented_and_no_other() -> None:
    said = set()
    for kind in ImdskitError.__subclasses__():
        _, marker, codes = (kind.__doc__ or "").partition("Code")
        said |= {
            (kind, code) for code in re.findall(r"``([a-z]+(?:-[a-z]+)+|[a-z]+)``", codes) if marker and code not in ("location", "code")
        }
    documented = {(one.error, one.code) for one in CODES}
    assert said == documented - {(DerError, "bad-der"), (ImdskitError, "demo-failed")}
    assert len(documented) == len(CODES)


def test_every_code_that_is_raised_is_documented() -> None:
    documented = {(one.error.__name__, one.code) for one in CODES}
    raised = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
                name = node.func.id if isinstance(node.func, ast.Name) else ""
                if name in vars(errors) and name != DerError.__name__:  # which has one code, and begins with its sentence
                    raised.add((name, node.args[0].value))
    assert len(raised) > 30
    assert raised <= documented


def test_a_sentence_and_a_hint_are_sentences() -> None:
    for one in CODES:
        assert one.sentence.endswith(".") and one.hint.endswith("."), one.code


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
