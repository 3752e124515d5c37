"""Record this machine as a scenario for the emulator. `imdskit serve --scenario OUT.json` then
emulates the machine.

Values that identify the machine or its owner are replaced, unless you give --keep. Check the file
before you share it. The scenario contains no managed identities, because no token is requested. It
contains no scheduled events, because the first request for them would enable them on this machine.

Exit status:

  0  the machine was recorded
  1  the service does not respond, or its
     response is an error
  2  a mistake in the arguments, or the file
     cannot be written
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from imdskit import clouds, versions
from imdskit.cli.client.redaction import CATEGORIES, Redactor
from imdskit.cli.shared import inputs, output
from imdskit.client import Client
from imdskit.client.client import API_VERSION
from imdskit.codes import ClientCode
from imdskit.emulator.authority.authority import is_region
from imdskit.emulator.scenario import Scenario
from imdskit.emulator.scenario.scenario import is_version, newest_members
from imdskit.errors import ClientError, UsageError
from imdskit.protocol.instance_shape import Member, tree

_SHAPE = tree({**versions.INSTANCE, **versions.EXTENDED})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", metavar="OUT.json", help="file for the scenario; - for standard output")
    kept = "\n".join(f"{name}: {what}" for name, what in CATEGORIES.items())
    parser.add_argument(
        "--keep",
        metavar="WHAT",
        action="append",
        choices=[*CATEGORIES, "all"],
        default=[],
        help=f"category of values to keep; all keeps every value; may be repeated\n{kept}",
    )
    parser.add_argument("--base-url", metavar="URL", help="address of another service, such as an emulator")


def run(options: argparse.Namespace) -> int:
    keep = frozenset(CATEGORIES) if "all" in options.keep else frozenset(options.keep)
    scenario, redactor = record(Client(options.base_url), keep)
    data = json.dumps(scenario, indent=2, ensure_ascii=False).encode() + b"\n"
    Scenario.parse(data)  # raises ScenarioError for a scenario that the emulator would refuse
    if options.out == "-":
        output.write_bytes(data.rstrip())
    else:
        inputs.write(options.out, data)
    for path in dict.fromkeys(redactor.dropped):
        output.note(f"warning: {path} is not supported and was left out")
    replaced = ", ".join(f"{count} {name}" for name, count in redactor.counts.items() if count)
    output.note(f"replaced: {replaced or 'nothing'}; kept: {', '.join(sorted(keep)) or 'nothing'}")
    return 0


def record(client: Client, keep: frozenset[str]) -> tuple[dict[str, Any], Redactor]:
    """Return the machine as a scenario, and the redactor that replaced its values.

    Args:
        client: client that sends the requests.
        keep: categories of values that are not replaced.

    Raises:
        ClientError: the service did not respond, or its response is not usable.
    """
    offered = _versions(client)
    version = max(offered, default=API_VERSION)
    extended = {"extended": "true"} if version >= versions.EXTENDED_SINCE else {}
    instance = client.get("instance", "json", version, **extended)
    if not isinstance(instance, dict):
        raise ClientError(
            ClientCode.NOT_IMDS,
            "The instance document is not a JSON object.",
            hint="Another program responds at this address. Check --base-url.",
        )
    if versions.PREVIEW in offered:
        _take_name_servers(instance, client.get("network", api_version=versions.PREVIEW))
    balancer = _load_balancer(client, version)
    redactor = Redactor(keep, _networks(instance), unknown=keep >= set(CATEGORIES) and newest_members(offered) is not None)
    parts = redactor.document({**instance, **balancer})
    scenario: dict[str, Any] = {"description": f"Recorded from a machine, api-version {version}."}
    if offered:
        scenario["apiVersions"] = list(offered)
    if "compute" not in parts:
        scenario["kind"] = "classic"
    elif isinstance(location := _below(parts, "compute", "location"), str) and location and not is_region(location):
        redactor.dropped.append("compute.location")
        del parts["compute"]["location"]
    if "compute" in parts and not _is_cloud(_below(parts, "compute", "azEnvironment")):
        scenario["cloud"] = "public"
    # If the service lists no versions, the scenario does not limit them, and the emulator supports
    # all versions. For a later version than the recorded one, the emulator must not invent members
    # that are absent here.
    parts = _completed(parts, _SHAPE, version if offered else versions.API_VERSIONS[-1])
    if "kind" in scenario:
        parts.pop("compute", None)
    return {**scenario, **parts}, redactor


def _versions(client: Client) -> tuple[str, ...]:
    """Return those api-versions of the service that a scenario can list.

    The result is empty if the service does not send a list of versions, as was usual before 2020.
    """
    try:
        return tuple(sorted({version for version in client.versions() if is_version(version)}))
    except ClientError as error:
        if error.code not in (ClientCode.NOT_FOUND, ClientCode.BAD_REQUEST, ClientCode.UNSUPPORTED_VERSION):
            raise
        return ()


def _load_balancer(client: Client, version: str) -> Mapping[str, Any]:
    """Return the load balancer document.

    The result is empty if the service responds with 404 or 400, which means that the machine has no
    load balancer.
    """
    if version < versions.ENDPOINTS["loadbalancer"]:
        return {}
    try:
        answer = client.get("loadbalancer", api_version=version)
    except ClientError as error:
        if error.code not in (ClientCode.NOT_FOUND, ClientCode.BAD_REQUEST):
            raise
        return {}
    return answer if isinstance(answer, dict) and isinstance(answer.get("loadbalancer"), dict) else {}


def _take_name_servers(instance: Mapping[str, Any], preview: object) -> None:
    """Copy the name servers into the instance document. Only the preview api-version shows them."""
    for ours, theirs in zip(_elements(instance, "network", "interface"), _elements(preview, "interface"), strict=False):
        for subnet, shown in zip(_elements(ours, "ipv4", "subnet"), _elements(theirs, "ipv4", "subnet"), strict=False):
            if isinstance(subnet, dict) and (servers := _elements(shown, "dnsservers")):
                subnet["dnsservers"] = servers


def _networks(instance: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the networks of all interfaces. Parts with an unexpected shape are skipped."""
    subnets = [subnet for interface in _elements(instance, "network", "interface") for subnet in _elements(interface, "ipv4", "subnet")]
    return tuple(f"{_below(subnet, 'address')}/{_below(subnet, 'prefix')}" for subnet in subnets)


def _elements(value: object, *names: str) -> list[Any]:
    """Return the array at the path ``names`` in ``value``, or an empty list if there is none."""
    found = _below(value, *names)
    return found if isinstance(found, list) else []


def _below(value: object, *names: str) -> object:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _is_cloud(environment: object) -> bool:
    """Return whether ``environment`` is the name of a known cloud."""
    try:
        clouds.find(environment if isinstance(environment, str) else "")
    except UsageError:
        return False
    return True


def _completed(value: Any, node: Member, version: str) -> Any:
    """Return ``value`` with null for each member that ``version`` has but ``value`` lacks.

    Without null, the emulator would invent a value.
    """
    if isinstance(value, list):
        return [_completed(item, node, version) for item in value]
    if not isinstance(value, dict):
        return value
    done = {name: _completed(item, node.members[name], version) if name in node.members else item for name, item in value.items()}
    absent = [name for name, member in node.members.items() if name not in value and member.since <= version]
    return {**done, **dict.fromkeys(absent)}
