"""What a person can do with the page of the admin side. The name keeps it out of the usual test run, which has no browser: see ``make page``."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from browser import Imds, Page
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

INSTANCE = "/metadata/instance/compute?api-version=2021-02-01"
EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"
CHECKS = [
    "envelope",
    "structure",
    "signer",
    "signature algorithm",
    "signature key",
    "signature",
    "chain",
    "revocation",
    "name",
    "claims",
    "times",
    "nonce",
]
ATTESTED = "/metadata/attested/document?api-version=2021-02-01"


def test_a_reboot_is_scheduled_starts_and_is_approved_and_a_broken_signature_is_found(page: Page, imds: Imds) -> None:
    page.press("Schedule")
    page.sees("#event-list", "starts by itself in 15 min")
    page.sees("#event-log", "Reboot is scheduled")
    (event,) = imds.get(EVENTS)["Events"]
    assert (event["EventType"], event["EventStatus"]) == ("Reboot", "Scheduled")
    page.sees("#entries", "/metadata/scheduledevents")  # the program that asked is in the journal

    Select(page.at("#clock-advance")).select_by_visible_text("15 minutes")
    page.press("Move the clock")
    page.sees("#event-list", "Started")
    page.sees("#event-log", "Reboot has started")
    assert imds.get(EVENTS)["Events"][0]["EventStatus"] == "Started"
    page.press("Complete Reboot")
    page.sees("#event-list", "Nothing is scheduled")

    page.at("#event-notice").send_keys("3600")
    page.press("Schedule")
    page.sees("#event-list", "starts by itself in 1 h")
    page.press("Approve Reboot")
    page.sees("#event-list", "started; over in 10 min")
    assert imds.get(EVENTS)["Events"][0]["EventStatus"] == "Started"
    assert page.steadily(lambda: page.at("#timeline svg").get_attribute("role")) == "img"

    page.at("#nonce").send_keys("1234567890")
    page.press("Ask for a document")
    page.sees("#verdict", "Accepted")
    assert not page.all("#steps [data-outcome=fail]")
    assert [
        one.get_attribute("data-check") for one in page.all("#steps tbody tr") if one.rect["x"] > 0 and one.rect["height"] > 10
    ] == CHECKS
    assert [one.find_element("tag name", "strong").text for one in page.all("#chain > li")][-1] == page.all("#chain strong")[-1].text
    assert len(page.all("#chain > li")) == 3
    assert "1234567890" in page.text("#inspection dl")
    page.picture("accepted")

    page.switch(0)
    page.sees("#fault-list", "Break the signature")
    page.press("Ask for a document")
    page.sees("#verdict", "Refused: bad-signature")
    failed = page.text("#steps [data-outcome=fail]")
    assert failed.startswith("fail\tsignature\tbad-signature")
    assert [one.get_attribute("data-check") for one in page.all("#steps [data-outcome=fail]")] == ["signature"]
    page.sees("#fault-list", "1")
    page.sees("#entries", "fault document")
    page.picture("bad-signature")

    page.switch(0)
    page.sees("#told", "Break the signature: off.")
    page.press("Ask for a document")
    page.sees("#verdict", "Accepted")


def test_a_document_that_somebody_has_can_be_taken_apart(page: Page, imds: Imds) -> None:
    document = imds.get(ATTESTED)
    page.press("Take another document apart")
    page.fill("#given", json.dumps(document))
    page.press("Take it apart")
    page.sees("#verdict", "Accepted")
    page.fill("#given", "this is none")
    page.press("Take it apart")
    page.sees("#verdict", "Refused: bad-base64")


def test_the_machine_is_edited_in_its_tree(page: Page, imds: Imds) -> None:
    field = page.at("[data-place='/compute/name']")
    field.clear()
    field.send_keys("renamed")
    page.sees("#machine-edits", "1 edit not applied")
    page.press("Apply")
    page.sees("#told", "The machine has changed.")
    assert imds.get(INSTANCE)["name"] == "renamed"

    page.driver.execute_script("for (const one of document.querySelectorAll('#tree details')) one.open = true")
    address = page.at("[data-place='/network/interface/0/ipv4/ipAddress/0/privateIpAddress']")
    address.clear()
    address.send_keys("10.0.0.9" + Keys.ENTER)
    page.sees("#machine-edits", "")
    page.until("the address is in effect", lambda: "10.0.0.9" in json.dumps(imds.manage("GET", "/v1/state")))

    page.press("Add or change a member")
    page.at("#member-path").send_keys("/compute/tags/with~1slash")
    page.at("#member-value").send_keys("<b>no markup</b>" + Keys.ENTER)
    page.sees("#tree", "with/slash")
    assert page.value("[data-place='/compute/tags/with~1slash']") == "<b>no markup</b>"
    page.press("Take /compute/tags/with~1slash away")
    page.until("it is gone", lambda: not page.all("[data-place='/compute/tags/with~1slash']"))

    page.at("#member-path").clear()
    page.at("#member-path").send_keys("/compute/nosuch")
    page.at("#member-value").send_keys("1" + Keys.ENTER)
    page.sees("#machine-problem", "/compute/nosuch")


def test_what_other_programs_change_is_seen_without_asking(page: Page, imds: Imds) -> None:
    imds.manage("PATCH", "/v1/state", {"compute": {"name": "from-elsewhere"}})
    imds.manage("PUT", "/v1/events", [{"EventId": "x", "EventType": "Freeze", "Description": "<img src=x onerror=alert(1)>"}])
    imds.manage("PUT", "/v1/faults", [{"match": {"path": "/metadata/<i>"}, "fault": {"status": 500}}])
    page.until("the name is there", lambda: page.value("[data-place='/compute/name']") == "from-elsewhere")
    page.sees("#event-list", "<img src=x onerror=alert(1)>")
    page.sees("#fault-list", "/metadata/<i>")
    assert not page.all("#event-list img, #fault-list i")


def test_the_journal_is_live_and_can_be_narrowed(page: Page, imds: Imds) -> None:
    assert page.at("#journal-log").get_attribute("aria-live") == "polite"
    assert page.at("#journal-log").aria_role == "log"
    imds.get(INSTANCE)
    page.until("the request is there", lambda: re.search(r"^[0-9:]{8}\s+GET " + re.escape(INSTANCE), page.text("#entries"), re.MULTILINE))
    imds.get(ATTESTED)
    Select(page.at("#journal-category")).select_by_visible_text("attested")
    page.until("only documents", lambda: page.text("#entries").count("GET") == 1 and "attested" in page.text("#entries"))
    page.press("Forget all entries")
    page.until("nothing is left", lambda: not page.all("#entries tr"))
    imds.get(ATTESTED)
    page.sees("#entries", "attested")


def test_each_switch_loads_a_rule_that_the_emulator_takes(page: Page, imds: Imds) -> None:
    switches = len(page.all("#fault-switches input"))
    assert switches > 8
    for switch in range(switches):
        page.switch(switch)
        page.until("the rule is loaded", lambda: len(imds.manage("GET", "/v1/faults")["faults"]) == 1)
        page.sees("#told", ": on.")
        page.switch(switch)
        page.until("the rule is gone", lambda: not imds.manage("GET", "/v1/faults")["faults"])
        page.sees("#told", ": off.")
    assert page.text("#fault-problem") == ""


def requests(driver: webdriver.Chrome) -> list[dict[str, Any]]:
    """All that the browser has sent since this was asked last."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return [one["params"]["request"] for one in messages if one["method"] == "Network.requestWillBeSent"]


def test_the_token_is_in_no_address_and_nothing_is_asked_of_others(driver: webdriver.Chrome, imds: Imds, page: Page) -> None:
    page.press("Ask for a document")
    page.sees("#verdict", "Accepted")
    sent = requests(driver)
    assert [one for one in sent if one["headers"].get("Authorization") == f"Bearer {imds.token}"]
    mine = [one for one in sent if one["url"].startswith(imds.admin + "/")]
    assert len(mine) > 10
    assert not [one["url"] for one in sent if imds.token in one["url"]]
    assert not [one["url"] for one in sent if one["url"].startswith("http") and not one["url"].startswith("http://127.0.0.1:")]
    assert imds.token not in driver.page_source
    kept = driver.execute_script(
        "return JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href, history.state])"
    )
    assert imds.token not in kept


def test_a_wrong_token_opens_nothing_and_a_forgotten_one_closes_all(driver: webdriver.Chrome, imds: Imds, page: Page) -> None:
    page.press("Forget the token")
    assert not page.at("#board").is_displayed()
    assert (page.text("#tree"), page.text("#entries"), page.text("#who")) == ("", "", "")
    page.at("#token").send_keys("not-the-right-token" + Keys.ENTER)
    page.sees("#enter-problem", "The token is missing or wrong.")
    page.picture("token")
    assert not page.at("#board").is_displayed()
    driver.refresh()
    assert page.at("#token").is_displayed()
    driver.get_log("browser")


def test_another_page_cannot_ask_in_its_place(driver: webdriver.Chrome, imds: Imds, page: Page, tmp_path: Any) -> None:
    other = Imds(tmp_path_of(tmp_path))
    try:
        driver.get(other.admin + "/")
        script = """
          const done = arguments[2];
          fetch(arguments[0] + "/v1/state", {headers: {Authorization: "Bearer " + arguments[1]}}).then(() => done("answered"), () => done("refused"));
        """
        assert driver.execute_async_script(script, imds.admin, imds.token) == "refused"
        same = "const done = arguments[1]; fetch('/v1/state', {headers: {Authorization: 'Bearer ' + arguments[0]}}).then((r) => done(r.status))"
        assert driver.execute_async_script(same, other.token) == 200
        inject = "try { document.body.innerHTML = '<b>x</b>'; return 'done' } catch (error) { return error.name }"
        assert driver.execute_script(inject) == "TypeError"
    finally:
        other.stop()
        driver.get_log("browser")


def test_an_emulator_that_has_gone_is_told_and_what_was_seen_stays(driver: webdriver.Chrome, pictures: Path, tmp_path: Path) -> None:
    gone = Imds(tmp_path)
    try:
        page = Page(driver, gone, pictures)
        page.open()
    finally:
        gone.stop()
    page.sees("#connection", "The emulator does not answer.")
    assert page.value("[data-place='/compute/name']") == "linux-vm"
    page.press("Schedule")
    page.sees("#event-problem", "The emulator does not answer.")


def test_of_a_fleet_one_machine_is_looked_at(driver: webdriver.Chrome, pictures: Path, tmp_path: Path) -> None:
    fleet = Imds(tmp_path, "--fleet", "5")
    try:
        page = Page(driver, fleet, pictures)
        page.open()
        assert page.value("#which") == "0"
        assert page.text("#fleet-size") == "of 5"
        names = [fleet.manage("GET", f"/v1/state?machine={number}")["compute"]["name"] for number in (0, 3)]
        assert page.value("[data-place='/compute/name']") == names[0] != names[1]
        page.at("#which").clear()
        page.at("#which").send_keys("3" + Keys.ENTER)
        page.until("the other machine is shown", lambda: page.value("[data-place='/compute/name']") == names[1])
        page.press("Schedule")
        page.sees("#event-list", f"On {names[1]}")
        assert fleet.get("/m/3" + EVENTS)["Events"]
        assert not fleet.get("/m/0" + EVENTS)["Events"]
        page.sees("#entries", "machine 3: GET")
        page.press("Ask for a document")
        page.sees("#verdict", "Accepted")
    finally:
        fleet.stop()


def tmp_path_of(folder: Any) -> Any:
    (folder / "other").mkdir()
    return folder / "other"


CONTROLS = "a[href], button, input, select, textarea, summary, [tabindex='0']"


def test_every_control_has_a_name_and_every_id_is_there_once(page: Page, imds: Imds) -> None:
    imds.manage("PUT", "/v1/events", [{"EventId": "x", "EventType": "Freeze"}])
    imds.manage("PUT", "/v1/faults", [{"fault": {"status": 500}}])
    page.press("Ask for a document")
    page.until("all is shown", lambda: page.all("#event-list button") and page.all("#fault-list button") and page.text("#verdict"))
    page.driver.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    shown = page.steadily(
        lambda: [(one.accessible_name.strip(), one.get_attribute("outerHTML")) for one in page.all(CONTROLS) if one.is_displayed()]
    )
    assert [markup for name, markup in shown if not name] == []
    assert len(shown) > 60
    ids = page.driver.execute_script("return [...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert sorted(ids) == sorted(set(ids))
    references = page.driver.execute_script(
        "return [...document.querySelectorAll('[for],[aria-labelledby],[aria-describedby]')].flatMap((one) => "
        "[one.htmlFor, one.getAttribute('aria-labelledby'), one.getAttribute('aria-describedby')]).filter(Boolean).filter((id) => !document.getElementById(id))"
    )
    assert references == []
    levels = page.steadily(lambda: [int(one.tag_name[1]) for one in page.all("h1, h2, h3") if one.is_displayed()])
    assert levels[0] == 1 and all(after <= before + 1 for before, after in pairwise(levels))
    assert page.at("html").get_attribute("lang") == "en"
    tables = page.driver.execute_script(
        "return [...document.querySelectorAll('table')].map((one) => one.querySelectorAll('th[scope]').length)"
    )
    assert tables and all(tables)


def test_the_keyboard_alone_is_enough(page: Page, imds: Imds) -> None:
    """From the top of the page, Tab by Tab, each stop visible and outlined; then a reboot is scheduled and approved without a mouse."""
    page.driver.execute_script("document.activeElement.blur(); window.scrollTo(0, 0)")
    keys = ActionChains(page.driver)

    def tab_to(wanted: str) -> list[str]:
        stops = []
        for _ in range(150):
            keys.send_keys(Keys.TAB).perform()
            active = page.driver.switch_to.active_element
            stops.append(active.accessible_name)
            outline = "const s = getComputedStyle(arguments[0]); return s.outlineStyle === 'none' ? 0 : parseFloat(s.outlineWidth)"
            assert page.driver.execute_script(outline, active) >= 2, active.get_attribute("outerHTML")
            if active.accessible_name.startswith(wanted):
                return stops
        raise AssertionError(f"no way to {wanted}: {stops}")

    page.driver.refresh()
    page.at("#token").click()
    keys.send_keys(imds.token, Keys.ENTER).perform()
    page.until("the machine is shown", lambda: page.all("#tree input"))
    stops = tab_to("Schedule")
    assert len(stops) == len([one for one in stops if one])
    keys.send_keys(Keys.ENTER).perform()
    page.sees("#event-list", "starts by itself")
    tab_to("Approve Reboot")
    keys.send_keys(Keys.ENTER).perform()
    page.sees("#event-list", "started")
    tab_to("Break the signature")
    keys.send_keys(Keys.SPACE).perform()
    page.sees("#fault-list", "Break the signature")
    tab_to("Ask for a document")
    keys.send_keys(Keys.ENTER).perform()
    page.sees("#verdict", "Refused: bad-signature")


def test_what_keeps_its_place_keeps_the_focus_while_the_clock_goes_on(page: Page, imds: Imds) -> None:
    imds.manage("PUT", "/v1/events", [{"EventId": "x", "EventType": "Freeze"}])
    page.until("the event is there", lambda: page.all("#Approve-x"))
    page.driver.execute_script("document.getElementById('Approve-x').focus()")
    imds.manage("POST", "/v1/clock", {"advance": 60})
    page.sees("#event-list", "in 14 min")
    assert page.driver.switch_to.active_element.get_attribute("id") == "Approve-x"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_told_from_its_ground(page: Page, imds: Imds, scheme: str) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1 for all text that is shown, light and dark."""
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    try:
        imds.manage("PUT", "/v1/events", [{"EventId": "x", "EventType": "Freeze"}, {"EventType": "Reboot", "EventStatus": "Started"}])
        for _ in range(3):
            imds.get(INSTANCE)
        page.switch(0)
        page.sees("#fault-list", "Break the signature")
        page.press("Ask for a document")
        page.sees("#verdict", "Refused")
        page.sees("#entries", "fault document")
        page.until("the event is there", lambda: page.all("#Approve-x"))
        page.picture(f"all-{scheme}")
        low = page.driver.execute_script(CONTRAST)
        assert low == []
    finally:
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


CONTRAST = """
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
const ground = (node) => {
  for (; node; node = node.parentElement) {
    const colour = parse(getComputedStyle(node).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
const low = [];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const node = walk.currentNode.parentElement;
  if (!walk.currentNode.data.trim() || !node.checkVisibility() || node.closest("svg, :disabled, select, script, noscript")) continue;
  const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) low.push(walk.currentNode.data.trim().slice(0, 40) + " " + ratio.toFixed(2));
}
return low;
"""


def test_it_fits_a_narrow_window(page: Page) -> None:
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    )
    try:
        page.press("Ask for a document")
        page.sees("#verdict", "Accepted")
        page.driver.save_screenshot(str(page.pictures / "narrow.png"))
        assert page.driver.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
        wide = "[...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > innerWidth + 1)"
        may_scroll = ".scroll, .scroll-x, pre, .skip"
        assert page.driver.execute_script(f"return {wide}.filter((one) => !one.closest('{may_scroll}')).map((one) => one.outerHTML)") == []
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_no_secret_name_is_needed_to_see_that_it_holds_nothing(imds: Imds) -> None:
    """Without the token the page is the same for everybody."""
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    text = opener.open(imds.admin + "/", timeout=30).read().decode()
    assert imds.token not in text
    assert not re.search(r"<script>|style=|onclick", text)
