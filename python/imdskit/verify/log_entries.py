"""Untrusted text, made safe for one line of a log."""

from __future__ import annotations

LONGEST = 300


def one_line(text: object) -> str:
    """Return ``str(text)`` as at most :data:`LONGEST` printable characters on one line.

    Addresses, file names and error messages may repeat what a stranger wrote. Control characters (CR, LF, ESC and those of C1), line and paragraph
    separators, bidirectional controls and surrogates are escaped, so that they neither forge an entry nor drive the terminal that shows the log.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text)[:LONGEST])
