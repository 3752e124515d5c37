"""Managed identities of the built-in scenarios."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from imdskit.emulator import Scenario

Services = Callable[..., Any]


@pytest.mark.parametrize("name", Scenario.names())
def test_every_built_in_machine_has_an_identity_if_possible(name: str, service: Services) -> None:
    machine = service(name)
    classic = Scenario.load(name).classic  # Machines of the classic deployment model cannot have identities.
    assert bool(machine.app.machine.identities) is not classic
    selected = {"client_id": machine.app.machine.identities.user[0].client_id} if name == "identities" else {}
    answer = machine.get("/metadata/identity/oauth2/token", "2018-02-01", resource="x", **selected)
    assert answer.status == (400 if classic else 200)
