"""What CONTRIBUTING asks of the pages that releases are made from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import imdskit

ROOT = Path(__file__).parent.parent
KINDS = "added|changed|fixed|removed|security"


def fragments() -> list[Path]:
    return sorted(path for path in (ROOT / "changelog.d").iterdir() if path.name != "README.md")


def test_a_fragment_names_its_subject_and_kind_and_is_a_sentence() -> None:
    wrong = [
        path.name
        for path in fragments()
        if not re.fullmatch(rf"[a-z0-9]+(-[a-z0-9]+)*\.({KINDS})\.md", path.name)
        or not re.fullmatch(r"[A-Z`](?:[^\n]+\n)*[^\n]+\.\n", path.read_text())
    ]
    assert not wrong


def test_a_release_has_a_section_and_leaves_no_fragments() -> None:
    sections = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert sections[0] == ("Unreleased" if fragments() else imdskit.__version__)


def test_the_version_is_the_same_for_python_and_for_rust() -> None:
    cargo = tomllib.loads((ROOT / "Cargo.toml").read_text())
    assert cargo["workspace"]["package"]["version"] == imdskit.__version__


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\]\((\d{4}-[a-z-]+\.md)\)", (folder / "README.md").read_text())
    assert listed == sorted(path.name for path in folder.glob("0*.md"))
