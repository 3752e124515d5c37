"""Assemble the fragments of changelog.d into the section of this version in CHANGELOG.md, with towncrier.

towncrier writes a section only once. If the section exists already, this script first turns its entries into fragments again, so that
towncrier assembles them together with the new fragments.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def reopen(root: Path, version: str) -> None:
    """If CHANGELOG.md has a section for ``version``, turn it into fragments that sort before all others."""
    page = root / "CHANGELOG.md"
    before, section, after = _split(page.read_text("utf-8"), version)
    kind = ""
    for number, (heading, entry) in enumerate(re.findall(r"^### (\w+)$|^- (.+(?:\n  .+)*)$", section, re.MULTILINE)):
        if heading:
            kind = heading.lower()
        else:
            text = re.sub(r"\s*\n\s*", " ", entry)
            order = chr(97 + number // 26) + chr(97 + number % 26)  # letters, because towncrier sorts names with digits last
            (root / "changelog.d" / f"a-{order}.{kind}.md").write_text(text + "\n", "utf-8")
    page.write_text(before + after, "utf-8")


def _split(page: str, version: str) -> tuple[str, str, str]:
    """Return the page before the section of ``version``, the section, and the rest."""
    found = re.search(rf"^## {re.escape(version)}\b.*?(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return (page[: found.start()], found[0], page[found.end() :]) if found else (page, "", "")


def main(root: Path) -> None:
    """Assemble the fragments. towncrier stages the result for a commit."""
    found = re.search(r'^__version__ = "(.+)"$', (root / "python" / "imdskit" / "__init__.py").read_text("utf-8"), re.MULTILINE)
    assert found is not None
    reopen(root, found[1])
    subprocess.run([sys.executable, "-m", "towncrier", "build", "--yes", "--version", found[1]], cwd=root, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
