"""Tests of the page of ``imdskit report`` in Chromium, in light and dark colours. See ``make page``."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import ENVIRONMENT, PYTHON, Window
from selenium import webdriver

AT = "2026-11-23T12:00:00+00:00"
REGIONS = ("westeurope", "northeurope", "germanywestcentral", "australiasoutheast", "eastus2euap")
ISSUERS = (
    "Microsoft TLS G2 RSA CA OCSP 16",
    "An authority with a name that is much longer than those which Microsoft has used so far, number 0123456789",
)


def results() -> Iterator[dict[str, Any]]:
    for line in range(1, 1501):
        claims = {
            "sku": "2022-datacenter-azure-edition-hotpatch-smalldisk" if line % 3 else "22_04-lts-gen2",
            "timeStamp": {"expiresOn": f"11/23/26 {12 + line % 7}:30:00 -0000"},
        }
        whose = {
            "cloud": "public",
            "name": f"{REGIONS[line % len(REGIONS)]}.metadata.azure.com",
            "issuer": ISSUERS[line % 7 == 0],
            "claims": claims,
        }
        yield {"line": line, "verdict": "accepted", **whose, "at": AT}
    for line in range(1501, 1601):
        reason = ("unknown-issuer", "document-expired", "bad-signature", "bad-line")[min(line % 7, 3)]
        yield {"line": line, "verdict": "refused", "reason": reason, "at": AT}
    rare = {"cloud": "usgovernment", "name": "usgovvirginia.metadata.azure.us", "issuer": "I" * 90, "claims": claims}
    yield {"id": "a" * 120, "verdict": "accepted", **rare, "at": AT}


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    (folder / "results.ndjson").write_text("".join(json.dumps(one) + "\n" for one in results()))
    command = [PYTHON, "-m", "imdskit", "report", "results.ndjson", "--title", "Attested documents of November", "-o", "report.html"]
    subprocess.run(command, cwd=folder, env=ENVIRONMENT, check=True, timeout=60)
    return folder / "report.html"


@pytest.fixture
def window(driver: webdriver.Chrome, width: int, pictures: Path, report: Path) -> Window:
    shown = Window(driver, width, pictures)
    driver.get(report.as_uri())
    return shown


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_barriers(window: Window, scheme: str) -> None:
    with window.colours(scheme):
        window.picture(f"report-{scheme}")
        assert window.barriers() == []


def test_everything_fits_and_names_are_complete(window: Window) -> None:
    assert window.too_wide() == []
    text = window.driver.execute_script("return document.body.innerText")
    assert all(name in text for name in (*REGIONS, *ISSUERS, "I" * 90, "a" * 120))
    assert "`" not in text


def test_bar_lengths_agree_with_their_numbers(window: Window) -> None:
    script = """
      return [...document.querySelectorAll(".bars")].map((list) => [...list.children].map((item) => [
        item.querySelector(".track span").offsetWidth / item.querySelector(".track").offsetWidth, parseInt(item.lastChild.textContent.replace(",", ""))]))
    """
    lists = window.driver.execute_script(script)
    assert len(lists) == 6
    for bars in lists:
        most = max(count for _, count in bars)
        assert all(length == pytest.approx(count / most, abs=0.03) for length, count in bars)


def test_browser_reports_no_policy_violation(window: Window) -> None:
    assert [entry["message"] for entry in window.driver.get_log("browser")] == []
