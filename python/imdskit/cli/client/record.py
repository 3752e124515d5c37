"""Record the machine that the service describes as a scenario, which `imdskit serve --scenario OUT.json` plays.

What identifies the machine and its owner is replaced, unless --keep says otherwise: look at the result before you show it to others.
No token is asked for and no scheduled event, for asking would switch them on; identities are therefore not in the scenario.
Exit status: 0 recorded, 1 not answered or answered with an error, 2 a mistake in the arguments or a file that cannot be written."""

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
    parser.add_argument("out", metavar="OUT.json", help="the scenario; - for standard output")
    kept = "\n".join(f"{name}: {what}" for name, what in CATEGORIES.items())
    parser.add_argument(
        "--keep",
        metavar="WHAT",
        action="append",
        choices=[*CATEGORIES, "all"],
        default=[],
        help=f"do not replace this; may be repeated\n{kept}",
    )
    parser.add_argument("--base-url", metavar="URL", help="of another service, such as an emulator's")


def run(options: argparse.Namespace) -> int:
    keep = frozenset(CATEGORIES) if "all" in options.keep else frozenset(options.keep)
    scenario, redactor = record(Client(options.base_url), keep)
    data = json.dumps(scenario, indent=2, ensure_ascii=False).encode() + b"\n"
    Scenario.parse(data)  # what cannot be played is not written
    if options.out == "-":
        output.octets(data.rstrip())
    else:
        inputs.write(options.out, data)
    for path in dict.fromkeys(redactor.dropped):
        output.note(f"warning: {path} is not known, and was left out")
    replaced = ", ".join(f"{count} {name}" for name, count in redactor.counts.items() if count)
    output.note(f"replaced: {replaced or 'nothing'}; kept: {', '.join(sorted(keep)) or 'nothing'}")
    return 0


def record(client: Client, keep: frozenset[str]) -> tuple[dict[str, Any], Redactor]:
    """The machine as a scenario, and who replaced what.

    Args:
        client: asks.
        keep: categories that are not replaced.

    Raises:
        ClientError: the service could not be asked, or did not answer as it should.
    """
    offered = _versions(client)
    version = max(offered, default=API_VERSION)
    extended = {"extended": "true"} if version >= versions.EXTENDED_SINCE else {}
    instance = client.get("instance", "json", version, **extended)
    if not isinstance(instance, dict):
        raise ClientError(
            ClientCode.NOT_IMDS, "The instance document is not a JSON object.", hint="Something else answers at this address."
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
    # Without a list of versions, the scenario is played at all of them: no member that is absent here may appear at a later one.
    parts = _completed(parts, _SHAPE, version if offered else versions.API_VERSIONS[-1])
    if "kind" in scenario:
        parts.pop("compute", None)
    return {**scenario, **parts}, redactor


def _versions(client: Client) -> tuple[str, ...]:
    """Return the versions of the host that a scenario can have; none if the host does not list them, as before 2020."""
    try:
        return tuple(sorted({version for version in client.versions() if is_version(version)}))
    except ClientError as error:
        if error.code not in (ClientCode.NOT_FOUND, ClientCode.BAD_REQUEST, ClientCode.UNSUPPORTED_VERSION):
            raise
        return ()


def _load_balancer(client: Client, version: str) -> Mapping[str, Any]:
    """The answer about load balancers, which is an error where there are none."""
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
    """Put the name servers, which the preview alone shows, where a scenario has them."""
    for ours, theirs in zip(_elements(instance, "network", "interface"), _elements(preview, "interface"), strict=False):
        for subnet, shown in zip(_elements(ours, "ipv4", "subnet"), _elements(theirs, "ipv4", "subnet"), strict=False):
            if isinstance(subnet, dict) and (servers := _elements(shown, "dnsservers")):
                subnet["dnsservers"] = servers


def _networks(instance: Mapping[str, Any]) -> tuple[str, ...]:
    """The networks of all interfaces, as far as the document has the shape of the service's."""
    subnets = [subnet for interface in _elements(instance, "network", "interface") for subnet in _elements(interface, "ipv4", "subnet")]
    return tuple(f"{_below(subnet, 'address')}/{_below(subnet, 'prefix')}" for subnet in subnets)


def _elements(value: object, *names: str) -> list[Any]:
    """The array there, or none."""
    found = _below(value, *names)
    return found if isinstance(found, list) else []


def _below(value: object, *names: str) -> object:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _is_cloud(environment: object) -> bool:
    """Whether a scenario can be in it; if it is not, what the machine says stays as it is."""
    try:
        clouds.find(environment if isinstance(environment, str) else "")
    except UsageError:
        return False
    return True


def _completed(value: Any, node: Member, version: str) -> Any:
    """``value`` with null for each member that ``version`` should have and that is not there: a scenario would be given one instead."""
    if isinstance(value, list):
        return [_completed(item, node, version) for item in value]
    if not isinstance(value, dict):
        return value
    done = {name: _completed(item, node.members[name], version) if name in node.members else item for name, item in value.items()}
    absent = [name for name, member in node.members.items() if name not in value and member.since <= version]
    return {**done, **dict.fromkeys(absent)}
