"""The service's address on the loopback interface of this machine, for as long as this process lives.

A second process, the watchdog, adds the address and removes it again. The kernel wakes it when this process dies, also by SIGKILL. It has
its own session, so that signals to the process group or from the terminal do not reach it.
"""

from __future__ import annotations

import errno
import os
import signal
from types import TracebackType
from typing import Self

from imdskit.emulator.http.hosts import SERVICE
from imdskit.emulator.namespace import loopback
from imdskit.emulator.namespace import system_calls as system
from imdskit.errors import UsageError


class HostAddress:
    """The address, added on entry and removed on exit. The process must have one thread on entry.

    Raises:
        UsageError: on entry: the address cannot be added.
    """

    def __enter__(self) -> Self:
        reading, writing = os.pipe()
        caller = os.getpid()
        self._watchdog = os.fork()
        if self._watchdog == 0:
            os.close(reading)
            _watch(writing, caller)
        os.close(writing)
        number = int(os.read(reading, 16) or b"1")
        os.close(reading)
        if number:
            os.waitpid(self._watchdog, 0)
            raise _refused(number)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.kill(self._watchdog, signal.SIGTERM)
        _, status = os.waitpid(self._watchdog, 0)
        if status != 0:  # somebody killed it
            loopback.remove(SERVICE)


def _watch(writing: int, caller: int) -> None:
    """Add the address, report the errno or 0, wait for the end of the caller, remove the address. Never returns."""
    status = 1
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        os.setsid()
        system.die_with_parent(signal.SIGTERM)
        number = _added()
        os.write(writing, b"%d" % number)
        os.close(writing)
        if number:
            os._exit(0)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):  # whoever reads the output of the caller must not wait for this process
            os.dup2(nowhere, number)
        if os.getppid() == caller:
            signal.sigwait({signal.SIGTERM})
        loopback.remove(SERVICE)
        status = 0
    finally:
        os._exit(status)


def _added() -> int:
    """Add the address. Return 0, or the errno."""
    try:
        loopback.bring_up()
        loopback.add(SERVICE)
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def _refused(number: int) -> UsageError:
    if number == errno.EEXIST:
        return UsageError("bad-argument", f"The loopback interface has the address {SERVICE} already.", location="--network")
    hint = "Run it as root, or in a container with CAP_NET_ADMIN. Without root, leave out `--network host`."
    return UsageError("bad-argument", f"The address {SERVICE} cannot be added: {os.strerror(number)}.", location="--network", hint=hint)
