"""Tests of the page of the admin API in a browser.

The file name excludes them from the usual run, which has no browser: see ``make page``.
"""

from __future__ import annotations

import json
import re
from itertools import combinations, pairwise
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
ANY_WIDTH = pytest.mark.parametrize("width", [1280])
"""For tests that the width of the window cannot affect."""
ATTESTED = "/metadata/attested/document?api-version=2021-02-01"


def test_schedules_approves_and_ends_a_reboot_and_finds_a_broken_signature(page: Page, imds: Imds) -> None:
    page.press("Schedule")
    page.sees("#event-list", "starts in 15 min")
    page.sees("#event-log", "Reboot is scheduled")
    (event,) = imds.get(EVENTS)["Events"]
    assert (event["EventType"], event["EventStatus"]) == ("Reboot", "Scheduled")
    page.sees("#entries", "/metadata/scheduledevents")  # the journal shows the request of the program

    Select(page.at("#clock-advance")).select_by_visible_text("15 minutes")
    page.press("Move clock")
    page.sees("#event-list", "Started")
    page.sees("#event-log", "Reboot has started")
    assert imds.get(EVENTS)["Events"][0]["EventStatus"] == "Started"
    page.press("Complete Reboot")
    page.sees("#event-list", "No events are scheduled")

    page.at("#event-notice").send_keys("3600")
    page.press("Schedule")
    page.sees("#event-list", "starts in 1 h")
    page.press("Approve Reboot")
    page.sees("#event-list", "ends in 10 min")
    assert imds.get(EVENTS)["Events"][0]["EventStatus"] == "Started"
    assert page.steadily(lambda: page.at("#timeline svg").get_attribute("role")) == "img"

    page.at("#nonce").send_keys("1234567890")
    page.press("Request document")
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
    page.sees("#fault-list", "Broken signature")
    page.press("Request document")
    page.sees("#verdict", "Refused: bad-signature")
    failed = page.text("#steps [data-outcome=fail]")
    assert failed.split()[:3] == ["fail", "signature", "bad-signature,"]
    assert [one.get_attribute("data-check") for one in page.all("#steps [data-outcome=fail]")] == ["signature"]
    page.sees("#fault-list", "1")
    page.sees("#entries", "fault document")
    page.picture("bad-signature")

    page.switch(0)
    page.sees("#told", "Broken signature: off.")
    page.press("Request document")
    page.sees("#verdict", "Accepted")


def test_inspects_a_document_that_is_pasted_in(page: Page, imds: Imds) -> None:
    document = imds.get(ATTESTED)
    page.press("Inspect another document")
    page.fill("#given", json.dumps(document))
    page.press("Inspect document")
    page.sees("#verdict", "Accepted")
    page.fill("#given", "this is none")
    page.press("Inspect document")
    page.sees("#verdict", "Refused: bad-base64")


def test_edits_the_machine_in_its_tree(page: Page, imds: Imds) -> None:
    field = page.at("[data-place='/compute/name']")
    field.clear()
    field.send_keys("renamed")
    page.sees("#machine-edits", "1 edit not applied")
    page.press("Apply")
    page.sees("#told", "The changes were applied.")
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
    page.press("Remove /compute/tags/with~1slash")
    page.until("it is gone", lambda: not page.all("[data-place='/compute/tags/with~1slash']"))

    page.at("#member-path").clear()
    page.at("#member-path").send_keys("/compute/nosuch")
    page.at("#member-value").send_keys("1" + Keys.ENTER)
    page.sees("#machine-problem", "/compute/nosuch")


def test_shows_changes_made_by_other_programs(page: Page, imds: Imds) -> None:
    imds.manage("PATCH", "/v1/state", {"compute": {"name": "from-elsewhere"}})
    imds.manage("PUT", "/v1/events", [{"EventId": "x", "EventType": "Freeze", "Description": "<img src=x onerror=alert(1)>"}])
    imds.manage("PUT", "/v1/faults", [{"match": {"path": "/metadata/<i>"}, "fault": {"status": 500}}])
    page.until("the name is there", lambda: page.value("[data-place='/compute/name']") == "from-elsewhere")
    page.sees("#event-list", "<img src=x onerror=alert(1)>")
    page.sees("#fault-list", "/metadata/<i>")
    assert not page.all("#event-list img, #fault-list i")


def test_follows_the_journal_and_filters_it(page: Page, imds: Imds) -> None:
    assert page.at("#journal-log").get_attribute("aria-live") == "polite"
    assert page.at("#journal-log").aria_role == "log"
    page.sees("#journal-empty", "No requests yet.")
    imds.get(INSTANCE)
    page.until("the request is there", lambda: re.search(r"^[0-9:]{8}\s+GET " + re.escape(INSTANCE), page.text("#entries"), re.MULTILINE))
    imds.get(ATTESTED)
    Select(page.at("#journal-category")).select_by_visible_text("attested")
    page.until("only documents", lambda: page.text("#entries").count("GET") == 1 and "attested" in page.text("#entries"))
    page.press("Clear journal")
    page.until("nothing is left", lambda: not page.all("#entries tr"))
    imds.get(ATTESTED)
    page.sees("#entries", "attested")


@ANY_WIDTH
def test_every_switch_loads_a_valid_rule(page: Page, imds: Imds) -> None:
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
    """Return all requests of the browser since the last call."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return [one["params"]["request"] for one in messages if one["method"] == "Network.requestWillBeSent"]


@ANY_WIDTH
def test_sends_the_token_only_in_a_header_and_only_to_the_emulator(driver: webdriver.Chrome, imds: Imds, page: Page) -> None:
    page.press("Request document")
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


def test_wrong_or_forgotten_token_hides_everything(driver: webdriver.Chrome, imds: Imds, page: Page) -> None:
    page.press("Forget token")
    assert not page.at("#board").is_displayed()
    assert (page.text("#tree"), page.text("#entries"), page.text("#who")) == ("", "", "")
    page.at("#token").send_keys("not-the-right-token" + Keys.ENTER)
    page.sees("#enter-problem", "The token is missing or wrong.")
    assert (page.barriers(), page.too_wide()) == ([], [])
    page.picture("token")
    assert not page.at("#board").is_displayed()
    driver.refresh()
    assert page.at("#token").is_displayed()
    driver.get_log("browser")


@ANY_WIDTH
def test_other_pages_cannot_use_the_admin_api(driver: webdriver.Chrome, imds: Imds, page: Page, tmp_path: Any) -> None:
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


def test_says_that_the_emulator_does_not_respond_and_keeps_its_content(
    driver: webdriver.Chrome, width: int, pictures: Path, tmp_path: Path
) -> None:
    gone = Imds(tmp_path)
    try:
        page = Page(driver, width, pictures, gone)
        page.open()
    finally:
        gone.stop()
    page.sees("#connection", "disconnected")
    page.sees("#connection-problem", "The emulator does not respond.")
    assert page.value("[data-place='/compute/name']") == "linux-vm"
    page.press("Schedule")
    page.sees("#event-problem", "The emulator does not respond.")


def test_shows_one_machine_of_a_fleet_at_a_time(driver: webdriver.Chrome, width: int, pictures: Path, tmp_path: Path) -> None:
    fleet = Imds(tmp_path, "--fleet", "5")
    try:
        page = Page(driver, width, pictures, fleet)
        page.open()
        assert page.value("#which") == "0"
        assert page.text("#fleet-size") == "of 5"
        assert not page.at("#clock-still").is_displayed()
        names = [fleet.manage("GET", f"/v1/state?machine={number}")["compute"]["name"] for number in (0, 3)]
        assert page.value("[data-place='/compute/name']") == names[0] != names[1]
        page.at("#which").clear()
        page.at("#which").send_keys("3" + Keys.ENTER)
        page.until("the other machine is shown", lambda: page.value("[data-place='/compute/name']") == names[1])
        page.press("Schedule")
        page.sees("#event-list", f"Resources: {names[1]}")
        assert fleet.get("/m/3" + EVENTS)["Events"]
        assert not fleet.get("/m/0" + EVENTS)["Events"]
        page.sees("#entries", "machine 3: GET")
        page.press("Request document")
        page.sees("#verdict", "Accepted")
        page.picture("fleet")
        assert (page.barriers(), page.too_wide()) == ([], [])
    finally:
        fleet.stop()


def tmp_path_of(folder: Any) -> Any:
    (folder / "other").mkdir()
    return folder / "other"


CONTROLS = "a[href], button, input, select, textarea, summary, [tabindex='0']"


def test_every_control_has_a_name_and_every_id_is_unique(page: Page, imds: Imds) -> None:
    imds.manage("PUT", "/v1/events", [{"EventId": "x", "EventType": "Freeze"}])
    imds.manage("PUT", "/v1/faults", [{"fault": {"status": 500}}])
    page.press("Request document")
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


def test_works_with_the_keyboard_alone(page: Page, imds: Imds) -> None:
    """Move through the page with Tab, where each stop is visible and outlined, and then schedule and approve a reboot without a mouse."""
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
    page.sees("#event-list", "starts in")
    tab_to("Approve Reboot")
    keys.send_keys(Keys.ENTER).perform()
    page.sees("#event-list", "ends in")
    tab_to("Broken signature")
    keys.send_keys(Keys.SPACE).perform()
    page.sees("#fault-list", "Broken signature")
    tab_to("Request document")
    keys.send_keys(Keys.ENTER).perform()
    page.sees("#verdict", "Refused: bad-signature")


def test_keeps_the_focus_while_the_clock_moves(page: Page, imds: Imds) -> None:
    imds.manage("PUT", "/v1/events", [{"EventId": "x", "EventType": "Freeze"}])
    page.until("the event is there", lambda: page.all("#Approve-x"))
    page.driver.execute_script("document.getElementById('Approve-x').focus()")
    imds.manage("POST", "/v1/clock", {"advance": 60})
    page.sees("#event-list", "in 14 min")
    assert page.driver.switch_to.active_element.get_attribute("id") == "Approve-x"


def test_shows_only_faults_that_were_applied(page: Page, imds: Imds) -> None:
    for rule in ({"times": None, "fault": {"delay": 3600}}, {"fault": {"status": 500}}):
        imds.manage("PUT", "/v1/faults", [rule])
        page.press("Request document")
        page.until("the response is shown", lambda: page.text("#verdict"))
        assert ("A fault of type" in page.text("#verdict")) == ("status" in rule["fault"]), page.text("#verdict")
        page.driver.execute_script("document.getElementById('verdict').replaceChildren()")
    page.press("Request document")
    page.sees("#verdict", "Accepted")
    assert "fault" not in page.text("#verdict")


def test_switch_turns_off_when_its_fault_has_ended(page: Page, imds: Imds) -> None:
    switch = page.driver.execute_script(
        "return [...document.querySelectorAll('.switch')].findIndex((one) => one.innerText.startsWith('Two errors'))"
    )
    page.switch(switch)
    page.sees("#fault-list", "active")
    for _ in range(2):
        page.press("Request document")
        page.sees("#verdict", "the service responded with 500")
        page.driver.execute_script("document.getElementById('verdict').replaceChildren()")
    page.sees("#fault-list", "ended")
    page.until("the switch is off", lambda: not page.at(f"#fault-{switch}").is_selected())
    page.switch(switch)
    page.sees("#fault-list", "active")
    assert len(imds.manage("GET", "/v1/faults")["faults"]) == 1


@pytest.mark.parametrize(("nonce", "verdict"), [("Az09-._~" * 4, "Accepted"), ("1" * 33, "responded with 400")])
def test_nonce_field_states_the_limit_of_the_service(page: Page, nonce: str, verdict: str) -> None:
    assert page.at("#nonce").accessible_name == "Nonce (optional): 1 to 32 letters, digits, or any of -._~"
    page.at("#nonce").send_keys(nonce)
    page.press("Request document")
    page.sees("#verdict", verdict)
    assert ("The rule nonce refused the request." in page.text("#verdict")) == (verdict != "Accepted")


def test_says_that_the_clock_stands_still(page: Page) -> None:
    page.sees("#clock-still", "The clock stands still.")


def test_code_in_messages_is_marked_up(page: Page, imds: Imds) -> None:
    imds.manage("PUT", "/v1/faults", [{"fault": {"document": "unknown-root"}}])
    page.press("Request document")
    page.sees("#verdict", "--trust")
    assert page.all("#verdict code")
    page.press("Fault script")
    page.fill("#script", '[{"fault": {}}]')
    page.press("Replace all faults")
    page.until("the mistake is shown", lambda: page.text("#fault-problem"))


def show_everything(page: Page, imds: Imds) -> None:
    """Bring the page into a state in which all of its parts are visible."""
    imds.manage("PUT", "/v1/events", [{"EventId": "x", "EventType": "Freeze"}, {"EventType": "Reboot", "EventStatus": "Started"}])
    for _ in range(3):
        imds.get(INSTANCE)
    page.switch(0)
    page.sees("#fault-list", "Broken signature")
    page.press("Request document")
    page.sees("#verdict", "Refused")
    page.sees("#entries", "fault document")
    page.until("the event is there", lambda: page.all("#Approve-x"))
    page.driver.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_barriers(page: Page, imds: Imds, scheme: str) -> None:
    with page.colours(scheme):
        show_everything(page, imds)
        page.picture(f"all-{scheme}")
        assert page.barriers() == []


def test_axe_finds_existing_barriers(page: Page) -> None:
    page.driver.execute_script("document.querySelector('#who').style.color = '#ccc'; document.querySelector('label[for=nonce]').remove()")
    assert {one.partition(":")[0] for one in page.barriers()} == {"color-contrast", "label"}


def test_everything_fits_into_the_window(page: Page, imds: Imds) -> None:
    show_everything(page, imds)
    assert page.too_wide() == []
    fields = "return [...document.querySelectorAll('input:not([type=checkbox], [type=number])')].map((one) => [one.id, one.offsetWidth])"
    assert [(name, width) for name, width in page.driver.execute_script(fields) if 0 < width < 120] == []


def test_nothing_in_the_header_wraps(page: Page) -> None:
    """Check the header. In a narrow window, the links to the sections are on a separate line."""
    parts = page.driver.execute_script(
        "return [...document.querySelectorAll('.top h1, .top a, .top p, .top button')].map((one) => [one.textContent, one.getBoundingClientRect()])"
    )
    assert [text for text, box in parts if box["height"] > 36] == []
    assert page.at(".top").rect["height"] < (100 if page.width < 640 else 60)
    boxes = [box for _, box in parts]
    assert not [(one, two) for one, two in combinations(boxes, 2) if overlap(one, two)]


def overlap(one: dict[str, float], two: dict[str, float]) -> bool:
    return one["left"] < two["right"] and two["left"] < one["right"] and one["top"] < two["bottom"] and two["top"] < one["bottom"]


def test_markup_contains_no_secret(imds: Imds) -> None:
    """Search the files of the page, which anybody can fetch without a token."""
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    text = opener.open(imds.admin + "/", timeout=30).read().decode()
    assert imds.token not in text
    assert not re.search(r"<script>|style=|onclick", text)
