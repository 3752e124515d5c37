"""Detection of Azure machines, in steps from cheap to certain.

Each step returns evidence instead of a boolean.

Most steps are not conclusive. The first step reads a tag in the firmware. The operator of any
hypervisor can copy that tag, and a container may not see it. The next steps send requests to the
service's address. Other clouds use this address too, and proxies and captive portals respond there
with status 200. A missing response proves nothing either, because the service may be slow. Only a
signed document is proof. The client cannot verify signatures, so the caller passes a function that
can. :data:`SOURCES` names the source of each rule.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

from imdskit.client import address
from imdskit.client.client import Client
from imdskit.client.nonces import new_nonce
from imdskit.client.responses import ARC_AGENT, is_request_timeout
from imdskit.codes import ClientCode
from imdskit.errors import ClientError, VerificationError

if TYPE_CHECKING:
    from imdskit.client.responses import Json

Outcome = Literal["yes", "no", "unknown"]
"""Outcome of a step.

``yes`` is evidence for Azure, ``no`` is evidence against it, and ``unknown`` is neither.
"""

Conclusion = Literal["proved", "likely", "unlikely", "unknown"]
"""Conclusion that the evidence supports."""

Prove = Callable[[bytes, str], str]
"""Function that verifies an attested document.

Its arguments are the service's JSON and the requested nonce. It returns the signed ``vmId``, or
raises VerificationError.
"""

CHASSIS_TAG = "7783-7084-3265-9085-8269-3286-77"
"""SMBIOS chassis asset tag of every virtual machine in Azure: ``MSFT AZURE VM`` in decimal ASCII.

Machines of Azure Stack, which runs in customers' data centres, have this tag, too.
"""

TAG_FILE = "sys/class/dmi/id/chassis_asset_tag"
_TAG_BYTES = 256
_QUOTED = 60

SOURCES: Mapping[str, str] = {
    "chassis": "cloud-init (issue 2911), crmsh, subscription-manager and ubuntu-pro-client compare the asset tag with this value. "
    "Azure does not document it.",
    "address": 'The IMDS documentation, "Access Azure Instance Metadata Service", has the address. '
    "Reports of users show that the service may exist even if nothing responds.",
    "shape": 'The IMDS documentation, "Endpoint categories" and "Versions", describes the responses of IMDS. '
    "Reports of users show the responses of other clouds and of proxies.",
    "attested": 'The IMDS documentation, "Attested data", says that the document is signed and contains the nonce of the request.',
}
"""Mapping from the name of a step to the source of its rule."""

_PASSING = (ClientCode.THROTTLED, ClientCode.GONE, ClientCode.SERVER_ERROR, ClientCode.TIMED_OUT, ClientCode.UNREACHABLE)
"""Codes of failures that do not show which program listens at the address: the metadata service or
another one."""

_OTHERS = (
    (b"metadata-flavor", "Google Cloud's metadata service"),
    (b"error 404 (not found)!!1", "a server of Google's"),
    (b"404 - not found", "EC2's metadata service, or one like it"),
    (b"squid", "the proxy Squid"),
    (b"varnish", "the proxy Varnish"),
    (b"captive", "a captive portal"),
    (b"<html", "a web page: a proxy or a portal"),
)
"""Pairs of a text in lower case and the program that sends responses with this text.

The first pair whose text is found counts. The pairs are *inferred* from responses of these
programs.
"""

_ARC = "microsoft.hybridcompute"
"""Resource provider of the machines that run outside Azure and are connected to it by Azure Arc.

The agent of Arc serves an instance document, too, and the variable ``IMDS_ENDPOINT`` often contains
its address. The agent writes this name into ``compute.resourceId`` (observed in a published
document).
"""
_FIRST = "2017-04-02"
"""First api-version after the preview version 2017-03-01. Every Azure host supports it."""

_UNPROVED = ("budget-spent", "unknown-issuer", "revocation-unknown", "nonce-mismatch", "not-yet-valid", "document-not-yet-valid")
"""Reasons for refusing a document that are no evidence against Azure.

Certificates may be missing, the clock may be wrong, or the service may have sent a document from
its cache (observed).
"""


class Step(NamedTuple):
    """One step of the detection.

    Attributes:
        name: ``chassis``, ``address``, ``shape`` or ``attested``.
        outcome: ``yes`` for evidence for Azure, ``no`` for evidence against it, ``unknown`` for
            neither.
        seen: sentence that says what the step found.
        source: source of the rule that the step applied.
    """

    name: str
    outcome: Outcome
    seen: str
    source: str


class Evidence(NamedTuple):
    """All evidence, and the conclusion.

    Attributes:
        conclusion: the first of the following lines that applies.

            - ``proved``: the step ``attested`` is ``yes``.
            - ``unlikely``: ``attested`` is ``no``, or the agent of Azure Arc responds.
            - ``likely``: ``chassis`` is ``yes``.
            - ``likely``: ``shape`` is ``yes``, and ``chassis`` is ``unknown``.
            - ``unknown``: ``shape`` is ``yes``, and ``chassis`` is ``no``.
            - ``unlikely``: ``chassis`` or ``shape`` is ``no``.
            - ``unknown``: all other cases.

        steps: the steps in the order in which they ran.
        vm_id: ``compute.vmId`` in the instance document, or None if there is none.
    """

    conclusion: Conclusion
    steps: tuple[Step, ...]
    vm_id: str | None = None

    def outcome(self, name: str) -> Outcome:
        """Return the outcome of the step with this name; ``unknown`` if the step was skipped."""
        return next((step.outcome for step in self.steps if step.name == name), "unknown")

    def to_json(self) -> dict[str, object]:
        """Return ``conclusion``, ``vmId`` and ``steps`` as JSON members."""
        return {"conclusion": self.conclusion, "vmId": self.vm_id, "steps": [step._asdict() for step in self.steps]}


def detect(
    client: Client | None = None, *, root: str | os.PathLike[str] = "/", prove: Prove | None = None, signer: str | None = None
) -> Evidence:
    """Collect evidence for and against the assumption that this machine runs on Azure.

    The client sends at most four requests, plus those that its retry policy repeats.

    Args:
        client: client that sends the requests. The default is a client without retries.
        root: root directory of the file system whose ``/sys`` is read.
        prove: function that verifies attested documents. Without it, the step ``attested`` is
            skipped, and the conclusion cannot be ``proved``.
        signer: name of the party that signs the documents that ``prove`` accepts. Pass ``Azure``
            only if ``prove`` trusts Azure's roots and no others. With None, the evidence says only
            that the function accepts the document.

    Raises:
        UsageError: the environment contains an invalid address
            (:func:`imdskit.client.address.from_environment`).
    """
    if client is None:
        client = Client(retry=None)
    steps = [_chassis(root)]
    reached, shape, vm_id = _service(client)
    steps += [reached, shape]
    if prove is not None:
        steps.append(_attested(client, prove, shape, vm_id, signer))
    conclusion = conclude({step.name: step.outcome for step in steps})
    if shape.outcome == "no" and ARC_AGENT in shape.seen:
        conclusion = "unlikely"  # even if the firmware has Azure's tag: machines of Azure Stack have it, too, and Arc can connect them
    return Evidence(conclusion, tuple(steps), vm_id)


def conclude(outcomes: Mapping[str, Outcome]) -> Conclusion:
    """Return the conclusion that follows from the outcomes of the steps.

    A skipped step counts as ``unknown``. The outcome of ``address`` does not matter.
    """
    chassis, shape, attested = (outcomes.get(name, "unknown") for name in ("chassis", "shape", "attested"))
    if attested == "yes":
        return "proved"
    if attested == "no":
        return "unlikely"  # another program emulates the service
    if chassis == "yes":
        return "likely"  # a container or a firewall may block the service, and a proxy may replace it
    if shape == "yes":
        return "unknown" if chassis == "no" else "likely"
    if chassis == "no" or shape == "no":
        return "unlikely"
    return "unknown"


def _chassis(root: str | os.PathLike[str]) -> Step:
    path = os.path.join(root, TAG_FILE)
    try:
        with open(path, "rb") as file:
            tag = file.read(_TAG_BYTES).decode("ascii", "replace").strip()
    except FileNotFoundError:
        where = "imdskit does not read it on Windows" if sys.platform == "win32" else f"there is no {path}"
        return _step("chassis", "unknown", f"The chassis asset tag is not known: {where}.")
    except OSError as error:
        return _step("chassis", "unknown", f"The chassis asset tag cannot be read: {error.strerror or error}.")
    if tag == CHASSIS_TAG:
        return _step("chassis", "yes", f"The chassis asset tag is Azure's, {tag}.")
    if not tag:
        return _step("chassis", "unknown", "The chassis asset tag is empty.")
    return _step("chassis", "no", f"The chassis asset tag is {tag[:_QUOTED]!r}, which is not Azure's.")


def _service(client: Client) -> tuple[Step, Step, str | None]:
    """Return the steps ``address`` and ``shape``, and the id of the machine."""
    where = client.base_url + ("" if client.base_url == address.SERVICE else ", which is not the service's own address")
    listed: tuple[str, ...] | None = None
    failure: ClientError | None = None
    try:
        listed = client.versions()
    except ClientError as error:
        failure = error
        if error.code in (ClientCode.UNREACHABLE, ClientCode.TIMED_OUT):
            return _silent(error, where)
    reached = _step("address", "yes", f"A program responds at {where}.")
    old_host = (ClientCode.NOT_FOUND, ClientCode.BAD_REQUEST, ClientCode.UNSUPPORTED_VERSION)  # hosts before 2020 respond with these
    if failure is not None and failure.code not in old_host:
        return reached, _foreign(failure), None
    try:
        instance = _instance(client)
    except ClientError as error:
        if listed is not None and (_is_transient(error) or error.code == ClientCode.UNSUPPORTED_VERSION):
            seen = f"The service sent a list of {len(listed)} api-versions, but no instance document: {error.code}."
            return reached, _step("shape", "unknown", seen), None
        return reached, _foreign(error), None
    if not isinstance(instance.get("compute"), dict) and not isinstance(instance.get("network"), dict):
        seen = "The response is a JSON object, but not an instance document: it has neither compute nor network."
        return reached, _step("shape", "no", seen), None
    vm_id = _compute(instance, "vmId")
    if _is_arc(instance):
        return reached, _step("shape", "no", f"{ARC_AGENT} responds: the machine is registered with Azure, but runs elsewhere."), None
    versions = "no list of api-versions" if listed is None else f"{len(listed)} api-versions, the newest {max(listed, default='none')}"
    seen = f"The responses are those of the service: {versions}; {'no vmId' if vm_id is None else 'vmId ' + vm_id[:_QUOTED]}."
    return reached, _step("shape", "yes", seen), vm_id


def _silent(error: ClientError, where: str) -> tuple[Step, Step, None]:
    """Return the steps ``address`` and ``shape`` for a missing response.

    A refused connection is evidence against Azure. A timeout is not, because a firewall may cause
    it.
    """
    if error.connected:
        reached = _step("address", "yes", f"A program accepts connections at {where}, but sends no complete response: {error.message}")
    elif error.code == ClientCode.TIMED_OUT:
        seen = f"No connection was established in time to {where}. A firewall or a container's network can do that on Azure too."
        reached = _step("address", "unknown", seen)
    else:
        reached = _step("address", "no", f"Nothing responds at {where}: {error.message}")
    return reached, _step("shape", "unknown", "There was no response to inspect."), None


def _foreign(error: ClientError) -> Step:
    """Return the step ``shape`` for an error response.

    The metadata service or another program may have sent it.
    """
    if _is_transient(error):
        return _step("shape", "unknown", f"The response does not show which program sent it: {error.code}, {error.message}")
    body = error.body.lower()
    likeness = next((f" It looks like {name}." for mark, name in _OTHERS if mark in body), "")
    begin = error.body[:_QUOTED].decode("utf-8", "replace")
    quoted = f" It begins with {begin!r}." if begin else ""
    return _step("shape", "no", f"The response does not come from the service: {error.code}, {error.message}{likeness}{quoted}")


def _is_transient(error: ClientError) -> bool:
    return error.code in _PASSING or is_request_timeout(error)


def _attested(client: Client, prove: Prove, shape: Step, vm_id: str | None, signer: str | None) -> Step:
    if shape.outcome != "yes":
        return _step("attested", "unknown", "No document was requested, because the check `shape` did not recognize the service.")
    nonce = new_nonce()
    try:
        signed = prove(client.attested_document(nonce), nonce)
    except ClientError as error:
        return _step("attested", "unknown", f"There is no document: {error.code}, {error.message}")
    except VerificationError as error:
        outcome: Outcome = "unknown" if error.code in _UNPROVED else "no"
        return _step("attested", outcome, f"The document is refused: {error.code}, {error.message}")
    if vm_id is not None and signed.lower() != vm_id.lower():
        return _step("attested", "no", f"The document belongs to another machine: {signed[:_QUOTED]}.")
    accepted = "The function `prove` accepted a document that says" if signer is None else f"{signer} signed"
    return _step("attested", "yes", f"{accepted} that this is machine {signed[:_QUOTED]}, with the nonce {nonce}.")


def _instance(client: Client) -> Mapping[str, Json]:
    """Return the instance document.

    If the service does not support the client's api-version, request the version :data:`_FIRST`,
    which every Azure host supports.
    """
    try:
        return client.instance()
    except ClientError as error:
        if error.code != ClientCode.UNSUPPORTED_VERSION:
            raise
        return client.instance(_FIRST)


def _is_arc(instance: Mapping[str, Json]) -> bool:
    """Return whether the agent of Azure Arc sent the document."""
    segments = (_compute(instance, "resourceId") or "").lower().split("/")
    return _ARC in segments or (_compute(instance, "provider") or "").lower() == _ARC


def _compute(instance: Mapping[str, Json], name: str) -> str | None:
    """Return a text member of ``compute``, or None."""
    compute = instance.get("compute")
    value = compute.get(name) if isinstance(compute, dict) else None
    return value if isinstance(value, str) and value else None


def _step(name: str, outcome: Outcome, seen: str) -> Step:
    return Step(name, outcome, seen, SOURCES[name])


__all__ = ["CHASSIS_TAG", "SOURCES", "Conclusion", "Evidence", "Outcome", "Prove", "Step", "conclude", "detect"]
