"""The page of the admin API: static markup, style, scripts and an icon for a browser on this
machine.

The files contain nothing secret. The page asks the operator for the token, and then uses the admin
API like any other program. :data:`HEADERS` restricts what the browser does with the page. The
browser loads nothing from other origins, runs no inline scripts, does not show the page in a frame,
and does not let scripts turn text into markup.
"""

from __future__ import annotations

from importlib import resources

from imdskit.emulator.http.messages import Response

SCRIPTS = ("page.js", "ask.js", "attested.js", "dom.js", "events.js", "faults.js", "journal.js", "machine.js")

FILES: dict[str, tuple[str, str]] = {
    "/": ("index.html", "text/html; charset=utf-8"),
    **{f"/{name}": (name, "text/javascript; charset=utf-8") for name in SCRIPTS},
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""File name and media type for each path."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Content security policy of the page (Content Security Policy Level 3 and Trusted Types)."""

HEADERS: tuple[tuple[str, str], ...] = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)


def file(target: str) -> Response | None:
    """Return the response to a GET request for one of the files.

    Return None for other targets, even for the same path with a query.
    """
    found = FILES.get(target)
    if found is None:
        return None
    name, kind = found
    return Response(200, (("Content-Type", kind), *HEADERS), (resources.files(__package__) / name).read_bytes())
