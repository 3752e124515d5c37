"""Tests of ``imdskit report``: its page agrees with the results, and a browser executes nothing that they contain."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from imdskit.reasons import Reason

Run = Callable[..., Any]
AT = "2026-11-23T12:00:00+00:00"


def accepted(line: int, **members: Any) -> dict[str, Any]:
    claims = {"sku": "22_04-lts", "timeStamp": {"createdOn": "11/23/26 11:00:00 -0000", "expiresOn": "11/23/26 17:00:00 -0000"}}
    whose = {"cloud": "public", "name": "westeurope.metadata.azure.com", "issuer": "Issuing CA 03"}
    return {"line": line, "verdict": "accepted", **whose, "claims": claims, "at": AT, **members}


def refused(line: int, reason: str, **members: Any) -> dict[str, Any]:
    return {"line": line, "verdict": "refused", "reason": reason, "stage": "chain", "location": "", "detail": "", "at": AT, **members}


class Page(HTMLParser):
    """Collector of the text, the element names and the attribute values of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.elements, self.attributes = "", set[str](), list[tuple[str, str]]()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


@pytest.fixture
def page(run: Run, tmp_path: Path) -> Callable[..., Page]:
    def made(*results: dict[str, Any], title: str = "November") -> Page:
        (tmp_path / "results").write_text("".join(json.dumps(result) + "\n" for result in results))
        status, out, err = run("report", tmp_path / "results", "--title", title)
        assert (status, err) == (0, "")
        return Page(out)

    return made


def test_page_counts_agree_with_the_results(page: Callable[..., Page]) -> None:
    many = [accepted(line) for line in range(1, 1801)]
    us = accepted(1801, cloud="usgovernment", name="usgovvirginia.metadata.azure.us", issuer="Issuing CA 04")
    late = [refused(line, "document-expired") for line in range(1802, 2001)]
    found = page(*many, us, *late, refused(2001, "revoked", id="machine 7"), {"file": "a/b", **refused(0, "unreadable", verdict="unread")})
    for words in ("2,002", "1,801", "201", "westeurope", "usgovvirginia", "Issuing CA 03", AT, "machine 7"):
        assert words in found.text, words
    assert Reason.DOCUMENT_EXPIRED.sentence in found.text
    outliers = found.text.partition("Outliers")[2]
    assert all(words in outliers for words in ("revoked", "usgovernment", "usgovvirginia", "Issuing CA 04", "1801", "unreadable", "a/b"))
    assert "document-expired" not in outliers
    assert "5 hours and more" in found.text
    assert "less than 1 hour" not in found.text


def test_results_are_escaped_as_text(page: Callable[..., Page]) -> None:
    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    claims = {"sku": evil, "timeStamp": {"expiresOn": "11/23/26 12:30:00 -0000"}}
    found = page(
        accepted(1, id=evil, cloud=evil, name=f"{evil}.metadata.azure.com", issuer=evil, claims=claims),
        refused(2, "revoked", id=evil),
        title=evil,
    )
    assert not found.elements & {"script", "img", "iframe", "a", "link", "object", "form"}
    assert not [name for name, _ in found.attributes if name.startswith("on") or name in ("href", "src")]
    assert evil in found.text
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in found.attributes


def test_all_accepted_or_all_refused_gives_a_page(page: Callable[..., Page]) -> None:
    good = page(accepted(1), accepted(2))
    assert "Not accepted, by reason" not in good.text
    assert "None: no value occurs in only one document." in good.text
    assert "by region" not in page(refused(1, "expired"), refused(2, "expired")).text


def bars(found: Page) -> dict[str, str]:
    """Return the number beside each bar."""
    lines = [line for line in found.text.partition("Outliers")[0].splitlines() if line]
    return {name: number for name, number in pairwise(lines) if re.fullmatch(r"[\d,]+ \(.* %\)", number)}


def test_every_percentage_is_a_share_of_all_documents(page: Callable[..., Page]) -> None:
    found = page(*(accepted(line) for line in range(30)), *(refused(line, "revoked") for line in range(9)), refused(50, "unreadable"))
    assert "Every percentage on this page is a share of these 40 documents." in found.text
    expected = {"revoked": "9 (22.5 %)", "unreadable": "1 (2.5 %)"}
    values = ("public", "westeurope", "Issuing CA 03", "22_04-lts", "5 hours and more")
    assert bars(found) == {**expected, **dict.fromkeys(values, "30 (75.0 %)")}
    assert re.findall(r"accepted, \n+(.*)", found.text) == ["75.0 %", "25.0 %"]


def test_rounding_never_gives_0_or_100_percent_for_some(page: Callable[..., Page]) -> None:
    found = page(*(accepted(line) for line in range(2999)), refused(1, "revoked"))
    assert (bars(found)["westeurope"], bars(found)["revoked"]) == ("2,999 (above 99.9 %)", "1 (below 0.1 %)")
    assert "Values that occur in fewer than one in a thousand documents (fewer than 3)." in found.text


def test_names_are_not_shortened(page: Callable[..., Page]) -> None:
    name = "Contoso Azure TLS Issuing CA of a department with a long name, number "
    found = page(*(accepted(line, issuer=f"{name}{line % 2}") for line in range(4)))
    assert {f"{name}0", f"{name}1"} <= bars(found).keys()


def test_only_our_own_backticks_become_code(page: Callable[..., Page]) -> None:
    reasons = [*map(str, Reason), "bad-line", "unreadable"]
    found = page(*(refused(line, reason) for line, reason in enumerate(reasons)))
    assert "`" not in found.text
    assert "code" in found.elements and "--trust" in found.text
    assert "The file cannot be read." in found.text
    assert "`x`" in page(accepted(1, issuer="`x`")).text


def test_values_without_bars_are_summarized(page: Callable[..., Page]) -> None:
    found = page(*(accepted(line, name=f"region{line}.metadata.azure.com") for line in range(150)))
    assert "and 130 more values, in 130 documents (86.7 %)" in found.text
    assert "These are the 100 rarest of 150." in found.text


LINES = {
    "not JSON": (b"{", "Line 1 is not a result: it is not JSON."),
    "deep": (b"[" * 100_000, "Line 1 is not a result: it is not JSON."),
    "not UTF-8": (b'{"a":"\xff"}', "Line 1 is not a result: it is not JSON."),
    "a list": (b"[]", "Line 1 is not a result: it is not an object."),
    "no time": (b"{}", "Line 1 is not a result: it has no member `at`."),
    "an unknown reason": (
        json.dumps(refused(1, "tired")).encode(),
        "Line 1 is not a result: it has neither the verdict `accepted` nor a known reason.",
    ),
    "a reason that is not text": (
        json.dumps({**refused(1, ""), "reason": ["x"]}).encode(),
        "Line 1 is not a result: it has neither the verdict",
    ),
    "no claims": (json.dumps(accepted(1, claims=None)).encode(), "Line 1 is not a result: it has no claims or no name."),
    "no expiry": (json.dumps(accepted(1, claims={})).encode(), "Line 1 is not a result: its claim `timeStamp.expiresOn` is malformed."),
    "a malformed expiry": (
        json.dumps(accepted(1, claims={"timeStamp": {"expiresOn": "1/2"}})).encode(),
        "Line 1 is not a result: its claim `timeStamp.expiresOn` is malformed.",
    ),
    "an `at` that is no time": (
        json.dumps(accepted(1) | {"at": "noon"}).encode(),
        "Line 1 is not a result: its member `at` is not a time in ISO 8601.",
    ),
    "an incomplete line": (json.dumps(accepted(1)).encode() + b"\n" + b'{"line":2,', "Line 2 is not a result: it is not JSON."),
    "nothing": (b"", "The file contains no results."),
}


@pytest.mark.parametrize(("data", "message"), LINES.values(), ids=LINES)
def test_invalid_result_is_reported_with_its_line(run: Run, tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "results").write_bytes(data)
    status, out, err = run("report", tmp_path / "results")
    assert (status, out) == (2, "")
    assert f"error: bad-argument: {message}" in err


def test_unreadable_and_unwritable_files_are_reported(run: Run, tmp_path: Path) -> None:
    assert "The results cannot be read" in run("report", tmp_path / "absent").err
    (tmp_path / "results").write_text(json.dumps(accepted(1)))
    status, _, err = run("report", tmp_path / "results", "-o", tmp_path / "absent" / "page.html")
    assert (status, "The page cannot be written" in err) == (2, True)
    assert run("report", tmp_path / "results", "-o", tmp_path / "page.html") == (0, "", "")
    assert (tmp_path / "page.html").read_text().endswith("</html>\n")
    assert run("report", "-", stdin=(tmp_path / "results").read_bytes()).status == 0
