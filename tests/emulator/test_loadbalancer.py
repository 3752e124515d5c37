"""``/metadata/loadbalancer``: the scenario's data in the service's own order, with ports as numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from imdskit import versions
from imdskit.emulator import Scenario
from imdskit.errors import ScenarioError

Services = Callable[..., Any]

PATH = "/metadata/loadbalancer"

WHOLE = {
    "outboundRules": [{"privateIpAddress": "10.0.0.9", "frontendIpAddress": "203.0.113.2"}],
    "inboundRules": [
        {
            "privateIpAddress": "10.0.0.9",
            "protocol": "Udp",
            "backendPort": 5353,
            "frontendPort": 53,
            "frontendIpAddress": "[2001:db8::2]",
        }
    ],
    "publicIpAddresses": [{"privateIpAddress": "10.0.0.9", "frontendIpAddress": "203.0.113.1"}],
}


def test_members_have_the_order_of_the_service_and_ports_are_numbers(service: Services) -> None:
    answer = service({"loadbalancer": WHOLE}).get(PATH)
    assert answer.status == 200
    assert answer.header("Content-Type") == "application/json; charset=utf-8"
    assert answer.body == (
        b'{"loadbalancer":{"publicIpAddresses":[{"frontendIpAddress":"203.0.113.1","privateIpAddress":"10.0.0.9"}],'
        b'"inboundRules":[{"frontendIpAddress":"[2001:db8::2]","protocol":"Udp","frontendPort":53,"backendPort":5353,'
        b'"privateIpAddress":"10.0.0.9"}],"outboundRules":[{"frontendIpAddress":"203.0.113.2","privateIpAddress":"10.0.0.9"}]}}'
    )


def test_missing_values_are_derived_from_the_machine(service: Services) -> None:
    network = {"interface": [{"ipv4": {"ipAddress": [{"privateIpAddress": "10.1.2.3"}]}}]}
    given = {"inboundRules": [{"frontendIpAddress": "203.0.113.1", "frontendPort": 80}]}
    assert service({"network": network, "loadbalancer": given}).get(PATH).json == {
        "loadbalancer": {
            "publicIpAddresses": [],
            "inboundRules": [
                {
                    "frontendIpAddress": "203.0.113.1",
                    "protocol": "Tcp",
                    "frontendPort": 80,
                    "backendPort": 80,
                    "privateIpAddress": "10.1.2.3",
                }
            ],
            "outboundRules": [],
        }
    }


@pytest.mark.parametrize(
    "network", [None, {"interface": []}, {"interface": [{"ipv4": {"ipAddress": []}}]}], ids=["none", "no network interface", "no address"]
)
def test_a_machine_without_an_address_has_an_empty_private_address(network: Any, service: Services) -> None:
    machine = service({"network": network, "loadbalancer": {"publicIpAddresses": [{}]}})
    assert machine.get(PATH).json["loadbalancer"]["publicIpAddresses"] == [{"frontendIpAddress": "", "privateIpAddress": ""}]


@pytest.mark.parametrize("version", versions.API_VERSIONS)
def test_is_available_since_its_first_version(version: str, service: Services) -> None:
    answer = service("load-balanced").get(PATH, version, format="json")
    assert answer.status == (200 if version >= "2020-10-01" else 404)


@pytest.mark.parametrize("scenario", ["linux", {}, {"loadbalancer": None}], ids=["linux", "empty", "null"])
def test_a_machine_without_a_load_balancer_has_no_metadata(scenario: Any, service: Services) -> None:
    answer = service(scenario).get(PATH)
    assert answer.status == 404
    assert answer.body.startswith(b'{ "error": "No load balancer metadata is found.')


WRONG: dict[str, tuple[Any, str]] = {
    "text instead of a port": ({"inboundRules": [{"frontendPort": "80"}]}, "/inboundRules/0/frontendPort"),
    "a boolean": ({"inboundRules": [{}, {"backendPort": True}]}, "/inboundRules/1/backendPort"),
    "too large": ({"inboundRules": [{"frontendPort": 65536}]}, "/inboundRules/0/frontendPort"),
    "negative": ({"inboundRules": [{"frontendPort": -1}]}, "/inboundRules/0/frontendPort"),
    "a number instead of an address": ({"outboundRules": [{"frontendIpAddress": 1}]}, "/outboundRules/0/frontendIpAddress"),
    "a port in an outbound rule": ({"outboundRules": [{"frontendPort": 80}]}, "/outboundRules/0/frontendPort"),
    "misspelt as in old documentation": ({"inboundRules": [{"frotendIpAddress": ""}]}, "/inboundRules/0/frotendIpAddress"),
}


@pytest.mark.parametrize(("given", "location"), WRONG.values(), ids=WRONG)
def test_reports_the_location_of_a_mistake(given: Any, location: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        Scenario.of({"loadbalancer": given})
    assert raised.value.location == f"/loadbalancer{location}"
