"""The page of the admin side in a real Chromium, against an emulator as ``imdskit serve`` starts it.

A plugin of pytest, and no conftest.py, as the usual test run has no selenium. Run by ``make page`` in an environment of its own.
``IMDSKIT_PAGE_PYTHON`` runs the emulator, ``IMDSKIT_SCREENSHOTS`` is the folder for pictures.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20
"""Seconds, by the machine's clock, for what must appear in the end."""


class Imds:
    """An emulator of our own, and what its state file says."""

    def __init__(self, folder: Path, *options: str) -> None:
        state = folder / "state.json"
        command = [os.environ.get("IMDSKIT_PAGE_PYTHON", sys.executable), "-m", "imdskit", "serve", "--port", "0", "--seed", "1"]
        command += ["--no-rate-limit", "--state-file", str(state), *options]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        assert self._process.stdout is not None
        self._process.stdout.readline()
        known = json.loads(state.read_bytes())
        self.url, self.admin, self.token = known["url"], known["admin"], known["token"]

    def get(self, path: str) -> Any:
        """Ask the service, as a program does."""
        request = urllib.request.Request(self.url + path, headers={"Metadata": "true"})
        return json.loads(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).read())

    def manage(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the admin side, as another program does."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.admin + path, data, headers, method=method)
        return json.loads(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).read())

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            assert self._process.wait(30) == 0
        finally:
            self._process.kill()


class Page:
    """What a person does with the page, and sees."""

    def __init__(self, driver: webdriver.Chrome, imds: Imds, pictures: Path) -> None:
        self.driver, self.imds, self.pictures = driver, imds, pictures

    def open(self) -> None:
        """The page with the token typed in."""
        self.driver.get(self.imds.admin + "/")
        self.at("#token").send_keys(self.imds.token)
        self.press("Open")
        self.sees("#connection", "connected")
        self.until("the machine is shown", lambda: self.all("#tree input"))

    def at(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def press(self, name: str) -> None:
        """The one button of this accessible name, or whose name begins so."""

        def press() -> None:
            buttons = [one for one in self.all("button, summary") if one.is_displayed() and one.accessible_name.startswith(name)]
            assert len(buttons) == 1, (name, [one.accessible_name for one in self.all("button")])
            self._click(buttons[0])

        self.steadily(press)

    def fill(self, selector: str, text: str) -> None:
        """Put text into a field as if pasted."""
        self.driver.execute_script("arguments[0].value = arguments[1]", self.at(selector), text)

    def switch(self, number: int) -> None:
        """Use the switch of a fault."""
        self.steadily(lambda: self._click(self.at(f"#fault-{number}")))

    def _click(self, element: WebElement) -> None:
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def until(self, what: str, look: Callable[[], object]) -> None:
        WebDriverWait(self.driver, PATIENCE, 0.05).until(lambda _: look(), f"{what} has not come true")

    def steadily(self, do: Callable[[], T]) -> T:
        """What ``do`` gives; from the start again where the page has replaced what it had in hand."""
        wait = WebDriverWait(self.driver, PATIENCE, 0.05, ignored_exceptions=[StaleElementReferenceException])
        return wait.until(lambda _: (do(),), "the page does not come to rest")[0]

    def text(self, selector: str) -> str:
        """All that is in there; read in one step, as the page may be replacing it."""
        return str(self.driver.execute_script("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def value(self, selector: str) -> str:
        """What stands in a field; read in one step, too."""
        return str(self.driver.execute_script("return document.querySelector(arguments[0])?.value ?? ''", selector))

    def sees(self, selector: str, text: str) -> None:
        self.until(f"{text!r} in {selector}", lambda: text in self.text(selector))

    def picture(self, name: str) -> None:
        """The whole page, for people to look at."""
        height = self.driver.execute_script("return document.documentElement.scrollHeight")
        self.driver.set_window_size(1360, height + 40)
        self.driver.execute_script("window.scrollTo(0, 0)")
        assert self.driver.save_screenshot(str(self.pictures / f"{name}.png"))
        self.driver.set_window_size(1360, 950)

    def problems(self) -> list[str]:
        """What the browser complains of, such as breaches of the content security policy; answers that are errors are not meant."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["source"] != "network"]


@pytest.fixture(scope="session")
def pictures() -> Path:
    folder = Path(os.environ.get("IMDSKIT_SCREENSHOTS", ROOT / "build" / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def driver() -> Iterator[webdriver.Chrome]:
    programs = shutil.which("chromium"), shutil.which("chromedriver")
    assert all(programs), "chromium and chromedriver are needed: Debian's packages chromium and chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = str(programs[0])
    with tempfile.TemporaryDirectory() as profile:
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-proxy-server",
            "--disable-background-networking",
            "--window-size=1360,950",
            "--lang=en",
            "--force-prefers-reduced-motion",
            f"--user-data-dir={profile}",
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        chrome = webdriver.Chrome(options, Service(str(programs[1])))
        try:
            yield chrome
        finally:
            chrome.quit()


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Imds, Any]]:
    made = Imds(tmp_path_factory.mktemp("emulator"), "--clock", "manual")
    try:
        yield made, made.manage("GET", "/v1/snapshot")
    finally:
        made.stop()


@pytest.fixture
def imds(running: tuple[Imds, Any]) -> Imds:
    """As it was at the beginning, but for the time."""
    made, beginning = running
    made.manage("PUT", "/v1/snapshot", beginning)
    made.manage("DELETE", "/v1/journal")
    return made


@pytest.fixture
def page(driver: webdriver.Chrome, imds: Imds, pictures: Path) -> Iterator[Page]:
    shown = Page(driver, imds, pictures)
    shown.open()
    yield shown
    assert shown.problems() == []
