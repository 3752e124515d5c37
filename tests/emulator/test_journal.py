"""Tests of the journal: it contains every request once, in order, with the facts that tests need and without secrets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdskit.clock import ManualClock
from imdskit.emulator import Emulator
from imdskit.emulator.http.messages import Request, Response
from imdskit.emulator.journal import LONGEST, SECRET, WITHHELD, Journal
from imdskit.emulator.service.app import App
from imdskit.errors import ImdskitError, UsageError

NOON = 1_767_268_800


def ask(journal: Journal, target: str, status: int = 200, method: str = "GET", **more: Any) -> None:
    headers, machine = more.pop("headers", (("Metadata", "true"),)), more.pop("machine", None)
    request, response = Request(method, target, headers, b"", "127.0.0.1"), Response(status, (), b"12345", **more)
    journal.record(request, response, journal.begin(), machine)


@pytest.fixture
def journal() -> Journal:
    return Journal(ManualClock(NOON), 5, ManualClock(0))


def test_entry_describes_request_and_response(journal: Journal) -> None:
    watch = ManualClock(0)
    journal = Journal(ManualClock(NOON), watch=watch)

    headers = (("Metadata", "true"), ("User-Agent", "test"))
    request = Request("GET", "/Metadata//Identity/oauth2/token/?resource=a%20b", headers, b"", "127.0.0.9")
    start = journal.begin()
    watch.advance(ns=1500)
    journal.record(request, Response(404, (), b"{}", rule="route", fault="slow"), start)
    entry = journal.last()
    assert entry is not None
    assert entry.json() == {
        "number": 1,
        "time": NOON,
        "source": "127.0.0.9",
        "method": "GET",
        "target": "/Metadata//Identity/oauth2/token/?resource=a%20b",
        "headers": [["Metadata", "true"], ["User-Agent", "test"]],
        "status": 404,
        "rule": "route",
        "fault": "slow",
        "duration_ns": 1500,
        "body_bytes": 2,
        "machine": None,
    }
    assert (entry.path, entry.category) == ("/metadata/identity/oauth2/token", "identity")
    assert (entry.parameter("resource"), entry.parameter("nosuch")) == ("a b", None)
    assert (entry.header("user-agent"), entry.header("nosuch")) == ("test", None)


@pytest.mark.parametrize("name", [*sorted(SECRET), "Authorization", "X-Aws-Ec2-Metadata-Token", "client-secret"])
def test_journal_withholds_secret_values(name: str, journal: Journal) -> None:
    ask(journal, "/", headers=(("Metadata", "true"), (name, "hush"), ("Accept", "*/*")))
    assert journal.list()[0].headers == (("Metadata", "true"), (name, WITHHELD), ("Accept", "*/*"))
    assert "hush" not in repr(journal.list())


def test_journal_cuts_long_targets_and_headers(journal: Journal) -> None:
    ask(journal, "/" + "a" * 8000, headers=(("A", "b" * 1000), ("B", "b" * 1000), ("C", "b" * 1000)))
    entry = journal.list()[0]
    assert len(entry.target) == LONGEST
    assert [name for name, _ in entry.headers] == ["A", "B", "(cut)"]


def test_full_journal_drops_and_counts_the_oldest_entry(journal: Journal) -> None:
    for number in range(8):
        ask(journal, f"/metadata/{number}")
    assert [entry.number for entry in journal] == [4, 5, 6, 7, 8]
    assert journal.tally() == (8, 5, 3, 8)
    assert journal.reset() == 5
    assert journal.tally() == (0, 0, 0, 8)
    ask(journal, "/again")
    assert ([entry.number for entry in journal], journal.tally(), len(journal)) == ([9], (1, 1, 0, 9), 1)


FILTERS: dict[str, tuple[dict[str, Any], list[int]]] = {
    "all": ({}, [1, 2, 3, 4, 5]),
    "path": ({"path": "/metadata/instance"}, [1, 2]),
    "path in capitals, with a slash": ({"path": "METADATA/instance/"}, [1, 2]),
    "longer path": ({"path": "/metadata/instance/compute"}, [2]),
    "no half segments": ({"path": "/metadata/inst"}, []),
    "root": ({"path": "/"}, [1, 2, 3, 4, 5]),
    "category": ({"category": "Identity"}, [3]),
    "no category": ({"category": ""}, [4]),
    "method": ({"method": "POST"}, [5]),
    "status": ({"status": 404}, [4]),
    "rule": ({"rule": "route"}, [4]),
    "fault": ({"fault": "status"}, [3]),
    "since": ({"since": 3}, [4, 5]),
    "limit": ({"limit": 2}, [1, 2]),
    "machine": ({"machine": 0}, [2]),
    "another machine": ({"machine": 1}, []),
    "several": ({"category": "instance", "since": 1, "status": 200}, [2]),
}


@pytest.mark.parametrize(("wanted", "numbers"), FILTERS.values(), ids=FILTERS)
def test_filter_finds_matching_entries(wanted: dict[str, Any], numbers: list[int], journal: Journal) -> None:
    ask(journal, "/metadata/instance?api-version=2021-02-01")
    ask(journal, "/Metadata/Instance/compute", machine=0)
    ask(journal, "/metadata/identity/oauth2/token", 500, fault="status")
    ask(journal, "/metadata", 404, rule="route")
    ask(journal, "/elsewhere", method="POST")
    assert [entry.number for entry in journal.list(**wanted)] == numbers
    if "limit" not in wanted:
        last = journal.last(**wanted)
        assert (journal.count(**wanted), last.number if last else None) == (len(numbers), numbers[-1] if numbers else None)
    assert journal.paths(method="POST") == ["POST /elsewhere"]


def test_wait_for_returns_when_a_request_arrives(journal: Journal) -> None:
    ask(journal, "/metadata/instance")
    done: list[bool] = []
    waits: list[Callable[[], bool]] = [
        lambda: journal.wait_for(2, 60, category="instance"),
        lambda: journal.wait_for(lambda seen: seen.count(status=404) == 1, 60),
    ]
    threads = [threading.Thread(target=lambda wait=wait: done.append(wait())) for wait in waits]
    for thread in threads:
        thread.start()
    ask(journal, "/metadata/versions")
    ask(journal, "/metadata/instance", 404)
    for thread in threads:
        thread.join(30)
    assert done == [True, True]


def test_wait_for_counts_existing_entries_and_times_out() -> None:
    journal = Journal(ManualClock(NOON))
    assert journal.wait_for(0, 0)
    assert not journal.wait_for(1, 0)
    ask(journal, "/")
    assert journal.wait_for(1, 0)
    assert not journal.wait_for(2, 0.01)


def test_wait_for_ends_when_the_journal_is_closed(journal: Journal) -> None:
    done: list[bool] = []
    thread = threading.Thread(target=lambda: done.append(Journal.wait_for(journal, 1, 60)))
    thread.start()
    journal.close()
    thread.join(30)
    assert done == [False]
    assert not journal.wait_for(1, 60)


def test_journal_contains_requests_whose_service_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Response:
        raise UsageError("bad-argument", "It went wrong.")

    monkeypatch.setattr(App, "handle", fail)
    imds = Emulator(seed=1)
    with pytest.raises(ImdskitError):
        imds.handle(Request("GET", "/metadata/instance"))
    assert [entry.status for entry in imds.journal] == [500]
    imds.stop()


def test_concurrent_threads_lose_no_entries() -> None:
    journal = Journal(ManualClock(NOON), 100)
    threads = [threading.Thread(target=lambda: [ask(journal, "/") for _ in range(50)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert journal.tally() == (400, 100, 300, 400)
    assert [entry.number for entry in journal] == list(range(301, 401))


@given(st.lists(st.sampled_from(["ask", "reset"]), max_size=40), st.integers(1, 5))
def test_every_request_is_kept_or_counted_as_dropped(steps: list[str], most: int) -> None:
    journal, count = Journal(ManualClock(NOON), most), 0
    for step in steps:
        if step == "ask":
            ask(journal, "/")
            count += 1
        else:
            journal.reset()
            count = 0
        tally = journal.tally()
        assert (tally.total, tally.kept) == (count, min(count, most))
        assert tally.total == tally.kept + tally.dropped


def test_journal_names_rules_faults_and_limits() -> None:
    imds = Emulator(seed=1, clock=ManualClock(NOON), journal=10)
    get, true = "/metadata/instance?api-version=2021-02-01", (("Metadata", "true"),)
    imds.handle(Request("GET", get, true, source="127.0.0.1"))
    imds.handle(Request("GET", get, source="127.0.0.1"))
    imds.handle(Request("GET", get, source="127.0.0.1"))
    imds.faults.load([{"times": 1, "fault": {"status": 410}}])
    imds.handle(Request("GET", get, true))
    for _ in range(3):
        imds.handle(Request("GET", get, true))
    entries = [(entry.status, entry.rule, entry.fault) for entry in imds.journal]
    imds.stop()
    refused = (400, "metadata-header", "")
    assert entries == [(200, "", ""), refused, refused, (410, "", "status"), (200, "", ""), (200, "", ""), (429, "limit", "")]


def test_entries_do_not_mix_up_headers_of_requests() -> None:
    journal = Journal(ManualClock(1_790_000_000))
    open_, hidden = (("Metadata", "true"),), (("Authorization", "Bearer x"),)
    for headers in (open_, hidden, hidden, open_, (("Authorization", "Bearer y"),), open_):
        journal.record(Request("GET", "/", headers), Response(200, (), b""), journal.begin())
    assert [entry.headers for entry in journal] == [
        headers if headers is open_ else (("Authorization", "(withheld)"),) for headers in (open_, hidden, hidden, open_, hidden, open_)
    ]
