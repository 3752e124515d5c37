"""The built-in scenarios: which of them have managed identities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from imdskit.emulator import Scenario

Services = Callable[..., Any]


@pytest.mark.parametrize("name", Scenario.names())
def test_every_builtin_machine_that_can_have_identities_has_one(name: str, service: Services) -> None:
    machine = service(name)
    classic = Scenario.load(name).classic  # machines of the classic deployment model cannot have any
    assert bool(machine.app.machine.identities) is not classic
    selected = {"client_id": machine.app.machine.identities.user[0].client_id} if name == "identities" else {}
    answer = machine.get("/metadata/identity/oauth2/token", "2018-02-01", resource="x", **selected)
    assert answer.status == (400 if classic else 200)
