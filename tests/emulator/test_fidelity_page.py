"""The tables of rules, profiles and error responses in ``docs/fidelity.md`` agree with the code.
Run this file to regenerate the tables."""

from __future__ import annotations

from pathlib import Path

from imdskit.emulator.error_responses import ERROR_RESPONSES
from imdskit.emulator.service.profiles import PROFILES
from imdskit.emulator.service.rules import RULES

PAGE = Path(__file__).parent.parent.parent / "docs" / "fidelity.md"


def rules() -> str:
    lines = ["| # | rule | refused when | response | evidence | source | if switched off |", "|---|---|---|---|---|---|---|"]
    for number, rule in enumerate(RULES, 1):
        answers = " ".join(f"`{answer.name}`" for answer in rule.answers)
        off = rule.off or "This rule cannot be switched off."
        lines.append(f"| {number} | {rule.name} | {rule.when} | {answers} | {rule.evidence} | {rule.source} | {off} |")
    return "\n".join(lines)


def profiles() -> str:
    lines = ["| profile | what is different | rules | evidence | source |", "|---|---|---|---|---|"]
    for each in PROFILES.values():
        changed = " ".join(each.instead)
        lines += [f"| {each.name} | {each.what} | {changed} | {each.evidence} | {each.source} |"]
    return "\n".join(lines)


def answers() -> str:
    lines = ["| response | status | body | evidence | source |", "|---|---|---|---|---|"]
    for answer in ERROR_RESPONSES:
        text = answer.body.decode("utf-8-sig")
        language = "HTML" if answer.content_type == "text/html" else "XML"
        body = f"`{text}`" if "\n" not in text else f"{language} of {len(answer.body)} bytes, `{answer.server}`"
        lines.append(f"| {answer.name} | {answer.status} | {body} | {answer.evidence} | {answer.source} |")
    return "\n".join(lines)


def rendered(page: str) -> str:
    for name, table in (("rules", rules()), ("profiles", profiles()), ("answers", answers())):
        start = page.index("\n", page.index(f"<!-- {name} -->")) + 1
        page = page[:start] + table + "\n" + page[page.index("<!-- end -->", start) :]
    return page


def test_page_agrees_with_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"<!-- {name} -->" in page for name in ("rules", "profiles", "answers"))
    assert page == rendered(page)


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
