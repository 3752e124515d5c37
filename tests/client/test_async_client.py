"""Tests of the client for asyncio against the emulator, with a clock that the tests advance."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imdskit.client import AsyncClient, Client
from imdskit.client.retry import DEFAULT, Policy
from imdskit.clock import ManualClock
from imdskit.emulator import Emulator
from imdskit.errors import ClientError, UsageError

from .conftest import AT

STEADY = Policy(DEFAULT.deadline, DEFAULT.rules, jitter=0)
PACKAGE = Path(__file__).parent.parent.parent / "python"
VAULT = "https://vault.azure.net"


def client_of(imds: Emulator, clock: ManualClock, **options: Any) -> AsyncClient:
    async def sleep(seconds: float) -> None:
        await asyncio.sleep(0)
        clock.sleep(seconds)

    return AsyncClient(imds.url, retry=STEADY, clock=clock, sleep=sleep, timeout=60, **options)


CALLS: dict[str, tuple[Callable[[AsyncClient], Any], Callable[[Client], Any]]] = {
    "get": (lambda one: one.get("compute"), lambda one: one.get("compute")),
    "text": (lambda one: one.get("compute/vmId", "text"), lambda one: one.get("compute/vmId", "text")),
    "octets": (lambda one: one.get_bytes("network"), lambda one: one.get_bytes("network")),
    "instance": (lambda one: one.instance(), lambda one: one.instance()),
    "an older version": (lambda one: one.instance("2017-04-02"), lambda one: one.instance("2017-04-02")),
    "versions": (lambda one: one.versions(), lambda one: one.versions()),
    "a document": (lambda one: one.attested_document("abc"), lambda one: one.attested_document("abc")),
    "a checked document": (lambda one: one.attest("abc"), lambda one: one.attest("abc")),
    "a token": (lambda one: one.token(VAULT), lambda one: one.token(VAULT)),
    "a probe": (lambda one: one.probe(), lambda one: one.probe()),
}


@pytest.mark.parametrize(("there", "here"), CALLS.values(), ids=CALLS.keys())
def test_both_clients_return_the_same_results(
    imds: Emulator, clock: ManualClock, there: Callable[..., Any], here: Callable[..., Any]
) -> None:
    assert asyncio.run(there(client_of(imds, clock))) == here(Client(imds.url, clock=clock))


def test_both_clients_have_the_same_methods() -> None:
    assert {name for name in dir(Client) if name[0] != "_"} == {name for name in dir(AsyncClient) if name[0] != "_"}


def test_waits_through_seventy_seconds_of_410(imds: Emulator, clock: ManualClock) -> None:
    imds.faults.load([{"for": 70, "fault": {"status": 410}}])
    assert asyncio.run(client_of(imds, clock).instance())
    assert (imds.journal.count(), clock.now() - AT) == (11, 70)


def test_fifty_simultaneous_tasks_send_one_request(imds: Emulator, clock: ManualClock) -> None:
    imds.faults.load([{"times": 3, "fault": {"status": 429}}])
    client = client_of(imds, clock)

    async def storm() -> list[Any]:
        return await asyncio.gather(*(client.get("compute") for _ in range(50)))

    assert len({id(one) for one in asyncio.run(storm())}) == 50
    assert [entry.status for entry in imds.journal.list()] == [429, 429, 429, 200]


def test_each_task_gets_its_own_error(imds: Emulator, clock: ManualClock) -> None:
    imds.faults.load([{"times": None, "fault": {"status": 429}}])
    client = client_of(imds, clock)

    async def storm() -> list[Any]:
        return await asyncio.gather(*(client.get("compute") for _ in range(10)), return_exceptions=True)

    errors = asyncio.run(storm())
    assert [error.code for error in errors] == ["throttled"] * 10
    assert len({id(error) for error in errors}) == 10
    assert imds.journal.count() == 8


def test_cancelled_task_leaves_the_request_to_others(imds: Emulator, clock: ManualClock) -> None:
    client, waits = client_of(imds, clock), asyncio.Event()

    async def story() -> Any:
        async def sleep(seconds: float) -> None:
            waits.set()
            await going_on.wait()
            clock.sleep(seconds)

        going_on = asyncio.Event()
        client._sleep = sleep
        imds.faults.load([{"times": 1, "fault": {"status": 429}}])
        first, second = asyncio.create_task(client.get("compute")), asyncio.create_task(client.get("compute"))
        await asyncio.wait_for(waits.wait(), 30)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        going_on.set()
        return await asyncio.wait_for(second, 30)

    assert asyncio.run(story())["osType"] == "Linux"
    assert imds.journal.count() == 2


def test_waiting_blocks_no_thread(imds: Emulator, clock: ManualClock) -> None:
    imds.faults.load([{"times": 40, "fault": {"status": 429}}])

    async def story() -> int:
        waiting, all_wait, end = 0, asyncio.Event(), asyncio.Event()

        async def sleep(seconds: float) -> None:
            nonlocal waiting
            waiting += 1
            if waiting == 40:
                all_wait.set()
            await end.wait()

        client = AsyncClient(imds.url, clock=clock, sleep=sleep, timeout=60)
        tasks = [asyncio.create_task(client.get("compute", x=str(number))) for number in range(40)]
        await asyncio.wait_for(all_wait.wait(), 30)
        # The 40 waiting tasks use no thread of the executor, so a new request gets a thread
        # immediately.
        assert await asyncio.wait_for(client.get("network"), 30)
        end.set()
        await asyncio.gather(*tasks)
        return waiting

    assert asyncio.run(story()) == 40


def test_events_are_followed_and_acknowledged(imds: Emulator, clock: ManualClock) -> None:
    event_id = imds.events.schedule("Reboot")

    async def story() -> list[str]:
        events, statuses = client_of(imds, clock).events(), []
        async for event in events:
            statuses.append(event.status)
            if event.status == "Started":
                assert events.seen == {event_id: "Started"}
                assert events.incarnation is not None
                return statuses
            await event.acknowledge()
        raise AssertionError

    assert asyncio.run(story()) == ["Scheduled", "Started"]
    assert clock.now() - AT <= 2


def test_both_clients_raise_the_same_usage_errors(imds: Emulator, clock: ManualClock) -> None:
    with pytest.raises(UsageError):
        asyncio.run(client_of(imds, clock).get("compute?x"))
    with pytest.raises(UsageError):
        AsyncClient("ftp://a")
    with pytest.raises(ClientError, match="unreachable"):
        asyncio.run(AsyncClient("http://127.0.0.1:1").get("compute"))


def test_asyncio_is_imported_only_for_the_async_client() -> None:
    program = "import sys, imdskit.client; assert 'asyncio' not in sys.modules; imdskit.client.AsyncClient; assert 'asyncio' in sys.modules"
    source = f"import sys; sys.path.insert(0, {str(PACKAGE)!r}); {program}"
    subprocess.run([sys.executable, "-I", "-S", "-c", source], timeout=30, check=True)
