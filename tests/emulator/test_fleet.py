"""Tests of fleets: each machine has its own identity, rate limits and events, and is created on
demand. All machines of a fleet share one authority."""

from __future__ import annotations

import gc
import http.client
import json
import socket
import threading
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

from imdskit.backends.contract import Backend
from imdskit.clock import ManualClock, MovableClock
from imdskit.emulator import Fleet, Scenario
from imdskit.emulator.authority.tokens import Issuer
from imdskit.emulator.host import HostedMachine
from imdskit.emulator.http.messages import Request
from imdskit.errors import ScenarioError, UsageError
from imdskit.verify import Policy, Trust, Verifier

NOON = 1_767_268_800
INSTANCE = "/metadata/instance?api-version=2021-02-01"
NONCE = "1234567890"
ATTESTED = f"/metadata/attested/document?api-version=2021-02-01&nonce={NONCE}"
EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"


def ask(member: HostedMachine, target: str) -> tuple[int, bytes]:
    """Send a request over HTTP, with the required header ``Metadata: true``."""
    parts = urlsplit(member.url)
    source = (member.source, 0) if member.source else None
    connection = http.client.HTTPConnection(parts.netloc, timeout=30, source_address=source)
    try:
        connection.request("GET", parts.path + target, headers={"Metadata": "true"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def put(fleet: Fleet, target: str, source: str = "", port: int = 0) -> Any:
    """Send a request to the fleet without a socket."""
    return fleet.handle(Request("GET", target, (("Metadata", "true"),), source=source, port=port))


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture(scope="module")
def fleet(backend: Backend, clock: ManualClock) -> Iterator[Fleet]:
    with Fleet("fleet", 2000, seed=1, clock=clock, backend=backend, resident=64) as fleet:
        yield fleet


@pytest.fixture
def unsigned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevent the generation of keys, for fleets that sign nothing."""
    monkeypatch.setattr(Fleet, "_make_authority", lambda *_: None)
    monkeypatch.setattr(Issuer, "prepare", lambda _: None)


def test_serves_a_hundred_of_two_thousand_machines_concurrently(fleet: Fleet, clock: ManualClock) -> None:
    clock.advance(10)
    numbers = range(0, 2000, 20)
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda index: ask(fleet.machine(index), INSTANCE), numbers))
    computes = [json.loads(body)["compute"] for status, body in answers if status == 200]
    assert len({compute["vmId"] for compute in computes}) == len(numbers)
    assert [compute["name"] for compute in computes] == [f"vm-{index:05}" for index in numbers]
    assert len({compute["subscriptionId"] for compute in computes}) == 1
    addresses = {json.loads(body)["network"]["interface"][0]["ipv4"]["ipAddress"][0]["privateIpAddress"] for _, body in answers}
    assert len(addresses) == len(numbers)
    assert len(fleet.machines) == 64


def test_each_machine_has_separate_rate_limits(fleet: Fleet, clock: ManualClock) -> None:
    clock.advance(10)
    first, second = fleet.machine(101), fleet.machine(102)
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(status for status, _ in pool.map(lambda _: ask(first, INSTANCE), range(8)))
    assert statuses == [200] * 5 + [429] * 3
    assert ask(second, INSTANCE)[0] == 200


def test_one_authority_signs_for_all_machines(fleet: Fleet, clock: ManualClock) -> None:
    clock.advance(10)
    verifier = Verifier(Trust.from_pem([fleet.trust_pem.encode()]), Policy.offline_audit(), clock=clock)
    numbers = range(7, 2000, 200)
    for index in numbers:
        member = fleet.machine(index)
        status, document = ask(member, ATTESTED)
        assert status == 200
        assert verifier.verify(document, nonce=NONCE).claims.vm_id == json.loads(ask(member, INSTANCE)[1])["compute"]["vmId"]


def test_each_machine_has_separate_events(fleet: Fleet, clock: ManualClock) -> None:
    clock.advance(10)
    event = fleet.machine(3).events.schedule("Reboot")
    shown = json.loads(ask(fleet.machine(3), EVENTS)[1])["Events"]
    assert [(each["EventId"], each["Resources"]) for each in shown] == [(event, ["vm-00003"])]
    assert json.loads(ask(fleet.machine(4), EVENTS)[1])["Events"] == []


def test_published_files_are_available_with_and_without_a_machine(fleet: Fleet) -> None:
    certificate = fleet.authority.signer().certificate
    start = certificate.index(fleet.url.encode() + b"/pki/")
    path = certificate[start : certificate.index(b".crt", start) + 4].decode().removeprefix(fleet.url)
    assert put(fleet, path).status == put(fleet, f"/m/5{path}").status == 200


PATHS: dict[str, tuple[str, int | None, str]] = {
    "a machine": ("/m/17/metadata/versions", 17, "/metadata/versions"),
    "the last machine": ("/m/1999/x?y", 1999, "/x?y"),
    "a number that is too high": ("/m/2000/x", None, "/x"),
    "no path after the prefix": ("/m/17", 17, "/"),
    "a query after the prefix": ("/m/17?x=/m/18/", 17, "/?x=/m/18/"),
    "leading zero": ("/m/017/x", None, "/m/017/x"),
    "a sign": ("/m/-1/x", None, "/m/-1/x"),
    "other digits": ("/m/\u0661/x", None, "/m/\u0661/x"),
    "very long": ("/m/" + "9" * 5000 + "/x", None, "/m/" + "9" * 5000 + "/x"),
    "no number": ("/m//x", None, "/m//x"),
    "no prefix": ("/metadata/instance", None, "/metadata/instance"),
    "prefix twice": ("/m/1/m/2/x", 1, "/m/2/x"),
}


@pytest.mark.parametrize(("target", "index", "rest"), PATHS.values(), ids=PATHS)
def test_path_prefix_selects_the_machine(target: str, index: int | None, rest: str, fleet: Fleet) -> None:
    assert fleet.addressing.find(Request("GET", target)) == (index, rest)


def test_request_without_a_machine_gets_404(fleet: Fleet) -> None:
    response = put(fleet, INSTANCE)
    assert (response.status, response.body) == (404, b'{ "error": "Not found" }')


@pytest.mark.parametrize("target", ["/", "/latest/meta-data", "/m/1999/latest/meta-data", "/m/2000/latest/meta-data", "/metadatas"])
def test_path_outside_of_metadata_gets_the_page_of_the_web_server(target: str, fleet: Fleet) -> None:
    response = put(fleet, target)
    assert (response.status, response.header_values("Content-Type")) == (404, ("text/html",))
    assert b"<title>404 - File or directory not found.</title>" in response.body


SOURCES: dict[str, tuple[str, str, int | None]] = {
    "first": ("127.1.0.0/16", "127.1.0.1", 0),
    "hundredth": ("127.1.0.0/16", "127.1.0.100", 99),
    "one too many": ("127.1.0.0/16", "127.1.0.101", None),
    "the network address": ("127.1.0.0/16", "127.1.0.0", None),
    "outside": ("127.1.0.0/16", "127.0.0.1", None),
    "mapped": ("127.1.0.0/16", "::ffff:127.1.0.2", 1),
    "IPv6": ("fd00::/64", "fd00::10", 15),
    "IPv6 with a zone": ("fe80::/64", "fe80::3%eth0", 2),
    "unknown": ("127.1.0.0/16", "", None),
}


@pytest.mark.parametrize(("network", "source", "index"), SOURCES.values(), ids=SOURCES)
def test_source_address_selects_the_machine(network: str, source: str, index: int | None, backend: Backend, unsigned: None) -> None:
    fleet = Fleet("linux", 100, 1, "source", network=network, backend=backend)
    try:
        assert fleet.addressing.find(Request("GET", "/x", source=source)) == (index, "/x")
        if index is not None and "." in network:
            assert fleet.machine(index).source == source.removeprefix("::ffff:")
    finally:
        fleet.stop()


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="only Linux has the whole of 127.0.0.0/8 on loopback")
def test_machines_can_be_reached_from_their_source_addresses(backend: Backend, clock: ManualClock, unsigned: None) -> None:
    with Fleet("fleet", 300, 1, "source", clock=clock, backend=backend) as fleet:
        names = {index: json.loads(ask(fleet.machine(index), INSTANCE)[1])["compute"]["name"] for index in (0, 1, 299)}
    assert names == {0: "vm-00000", 1: "vm-00001", 299: "vm-00299"}


def test_machines_can_be_reached_at_their_ports(backend: Backend, clock: ManualClock, unsigned: None) -> None:
    before = threading.active_count()
    with Fleet("fleet", 40, 1, "port", clock=clock, backend=backend) as fleet:
        assert len({fleet.machine(index).url for index in range(40)}) == 40
        with ThreadPoolExecutor(8) as pool:
            bodies = pool.map(lambda index: json.loads(ask(fleet.machine(index), INSTANCE)[1]), range(40))
        assert [body["compute"]["name"] for body in bodies] == [f"vm-{index:05}" for index in range(40)]
    assert threading.active_count() == before


def test_refuses_port_in_use(backend: Backend, unsigned: None) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        taken = one.getsockname()[1]
        one.listen()
        with pytest.raises(UsageError, match="Cannot listen"):
            Fleet("fleet", 4, 1, "port", port=taken - 1, backend=backend)


def test_same_seed_gives_same_machines_in_fleets_of_any_size(backend: Backend, unsigned: None) -> None:
    bodies = []
    for count, seed in ((5, 1), (500, 1), (5, 2)):
        fleet = Fleet("linux", count, seed, backend=backend)
        bodies.append(put(fleet, f"/m/4{INSTANCE}").body)
        fleet.stop()
    assert bodies[0] == bodies[1] != bodies[2]


def computes(template: Any, backend: Backend, *numbers: int) -> list[Any]:
    fleet = Fleet(Scenario.of(template), 50, 1, backend=backend)
    try:
        return [json.loads(put(fleet, f"/m/{number}{INSTANCE}").body) for number in numbers]
    finally:
        fleet.stop()


def test_default_names_and_addresses_are_numbered(backend: Backend, unsigned: None) -> None:
    given = {"compute": {"name": "web"}, "network": {"interface": [{}, {}, {"ipv4": {"ipAddress": [{"privateIpAddress": "192.0.2.1"}]}}]}}
    for number, whole in zip((0, 17), computes(given, backend, 0, 17), strict=True):
        assert whole["compute"]["name"] == f"web-{number}"
        addresses = [each["ipv4"]["ipAddress"][0]["privateIpAddress"] for each in whole["network"]["interface"]]
        assert addresses == [f"10.0.0.{number + 4}", f"10.16.0.{number + 4}", "192.0.2.1"]


NAMES: dict[str, tuple[dict[str, Any], str]] = {
    "default": ({}, "linux-vm-7"),
    "Windows": ({"compute": {"osType": "Windows"}}, "windows-vm-7"),
    "uniform scale set": ({"compute": {"name": "web_3", "vmScaleSetName": "web"}}, "web_7"),
    "flexible scale set": ({"compute": {"name": "web_4c2ab7e1", "vmScaleSetName": "web"}}, "web_4c2ab7e1-7"),
    "template": ({"template": True, "compute": {"name": "all-the-same"}}, "all-the-same"),
    "template without a name": ({"template": True, "compute": {"vmSize": "S{index}"}}, "linux-vm-7"),
}


@pytest.mark.parametrize(("template", "name"), NAMES.values(), ids=NAMES)
def test_machine_name_follows_the_template(template: dict[str, Any], name: str, backend: Backend, unsigned: None) -> None:
    (whole,) = computes(template, backend, 7)
    assert whole["compute"]["name"] == name


def test_each_machine_can_have_its_own_subscription(backend: Backend, unsigned: None) -> None:
    template = {"template": True, "compute": {"subscriptionId": "00000000-0000-4000-8000-{index:012}"}}
    found = [whole["compute"]["subscriptionId"][-4:] for whole in computes(template, backend, 1, 2)]
    assert found == ["0001", "0002"]


@pytest.fixture
def small(backend: Backend, unsigned: None) -> Iterator[tuple[Fleet, ManualClock]]:
    """Return a fleet of a hundred machines, of which at most two are resident."""
    clock = ManualClock(NOON)
    fleet = Fleet("fleet", 100, 1, clock=clock, backend=backend, resident=2)
    yield fleet, clock
    fleet.stop()


def evict_all(fleet: Fleet) -> None:
    for index in (98, 99):
        fleet.machines.get(index)
    gc.collect()


def test_rate_limits_survive_eviction(small: tuple[Fleet, ManualClock]) -> None:
    fleet, clock = small
    statuses = [put(fleet, f"/m/1{INSTANCE}").status for _ in range(6)]
    evict_all(fleet)
    statuses.append(put(fleet, f"/m/1{INSTANCE}").status)
    assert statuses == [200] * 5 + [429] * 2
    evict_all(fleet)
    clock.advance(1)
    assert [put(fleet, f"/m/1{INSTANCE}").status for _ in range(6)] == [200] * 5 + [429]


def test_rate_limits_are_kept_from_the_last_request_on(small: tuple[Fleet, ManualClock]) -> None:
    fleet, clock = small
    assert put(fleet, f"/m/1{INSTANCE}").status == 200
    clock.advance(5)
    assert [put(fleet, f"/m/1{INSTANCE}").status for _ in range(6)] == [200] * 5 + [429]
    evict_all(fleet)
    assert put(fleet, f"/m/1{INSTANCE}").status == 429


def test_rate_limits_of_evicted_machines_are_dropped_while_the_clock_stands_still(backend: Backend, unsigned: None) -> None:
    source = ManualClock(0)
    fleet = Fleet("fleet", 100, 1, clock=MovableClock(NOON, 0, source), backend=backend, resident=2)
    try:
        for index in range(20):
            assert put(fleet, f"/m/{index}{INSTANCE}").status == 200
        assert len(fleet.machines._limits) == 18
        source.advance(2)
        assert put(fleet, f"/m/50{INSTANCE}").status == 200
        assert len(fleet.machines._limits) == 0
    finally:
        fleet.stop()


def test_events_survive_eviction(small: tuple[Fleet, ManualClock]) -> None:
    fleet, clock = small
    events = fleet.machine(1).events
    evict_all(fleet)
    event = events.schedule("Freeze")
    evict_all(fleet)
    clock.advance(60)
    assert [each["EventId"] for each in json.loads(put(fleet, f"/m/1{EVENTS}").body)["Events"]] == [event]
    assert fleet.machine(1).events is events


def test_request_for_events_survives_eviction(small: tuple[Fleet, ManualClock]) -> None:
    fleet, _ = small
    before = put(fleet, f"/m/1{EVENTS}").body
    kept = fleet.machine(1).app.machine.events
    evict_all(fleet)
    assert fleet.machine(1).app.machine.events is kept
    assert put(fleet, f"/m/1{EVENTS}").body == before


def test_recreated_machine_is_the_same_with_new_request_ids(small: tuple[Fleet, ManualClock]) -> None:
    fleet, _ = small
    first = put(fleet, f"/m/1{INSTANCE}")
    evict_all(fleet)
    second = put(fleet, f"/m/1{INSTANCE}")
    assert first.body == second.body
    assert first.header_values("x-ms-request-id") != second.header_values("x-ms-request-id")


def test_number_of_resident_machines_is_limited(small: tuple[Fleet, ManualClock]) -> None:
    fleet, _ = small
    for index in range(100):
        assert put(fleet, f"/m/{index}{INSTANCE}").status == 200
    assert len(fleet.machines) == 2


def test_unused_machine_takes_no_memory(backend: Backend, unsigned: None) -> None:

    def made(count: int) -> int:
        gc.collect()
        tracemalloc.start()
        fleet = Fleet("fleet", count, 1, backend=backend)
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        fleet.stop()
        return size

    made(10)
    # The limit is the size of one pointer per machine. It is not zero, because the allocations of
    # the interpreter itself differ between versions.
    assert made(10_000) - made(10) < 8 * 9_990


def test_evicted_machine_is_freed_immediately(small: tuple[Fleet, ManualClock]) -> None:
    fleet, _ = small
    gone = weakref.ref(fleet.machine(1).app)
    put(fleet, f"/m/1{INSTANCE}")
    gc.disable()
    try:
        for index in (98, 99):
            fleet.machines.get(index)
        assert gone() is None
    finally:
        gc.enable()


def test_each_region_has_its_own_leaf_certificate(backend: Backend, clock: ManualClock) -> None:
    template = {"template": True, "compute": {"location": "region{index/2}"}}
    fleet = Fleet(Scenario.of(template), 4, 1, clock=clock, backend=backend)
    fleet.stop()
    verifier = Verifier(Trust.from_pem([fleet.trust_pem.encode()]), Policy.offline_audit(), clock=clock)
    names = [verifier.verify(put(fleet, f"/m/{index}{ATTESTED}").body, nonce=NONCE).name for index in range(4)]
    assert names == [f"region{index // 2}.metadata.azure.com" for index in range(4)]


WRONG: dict[str, tuple[Callable[[], Fleet], type[Exception]]] = {
    "no machine": (lambda: Fleet(count=0), UsageError),
    "too many": (lambda: Fleet(count=10**6 + 1), UsageError),
    "no resident machine": (lambda: Fleet(resident=0), UsageError),
    "an unknown selection": (lambda: Fleet(select="host"), UsageError),  # type: ignore[arg-type]
    "an invalid network": (lambda: Fleet(select="source", network="127.1.0.1/16"), UsageError),
    "a network that is too small": (lambda: Fleet(count=4, select="source", network="127.1.0.0/30"), UsageError),
    "an unknown scenario": (lambda: Fleet("nosuch"), ScenarioError),
    "no address for the last machine": (
        lambda: Fleet(Scenario.of({"template": True, "compute": {"name": "{ip:10.0.0.0/29}"}}), 4),
        ScenarioError,
    ),
    "a region that is invalid in a certificate": (lambda: Fleet(Scenario.of({"compute": {"location": "mars_1"}})), ScenarioError),
}


@pytest.mark.parametrize(("make", "kind"), WRONG.values(), ids=WRONG)
def test_refuses_invalid_fleet_on_construction(make: Callable[[], Fleet], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        make()


def test_refuses_machine_number_beyond_the_last(fleet: Fleet) -> None:
    for index in (-1, 2000):
        with pytest.raises(UsageError):
            fleet.machine(index)
    assert len(fleet) == 2000
