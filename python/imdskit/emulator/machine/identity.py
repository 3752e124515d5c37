"""The managed identities of a machine, and the selection of an identity by a token request.

A machine has at most one system-assigned identity and any number of user-assigned ones. Values that
a scenario does not give are derived from the seed and from the resource that the identity belongs
to. Therefore, all instances of a uniform scale set have the same system-assigned identity, and a
user-assigned identity has the same ids on all machines of a fleet.

Source: managed identities documentation, "How to use managed identities on a virtual machine";
recorded responses of 2022 and 2023; claims of scale sets: gravitational/teleport#58015,
hashicorp/vault-plugin-auth-azure, spiffe/spire#2527.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imdskit.emulator.machine.expansion import ExpandedMachine
from imdskit.emulator.machine.seeded_values import Seeded

SELECTORS = {"client_id": "client_id", "object_id": "object_id", "msi_res_id": "resource_id", "mi_res_id": "resource_id"}
"""Request parameters that select an identity. Each one maps to the attribute of
:class:`Identity` that must have the parameter's value.

``mi_res_id`` is an older spelling that the service also accepts.
"""

_UNIFORM_INSTANCE = re.compile(r"(.*/virtualMachineScaleSets/[^/]+)/virtualMachines/[^/]+/?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Identity:
    """One managed identity: a service principal in Entra ID.

    Attributes:
        client_id: UUID of the application.
        object_id: UUID of the service principal.
        resource_id: id in Azure Resource Manager. A system-assigned identity has the id of its
            machine or, in a uniform scale set, the id of the scale set.
        tenant_id: UUID of the directory that contains the identity.
    """

    client_id: str
    object_id: str
    resource_id: str
    tenant_id: str


@dataclass(frozen=True, slots=True)
class Identities:
    """All identities of one machine.

    Attributes:
        system: the system-assigned identity, or None.
        user: the user-assigned identities, in the order of the scenario.
    """

    system: Identity | None = None
    user: tuple[Identity, ...] = ()

    def __bool__(self) -> bool:
        return self.system is not None or bool(self.user)

    @property
    def default(self) -> Identity | None:
        """The identity for requests that do not select an identity.

        It is the system-assigned identity if the machine has one. Otherwise, it is the
        user-assigned identity if the machine has exactly one, and None if it has several or none.
        """
        if self.system is not None:
            return self.system
        return self.user[0] if len(self.user) == 1 else None

    def find(self, selector: str, value: str) -> Identity | None:
        """Return the identity that a request selects with a parameter, or None.

        Letter case is ignored in all ids.

        A request can also select the system-assigned identity in this way (inferred).

        Args:
            selector: a key of :data:`SELECTORS`.
            value: value of the parameter.
        """
        attribute, expected = SELECTORS[selector], value.lower().rstrip("/")
        all_identities = (*((self.system,) if self.system is not None else ()), *self.user)
        return next((one for one in all_identities if str(getattr(one, attribute)).lower() == expected), None)


def identities(machine: ExpandedMachine) -> Identities:
    """Return the identities of a machine.

    Values that its scenario does not give are derived from its seed.
    """
    given = machine.scenario.given.get("identity")
    if not given:
        return Identities()
    tenant = given.get("tenantId") or machine.shared.uuid("tenant")
    system = given.get("systemAssigned")
    resource_id = holder_id(machine)
    group = resource_id.partition("/providers/")[0]
    user_assigned = []
    for index, each in enumerate(given.get("userAssigned") or ()):
        name = each.get("name") or f"identity-{index}"
        default = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
        resource = each.get("resourceId") or default
        user_assigned.append(_identity(each, f"user identity {resource.lower()}", resource, tenant, machine.shared))
    if system is None:
        return Identities(None, tuple(user_assigned))
    is_own = resource_id == machine.text("resourceId")
    purpose, seeded = ("system identity", machine.seeded) if is_own else (f"system identity {resource_id.lower()}", machine.shared)
    return Identities(_identity(system, purpose, system.get("resourceId") or resource_id, tenant, seeded), tuple(user_assigned))


def holder_id(machine: ExpandedMachine) -> str:
    """Return the id of the resource to which a machine's identities are assigned: the machine, or
    its uniform scale set."""
    resource_id = machine.text("resourceId")
    instance = _UNIFORM_INSTANCE.fullmatch(resource_id)
    return resource_id if instance is None else instance[1]


def _identity(given: Mapping[str, Any], purpose: str, resource_id: str, tenant: str, seeded: Seeded) -> Identity:
    return Identity(
        client_id=given.get("clientId") or seeded.uuid(f"{purpose} client"),
        object_id=given.get("objectId") or seeded.uuid(f"{purpose} object"),
        resource_id=resource_id,
        tenant_id=given.get("tenantId") or tenant,
    )
