"""Wrap the prose of Markdown files at 100 columns. Tables, code, headings and links stay as they
are.

``python3 tests/support/prose.py FILE...`` wraps files.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

WIDTH = 100
_FENCE = re.compile(r"\s*(```+|~~~+|:::+)")
_MARKER = re.compile(r"\s*(?:[-*+]|\d+[.)]) +|\s*> ?")
_NO_PROSE = re.compile(r"\s*(?:#|\||<|\[[^\]]+\]: |\([\w-]+\)=$|---+$)")
_BLOCK = re.compile(r"(?:[-*+#>|=]+|\d+[.)])$")
_PIECE = re.compile(r"(?:`+[^`]*`+|\]\([^)]*\)|\S)+")
"""Text that is never broken: a word, including its code spans and link targets."""


def _fill(lines: list[str]) -> list[str]:
    """Wrap one paragraph or list item at `WIDTH` columns, wherever it can be broken."""
    marker = _MARKER.match(lines[0])
    prefix = marker[0] if marker else lines[0][: len(lines[0]) - len(lines[0].lstrip())]
    later = prefix if ">" in prefix else " " * len(prefix)
    text = " ".join([lines[0][len(prefix) :], *(line.removeprefix("> ").strip() for line in lines[1:])])
    filled = [prefix]
    for match in _PIECE.finditer(text):
        piece = match[0]
        empty = filled[-1] in (prefix, later)
        if not empty and len(filled[-1]) + 1 + len(piece) > WIDTH and not _BLOCK.match(piece):
            filled.append(later + piece)
        else:
            filled[-1] += piece if empty else f" {piece}"
    return filled


def _blocks(text: str) -> Iterator[tuple[bool, list[str]]]:
    """Yield groups of lines, each with True if the group is a paragraph or list item."""
    fence, in_list, prose = "", False, list[str]()
    for line in text.splitlines():
        opened = _FENCE.match(line)
        code = line.startswith("    ") and not in_list and not prose
        if fence or opened or not line.strip() or _NO_PROSE.match(line) or code:
            if prose:
                yield True, prose
                prose = []
            yield False, [line]
            if opened and not fence:
                fence = opened[1]
            elif fence and line.strip() == fence:
                fence = ""
            if line.strip() and not line.startswith(" ") and not fence:
                in_list = False
            continue
        if _MARKER.match(line) and not (prose and line.lstrip().startswith(">")):
            in_list = True
            if prose:
                yield True, prose
                prose = []
        elif not prose and not line.startswith(" "):
            in_list = False
        prose.append(line)
    if prose:
        yield True, prose


def wrap(text: str) -> str:
    """Return a page in which each paragraph with a line of more than `WIDTH` columns is wrapped
    again. Other lines are unchanged."""
    lines: list[str] = []
    for prose, block in _blocks(text):
        lines += _fill(block) if prose and any(len(line) > WIDTH for line in block) else block
    return "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    for page in map(Path, sys.argv[1:]):
        page.write_text(wrap(page.read_text(encoding="utf-8")), encoding="utf-8")
