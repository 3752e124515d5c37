"""Tests that `make changelog` moves fragments to the section of the version, including late ones."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

import imdskit

from .conftest import ROOT, run

pytestmark = pytest.mark.packaging

HEAD = "# Changelog\n\nPreface.\n\n<!-- towncrier release notes start -->\n"
LONG = "Word " * 30 + "end."


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Create a project with the settings and the version of this one, an older release and three fragments."""
    (tmp_path / "changelog.d").mkdir()
    (tmp_path / "python" / "imdskit").mkdir(parents=True)
    for path in ("pyproject.toml", "changelog.d/README.md", "changelog.d/template.md.jinja", "python/imdskit/__init__.py"):
        shutil.copy(ROOT / path, tmp_path / path)
    (tmp_path / "CHANGELOG.md").write_text(f"{HEAD}\n## 0.0.1 (2025-01-02)\n\n\n### Fixed\n\n- Older.\n")
    fragment(tmp_path, "zebra.added", "`Zebra` is new.")
    fragment(tmp_path, "long.added", LONG)
    fragment(tmp_path, "hole.security", "A hole is\nclosed.")
    run(["git", "init", "--quiet", "."], cwd=tmp_path)
    return tmp_path


def fragment(project: Path, name: str, text: str) -> None:
    (project / "changelog.d" / f"{name}.md").write_text(f"{text}\n")


def assembled(project: Path) -> str:
    """Return the sections of the page after assembly, without today's date."""
    run(["git", "add", "--all"], cwd=project)
    run([sys.executable, ROOT / "packaging" / "changelog.py", project])
    assert sorted(path.name for path in (project / "changelog.d").iterdir()) == ["README.md", "template.md.jinja"]
    head, _, sections = (project / "CHANGELOG.md").read_text().partition(f"\n## {imdskit.__version__} (")
    assert head == HEAD
    return sections.partition(")")[2]


def test_fragments_become_a_section_and_late_ones_are_added(project: Path) -> None:
    older = "## 0.0.1 (2025-01-02)\n\n\n### Fixed\n\n- Older.\n"
    lines = assembled(project).splitlines()
    assert [line for line in lines if line.startswith("###")] == ["### Added", "### Security", "### Fixed"]
    assert "- `Zebra` is new." in lines
    assert "- A hole is closed." in lines
    assert max(map(len, lines)) <= 100
    fragment(project, "late.added", "Late.")
    fragment(project, "bug.fixed", "A bug is gone.")
    sections = assembled(project)
    assert sections.endswith(older)
    assert sections.index(" Word") < sections.index("`Zebra`") < sections.index("- Late.") < sections.index("- A bug is gone.")
    assert " ".join(sections.split()).count(LONG) == 1
