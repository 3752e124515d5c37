"""Tests of the documentation site that ``make docs`` has built: links, anchors, API pages, search,
and the light and dark colour schemes.

The environment of the usual tests has no Sphinx, so ``make docs`` runs this file in a separate
environment. Links to other sites are not followed.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup
from sphinx.util.inventory import InventoryFile

ROOT = Path(__file__).parents[2]
SITE = ROOT / "build" / "site"
sys.path[:0] = [str(ROOT / "docs"), str(ROOT / "python")]

import conf  # noqa: E402

from imdskit.codes import FAMILIES  # noqa: E402
from imdskit.reasons import Reason  # noqa: E402

PAGES = sorted(SITE.rglob("*.html"))


@cache
def parsed(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text("utf-8"), "html.parser")


@cache
def anchors(page: Path) -> frozenset[str]:
    return frozenset(tag["id"] for tag in parsed(page).find_all(id=True)) | {""}


def broken(page: Path) -> list[str]:
    """Return the links and resources of a page that do not exist in the site."""
    found = []
    for tag in parsed(page).find_all(["a", "img", "link", "script"]):
        link = tag.get("href") or tag.get("src") or ""
        parts = urlsplit(link)
        if parts.scheme or parts.netloc or link in ("", "#"):
            if parts.netloc and tag.name != "a":
                found.append(f"{link} is loaded from another site")
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if not target.is_file() or (target.suffix == ".html" and unquote(parts.fragment) not in anchors(target)):
            found.append(link)
    return found


def test_site_has_pages() -> None:
    assert len(PAGES) > 100


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(SITE).as_posix())
def test_every_link_and_anchor_resolves(page: Path) -> None:
    assert broken(page) == []


def test_broken_links_and_anchors_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        '<p id=here><a href="#here"></a><a href="#there"></a><a href="missing.html"></a><script src="//x.example/x.js"></script>'
    )
    assert broken(page) == ["#there", "missing.html", "//x.example/x.js is loaded from another site"]


def test_every_public_name_has_an_entry_on_an_api_page() -> None:
    inventory = InventoryFile.loads((SITE / "objects.inv").read_bytes(), uri="").data
    entries = {name: item.uri for kind, items in inventory.items() if kind.startswith("py:") for name, item in items.items()}
    wanted = {(module, name): f"{conf.home(module, name)}.{name}" for module, names in conf.PUBLIC.items() for name in names}
    assert len(wanted) > 150
    missing = [wanted[one] for one in wanted if not entries.get(wanted[one], "").startswith("docs/api/")]
    assert missing == []
    assert [module for module, name in wanted if not (SITE / "docs" / "api" / f"{module}.html").is_file()] == []


def test_every_reason_and_error_code_has_an_anchor() -> None:
    wanted = {reason.value for reason in Reason} | {f"{error.lower()}-{code}" for error, codes in FAMILIES.items() for code in codes}
    assert wanted - anchors(SITE / "docs" / "errors.html") == set()


def test_search_finds_a_reason() -> None:
    index = (SITE / "searchindex.js").read_text("utf-8")
    titles = json.loads(index.removeprefix("Search.setIndex(").removesuffix(")"))["alltitles"]
    assert "unknown-issuer" in titles
    assert (SITE / "search.html").is_file()


def test_pages_follow_light_and_dark_preferences() -> None:
    style = (SITE / "_static" / "styles" / "furo.css").read_text("utf-8")
    assert "prefers-color-scheme:dark" in style.replace(" ", "")
    assert all(parsed(page).find(class_="theme-toggle") for page in (SITE / "docs").glob("*.html"))
