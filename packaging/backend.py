"""The build backend (PEP 517). It builds a native wheel, which contains the Rust extension, or a pure Python wheel.

``pip install . -C native=MODE`` chooses the wheel. With ``auto``, the default, the backend builds the native wheel if this machine can
build Rust code, which ``toolchain.py`` checks. Otherwise it builds the pure wheel and stores the reason in it. With ``require``, it fails
if the extension cannot be built. With ``off``, it always builds the pure wheel. If the caller cannot pass ``-C``, the environment variable
``IMDSKIT_NATIVE`` has the same effect.

maturin builds native wheels, and setuptools builds everything else, because maturin needs Rust even for a pure wheel.
``notices.py`` adds an SBOM and licences to each wheel.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

if sys.version_info < (3, 11):  # noqa: UP036  # pip runs this before it reads `requires-python`
    raise SystemExit(
        f"imdskit requires Python 3.11 or later, but this is Python {sys.version_info[0]}.{sys.version_info[1]} ({sys.executable})."
    )

import notices
import sdist
import toolchain
from setuptools import build_meta

Settings = dict[str, Any] | None

ROOT = Path(__file__).parent.parent
RECORD = ROOT / "python" / "imdskit" / "build-record.json"
MODES = ("auto", "require", "off")


def _why_pure(settings: Settings) -> str | None:
    """Return why the pure wheel is built, or None if the extension is built.

    Raises:
        SystemExit: the mode is unknown, or requires an extension that cannot be built here.
    """
    mode = str((settings or {}).get("native") or os.environ.get("IMDSKIT_NATIVE") or "auto")
    if mode not in MODES:
        raise SystemExit(f"imdskit: native={mode} is none of {', '.join(MODES)}")
    if mode == "off":
        return "It was switched off (native=off)."
    why = toolchain.missing()
    if why is not None and mode == "require":
        raise SystemExit(f"imdskit: native=require, but the extension cannot be built here. {why}")
    if why is not None:
        print(f"imdskit: {why} Building the pure Python wheel, which gives the same results, but more slowly.", file=sys.stderr)
    return why


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """Return maturin if the extension will be built. setuptools is always present."""
    return ["maturin>=1.12,<2"] if _why_pure(config_settings) is None else []


def build_wheel(wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """Build one wheel into ``wheel_directory`` and return its name."""
    why = _why_pure(config_settings)
    if why is None:
        import maturin

        settings = _for_maturin(config_settings)
        name = str(maturin.build_wheel(wheel_directory, settings, metadata_directory))
        notices.add(Path(wheel_directory) / name, maturin.get_maturin_pep517_args(settings))
        return name
    _remove_old_build()
    with _recorded(why):
        name = str(build_meta.build_wheel(wheel_directory, _without_ours(config_settings), metadata_directory))
    notices.add(Path(wheel_directory) / name, None)
    return name


def get_requires_for_build_sdist(config_settings: Settings = None) -> list[str]:
    """Return an empty list, because setuptools is enough."""
    return []


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Build the source distribution, which includes the Rust sources and this backend (``MANIFEST.in``).

    If ``SOURCE_DATE_EPOCH`` is set, every build gives the same bytes.
    """
    name = str(build_meta.build_sdist(sdist_directory, _without_ours(config_settings)))
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        sdist.normalise(Path(sdist_directory) / name, int(epoch))
    return name


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    """Return the same as for a wheel."""
    return get_requires_for_build_wheel(config_settings)


def build_editable(wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """Build an editable wheel. The extension, if it is built, is placed beside the Python sources."""
    if _why_pure(config_settings) is None:
        import maturin

        return str(maturin.build_editable(wheel_directory, _for_maturin(config_settings), metadata_directory))
    return str(build_meta.build_editable(wheel_directory, _without_ours(config_settings), metadata_directory))


def _without_ours(settings: Settings) -> Settings:
    return {key: value for key, value in (settings or {}).items() if key != "native"} or None


def _for_maturin(settings: Settings) -> Settings:
    """Return the settings for maturin, without those of this backend. If Rust is too old for the AVX-512 kernels, switch the kernels off."""
    rest = _without_ours(settings)
    if not toolchain.lacks_avx512():
        return rest
    print("imdskit: rustc is too old for the AVX-512 kernels. Building the extension without them.", file=sys.stderr)
    given = (rest or {}).get("build-args") or os.environ.get("MATURIN_PEP517_ARGS", "")
    return {**(rest or {}), "build-args": f"{given} --no-default-features --features abi3"}


@contextmanager
def _recorded(why: str) -> Iterator[None]:
    """Record in the pure wheel why it is pure. ``imdskit doctor`` shows the reason, because pip hides the output of a backend."""
    RECORD.write_text(json.dumps({"pure": why}) + "\n", encoding="utf-8")
    try:
        yield
    finally:
        RECORD.unlink()


def _remove_old_build() -> None:
    """Remove the files of an earlier build, which would otherwise be included in the pure wheel."""
    shutil.rmtree(ROOT / "build", ignore_errors=True)
