"""Layout of text in lines of at most 80 columns, for help texts and for paragraphs of output."""

from __future__ import annotations

import argparse
import textwrap
from typing import Any

COLUMNS = 80
"""Maximum width of text for people. A long word, such as a path, is not split, so a line with such
a word may be wider."""


class HelpFormatter(argparse.HelpFormatter):
    """Formatter for help texts. Lines fit into :data:`COLUMNS`, or into the terminal if it is
    narrower. The formatter keeps line breaks in the help text of an option, and blank lines in a
    description."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._width = min(self._width, COLUMNS - 2)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return [line for part in text.splitlines() for line in _wrap(part, width)]

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        blocks = text.strip("\n").split("\n\n")
        return "\n\n".join(
            block if block.startswith(" ") else "\n".join(_wrap(" ".join(block.split()), width, indent, indent)) for block in blocks
        )


class Parser(argparse.ArgumentParser):
    """Argument parser that formats its help text with :class:`HelpFormatter`, and does not accept
    abbreviated names of options.

    Args:
        prog: name of the program, with its verb.
        description: paragraphs, separated by blank lines. A paragraph that begins with a space is
            printed unchanged.
        epilog: paragraphs in the same form, which are printed after the options.
        inherited: keyword arguments that argparse passes from a parser to its subparsers, such as
            ``color`` since Python 3.14.
    """

    def __init__(self, prog: str, description: str = "", epilog: str | None = None, **inherited: Any) -> None:
        super().__init__(prog, description=description, epilog=epilog, allow_abbrev=False, formatter_class=HelpFormatter, **inherited)


def wrapped(text: str, hanging: int = 0) -> str:
    """Return ``text`` with each line wrapped at :data:`COLUMNS`. Continuation lines are indented by
    ``hanging`` blanks."""
    return "\n".join("\n".join(_wrap(line, COLUMNS, "", " " * hanging)) for line in text.split("\n"))


def _wrap(text: str, width: int, first: str = "", later: str = "") -> list[str]:
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )
    return lines or [""]
