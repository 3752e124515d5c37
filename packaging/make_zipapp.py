"""Build two zipapps, which any ``python3`` from version 3.11 on can execute. They do not contain the Rust extension.

``imdskit.pyz`` contains the client, the verifier and their commands, for minimal images. ``imdskit-full.pyz`` also contains the emulator
and the verification service. The same sources give the same bytes.

To make the archives small, the script removes comments, spaces in JSON, and all docstrings except for help texts. The remaining lines keep
their numbers, so that tracebacks match the sources. Modules that need third-party packages are left out.
"""

from __future__ import annotations

import ast
import io
import json
import sys
import tokenize
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "python" / "imdskit"
SUFFIXES = {".py", ".json", ".der", ".html", ".js", ".css", ".svg"}
NEED_PACKAGES = {"arrow.py", "pytest_plugin.py"}
SMALL, FULL = "imdskit.pyz", "imdskit-full.pyz"
FULL_ONLY = (
    "emulator",
    "attestation_service",
    "cli/verifier/service.py",
    "bench",
    "testing.py",
    "asn1/writer.py",
    "cli/emulator",
    *(f"cli/{module}.py" for module in ("bench", "completion", "client/record", "client/redaction")),
)
"""Paths that only the full archive contains: emulator, verification service, and the modules that need them.

The command ``record`` needs the emulator, which checks the recorded scenario.
"""
MAIN = "import sys\n\nfrom imdskit.cli import main\n\nsys.exit(main())\n"
EPOCH = (1980, 1, 1, 0, 0, 0)


def build(target: Path) -> None:
    """Write one archive. The name of ``target`` must be ``SMALL`` or ``FULL``, and says what the archive contains."""
    left_out = () if target.name == FULL else FULL_ONLY
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            _add(archive, "__main__.py", MAIN.encode())
            for path in sorted(PACKAGE.rglob("*")):
                if not path.is_file() or path.suffix not in SUFFIXES or path.name in NEED_PACKAGES:
                    continue
                if not any(path.is_relative_to(PACKAGE / part) for part in left_out):
                    _add(archive, path.relative_to(PACKAGE.parent).as_posix(), _content(path))
    target.chmod(0o755)


def _content(path: Path) -> bytes:
    if path.suffix == ".py":
        return condense(path.read_text("utf-8"), help_text="cli" in path.relative_to(PACKAGE).parts).encode()
    if path.suffix == ".json":
        return json.dumps(json.loads(path.read_bytes()), separators=(",", ":")).encode()
    return path.read_bytes()


def condense(source: str, *, help_text: bool = False) -> str:
    """Return the same program with empty docstrings and without comments. Every statement stays on its line, so tracebacks stay correct.

    Args:
        source: source of a module.
        help_text: whether to keep the docstring of the module, which is printed as help.
    """
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    tree = ast.parse(source)
    for node in _docstrings(tree):
        if help_text and node is tree.body[0]:
            continue
        assert node.end_lineno is not None
        first, last = node.lineno - 1, node.end_lineno - 1
        # A docstring that shares a line with other code is kept.
        if lines[first][: node.col_offset].strip() or lines[last].rstrip() != lines[last].encode()[: node.end_col_offset].decode():
            continue
        lines[first] = " " * node.col_offset + '""'
        lines[first + 1 : last + 1] = [""] * (last - first)
    return "".join(line + "\n" for line in lines)


def _docstrings(tree: ast.Module) -> list[ast.Expr]:
    """Return all strings that are statements: docstrings, and strings after attributes."""
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
    return [
        statement
        for body in bodies
        for statement in body
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)
    ]


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    archive.writestr(info, content)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist"
    for name in (SMALL, FULL):
        build(folder / name)
