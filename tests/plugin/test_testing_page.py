"""Tests that run every snippet of ``docs/testing.md``, and the example project, with the plugin. The project also runs on two workers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from imdskit import testing  # The module stays loaded, with its keys, after a project has run in this process.

assert testing
pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "testing.md"


def snippets() -> dict[str, str]:
    blocks = re.findall(r"^```python\n# (\S+)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return dict(blocks)


def test_every_snippet_has_a_name() -> None:
    assert len(snippets()) == PAGE.read_text(encoding="utf-8").count("```python\n") == 5


@pytest.mark.parametrize("name", snippets())
def test_snippet_runs(pytester: pytest.Pytester, name: str) -> None:
    pytester.path.joinpath(name).write_text(snippets()[name])
    done = pytester.runpytest_inprocess("-p", "imdskit.pytest_plugin", "-p", "no:cacheprovider", "--strict-markers", "-W", "error")
    assert done.ret == 0
    assert done.parseoutcomes()["passed"] >= 1


def test_unittest_snippet_runs_without_pytest(tmp_path: Path) -> None:
    (tmp_path / "test_with_unittest.py").write_text(snippets()["test_with_unittest.py"])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "test_with_unittest"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "python")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Ran 1 test" in done.stderr


def test_environment_is_restored_after_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSI_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "example.com")
    monkeypatch.delenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", raising=False)
    before = dict(os.environ)
    with suppress(ZeroDivisionError), testing.running() as imds:
        assert os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"] == imds.url
        assert "MSI_ENDPOINT" not in os.environ
        raise ZeroDivisionError
    assert dict(os.environ) == before


def test_example_project_runs_on_two_workers(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "python"))
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    for file in (ROOT / "examples" / "testing").glob("*.py"):
        shutil.copy(file, pytester.path)
    options = ("-p", "imdskit.pytest_plugin", "-n", "2", "--strict-markers", "-W", "error::ResourceWarning")
    done = pytester.runpytest_subprocess(*options, timeout=120)
    installed = find_spec("azure") is not None and find_spec("azure.identity") is not None
    done.assert_outcomes(passed=4 + installed, skipped=1 - installed)
    done.stdout.fnmatch_lines(["*2 workers*"])
