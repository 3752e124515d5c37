"""Tests that the instructions in ``docs/trust.md`` work."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from imdskit.verify import Trust
from imdskit.verify.bundles import bundle
from imdskit.verify.bundles.bundle import Bundle

PAGE = (Path(__file__).parents[2] / "docs" / "trust.md").read_text(encoding="utf-8")
LINK = "/var/lib/imdskit/trust"


def block(language: str, beginning: str) -> str:
    return next(text for text in re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL) if text.startswith(beginning))


def put(folder: Path, intermediates: int) -> str:
    """Write a bundle with this number of intermediates, and let the link ``trust`` point to it."""
    name = f"trust.{intermediates}"
    (folder / name).mkdir()
    bundle.write(folder / name, Bundle("2026-11-30", Trust.bundled().anchors, Trust.bundled().intermediates[:intermediates]))
    (folder / "new").symlink_to(name)
    os.replace(folder / "new", folder / "trust")
    return str(folder / "trust")


def test_running_verifier_loads_new_bundle_and_ignores_bad_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    link = put(tmp_path, 1)
    names: dict[str, Any] = {}
    exec(compile(block("python", "import logging").replace(LINK, link), "trust.md", "exec"), names)
    current, first = names["current"], names["verifier"]
    assert current.get() is first
    put(tmp_path, 2)
    second = current.get()
    assert [len(one.trust.intermediates) for one in (first, second)] == [1, 2]
    assert current.get() is second
    put(tmp_path, 3)
    (tmp_path / "trust.3" / "anchors.der").unlink()
    assert current.get() is second
    assert current.get() is second
    assert len([record for record in caplog.records if "cannot be used" in record.message]) == 1


def test_timer_script_updates_and_exits_with_the_doctors_status(tmp_path: Path) -> None:
    spool = tmp_path / "spool folder"
    spool.mkdir()
    (spool / "one document.json").write_text("{}")
    program = tmp_path / "bin" / "imdskit"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/calls"\n[ "$1" = trust ]\n')
    program.chmod(0o755)
    script = block("sh", "#!/bin/sh").replace("/var/spool/imdskit/unknown-issuer/*", f'"{spool}"/*')
    environment = {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-u", "-c", script], env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"trust update --bundle {LINK} --document {spool}/one document.json",
        f"trust update --bundle {LINK}",
        f"doctor --bundle {LINK}",
    ]
    assert not list(spool.iterdir())
