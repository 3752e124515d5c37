"""Escaping of untrusted text for log entries."""

from __future__ import annotations

LONGEST = 300


def one_line(text: object) -> str:
    """Return ``str(text)`` as at most :data:`LONGEST` printable characters on one line.

    Addresses, file names and error messages may contain text from an attacker. Control characters (CR, LF, ESC and the C1 set), line and
    paragraph separators, bidirectional controls and surrogates are escaped. After that, the text can neither forge a log entry nor control
    the terminal that displays the log.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text)[:LONGEST])
