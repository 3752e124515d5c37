"""Escaping of untrusted text for log entries."""

from __future__ import annotations

LONGEST = 300
"""Maximum number of characters of a text. A longer text is cut off before it is escaped."""


def one_line(text: object) -> str:
    """Return ``str(text)`` on one line of printable characters. The text is truncated to
    :data:`LONGEST` characters before the escaping.

    URLs, file names and error messages may contain text from an attacker. The function escapes
    control characters (such as CR, LF and ESC), line and paragraph separators, bidirectional
    controls and surrogates. Therefore the text can neither forge a log entry nor control the
    terminal that displays the log.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text)[:LONGEST])
