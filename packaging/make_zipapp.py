"""``dist/imdskit.pyz``: the whole package in one file that runs wherever ``python3`` (3.11 or later) does. Without the extension.

The same bytes come out of the same sources.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "python" / "imdskit"
SUFFIXES = {".py", ".json", ".pem", ".md", ".html", ".js", ".css", ".svg"}
MAIN = "import sys\n\nfrom imdskit.cli import main\n\nsys.exit(main())\n"
EPOCH = (1980, 1, 1, 0, 0, 0)


def build(target: Path) -> None:
    """Write the archive to ``target``."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            _add(archive, "__main__.py", MAIN.encode())
            for path in sorted(PACKAGE.rglob("*")):
                if path.is_file() and path.suffix in SUFFIXES:
                    _add(archive, path.relative_to(PACKAGE.parent).as_posix(), path.read_bytes())
    target.chmod(0o755)


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    archive.writestr(info, content)


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist" / "imdskit.pyz")
