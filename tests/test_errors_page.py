"""``docs/errors.md`` says of every reason what the code says. Run this file to write the page anew."""

from __future__ import annotations

from pathlib import Path

from imdskit.reasons import ENTRIES, Reason, Stage

PAGE = Path(__file__).parent.parent / "docs" / "errors.md"

HEAD = """# Why a document is refused

A verifier reports the first failure in this order. The code in the heading is stable: `VerificationError.code`, and `reason` in JSON.
`python3 tests/test_errors_page.py` writes this page; a test holds it equal to `python/imdskit/reasons.py`.
"""


def render() -> str:
    parts = [HEAD]
    for stage in Stage:
        parts.append(f"\n## Stage: {stage}\n")
        for reason in Reason:
            if reason.stage is stage:
                entry = ENTRIES[reason]
                parts.append(f"\n### `{reason}`\n\n{entry.sentence} {entry.hint}\n\nSource: {entry.source}.\n")
    return "".join(parts)


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == render()


def test_every_reason_is_documented_once_and_in_order() -> None:
    assert list(ENTRIES) == list(Reason)
    assert [reason.stage for reason in Reason] == sorted((reason.stage for reason in Reason), key=list(Stage).index)
    for entry in ENTRIES.values():
        assert entry.sentence.endswith(".")
        assert entry.hint.endswith(".")


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
