"""Tests of the documentation: the README's examples run, other examples import existing names, and links have targets."""

from __future__ import annotations

import ast
import re
import tomllib
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "python").rglob("*.md"), ROOT / "changelog.d" / "README.md"])
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")


def examples(page: Path) -> list[str]:
    return [dedent(block) for block in re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("example", examples(ROOT / "README.md"), ids=lambda text: text.splitlines()[0])
def test_readme_example_runs(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # no proxy listens there, so an example that uses the proxy fails
    monkeypatch.delenv("no_proxy", raising=False)
    exec(compile(example, "README.md", "exec"), {"__name__": "example"})
    assert capsys.readouterr().out


WITH_EXAMPLES = [page for page in PAGES if examples(page)]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=map(name, WITH_EXAMPLES))
def test_imports_of_examples_exist(page: Path) -> None:
    saved = {found[1] for example in examples(page) if (found := re.match(r"# (\w+)\.py\n", example))}
    for example in examples(page):
        for node in ast.walk(ast.parse(example)):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name == "pyarrow":
                        pytest.importorskip(alias.name, reason="the optional package pyarrow")
                    import_module(alias.name)
            elif isinstance(node, ast.ImportFrom) and node.module not in saved:
                module = import_module(node.module or "")
                assert not [alias.name for alias in node.names if not hasattr(module, alias.name)]


@pytest.mark.parametrize("page", PAGES, ids=map(name, PAGES))
def test_internal_links_have_targets(page: Path) -> None:
    targets = {link.partition("#")[0] for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link}
    assert not [target for target in targets if target and not (page.parent / target).exists()]


def test_readme_links_are_absolute_for_package_indexes() -> None:
    """Check that they point to existing files in the repository that ``pyproject.toml`` names."""
    repository = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
    links = LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(links) > 30
    for link in links:
        found = re.fullmatch(rf"{re.escape(repository)}/(blob|tree)/main/([^#]+)(#.*)?", link)
        assert found, link
        path = ROOT / found[2]
        assert path.is_file() if found[1] == "blob" else path.is_dir(), link
