"""Tests that no page, help text or message uses a word of the project's former private vocabulary.

Each pattern is listed with the word to use instead. A few words of that vocabulary are ordinary English as well, so their patterns match
only the private meaning: ``memory`` (of a computer), ``links`` (on a page or in a file system), ``steps`` (of a tutorial) and ``call``
(of a function) are allowed and have no pattern here.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "python" / "imdskit"

INSTEAD = {
    r"octets?": "bytes",
    r"answer(?:s|ed|ing)?": "response, to respond",
    r"ask(?:s|ed|ing)?": "to request",
    r"remember(?:s|ed|ing)?|held": "cached",
    r"frames?(?!-ancestors)": "message template",
    r"flights": "in-flight requests",
    r"anatomy|taken apart|takes? apart": "inspection, decoded",
    r"(?:the|a|its) front(?! end)": "event loop",
    r"procedures?|questions?(?! marks?)": "operation, request",
    r"moods?": "service profile",
    r"admin side": "admin API",
    r"flaws?": "document fault",
    r"(?:fault kinds?|kinds? of faults?)": "fault type",
    r"awake|asleep": "resident, evicted",
    r"(?:its|the|a|what|which) place(?! of)": "location",
    r"throw-?away": "test-only, disposable",
    r"of (?:its|their|his) own": "separate, own",
    r"it is (?:told|said)": "it reports, the message says",
    r"anew|becomes": "regenerated, again",
    r"whoever|those who": "the caller, the client, the operator",
    r"a call each": "one document per call",
}
FORBIDDEN = re.compile(r"\b(?:" + "|".join(INSTEAD) + r")\b", re.IGNORECASE)

ALLOWED = {
    "asn1": "X.690 and RFC 5280 count octets",
    "pki": "X.690 and RFC 5280 count octets",
    "emulator/authority/keys.py": "a string that enters the derivation of keys, so that changing it would change all of them",
}
"""Parts of the package whose strings are not checked, and why."""


def pages() -> Iterator[Path]:
    yield from sorted(path for path in (ROOT / "docs").rglob("*.md") if "decisions" not in path.parts and "_build" not in path.parts)
    yield from (ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"))


def prose(text: str) -> str:
    """Return the text of a page without code, addresses and HTML tags."""
    text = re.sub(r"^(`{3,}|~{3,}).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^ {4}.*$", "", text, flags=re.MULTILINE)
    return re.sub(r"`[^`]*`|\]\([^)]*\)|<[^>]*>|https?://\S+", " ", text)


def found(text: str) -> list[str]:
    return [match[0] for match in FORBIDDEN.finditer(text)]


@pytest.mark.parametrize("page", list(pages()), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_pages_use_common_words(page: Path) -> None:
    assert found(prose(page.read_text("utf-8"))) == []


def messages(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the strings of a module that contain a blank: messages, hints and help texts.

    Docstrings count only where they are help texts.
    """
    tree = ast.parse(path.read_text("utf-8"))
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
    help_text = tree.body[:1] if "cli" in path.parts else []
    docstrings = {
        id(each.value) for body in bodies for each in body if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)
    } - {id(each.value) for each in help_text if isinstance(each, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings and " " in node.value.strip():
            yield node.lineno, node.value


MODULES = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if not any(path.relative_to(PACKAGE).as_posix().startswith((f"{part}/", part)) for part in ALLOWED)
]


def test_messages_and_help_texts_use_common_words() -> None:
    assert len(MODULES) > 100
    assert [f"{path.relative_to(ROOT)}:{line}: {word}" for path in MODULES for line, text in messages(path) for word in found(text)] == []


class Text(HTMLParser):
    """Collector of the text and the labels of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.pieces += [value for name, value in attrs if value and name in ("aria-label", "placeholder", "title", "alt")]


def test_admin_page_uses_common_words() -> None:
    folder = PACKAGE / "emulator" / "admin" / "page"
    text = Text()
    text.feed((folder / "index.html").read_text("utf-8"))
    assert "Scheduled events" in "".join(text.pieces)
    assert found(" ".join(text.pieces)) == []
    strings = [
        string
        for path in sorted(folder.glob("*.js"))
        for string in re.findall(r"\"([^\"\n]*)\"|`([^`]*)`", re.sub(r"//.*", "", path.read_text("utf-8")))
    ]
    assert len(strings) > 100
    assert [chunk for pair in strings for chunk in pair if " " in chunk.strip() and found(re.sub(r"\$\{[^}]*\}", "", chunk))] == []


def descriptions(value: object) -> Iterator[str]:
    """Yield all texts of an OpenAPI description."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name in ("description", "summary", "title") and isinstance(item, str):
                yield item
            else:
                yield from descriptions(item)
    elif isinstance(value, list):
        for item in value:
            yield from descriptions(item)


def test_admin_api_description_uses_common_words() -> None:
    texts = list(descriptions(json.loads((PACKAGE / "emulator" / "admin" / "openapi.json").read_bytes())))
    assert len(texts) > 100
    assert [text for text in texts if found(text)] == []


def test_patterns_match_only_whole_words() -> None:
    assert found("It asks for octets, and the admin side answers.") == ["asks", "octets", "admin side", "answers"]
    assert found("The task masks an unanswered frame-ancestors; a question mark is placed in memory.") == []
    assert prose("Use `ask` or\n```sh\nask\n```\n[here](ask.md).") == "Use   or\n\n[here ."
