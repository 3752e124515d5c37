"""Checks whether this machine can build the Rust extension.

All checks run before the build, and concern only the machine. If they pass and the build still fails, the project is at fault. In this
case the installation fails, and no pure wheel is built.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
FETCH_SECONDS = 300
"""Maximum time for downloading the crates, in seconds."""
_OTHER_SECONDS = 60


def minimum_version() -> tuple[int, int]:
    """Return the oldest Rust version that builds the extension, as ``Cargo.toml`` declares it."""
    return _version(_manifest("")["workspace"])


def lacks_avx512() -> bool:
    """Return whether rustc can build the extension, but not its feature ``multibuffer``. Call it after :func:`missing`."""
    return (_found("rustc") or (0, 0)) < _version(_manifest("rust/multibuffer"))


def _manifest(folder: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / folder / "Cargo.toml").read_text(encoding="utf-8"))


def _version(manifest: dict[str, Any]) -> tuple[int, int]:
    major, minor = manifest["package"]["rust-version"].split(".")[:2]
    return int(major), int(minor)


def _found(program: str) -> tuple[int, int] | None:
    found = re.match(rf"{program} (\d+)\.(\d+)", _run([program, "--version"], ROOT).stdout)
    return (int(found[1]), int(found[2])) if found else None


def missing() -> str | None:
    """Return one sentence that says why the extension cannot be built here, or None if it can."""
    for program in ("cargo", "rustc"):
        if shutil.which(program) is None:
            return f"There is no {program} on the PATH."
    return _too_old() or _cannot_link() or _cannot_fetch()


def _too_old() -> str | None:
    wanted = minimum_version()
    for program in ("cargo", "rustc"):
        found = _found(program)
        if found is None:
            return f"`{program} --version` failed: {_last_line(_run([program, '--version'], ROOT))}"
        if found < wanted:
            return f"{program} {found[0]}.{found[1]} is too old; {wanted[0]}.{wanted[1]} or later is needed."
    return None


def _cannot_link() -> str | None:
    """Try to link a library. Return a sentence about the failure, or None."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "probe.rs"
        source.write_text('pub extern "C" fn probe() {}\n')
        done = _run(["rustc", "--crate-type", "cdylib", "-o", f"{folder}/probe", str(source)], Path(folder))
        if done.returncode:
            return f"rustc cannot link a library, perhaps because there is no C compiler: {_last_line(done)}"
    return None


def _cannot_fetch() -> str | None:
    """Fetch the crates that ``Cargo.lock`` names, unless they are cached. Return a sentence about the failure, or None."""
    try:
        done = _run(["cargo", "fetch", "--locked", "--quiet"], ROOT, FETCH_SECONDS)
    except subprocess.TimeoutExpired:
        return f"The crates could not be downloaded within {FETCH_SECONDS} seconds."
    return f"The crates cannot be fetched: {_last_line(done)}" if done.returncode else None


def _run(command: list[str], folder: Path, seconds: int = _OTHER_SECONDS) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=seconds, check=False
    )


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last non-empty line of an error output, made printable and short."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    text = lines[-1] if lines else f"exit status {done.returncode}"
    return "".join(character for character in text if character.isprintable())[:200]
