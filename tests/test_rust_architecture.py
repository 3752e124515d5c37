"""Tests of the structure of the Rust crates."""

import re
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

RUST = Path(__file__).parents[1] / "rust"

CRATES = ("core", "multibuffer", "python")

EXCEPTIONS: set[tuple[str, str]] = set()
"""Pairs of modules that the test ignores."""

_TESTS = re.compile(r"^#\[cfg\(test\)\]\nmod \w+ \{.*^\}\n", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)
_PATH = re.compile(r"\bcrate::((?:\w+::)*\w+)")


def modules(crate: str) -> dict[str, str]:
    """Return the code of each module of a crate by its path (``pki::path::building``), without comments and unit tests."""
    source = RUST / crate / "src"
    found = {}
    for path in sorted(source.rglob("*.rs")):
        parts = path.relative_to(source).with_suffix("").parts
        if parts[-1] == "tests" or parts == ("lib",):
            continue  # lib.rs declares the modules, and tests may use everything
        name = "::".join(parts[:-1] if parts[-1] == "mod" else parts)
        found[name] = _COMMENT.sub("", _TESTS.sub("", path.read_text(encoding="utf-8")))
    return found


def uses(code: str, known: set[str]) -> Iterator[str]:
    """Yield each module that the code refers to by a path that begins with ``crate::``."""
    for match in _PATH.finditer(code):
        parts = match.group(1).split("::")
        names = ("::".join(parts[:length]) for length in range(len(parts), 0, -1))
        yield from [name for name in names if name in known][:1]


def test_rust_modules_have_no_import_cycles() -> None:
    for crate in CRATES:
        code = modules(crate)
        assert code
        graph = {
            module: {other for other in uses(text, set(code)) if other != module and (module, other) not in EXCEPTIONS}
            for module, text in code.items()
        }
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            raise AssertionError(f"{crate}: {' -> '.join(reversed(error.args[1]))}") from None


def test_rust_modules_are_used_by_full_paths() -> None:
    """Check the form of each ``use``: the test above sees only paths that begin with ``crate::``, one in each ``use``."""
    wrong = [
        f"{crate}/{module}: {line.strip()}"
        for crate in CRATES
        for module, text in modules(crate).items()
        for line in text.splitlines()
        if re.match(r"(pub(\(crate\))? )?use super\b", line) or "use crate::{" in line
    ]
    assert not wrong


def test_rust_code_keeps_the_width_of_rustfmt() -> None:
    """Check the lines that rustfmt cannot break. Its own check of them is unstable."""
    width = tomllib.loads((RUST.parent / "rustfmt.toml").read_text(encoding="utf-8"))["max_width"]
    wide = [
        f"{path.relative_to(RUST)}:{number}"
        for path in sorted(RUST.rglob("*.rs"))
        if "target" not in path.parts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > width and not line.lstrip().startswith("//")
    ]
    assert not wide


def test_python_counterpart_exists_at_the_same_path() -> None:
    found = {}
    for path in sorted((RUST / "core" / "src").rglob("*.rs")):
        if counterpart := re.search(r"// Python counterpart: `([\w/]+)\.py`", path.read_text(encoding="utf-8")):
            found[path.relative_to(RUST / "core" / "src").with_suffix("").as_posix()] = counterpart[1]
    assert len(found) > 25
    package = RUST.parent / "python" / "imdskit"
    assert not [name for name in found.values() if not (package / f"{name}.py").is_file()]
    moved = {rust: python for rust, python in found.items() if python.startswith(("pki/", "asn1/")) and rust != python}
    assert moved == {"asn1/der": "asn1/reader"}
