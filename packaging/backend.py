"""The build backend (PEP 517): a native wheel where Rust is, a pure one elsewhere.

``pip install . -C native=MODE`` chooses: ``auto`` (the default) builds the extension where ``cargo`` is and says so where it is not; ``require`` fails
without it; ``off`` builds the pure wheel. Where ``-C`` cannot be passed, the environment variable ``IMDSKIT_NATIVE`` says the same.

maturin builds native wheels, setuptools all else. maturin alone has no optional mode: without Rust it fails, or downloads a toolchain.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from setuptools import build_meta

Settings = dict[str, Any] | None

ROOT = Path(__file__).parent.parent
MODES = ("auto", "require", "off")


def _native(settings: Settings) -> bool:
    """Whether to build the extension.

    Raises:
        SystemExit: the mode is none, or asks for what is not there.
    """
    mode = str((settings or {}).get("native") or os.environ.get("IMDSKIT_NATIVE") or "auto")
    if mode not in MODES:
        raise SystemExit(f"imdskit: native={mode} is none of {', '.join(MODES)}")
    has_cargo = shutil.which("cargo") is not None
    if mode == "require" and not has_cargo:
        raise SystemExit("imdskit: native=require, and there is no cargo on the PATH")
    if mode == "auto" and not has_cargo:
        print("imdskit: there is no cargo on the PATH; building the pure Python wheel. It gives the same answers, slower.", file=sys.stderr)
    return mode != "off" and has_cargo


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """setuptools is always there; maturin is asked for where the extension will be built."""
    return ["maturin>=1.9,<2"] if _native(config_settings) else []


def build_wheel(wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """Build one wheel into ``wheel_directory`` and return its name."""
    if _native(config_settings):
        import maturin

        return str(maturin.build_wheel(wheel_directory, _without_ours(config_settings), metadata_directory))
    _remove_old_build()
    return str(build_meta.build_wheel(wheel_directory, _without_ours(config_settings), metadata_directory))


def get_requires_for_build_sdist(config_settings: Settings = None) -> list[str]:
    """setuptools alone."""
    return []


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Build the source distribution, Rust sources and this backend included (``MANIFEST.in``)."""
    return str(build_meta.build_sdist(sdist_directory, _without_ours(config_settings)))


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    """As for a wheel."""
    return get_requires_for_build_wheel(config_settings)


def build_editable(wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """Install in place: the extension beside the sources, or the sources alone."""
    if _native(config_settings):
        import maturin

        return str(maturin.build_editable(wheel_directory, _without_ours(config_settings), metadata_directory))
    return str(build_meta.build_editable(wheel_directory, _without_ours(config_settings), metadata_directory))


def _without_ours(settings: Settings) -> Settings:
    return {key: value for key, value in (settings or {}).items() if key != "native"} or None


def _remove_old_build() -> None:
    """What an earlier build left would slip into the pure wheel."""
    shutil.rmtree(ROOT / "build", ignore_errors=True)
