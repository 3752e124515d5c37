"""Assignment of the service's address, 169.254.169.254, to this machine, for `imdskit run --network
host`. Internal.

The virtual machines of hosted CI services are often Azure machines. Agents on such a machine need
the real service at that address. Without `--force`, the emulator therefore does not take the
address from the real service.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from imdskit.client import Client
from imdskit.client.detect import Evidence, detect
from imdskit.emulator.http.host_header import SERVICE
from imdskit.emulator.namespace import loopback
from imdskit.emulator.namespace.service_address import service_address
from imdskit.errors import UsageError


@contextmanager
def address(*, force: bool) -> Iterator[None]:
    """Add the service's address to the loopback interface, and remove it at the end of the context.

    Args:
        force: whether to add the address even if a program responds there, or if this seems to be
            an Azure machine.

    Raises:
        UsageError: an interface already has the address, or this user may not add addresses.
            Without ``force``, this error is also raised if a program responds at the address, or if
            this seems to be an Azure machine.
    """
    if loopback.is_local(SERVICE):
        hint = "Stop the program that added the address. Or start `imdskit serve --host 169.254.169.254 --port 80`, and run the command without `imdskit run`."
        raise UsageError(
            "bad-argument", f"An interface of this machine already has the address {SERVICE}.", location="--network", hint=hint
        )
    if not force:
        check(detect(Client(f"http://{SERVICE}", retry=None)))
    with service_address():
        yield


def check(evidence: Evidence) -> None:
    """Raise UsageError if the evidence shows that a program responds at the service's address, or
    that this is an Azure machine."""
    found = {step.name: step.seen for step in evidence.steps if step.outcome == "yes"}
    hint = "Leave out `--network host`; `imdskit run` then does not change this machine. With --force, the emulator hides the real service from all programs."
    messages = {
        "shape": f"A working metadata service responds at {SERVICE}",
        "chassis": "This machine seems to be an Azure machine",
        "address": f"Something responds at {SERVICE}",
    }
    for name, message in messages.items():
        if name in found:
            raise UsageError("bad-argument", f"{message}: {found[name]}", location="--network", hint=hint)
