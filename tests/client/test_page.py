"""Tests that the snippets of ``docs/client.md`` run, and that its tables agree with the rules."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from imdskit.client.retry import DEFAULT
from imdskit.testing import running

PAGE = (Path(__file__).parent.parent.parent / "docs" / "client.md").read_text("utf-8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def imds(monkeypatch: pytest.MonkeyPatch) -> Any:
    loadbalancer = {"match": {"category": "loadbalancer"}, "times": None, "fault": {"status": 200, "body": {"loadbalancer": {}}}}
    with running("linux", rate_limit=False, events=[{"EventType": "Reboot"}], faults=[loadbalancer]) as emulator:
        yield emulator


@pytest.mark.parametrize("number", range(len(SNIPPETS)), ids=lambda number: SNIPPETS[number].splitlines()[2].strip() or str(number))
def test_snippet_runs(imds: Any, number: int) -> None:
    exec(compile(SNIPPETS[number], f"docs/client.md, snippet {number}", "exec"), {"__name__": "snippet"})
    if "get(" in SNIPPETS[number] or "probe(" in SNIPPETS[number]:
        assert imds.journal.count() > 0


def test_retry_table_of_the_page_agrees_with_the_rules() -> None:
    rows = re.findall(r"^\| [^|]+ \| `(\w+)` \| ([^|]*) \| ([^|]*) \|", PAGE, re.MULTILINE)
    assert {kind for kind, _, _ in rows} == {*DEFAULT.rules, "absent"}
    for kind, waits, until in rows:
        rule = DEFAULT.rules.get(kind)
        if rule is None:
            continue
        assert until.split()[0] == str(rule.within)
        numbers = [int(number) for number in re.findall(r"\d+", waits)]
        assert numbers == [min(rule.first * rule.factor**number, rule.longest) for number in range(len(numbers))]
    assert f"after {DEFAULT.deadline} seconds" in PAGE
