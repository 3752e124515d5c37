"""Tests of ``imdskit record``. The recorded scenario can be emulated, has the shape of the machine,
and does not identify the owner of the machine."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdskit.cli.client.redaction import CATEGORIES, KIND, Redactor
from imdskit.client import Client
from imdskit.emulator import Emulator, Scenario
from imdskit.emulator.authority.keys import Keys
from imdskit.emulator.scenario.scenario import SHAPE
from imdskit.protocol.instance_shape import Member

from .conftest import Outcome

Run = Callable[..., Outcome]
KEYS = Keys()
"""Keys that all emulators share, because generating them is slow."""

SECRETS = {
    "compute": {
        "name": "contoso-billing",
        "resourceGroupName": "Contoso-Finance",
        "subscriptionId": "8f3a52c1-9b0d-4c7e-a2f6-3d1e5b7c9a04",
        "vmId": "5c1f7e3a-2b4d-4f6a-8c9e-0d2b4f6a8c1e",
        "userData": "Y29udG9zbyBzZWNyZXQ=",
        "tags": {"cost": "contoso-4711", "owner": "jane.doe"},
        "osProfile": {"adminUsername": "jdoe"},
        "publicKeys": [{"keyData": "ssh-ed25519 AAAAC3Contoso jane", "path": "/home/jdoe/.ssh/authorized_keys"}],
        "storageProfile": {
            "dataDisks": [{"name": "contoso-data"}, {"vhd": {"uri": "https://contosostore.blob.core.windows.net/vhds/contoso.vhd"}}],
            "osDisk": {
                "encryptionSettings": {
                    "enabled": "true",
                    "keyEncryptionKey": {"keyUrl": "https://contosovault.vault.azure.net/keys/contoso/0123456789abcdef"},
                }
            },
        },
    },
    "network": {
        "interface": [
            {
                "ipv4": {
                    "ipAddress": [
                        {"privateIpAddress": "172.20.31.44", "publicIpAddress": "20.71.155.9"},
                        {"privateIpAddress": "172.20.31.45", "publicIpAddress": ""},
                    ],
                    "subnet": [
                        {
                            "address": "172.20.31.0",
                            "prefix": "24",
                            "dnsservers": [{"ipaddress": "172.20.31.53"}, {"ipaddress": "168.63.129.16"}],
                        }
                    ],
                },
                "ipv6": {"ipAddress": [{"privateIpAddress": "2603:1020:5:6::7"}]},
                "macAddress": "6045BD9A1B2C",
            }
        ]
    },
    "loadbalancer": {
        "inboundRules": [
            {"frontendIpAddress": "20.71.155.200", "frontendPort": 443, "backendPort": 8443, "privateIpAddress": "172.20.31.44"}
        ]
    },
}
WORDS = re.compile(r"contoso|jane|jdoe|4711|8f3a52c1|5c1f7e3a|Y29udG9|172\.20|20\.71|2603:|9A1B2C|AAAAC3|0123456789abcdef", re.IGNORECASE)


@pytest.fixture(scope="module")
def contoso() -> Iterator[Emulator]:
    with Emulator(Scenario.of(SECRETS), seed=1, rate_limit=False) as running:
        yield running


def recorded(run: Run, url: str, file: Path, *options: str) -> tuple[Any, Outcome]:
    done = run("record", file, "--base-url", url, *options)
    assert done.status == 0, done.err
    return json.loads(file.read_text()), done


def responses(emulator: Emulator) -> dict[str, Any]:
    """Return the instance document in every api-version of the host, and the newest also with
    ``extended=true``."""
    client = Client(emulator.url)
    found = {version: client.get("instance", api_version=version) for version in client.versions()}
    newest = client.get("instance", api_version=client.versions()[-1], extended="true")
    return {**found, "extended": newest}


def shape(value: Any) -> Any:
    """Return the shape of a value: member names, array lengths, and the types of other values.
    Strings other than ``""`` and ``"0"`` have the same shape."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    return [shape(item) for item in value] if isinstance(value, list) else (type(value).__name__, value in ("", "0"))


SCENARIOS = ["many-devices", "scale-set", "classic"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_recorded_machine_is_emulated_with_the_same_shape(run: Run, tmp_path: Path, name: str) -> None:
    file = tmp_path / "machine.json"
    with Emulator(name, seed=1, rate_limit=False) as original:
        recorded(run, original.url, file)
        expected = responses(original)
    with Emulator(Scenario.load(file), seed=2, rate_limit=False) as again:
        assert shape(responses(again)) == shape(expected)


def test_without_redaction_responses_are_identical(run: Run, tmp_path: Path, contoso: Emulator) -> None:
    file = tmp_path / "machine.json"
    _, done = recorded(run, contoso.url, file, "--keep", "all")
    assert "replaced: nothing" in done.err
    with Emulator(Scenario.load(file), seed=2, rate_limit=False) as again:
        assert responses(again) == responses(contoso)
        assert Client(again.url).get("loadbalancer", api_version="2021-02-01") == Client(contoso.url).get(
            "loadbalancer", api_version="2021-02-01"
        )


def test_nothing_identifies_the_owner(run: Run, tmp_path: Path, contoso: Emulator) -> None:
    file = tmp_path / "machine.json"
    _, done = recorded(run, contoso.url, file)
    assert WORDS.findall(json.dumps(responses(contoso)))
    assert WORDS.findall(file.read_text()) == []
    assert all(name in done.err for name in CATEGORIES)


def test_related_values_stay_consistent(run: Run, tmp_path: Path, contoso: Emulator) -> None:
    scenario, _ = recorded(run, contoso.url, tmp_path / "machine.json")
    compute, network = scenario["compute"], scenario["network"]
    assert compute["resourceId"] == (
        f"/subscriptions/{compute['subscriptionId']}/resourceGroups/{compute['resourceGroupName']}"
        f"/providers/Microsoft.Compute/virtualMachines/{compute['name']}"
    )
    assert compute["publicKeys"][0]["path"] == f"/home/{compute['osProfile']['adminUsername']}/.ssh/authorized_keys"
    assert compute["tags"] == "tag-1:tag-2;tag-3:tag-4"
    assert [(tag["name"], tag["value"]) for tag in compute["tagsList"]] == [("tag-1", "tag-2"), ("tag-3", "tag-4")]
    interface = network["interface"][0]
    servers = [{"ipaddress": "10.0.0.53"}, {"ipaddress": "168.63.129.16"}]  # the latter is the same on every machine
    assert interface["ipv4"]["subnet"] == [{"address": "10.0.0.0", "prefix": "24", "dnsservers": servers}]
    assert [entry["privateIpAddress"] for entry in interface["ipv4"]["ipAddress"]] == ["10.0.0.44", "10.0.0.45"]
    assert scenario["loadbalancer"]["inboundRules"][0]["privateIpAddress"] == "10.0.0.44"
    assert interface["macAddress"].startswith("6045BD0000")


def test_recording_is_reproducible(run: Run, tmp_path: Path, contoso: Emulator) -> None:
    first, _ = recorded(run, contoso.url, tmp_path / "a.json")
    second, _ = recorded(run, contoso.url, tmp_path / "b.json")
    assert first == second


KEPT = {
    "ids": "8f3a52c1-9b0d-4c7e-a2f6-3d1e5b7c9a04",
    "names": "contoso-billing",
    "addresses": "172.20.31.44",
    "keys": "AAAAC3Contoso",
    "user-data": "Y29udG9zbyBzZWNyZXQ=",
    "tags": "jane.doe",
}


@pytest.mark.parametrize("category", CATEGORIES)
def test_keeps_only_the_requested_categories(run: Run, tmp_path: Path, contoso: Emulator, category: str) -> None:
    scenario, _ = recorded(run, contoso.url, tmp_path / "machine.json", "--keep", category)
    text = json.dumps(scenario)
    assert [name for name, word in KEPT.items() if word in text] == [category]


def test_writes_the_scenario_to_standard_output(run: Run, contoso: Emulator) -> None:
    done = run("record", "-", "--base-url", contoso.url)
    assert done.status == 0
    Scenario.parse(done.out.encode())


def test_unknown_members_are_dropped_and_reported(run: Run, tmp_path: Path, listen_json: Callable[[Any], str]) -> None:
    url = listen_json({"compute": {"name": "vm", "quantumLink": "secret", "azEnvironment": "AzureMoon"}, "network": {"interface": []}})
    file = tmp_path / "machine.json"
    scenario, done = recorded(run, url, file)
    assert "compute.quantumLink is not supported" in done.err
    assert "secret" not in file.read_text()
    assert scenario["compute"]["azEnvironment"] == "AzureMoon"
    Scenario.load(file)


NEWER = {
    "apiVersions": ["2021-02-01", "2025-04-07", "2026-01-01"],
    "compute": {"name": "vm", "quantumLink": "s3cr3t", "accelerator": {"modes": ["a", None], "count": 4}, "interconnectGroupId": "g-1"},
    "network": {"interface": [{"rate": "100", "interfaceCompartmentID": "nc-1"}]},
    "placement": {"row": "7"},
}


def test_keeps_all_members_of_a_newer_machine(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "machine.json"
    with Emulator(Scenario.of(NEWER), seed=1, rate_limit=False) as imds:
        scenario, done = recorded(run, imds.url, file, "--keep", "all")
        assert "not supported" not in done.err
        with Emulator(Scenario.load(file), seed=2, rate_limit=False) as again:
            assert Client(again.url).versions() == tuple(NEWER["apiVersions"])
            for version in NEWER["apiVersions"]:
                assert Client(again.url).instance(version) == Client(imds.url).instance(version)
        scenario, done = recorded(run, imds.url, file)
        assert "compute.quantumLink is not supported" in done.err
        assert "s3cr3t" not in json.dumps(scenario)
        assert "nc-1" not in json.dumps(scenario)
        assert scenario["network"]["interface"][0]["interfaceCompartmentID"]


PARTIAL = {
    "w05": {"compute": {"vmId": "66666666-7777-4888-8999-aaaaaaaaaaaa", "name": "n", "location": "eastus", "osType": "Linux"}},
    "no location": {"compute": {"vmId": "66666666-7777-4888-8999-aaaaaaaaaaaa"}, "network": {"interface": []}},
    "an empty location": {"compute": {"location": "", "storageProfile": {}, "plan": {}}, "network": {}},
    "no compute": {"network": {"interface": [{"macAddress": "000D3A000001"}]}},
    "neither": {"compute": {}},
}


@pytest.mark.parametrize("value", PARTIAL.values(), ids=PARTIAL)
def test_absent_members_stay_absent_when_emulated(
    run: Run, tmp_path: Path, listen_json: Callable[[Any], str], value: dict[str, Any]
) -> None:
    file = tmp_path / "machine.json"
    recorded(run, listen_json(value), file, "--keep", "all")
    with Emulator(Scenario.load(file), seed=1, rate_limit=False, keys=KEYS) as imds:
        for version in ("2021-02-01", "2025-04-07"):
            assert Client(imds.url).instance(version) == value
        assert Client(imds.url).attested_document()


def test_omits_a_location_that_no_certificate_can_contain(run: Run, tmp_path: Path, listen_json: Callable[[Any], str]) -> None:
    file = tmp_path / "machine.json"
    _, done = recorded(run, listen_json({"compute": {"location": "on-prem (Berlin)", "vmSize": "x"}}), file)
    assert "compute.location is not supported" in done.err
    with Emulator(Scenario.load(file), seed=1, rate_limit=False, keys=KEYS) as imds:
        assert Client(imds.url).instance() == {"compute": {"vmSize": "x"}}
        assert Client(imds.url).attested_document()


def test_null_is_recorded_as_an_absent_member(run: Run, tmp_path: Path, listen_json: Callable[[Any], str]) -> None:
    value = {"compute": {"vmId": "66666666-7777-4888-8999-aaaaaaaaaaaa", "publicKeys": None, "plan": None}, "network": {"interface": None}}
    file = tmp_path / "machine.json"
    _, done = recorded(run, listen_json(value), file, "--keep", "all")
    assert "not supported" not in done.err
    with Emulator(Scenario.load(file), seed=1, rate_limit=False, keys=KEYS) as imds:
        assert Client(imds.url).instance() == {"compute": {"vmId": value["compute"]["vmId"]}, "network": {}}


def test_azure_arc_response_is_recorded_without_null(run: Run, tmp_path: Path, listen_json: Callable[[Any], str], shared: Path) -> None:
    value = json.loads((shared / "cases" / "bodies" / "w03-arc-instance-2020-06-01.json").read_text(encoding="utf-8"))
    file = tmp_path / "machine.json"
    _, done = recorded(run, listen_json(value), file, "--keep", "all")
    assert "not supported" not in done.err
    del value["compute"]["publicKeys"]
    with Emulator(Scenario.load(file), seed=1, rate_limit=False, keys=KEYS) as imds:
        assert Client(imds.url).instance("2020-06-01") == value


@pytest.fixture
def listen_json() -> Iterator[Callable[[Any], str]]:
    """Return a function that starts a service and returns its URL. The service responds to every
    path of the instance document with one JSON value."""
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    servers: list[HTTPServer] = []

    def start(value: Any) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = self.path.startswith("/metadata/instance")
                body = json.dumps(value if found else {"error": "Not found"}).encode()
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    "value",
    [[], {"network": {"interface": 5}}, {"compute": {"vmId": 7}}, {"compute": [{"name": "x"}]}, {"compute": None}],
    ids=["array", "number", "type", "list", "null"],
)
def test_unexpected_shape_prints_no_traceback(run: Run, tmp_path: Path, listen_json: Callable[[Any], str], value: Any) -> None:
    done = run("record", tmp_path / "machine.json", "--base-url", listen_json(value))
    assert done.status in (0, 1, 2)


def leaves(node: Member, path: str = "") -> Iterator[str]:
    for name, member in node.members.items():
        below = f"{path}.{name}" if path else name
        if member.kind == "array":
            yield from leaves(member, below + "[]")
        elif member.members:
            yield from leaves(member, below)
        else:
            yield below


def test_every_member_has_a_kind() -> None:
    every = {path for path in leaves(SHAPE) if not path.startswith("identity.")}
    assert every == set(KIND)


@pytest.mark.parametrize(
    ("value", "done"),
    [
        ("SET_7", "name-1_7"),
        ("", ""),
        ("6F9619FF-8B86-D011-B42D-00CF4FC964FF", "00000000-0000-4000-8000-000000000001"),
    ],
    ids=["instance of a scale set", "empty", "uuid"],
)
def test_replaces_names(value: str, done: str) -> None:
    assert Redactor().document({"compute": {"name": value}}) == {"compute": {"name": done}}


def test_different_addresses_stay_different() -> None:
    given = [f"20.1.{high}.{low}" for high in range(2) for low in range(200)] + [f"2603::{low:x}" for low in range(1, 50)] + ["[2603::1]"]
    entries = [{"frontendIpAddress": value} for value in given]
    done = Redactor().document({"loadbalancer": {"publicIpAddresses": entries}})["loadbalancer"]["publicIpAddresses"]
    found = [entry["frontendIpAddress"] for entry in done]
    assert len(set(found[:-1])) == len(given) - 1
    assert found[-1] == f"[{found[400]}]"


def test_reports_unwritable_file(run: Run, tmp_path: Path, contoso: Emulator) -> None:
    done = run("record", tmp_path / "none" / "machine.json", "--base-url", contoso.url)
    assert done.status == 2
    assert "cannot be written" in done.err


def test_reports_missing_service(run: Run, tmp_path: Path) -> None:
    done = run("record", tmp_path / "machine.json", "--base-url", "http://127.0.0.1:9")
    assert done.status == 1
    assert not (tmp_path / "machine.json").exists()


def test_rejects_unknown_category(run: Run) -> None:
    assert run("record", "-", "--keep", "secrets").status == 2


RECORDINGS = ["2017-04-02", "2017-08-01", "2019-06-01", "2019-08-15", "2021-12-13", "2023-11-15-extended"]
IDENTIFYING = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+\.\d+\.\d+\.\d+|ssh-rsa [^\"]+", re.IGNORECASE)


@pytest.mark.parametrize("recording", RECORDINGS)
def test_recorded_real_machines_are_not_identifiable(
    run: Run, tmp_path: Path, listen_json: Callable[[Any], str], shared: Path, recording: str
) -> None:
    original = json.loads((shared / "spec" / "samples" / f"real-instance-{recording}.json").read_text())
    scenario, done = recorded(run, listen_json(original), tmp_path / "machine.json")
    assert "warning" not in done.err
    locations = dict(strings(original))
    # 10.0.0.0 is the default network in Azure, and also the replacement of the first network.
    told = {text for path, text in locations.items() if KIND[path] != "plain" and len(text) > 2 and not text.startswith("10.0.")}
    assert told
    left = {text for path, text in strings(scenario) if path in KIND and KIND[path] != "plain"}
    assert not told & left
    identifying = {found for text in told for found in IDENTIFYING.findall(text)}
    assert not [found for found in identifying if found in json.dumps(scenario)]


def strings(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text in a value, with the path of its member."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from strings(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item, path + "[]")
    elif isinstance(value, str):
        yield path, value


TEXT = st.text(max_size=8) | st.sampled_from(["/", "//", "/subscriptions", "a:b;c", "[::1]", "999.1.1.1", "_7", "https://x/y", "/home/x"])


@given(st.dictionaries(st.sampled_from(sorted(KIND)), TEXT | st.integers() | st.none() | st.lists(TEXT)))
def test_every_value_is_replaced_or_dropped(values: dict[str, Any]) -> None:
    redactor = Redactor()
    for path, value in values.items():
        done = redactor.document(value, path)
        if isinstance(value, str) and KIND[path] != "plain":
            assert isinstance(done, str)
            assert bool(done) == bool(value)
