"""Addition of the service's address to the loopback interface of this machine, for as long as this
process runs."""

from __future__ import annotations

import errno
import os

from imdskit.emulator.http.host_header import SERVICE
from imdskit.emulator.namespace import loopback
from imdskit.emulator.namespace.cleanup_process import CleanupProcess
from imdskit.errors import UsageError


def service_address() -> CleanupProcess:
    """Return a context manager that adds the address on entry. It removes the address on exit, or
    when the calling process dies.

    Raises:
        UsageError: Entering the context manager raises this error if the address cannot be added.
    """
    return CleanupProcess(_Address(), _refused)


class _Address:
    def begin(self) -> str:
        try:
            loopback.bring_up()
            loopback.add(SERVICE)
        except OSError as error:
            return os.strerror(error.errno or errno.EIO)
        return ""

    def end(self) -> None:
        loopback.remove(SERVICE)


def _refused(why: str) -> UsageError:
    hint = "Run the command as root, or in a container with CAP_NET_ADMIN. Without root, leave out `--network host`."
    message = f"The address {SERVICE} cannot be added to the loopback interface: {why or 'the process that adds it was killed'}."
    return UsageError("bad-argument", message, location="--network", hint=hint)
