"""`imdskit run --network host`: the service's address on this machine, unless that would get in the way of a real service. Internal.

Virtual machines of hosted CI services often are Azure machines. On these the address leads to the real service, which agents on the machine need.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from imdskit.client import Client
from imdskit.client.detect import Evidence, detect
from imdskit.emulator.http.host_header import SERVICE
from imdskit.emulator.namespace import loopback
from imdskit.emulator.namespace.host_address import host_address
from imdskit.errors import UsageError


@contextmanager
def address(*, force: bool) -> Iterator[None]:
    """Add the address to the loopback interface, and remove it at the end.

    Args:
        force: do so even if a service responds at the address, or this seems to be an Azure machine.

    Raises:
        UsageError: an interface has the address already; one of these two is the case; or this user may not add addresses.
    """
    if loopback.is_local(SERVICE):
        hint = "Stop the program that added it, or use `imdskit serve --host 169.254.169.254 --port 80` and run the command beside it."
        raise UsageError(
            "bad-argument", f"An interface of this machine has the address {SERVICE} already.", location="--network", hint=hint
        )
    if not force:
        check(detect(Client(f"http://{SERVICE}", retry=None)))
    with host_address():
        yield


def check(evidence: Evidence) -> None:
    """Raise UsageError if the evidence says that a metadata service responds, or that this is an Azure machine."""
    found = {step.name: step.seen for step in evidence.steps if step.outcome == "yes"}
    hint = "Use `imdskit run` without `--network host`: it leaves this machine as it is. --force hides the real service from all programs."
    if "shape" in found:
        message = f"A working metadata service responds at {SERVICE}: {found['shape']}"
    elif "chassis" in found:
        message = f"This machine seems to be an Azure machine: {found['chassis']}"
    elif "address" in found:
        message = f"Something responds at {SERVICE}: {found['address']}"
    else:
        return
    raise UsageError("bad-argument", message, location="--network", hint=hint)
