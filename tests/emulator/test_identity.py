"""Access tokens: selection of identities, claims, signatures, the token cache, and the secrecy of the private key."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

from imdskit import versions
from imdskit.clock import ManualClock
from imdskit.emulator import Emulator, Fleet, Scenario
from imdskit.emulator.http.messages import Request
from imdskit.errors import ScenarioError

Services = Callable[..., Any]

NOON = 1_767_268_800
TOKEN = "/metadata/identity/oauth2/token"
ARM = "https://management.azure.com/"
VAULT = "https://vault.azure.net"

READER = "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/reader"
TENANT = "aaaaaaaa-0000-4000-8000-00000000000a"
SYSTEM = {"clientId": "aaaaaaaa-0000-4000-8000-000000000001", "objectId": "aaaaaaaa-0000-4000-8000-000000000002"}
USERS = [
    {
        "name": "reader",
        "clientId": "bbbbbbbb-0000-4000-8000-000000000001",
        "objectId": "bbbbbbbb-0000-4000-8000-000000000002",
        "resourceId": READER,
    },
    {"name": "writer", "clientId": "cccccccc-0000-4000-8000-000000000001", "objectId": "cccccccc-0000-4000-8000-000000000002"},
]
COMPUTE = {"name": "vm", "subscriptionId": "s", "resourceGroupName": "g"}
BOTH = {"compute": COMPUTE, "identity": {"tenantId": TENANT, "systemAssigned": SYSTEM, "userAssigned": USERS}}
USERS_ONLY = {"compute": COMPUTE, "identity": {"userAssigned": USERS}}
ONE_USER = {"compute": COMPUTE, "identity": {"userAssigned": USERS[:1]}}
MEMBERS = ["access_token", "client_id", "expires_in", "expires_on", "ext_expires_in", "not_before", "resource", "token_type"]


def octets(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = token.split(".")
    return json.loads(octets(header)), json.loads(octets(claims))


def token(machine: Any, version: str = "2018-02-01", **parameters: str) -> Any:
    answer = machine.get(TOKEN, version, **{"resource": ARM, **{name: quote(value, safe="") for name, value in parameters.items()}})
    assert answer.status == 200, answer.body
    return answer


def verified(text: str, machine: Any) -> dict[str, Any]:
    """Return the claims of a token, after another library has verified the signature with the key at the issuer's address."""
    header, claims = parts(text)
    assert (header["alg"], header["typ"]) == ("RS256", "JWT")
    path = claims["iss"].removeprefix("http://127.0.0.1:8080") + ".well-known/openid-configuration"
    configuration = machine.ask(path, headers={}).json
    assert configuration["issuer"] == claims["iss"]
    keys = machine.ask(configuration["jwks_uri"].removeprefix("http://127.0.0.1:8080"), headers={}).json["keys"]
    key = next(key for key in keys if key["kid"] == header["kid"])
    numbers = RSAPublicNumbers(int.from_bytes(octets(key["e"])), int.from_bytes(octets(key["n"])))
    signed, _, signature = text.rpartition(".")
    numbers.public_key().verify(octets(signature), signed.encode(), PKCS1v15(), SHA256())
    return claims


def test_a_response_is_compact_with_text_members_in_alphabetical_order(service: Services) -> None:
    answer = token(service(BOTH))
    assert list(answer.json) == MEMBERS
    assert all(isinstance(value, str) for value in answer.json.values())
    assert answer.body == json.dumps(answer.json, separators=(",", ":")).encode()
    assert {name: value for name, value in answer.json.items() if name != "access_token"} == {
        "client_id": SYSTEM["clientId"],
        "expires_in": "86400",
        "expires_on": str(NOON + 86_400),
        "ext_expires_in": "86399",
        "not_before": str(NOON - 300),
        "resource": ARM,
        "token_type": "Bearer",
    }
    assert [name for name, _ in answer.response.headers] == ["Content-Type", "Server", "x-ms-request-id"]


def test_a_token_names_the_machine_and_its_signature_verifies(service: Services) -> None:
    machine = service(BOTH)
    claims = verified(token(machine).json["access_token"], machine)
    issuer = f"http://127.0.0.1:8080/oidc/{TENANT}/"
    uti = claims.pop("uti")
    assert len(octets(uti)) == 16
    assert claims == {
        "aud": ARM,
        "iss": issuer,
        "iat": NOON - 300,
        "nbf": NOON - 300,
        "exp": NOON + 86_400,
        "appid": SYSTEM["clientId"],
        "appidacr": "2",
        "idp": issuer,
        "idtyp": "app",
        "oid": SYSTEM["objectId"],
        "sub": SYSTEM["objectId"],
        "tid": TENANT,
        "ver": "1.0",
        "xms_mirid": "/subscriptions/s/resourcegroups/g/providers/Microsoft.Compute/virtualMachines/vm",
    }


def test_a_token_of_a_user_assigned_identity_names_identity_and_machine(service: Services) -> None:
    machine = service(BOTH)
    claims = verified(token(machine, client_id=USERS[1]["clientId"]).json["access_token"], machine)
    assert claims["xms_mirid"] == "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/writer"
    assert claims["xms_az_rid"] == "/subscriptions/s/resourcegroups/g/providers/Microsoft.Compute/virtualMachines/vm"
    assert (claims["appid"], claims["oid"], claims["sub"]) == (USERS[1]["clientId"], USERS[1]["objectId"], USERS[1]["objectId"])


def test_a_changed_byte_invalidates_the_signature(service: Services) -> None:
    machine = service(BOTH)
    head, body, signature = token(machine).json["access_token"].split(".")
    forged = base64.urlsafe_b64encode(octets(body).replace(b'"app"', b'"usr"')).rstrip(b"=").decode()
    assert forged != body
    with pytest.raises(InvalidSignature):
        verified(f"{head}.{forged}.{signature}", machine)


SELECTED = {
    "client_id": ({"client_id": USERS[0]["clientId"]}, 0, {}),
    "client_id in capitals": ({"client_id": USERS[0]["clientId"].upper()}, 0, {}),
    "object_id": ({"object_id": USERS[1]["objectId"]}, 1, {"object_id": USERS[1]["objectId"]}),
    "msi_res_id": ({"msi_res_id": READER}, 0, {"msi_res_id": READER}),
    "mi_res_id": ({"mi_res_id": READER}, 0, {"msi_res_id": READER}),
    "msi_res_id in capitals": ({"msi_res_id": READER.upper()}, 0, {"msi_res_id": READER.upper()}),
    "parameter in capitals": ({"CLIENT_ID": USERS[0]["clientId"]}, 0, {}),
}


@pytest.mark.parametrize(("given", "index", "echoed"), SELECTED.values(), ids=SELECTED)
@pytest.mark.parametrize("scenario", [BOTH, USERS_ONLY], ids=["with a system identity", "without"])
def test_selects_an_identity_by_each_parameter(
    given: dict[str, str], index: int, echoed: dict[str, str], scenario: Any, service: Services
) -> None:
    answer = token(service(scenario), **given)
    assert answer.json["client_id"] == USERS[index]["clientId"]
    assert list(answer.json) == sorted([*MEMBERS, *echoed])
    assert echoed.items() <= answer.json.items()
    assert parts(answer.json["access_token"])[1]["oid"] == USERS[index]["objectId"]


def test_a_request_can_select_the_system_assigned_identity(service: Services) -> None:
    assert token(service(BOTH), object_id=SYSTEM["objectId"]).json["client_id"] == SYSTEM["clientId"]


def test_a_single_user_assigned_identity_needs_no_selector(service: Services) -> None:
    assert token(service(ONE_USER)).json["client_id"] == USERS[0]["clientId"]
    assert token(service(ONE_USER), object_id="").json["client_id"] == USERS[0]["clientId"]


NOT_ASSIGNED = b'{"error":"invalid_request","error_description":"Identity not found"}'
REFUSED = {
    "no identity": ({}, {}),
    "no identity but a client_id": ({}, {"client_id": USERS[0]["clientId"]}),
    "another client_id": (BOTH, {"client_id": "dddddddd-0000-4000-8000-000000000001"}),
    "an object_id for a client_id": (BOTH, {"client_id": USERS[0]["objectId"]}),
    "another resource": (BOTH, {"msi_res_id": READER + "x"}),
    "an unknown object_id": (USERS_ONLY, {"object_id": "x"}),
    "null": ({"identity": None}, {}),
    "identity without any principal": ({"identity": {"tenantId": TENANT}}, {}),
}


@pytest.mark.parametrize(("scenario", "given"), REFUSED.values(), ids=REFUSED)
def test_reports_an_unknown_identity_as_not_found(scenario: Any, given: dict[str, str], service: Services) -> None:
    answer = service(scenario).get(TOKEN, "2018-02-01", resource=ARM, **given)
    assert (answer.status, answer.body) == (400, NOT_ASSIGNED)


def test_several_user_assigned_identities_need_a_selector(service: Services) -> None:
    answer = service(USERS_ONLY).get(TOKEN, "2018-02-01", resource=ARM)
    assert answer.status == 400
    assert answer.body == (
        b'{"error":"invalid_request","error_description":"Multiple user assigned identities exist, please specify the clientId / '
        b'resourceId of the identity in the token request"}'
    )


@pytest.mark.parametrize("version", [version for version in versions.API_VERSIONS if version >= "2018-02-01"])
def test_every_api_version_since_the_first_has_tokens(version: str, service: Services) -> None:
    assert token(service(BOTH), version).status == 200


@pytest.mark.parametrize("written", ["https://management.azure.com/", "https%3A%2F%2Fmanagement.azure.com%2F"])
def test_accepts_encoded_and_plain_resources(written: str, service: Services) -> None:
    for target in (f"{TOKEN}?resource={written}&api-version=2018-02-01", f"{TOKEN}?api-version=2018-02-01&resource={written}"):
        assert service(BOTH).ask(target).json["resource"] == ARM


def test_a_token_is_cached_until_shortly_before_it_expires(service: Services) -> None:
    clock = ManualClock(NOON)
    machine = service(BOTH, clock=clock)
    first = token(machine).json
    clock.advance(1000)
    second = token(machine).json
    assert second == {**first, "expires_in": "85400"}
    clock.advance(85_400 - 300)
    assert token(machine).json == {**first, "expires_in": "300"}
    clock.advance(1)
    renewed = token(machine).json
    assert renewed["access_token"] != first["access_token"]
    assert renewed["expires_in"] == "86400"
    assert renewed["expires_on"] == str(clock.now() + 86_400)


def test_each_identity_and_resource_has_its_own_token(service: Services) -> None:
    machine = service(BOTH)
    tokens = {
        token(machine, resource=resource, client_id=identity["clientId"]).json["access_token"]
        for resource in (ARM, VAULT)
        for identity in (SYSTEM, *USERS)
    }
    assert len(tokens) == 6


@pytest.mark.parametrize("word", ["true", "True"])
def test_bypassing_the_cache_stores_the_new_token(word: str, service: Services) -> None:
    machine = service(BOTH)
    first = token(machine).json["access_token"]
    second = token(machine, bypass_cache=word).json["access_token"]
    assert second != first
    assert token(machine).json["access_token"] == second
    assert token(machine, bypass_cache="").json["access_token"] == second


def test_the_cache_has_a_maximum_size(service: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imdskit.emulator.authority.tokens.CACHED", 2)
    machine = service(BOTH)
    first = token(machine, resource="api://0").json["access_token"]
    kept = token(machine, resource="api://1").json["access_token"]
    token(machine, resource="api://2")
    assert token(machine, resource="api://1").json["access_token"] == kept
    assert token(machine, resource="api://0").json["access_token"] != first


def test_refuses_an_unknown_resource_with_the_message_of_entra(service: Services) -> None:
    identity = {"systemAssigned": {}, "unknownResources": ["https://managements.azure.com"], "tenantName": "Contoso"}
    machine = service({"identity": identity})
    assert token(machine).status == 200
    answer = machine.get(TOKEN, "2018-02-01", resource="https://managements.azure.com/")
    assert answer.status == 400
    said = answer.json
    assert list(said) == ["error", "error_description", "error_codes", "timestamp", "trace_id", "correlation_id", "error_uri"]
    assert (said["error"], said["error_codes"], said["timestamp"]) == ("invalid_resource", [500011], "2026-01-01 12:00:00Z")
    assert said["error_description"] == (
        "AADSTS500011: The resource principal named https://managements.azure.com/ was not found in the tenant named Contoso. This can happen "
        "if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might "
        f"have sent your authentication request to the wrong tenant.\r\nTrace ID: {said['trace_id']}\r\nCorrelation ID: "
        f"{said['correlation_id']}\r\nTimestamp: 2026-01-01 12:00:00Z"
    )
    assert said["error_uri"] == "https://westeurope.login.microsoft.com/error?code=500011"


@pytest.mark.parametrize(("scenario", "tenant"), [(BOTH, TENANT), (ONE_USER, None)], ids=["system", "user only"])
def test_the_info_endpoint_names_the_tenant(scenario: Any, tenant: str | None, service: Services) -> None:
    machine = service(scenario)
    answer = machine.get("/metadata/identity/info", "2018-02-01")
    claims = parts(token(machine).json["access_token"])[1]
    assert answer.body == json.dumps({"tenantId": tenant or claims["tid"]}, separators=(",", ":")).encode()
    assert claims["tid"] == answer.json["tenantId"]


def test_derives_missing_values_from_the_seed(service: Services) -> None:
    scenario = {"identity": {"systemAssigned": {}, "userAssigned": [{"name": "a"}, {"name": "b"}, {}]}}
    machines = [service(scenario, seed=seed).app.machine.identities for seed in (1, 1, 2)]
    assert machines[0] == machines[1]
    ids = [each for machine in machines[1:] for one in (machine.system, *machine.user) for each in (one.client_id, one.object_id)]
    assert len(set(ids)) == len(ids) == 16
    assert {one.tenant_id for one in machines[0].user} == {machines[0].system.tenant_id}
    assert machines[0].user[1].resource_id.endswith("/providers/Microsoft.ManagedIdentity/userAssignedIdentities/b")


def test_the_same_seed_gives_the_same_token(service: Services) -> None:
    assert token(service("linux", seed=5)).body == token(service("linux", seed=5)).body
    assert token(service("linux", seed=5)).body != token(service("linux", seed=6)).body


PUBLISHED = ["discovery/keys", "discovery/v2.0/keys", ".well-known/openid-configuration", "v2.0/.well-known/openid-configuration"]


@pytest.mark.parametrize("path", PUBLISHED)
def test_never_publishes_private_key_members(path: str, service: Services) -> None:
    answer = service(BOTH).ask(f"/oidc/{TENANT}/{path}", headers={})
    assert (answer.status, answer.header("Content-Type")) == (200, "application/json; charset=utf-8")
    if path.endswith("keys"):
        (key,) = answer.json["keys"]
        assert sorted(key) == ["alg", "e", "kid", "kty", "n", "use"]
        assert (key["kty"], key["use"], key["alg"], key["e"]) == ("RSA", "sig", "RS256", "AQAB")
        assert len(octets(key["n"])) == 256
    else:
        base = "http://127.0.0.1:8080/oidc/" + TENANT
        assert answer.json["issuer"] in (f"{base}/", f"{base}/v2.0")
        assert answer.json["issuer"].rstrip("/") + "/.well-known/openid-configuration" == f"{base}/{path}"
        assert answer.json["jwks_uri"].startswith(base)


@pytest.mark.parametrize("path", ["", "x", f"{TENANT}", f"{TENANT}/keys", f"{TENANT}/discovery/keys/x", "%22/discovery/keys", "a/b/c/d/e"])
def test_serves_no_other_paths_below_oidc(path: str, service: Services) -> None:
    assert service(BOTH).ask(f"/oidc/{path}", headers={}).status == 404


def test_tokens_name_the_address_of_the_emulator_as_issuer() -> None:
    import urllib.request

    with Emulator("linux", seed=1) as imds:
        request = urllib.request.Request(f"{imds.url}{TOKEN}?api-version=2018-02-01&resource={ARM}", headers={"Metadata": "true"})
        claims = parts(json.load(urllib.request.urlopen(request))["access_token"])[1]
        assert claims["iss"].startswith(f"{imds.url}/oidc/")
        found = json.load(urllib.request.urlopen(claims["iss"] + ".well-known/openid-configuration"))
        assert found["issuer"] == claims["iss"]
        assert list(json.load(urllib.request.urlopen(found["jwks_uri"]))) == ["keys"]


WRONG: dict[str, tuple[Any, str]] = {
    "not an object": ({"identity": "system"}, "/identity"),
    "unknown member": ({"identity": {"systemassigned": {}}}, "/identity/systemassigned"),
    "a number": ({"identity": {"systemAssigned": {"clientId": 1}}}, "/identity/systemAssigned/clientId"),
    "names alone": ({"identity": {"userAssigned": ["reader"]}}, "/identity/userAssigned/0"),
    "resource": ({"identity": {"unknownResources": [1]}}, "/identity/unknownResources/0"),
    "resources": ({"identity": {"unknownResources": "x"}}, "/identity/unknownResources"),
}


@pytest.mark.parametrize(("scenario", "location"), WRONG.values(), ids=WRONG)
def test_reports_the_location_of_a_mistake_in_a_scenario(scenario: Any, location: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        Scenario.of(scenario)
    assert raised.value.location == location


SCALE_SET = {"template": True, "compute": {"name": "web_{index}", "vmScaleSetName": "web"}, "identity": {"systemAssigned": {}}}


def fleet_tokens(scenario: Any, resource: str = ARM, **selector: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return response and claims of a token for each of three machines of a fleet."""
    query = "".join(f"&{name}={quote(value, safe='')}" for name, value in {"resource": resource, **selector}.items())
    found = []
    with Fleet(Scenario.of(scenario), 3, 1, "path") as fleet:
        for index in range(3):
            request = Request("GET", f"{TOKEN}?api-version=2018-02-01{query}", (("Metadata", "true"),))
            answer = json.loads(fleet.machine(index).handle(request).body)
            found.append((answer, parts(answer["access_token"])[1]))
    return found


def test_all_instances_of_a_uniform_scale_set_are_one_principal() -> None:
    tokens = fleet_tokens(SCALE_SET)
    for name in ("oid", "sub", "appid", "tid", "iss", "xms_mirid"):
        assert len({claims[name] for _, claims in tokens}) == 1, name
    assert len({answer["client_id"] for answer, _ in tokens}) == 1
    assert tokens[0][1]["xms_mirid"].endswith("/providers/Microsoft.Compute/virtualMachineScaleSets/web")
    assert all("xms_az_rid" not in claims for _, claims in tokens)
    assert len({claims["uti"] for _, claims in tokens}) == 3


def test_a_user_assigned_identity_of_a_scale_set_refers_to_the_set() -> None:
    tokens = fleet_tokens({**SCALE_SET, "identity": {"userAssigned": [{"name": "reader"}]}})
    assert all(claims["xms_az_rid"].endswith("/virtualMachineScaleSets/web") for _, claims in tokens)
    assert len({(claims["oid"], claims["appid"], claims["xms_mirid"]) for _, claims in tokens}) == 1


def test_two_scale_sets_of_a_fleet_are_two_principals() -> None:
    compute = {"name": "web-{index/2}_{index}", "vmScaleSetName": "web-{index/2}"}
    first, second, third = (claims for _, claims in fleet_tokens({**SCALE_SET, "compute": compute}))
    assert first["oid"] == second["oid"] != third["oid"]
    assert third["xms_mirid"].endswith("/virtualMachineScaleSets/web-1")


def test_machines_without_a_uniform_scale_set_have_separate_identities() -> None:
    for compute in ({"name": "vm-{index}"}, {"name": "web_a{index}", "vmScaleSetName": "web"}):
        tokens = fleet_tokens({**SCALE_SET, "compute": compute})
        assert len({claims["oid"] for _, claims in tokens}) == 3
        assert len({claims["tid"] for _, claims in tokens}) == 1
        assert all("/virtualMachines/" in claims["xms_mirid"] for _, claims in tokens)


def test_a_given_resource_id_of_a_scale_set_is_recognised(service: Services) -> None:
    resource_id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/set/virtualMachines/7"
    machine = service({"compute": {"resourceId": resource_id}, "identity": {"systemAssigned": {}}})
    assert verified(token(machine).json["access_token"], machine)["xms_mirid"].endswith("/virtualMachineScaleSets/set")
