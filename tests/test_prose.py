"""Tests that prose in Markdown is at most 100 columns wide."""

from __future__ import annotations

from pathlib import Path

import pytest
from prose import WIDTH, wrap

ROOT = Path(__file__).parent.parent


def pages() -> list[Path]:
    """Yield every Markdown file of the project, without those of other projects."""
    folders = ("changelog.d", "docs", "examples", "python", "rust", "tests", "benches", "packaging")
    found = [*ROOT.glob("*.md"), *(path for folder in folders for path in (ROOT / folder).rglob("*.md"))]
    return sorted(path for path in found if not {"node_modules", "corpus", "target"} & set(path.parts))


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_prose_wraps_at_100_columns(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == wrap(text), f"`python3 tests/support/prose.py {page}` wraps it"


LONG = "word " * 30


def test_paragraphs_and_items_are_wrapped_and_indented() -> None:
    item = wrap(f"- {LONG}\n").splitlines()
    assert [len(line) <= WIDTH for line in item] == [True, True]
    assert item[1].startswith("  word")
    assert all(len(line) <= WIDTH for line in wrap(f"Some\n{LONG}\n\n1. {LONG}\n").splitlines())


@pytest.mark.parametrize(
    "text",
    [
        f"| {LONG} |\n",
        f"```sh\n{LONG}\n\n{LONG}\n```\n",
        f"    {LONG}\n",
        f"# {LONG}\n",
        "Short lines\nstay as\nthey are.\n",
        f"[text](https://example.com/{'x' * 100})\n",
        f"`{LONG}`\n",
    ],
)
def test_tables_code_and_links_are_not_wrapped(text: str) -> None:
    assert wrap(text) == text


def test_wrapping_creates_no_list_or_heading() -> None:
    for column in range(80, WIDTH):
        wrapped = wrap(f"{'x' * column} - 1. # > and {LONG}\n")
        assert not [line for line in wrapped.splitlines() if line.startswith(("- ", "1. ", "# ", "> "))], wrapped
