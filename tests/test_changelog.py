"""Tests that changelog and versions follow CONTRIBUTING.md."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import imdskit

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
KINDS = "|".join(kind["directory"] for kind in PYPROJECT["tool"]["towncrier"]["type"])


def fragments() -> list[Path]:
    return sorted(path for path in (ROOT / "changelog.d").iterdir() if path.name not in PYPROJECT["tool"]["towncrier"]["ignore"])


def test_fragment_has_subject_type_and_a_sentence() -> None:
    wrong = [
        path.name
        for path in fragments()
        if not re.fullmatch(rf"[a-z0-9]+(-[a-z0-9]+)*\.({KINDS})\.md", path.name)
        or not re.fullmatch(r"[A-Z`](?:[^\n]+\n)*[^\n]+\.\n", path.read_text())
    ]
    assert not wrong


def test_release_has_a_section_and_leaves_no_fragments() -> None:
    sections = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert fragments() or sections[0] == imdskit.__version__


def test_python_crates_and_lock_files_have_the_same_version_and_repository() -> None:
    cargo = tomllib.loads((ROOT / "Cargo.toml").read_text())
    assert cargo["workspace"]["package"]["version"] == imdskit.__version__
    assert cargo["workspace"]["package"]["repository"] == PYPROJECT["project"]["urls"]["Repository"]
    assert PYPROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "imdskit.__version__"}
    core = tomllib.loads((ROOT / "rust" / "core" / "Cargo.toml").read_text())
    assert core["dependencies"]["imdskit-multibuffer"]["version"] == imdskit.__version__
    for lock in ("Cargo.lock", "rust/fuzz/Cargo.lock"):
        if (ROOT / lock).exists():  # a source distribution has no rust/fuzz
            packages = {package["name"]: package["version"] for package in tomllib.loads((ROOT / lock).read_text())["package"]}
            ours = {name: version for name, version in packages.items() if name.startswith("imdskit-") and name != "imdskit-fuzz"}
            assert len(ours) >= 2
            assert set(ours.values()) == {imdskit.__version__}


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\]\((\d{4}-[a-z-]+\.md)\)", (folder / "README.md").read_text())
    assert listed == sorted(path.name for path in folder.glob("0*.md"))
