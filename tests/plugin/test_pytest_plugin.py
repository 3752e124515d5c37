"""Tests of the pytest plugin in separate projects: its fixtures, its marker and its error messages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from imdskit import testing  # The module stays loaded, with its keys, after a project has run in this process.

assert testing
pytest_plugins = ["pytester"]

PYTHON = Path(__file__).parents[2] / "python"

PROGRAM = """
import json, os, urllib.error, urllib.request
import pytest
from imdskit.testing import assert_requested, assert_no_refusals, assert_not_requested

def ask(path, base=None, **headers):
    base = base or os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"]
    request = urllib.request.Request(base + path, headers={"Metadata": "true", **headers})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refusal:
        refusal.close()
        raise

TOKEN = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com/"
INSTANCE = "/metadata/instance?api-version=2021-02-01"
"""


class Project:
    """Project of a user, in which imdskit is installed."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self._pytester = pytester
        monkeypatch.setenv("PYTHONPATH", str(PYTHON))
        monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
        pytester.makeini("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")

    def run(self, tests: str, *options: str, apart: bool = False) -> pytest.RunResult:
        """Run the project's tests in this process, which has keys already; or, with ``apart``, in a separate process."""
        self._pytester.makepyfile(test_it=PROGRAM + tests)
        arguments = ("-p", "imdskit.pytest_plugin", "-p", "no:cacheprovider", *options)
        return self._pytester.runpytest_subprocess(*arguments, timeout=120) if apart else self._pytester.runpytest_inprocess(*arguments)


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(pytester, monkeypatch)


def test_program_reaches_the_service_and_test_sees_its_requests(project: Project) -> None:
    said = project.run("""
def test_token(imds):
    assert ask(TOKEN)["token_type"] == "Bearer"
    (entry,) = assert_requested(imds, 1, category="identity")
    assert entry.parameter("resource") == "https://management.azure.com/"
    assert_not_requested(imds, category="instance")
    assert_no_refusals(imds)

def test_next_test_gets_a_fresh_emulator(imds):
    assert_not_requested(imds)
    assert ask(INSTANCE)["compute"]["vmId"] == "e13068dc-0395-4f41-bce2-fdb1c8d88017"
    assert imds.url.startswith("http://127.0.0.1:")

@pytest.mark.parametrize("number", range(20))
def test_many(imds, number):
    assert ask(INSTANCE)["compute"]["vmId"] == "e13068dc-0395-4f41-bce2-fdb1c8d88017"
""")
    said.assert_outcomes(passed=22)


def test_rate_limits_apply_by_default(project: Project) -> None:
    project.run("""
def test_limit(imds):
    with pytest.raises(urllib.error.HTTPError) as refused:
        for _ in range(50):
            ask(INSTANCE)
    assert refused.value.code == 429

@pytest.mark.imds(rate_limit=False)
def test_no_limit(imds):
    for _ in range(50):
        ask(INSTANCE)
    assert_requested(imds, 50)
""").assert_outcomes(passed=2)


def test_nearest_marker_configures_the_machine(project: Project) -> None:
    project.run("""
EVENT = {"EventType": "Reboot", "EventId": "A"}
pytestmark = pytest.mark.imds(scenario="windows", seed=3)

def test_of_the_module(imds):
    assert imds.scenario.name == "windows"

@pytest.mark.imds(scenario="linux", events=[EVENT])
class TestClass:
    def test_of_the_class(self, imds):
        assert ask(INSTANCE)["compute"]["osType"] == "Linux"
        (event,) = ask("/metadata/scheduledevents?api-version=2020-07-01")["Events"]
        assert event["EventType"] == "Reboot"

    @pytest.mark.imds(events=[], profile="strict-header", faults=[
        {"match": {"category": "identity"}, "times": 2, "fault": {"status": 500}}])
    def test_of_the_function(self, imds):
        assert imds.configuration()["profile"] == "strict-header"
        assert ask("/metadata/scheduledevents?api-version=2020-07-01")["Events"] == []
        for status in (500, 500):
            with pytest.raises(urllib.error.HTTPError) as refused:
                ask(TOKEN)
            assert refused.value.code == status
        assert ask(TOKEN)["access_token"]
        assert_requested(imds, 2, fault="status")
        assert_no_refusals(imds)
""").assert_outcomes(passed=3)


def test_factory_creates_different_machines_and_authorities(project: Project) -> None:
    project.run("""
def test_two(imds_factory, monkeypatch):
    one, two, windows = imds_factory(), imds_factory(), imds_factory("windows", seed=1)
    ids = [ask(INSTANCE, one.url)["compute"]["vmId"] for one in (one, two)]
    assert len(set(ids)) == 2
    assert one.trust_pem != two.trust_pem
    assert windows.scenario.name == "windows"
    assert "AZURE_POD_IDENTITY_AUTHORITY_HOST" not in os.environ

def test_with_the_other_fixture(imds, imds_factory):
    other = imds_factory()
    assert os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"] == imds.url != other.url
    assert ask(INSTANCE, imds.url)["compute"]["vmId"] != ask(INSTANCE, other.url)["compute"]["vmId"]

def test_emulators_are_stopped_after_the_test(imds_factory):
    stopped = []
    for _ in range(2):
        stopped.append(imds_factory(seed=None))
    test_emulators_are_stopped_after_the_test.urls = [one.url for one in stopped]

def test_emulators_were_stopped():
    for url in test_emulators_are_stopped_after_the_test.urls:
        with pytest.raises(OSError):
            ask(INSTANCE, url)
""").assert_outcomes(passed=4)


def test_environment_is_restored_after_the_test(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:9/app-service")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "example.com")
    monkeypatch.setenv("no_proxy", "example.com")
    project.run("""
before = dict(os.environ)

def test_it(imds):
    assert "IDENTITY_ENDPOINT" not in os.environ
    assert os.environ["NO_PROXY"] == "example.com,127.0.0.1,localhost"
    assert ask(INSTANCE)

def test_after():
    names = [name for name in os.environ if not name.startswith("PYTEST_")]
    assert {name: os.environ[name] for name in names} == {name: value for name, value in before.items() if not name.startswith("PYTEST_")}
""").assert_outcomes(passed=2)


def test_each_xdist_worker_has_its_own_service(project: Project) -> None:
    said = project.run(
        """
@pytest.mark.parametrize("number", range(16))
def test_many(imds, number):
    assert ask(INSTANCE)["compute"]["vmId"] == "e13068dc-0395-4f41-bce2-fdb1c8d88017"
    assert_requested(imds, 1)
""",
        "-n",
        "2",
        apart=True,
    )
    said.assert_outcomes(passed=16)
    said.stdout.fnmatch_lines(["*2 workers*"])


def test_keys_are_generated_once(project: Project) -> None:
    """Ten tests with the same fixture generate only four keys."""
    project.run(
        """
from imdskit.emulator.authority.keys import RsaKey

made = []
generate = RsaKey.generate.__func__
RsaKey.generate = classmethod(lambda kind, *rest: made.append(1) or generate(kind, *rest))

@pytest.mark.parametrize("number", range(10))
def test_many(imds, number):
    ask(TOKEN)
    assert len(made) == 4

def test_without_a_seed_machines_are_always_new(imds_factory):
    one, two = imds_factory(seed=None), imds_factory(seed=None)
    assert len(made) == 12
    assert one.trust_pem != two.trust_pem
""",
        apart=True,
    ).assert_outcomes(passed=11)


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ("scenario='no-such'", "*The emulator cannot be created. bad-scenario: *"),
        ("profile='todya'", "*The emulator cannot be created. bad-argument: *"),
        ("faults=[{'fault': 5}]", "*The emulator cannot be created. bad-faults: *(at /0*"),
        ("events=[{'EventType': 'Party'}]", "*The emulator cannot be created. bad-argument: *"),
        ("scenari='linux'", "Unknown option 'scenari'. The options are: *admin_port, *"),
        ("'windows'", "The marker `imds` accepts only keyword arguments, *"),
    ],
)
def test_error_is_a_sentence_without_traceback(project: Project, marker: str, words: str) -> None:
    said = project.run(f"""
@pytest.mark.imds({marker})
def test_it(imds):
    pass
""")
    said.assert_outcomes(errors=1)
    said.stdout.fnmatch_lines([words])
    said.stdout.no_fnmatch_line("*Traceback*")
    said.stdout.no_fnmatch_line("*ResourceWarning*")


def test_failed_assertion_lists_the_requests(project: Project) -> None:
    said = project.run("""
def test_never(imds):
    ask(INSTANCE)
    assert_requested(imds, category="identity")

def test_too_many_requests(imds):
    ask(INSTANCE), ask(INSTANCE)
    assert_requested(imds, 1, path="/metadata/instance")

def test_at_all(imds):
    ask(INSTANCE)
    assert_not_requested(imds)

def test_wrong_header(imds):
    with pytest.raises(urllib.error.HTTPError):
        ask(INSTANCE, Metadata="false")
    assert_no_refusals(imds)

def test_nothing(imds):
    assert_requested(imds)
""")
    said.assert_outcomes(failed=5)
    said.stdout.fnmatch_lines(
        [
            "*AssertionError: Expected at least 1 request with category='identity', got 0. Requests received (1):",
            "*  1 GET /metadata/instance?api-version=2021-02-01 -> 200",
            "*AssertionError: Expected 1 request with path='/metadata/instance', got 2. Requests received (2):",
            "*AssertionError: Expected 0 requests, got 1. Requests received (1):",
            "*AssertionError: Request 1 was refused with 400 by the rule *",
            "*AssertionError: Expected at least 1 request, got 0. No requests received.",
        ]
    )


def test_plugin_costs_nothing_in_projects_that_do_not_use_it() -> None:
    code = "import sys, imdskit.pytest_plugin; print(sorted(name for name in sys.modules if name.startswith('imdskit')))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(PYTHON)}, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "['imdskit', 'imdskit.pytest_plugin']\n"


def test_marker_is_listed(project: Project) -> None:
    project.run("", "--markers").stdout.fnmatch_lines(["@pytest.mark.imds(*"])
