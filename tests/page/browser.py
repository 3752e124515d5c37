"""Fixtures that open the pages of imdskit in a real Chromium, in windows of three widths, and look for barriers with axe-core.

This is a pytest plugin rather than a conftest.py, because the usual test run has no Selenium. ``make page`` runs it in a separate
environment. ``IMDSKIT_PAGE_PYTHON`` is the Python that runs imdskit, ``IMDSKIT_SCREENSHOTS`` the folder for screenshots.
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
from contextlib import contextmanager
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
"""Seconds that a test waits for the page."""
WIDTHS = (360, 768, 1280)
"""Widths of the window in CSS pixels: a phone, a tablet, a laptop."""
PYTHON = os.environ.get("IMDSKIT_PAGE_PYTHON", sys.executable)
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
AXE = Path(sys.prefix) / "node_modules" / "axe-core" / "axe.min.js"
"""Path of axe-core. ``make page`` installs it there, in the version of tests/page/package-lock.json."""


class Imds:
    """An emulator, with the addresses and the token from its state file."""

    def __init__(self, folder: Path, *options: str) -> None:
        state = folder / "state.json"
        command = [PYTHON, "-m", "imdskit", "serve", "--port", "0", "--seed", "1"]
        command += ["--no-rate-limit", "--state-file", str(state), *options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT)
        assert self._process.stdout is not None
        self._process.stdout.readline()
        known = json.loads(state.read_bytes())
        self.url, self.admin, self.token = known["url"], known["admin"], known["token"]

    def get(self, path: str) -> Any:
        """Send a request to the service, as a program does."""
        request = urllib.request.Request(self.url + path, headers={"Metadata": "true"})
        return json.loads(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).read())

    def manage(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request to the admin API, as another program does."""
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


class Window:
    """A Chromium window of one width.

    Attributes:
        driver: Selenium's driver.
        width: CSS pixels.
        pictures: folder for screenshots.
    """

    def __init__(self, driver: webdriver.Chrome, width: int, pictures: Path) -> None:
        self.driver, self.width, self.pictures = driver, width, pictures
        self._resize(900)

    def _resize(self, height: int) -> None:
        size = {"width": self.width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    @contextmanager
    def colours(self, scheme: str) -> Iterator[None]:
        """Prefer ``light`` or ``dark`` colours."""
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        try:
            yield
        finally:
            self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})

    def picture(self, name: str) -> None:
        """Save a screenshot of the whole page for people to look at."""
        self._resize(int(self.driver.execute_script("return document.documentElement.scrollHeight")))
        self.driver.execute_script("window.scrollTo(0, 0)")
        assert self.driver.save_screenshot(str(self.pictures / f"{name}-{self.width}.png"))
        self._resize(900)

    def barriers(self) -> list[str]:
        """Return what axe-core finds: violations of any of its rules, and text whose contrast it cannot determine.

        It can determine none of the text in SVG.
        """
        self.driver.execute_script(AXE.read_text(encoding="utf-8"))
        found = self.driver.execute_async_script(RUN_AXE)
        assert found["passes"] > 5, found
        return list(found["found"])

    def too_wide(self) -> list[str]:
        """Return the elements that do not fit into the window or must be scrolled sideways."""
        return list(self.driver.execute_script(TOO_WIDE))


RUN_AXE = """
const done = arguments[0];
axe.run().then(({violations, incomplete, passes}) => {
  const undecided = incomplete.filter((one) => one.id === "color-contrast");
  const found = [...violations, ...undecided].flatMap((one) => one.nodes.map((node) => ({id: one.id, ...node}))).filter((one) => !one.html.startsWith("<text"));
  done({passes: passes.length, found: found.map((one) => `${one.id}: ${one.target}: ${one.failureSummary}`)});
}, (error) => done({passes: 0, found: String(error)}));
"""

TOO_WIDE = """
const shown = [...document.querySelectorAll("html, body *")].filter((one) => one.checkVisibility() && !one.closest("input, textarea, select, .skip"));
const beyond = (one) => one.getBoundingClientRect().right > innerWidth + 1 || (one.clientWidth > 1 && one.scrollWidth > one.clientWidth + 1);
return shown.filter(beyond).map((one) => one.cloneNode().outerHTML);
"""


class Page(Window):
    """The page of the admin API, as a person uses it."""

    def __init__(self, driver: webdriver.Chrome, width: int, pictures: Path, imds: Imds) -> None:
        super().__init__(driver, width, pictures)
        self.imds = imds

    def open(self) -> None:
        """Open the page and enter the token."""
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
        """Press the one button whose accessible name begins with ``name``."""

        def press() -> None:
            buttons = [one for one in self.all("button, summary") if one.is_displayed() and one.accessible_name.startswith(name)]
            assert len(buttons) == 1, (name, [one.accessible_name for one in self.all("button")])
            self._click(buttons[0])

        self.steadily(press)

    def fill(self, selector: str, text: str) -> None:
        """Replace the text of a field."""
        self.driver.execute_script("arguments[0].value = arguments[1]", self.at(selector), text)

    def switch(self, number: int) -> None:
        """Press the switch of a fault."""
        self.steadily(lambda: self._click(self.at(f"#fault-{number}")))

    def _click(self, element: WebElement) -> None:
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def until(self, what: str, look: Callable[[], object]) -> None:
        WebDriverWait(self.driver, PATIENCE, 0.05).until(lambda _: look(), f"{what} has not come true")

    def steadily(self, do: Callable[[], T]) -> T:
        """Return what ``do`` returns. Call it again if the page has replaced the elements that it was using."""
        wait = WebDriverWait(self.driver, PATIENCE, 0.05, ignored_exceptions=[StaleElementReferenceException])
        return wait.until(lambda _: (do(),), "the page does not come to rest")[0]

    def text(self, selector: str) -> str:
        """Return the visible text of an element, read in one step, because the page may be replacing it."""
        return str(self.driver.execute_script("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def value(self, selector: str) -> str:
        """Return the value of a field, read in one step."""
        return str(self.driver.execute_script("return document.querySelector(arguments[0])?.value ?? ''", selector))

    def sees(self, selector: str, text: str) -> None:
        self.until(f"{text!r} in {selector}", lambda: text in self.text(selector))

    def problems(self) -> list[str]:
        """Return messages of the browser, such as violations of the content security policy, except those about error responses."""
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
            "--hide-scrollbars",
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
    """Return the shared emulator in its initial state, except for its clock."""
    made, beginning = running
    made.manage("PUT", "/v1/snapshot", beginning)
    made.manage("DELETE", "/v1/journal")
    return made


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def page(driver: webdriver.Chrome, width: int, pictures: Path, imds: Imds) -> Iterator[Page]:
    shown = Page(driver, width, pictures, imds)
    shown.open()
    yield shown
    assert shown.problems() == []
    assert "`" not in shown.text("body")
