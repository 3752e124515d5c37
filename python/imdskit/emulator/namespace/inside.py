"""The two processes between `imdskit run` and its command.

They create and prepare the namespaces, and start the command.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from imdskit.emulator.http.host_header import SERVICE
from imdskit.emulator.namespace import hosts_file, loopback, supervision
from imdskit.emulator.namespace import system_calls as system

NOT_EXECUTABLE, NOT_FOUND = 126, 127
"""Exit statuses of a command that cannot be executed or does not exist, as in shells (POSIX, "Exit
Status for Commands")."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A command to run, and its environment.

    Attributes:
        words: the command and its arguments.
        environment: environment variables of the command.
        own_network: whether the command gets its own user and network namespaces with the service's
            address. Otherwise it uses those of the caller.
        mapped_hosts: names that resolve to the service's address.
    """

    words: Sequence[str]
    environment: Mapping[str, str]
    own_network: bool
    mapped_hosts: Sequence[str]


def begin(plan: Plan, channel: socket.socket, mask: set[signal.Signals], caller: int) -> NoReturn:
    """Create the namespaces and run the command.

    This function runs in a child of the caller, and never returns.

    Args:
        plan: the command and its environment.
        channel: connection to the caller. This side sends one message. The message either reports a
            failure, or reports that the namespaces are ready and carries the listening socket. The
            command starts when the caller replies.
        mask: signal mask of the command.
        caller: process id of the caller.
    """
    _leave(lambda: _create(plan, channel, mask, caller))


def _create(plan: Plan, channel: socket.socket, mask: set[signal.Signals], caller: int) -> int:
    """Create the namespaces, then wait for the first process in them."""
    user, group = os.geteuid(), os.getegid()
    with _step(channel, "unshare"):
        system.unshare(system.NEW_MOUNTS | system.NEW_PIDS | ((system.NEW_USER | system.NEW_NETWORK) if plan.own_network else 0))
    system.die_with_parent(signal.SIGKILL)
    if os.getppid() != caller:
        return 1
    if plan.own_network:
        with _step(channel, "maps"):
            own = Path("/proc/self")
            (own / "setgroups").write_text("deny")  # Without this, the kernel refuses the group map; see user_namespaces(7).
            (own / "uid_map").write_text(f"{user} {user} 1")
            (own / "gid_map").write_text(f"{group} {group} 1")
    with _step(channel, "start"):
        first = os.fork()
    if first == 0:
        _leave(lambda: _prepare(plan, channel, mask))
    channel.close()
    _leave_group()
    return supervision.wait(first)


def _prepare(plan: Plan, channel: socket.socket, mask: set[signal.Signals]) -> int:
    """Prepare the namespaces, then start the command and wait for it.

    This is the first process of the PID namespace. When it ends, the kernel kills all other
    processes of the namespace.
    """
    system.die_with_parent(signal.SIGKILL)
    with _step(channel, "mounts"):
        system.mount("", "/", "", system.RECURSIVE | system.PRIVATE)
    sockets = []
    if plan.own_network:
        with _step(channel, "network"):
            loopback.bring_up()
            loopback.add(SERVICE)
            sockets.append(socket.create_server((SERVICE, 80)))
    if plan.mapped_hosts:
        with _step(channel, "hosts"):
            hosts_file.map_names(plan.mapped_hosts)
    # The kernel refuses this mount where parts of /proc are masked, as in containers. In that case,
    # /proc still shows the processes of the caller.
    with suppress(OSError):
        system.mount("proc", "/proc", "proc", system.NO_SUID | system.NO_DEVICES | system.NO_EXEC)
    socket.send_fds(channel, [b"{}"], [each.fileno() for each in sockets])
    for each in sockets:
        each.close()
    if not channel.recv(1):  # The caller has ended or closed the channel without starting the command.
        return 1
    channel.close()
    if plan.own_network:
        # Neither this process nor the command keeps capabilities. If only this process kept them,
        # the command could not read /proc/1, which some programs read to detect a container.
        system.drop_capabilities()
    try:
        command = os.fork()
    except OSError as error:
        return _not_executed(plan, os.strerror(error.errno or 0), NOT_EXECUTABLE)
    if command == 0:
        _leave(lambda: _execute(plan, mask))
    _leave_group()
    return supervision.wait(command, reap_all=True)


def _execute(plan: Plan, mask: set[signal.Signals]) -> int:
    """Replace this process with the command. Return an exit status if that fails."""
    supervision.restore(mask)
    try:
        os.execvpe(plan.words[0], list(plan.words), dict(plan.environment))  # noqa: S606
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        # The error is EACCES if PATH has a folder that the user may not search, even if the command
        # does not exist in any folder.
        not_in_path = "/" not in plan.words[0] and shutil.which(plan.words[0], os.F_OK, plan.environment.get("PATH")) is None
        if not_in_path:
            why = os.strerror(errno.ENOENT)
        missing = not_in_path or isinstance(error, FileNotFoundError | NotADirectoryError)
        return _not_executed(plan, why, NOT_FOUND if missing else NOT_EXECUTABLE)


def _not_executed(plan: Plan, why: str, status: int) -> int:
    """Report on standard error that the command cannot be executed. Return ``status``."""
    sys.stderr.write(f"error: bad-argument: The command {ascii(plan.words[0])[:200]} cannot be executed: {why}.\n")
    sys.stderr.flush()
    return status


def _leave_group() -> None:
    """Leave the process group.

    A signal to the group reaches the command directly. If this process also got the signal, it
    would forward the signal to the command, and the command would get it twice.
    """
    with suppress(PermissionError):
        os.setpgid(0, 0)


@contextmanager
def _step(channel: socket.socket, name: str) -> Iterator[None]:
    """Return a context manager that reports a failed step to the caller and ends this process."""
    try:
        yield
    except OSError as error:
        channel.send(json.dumps({"step": name, "errno": error.errno}).encode("ascii"))
        os._exit(1)


def _leave(work: Callable[[], int]) -> NoReturn:
    """Run ``work`` and end this process with the status that it returns, without running the
    exit handlers that it inherited from the caller."""
    status = 1
    try:
        status = work()
    finally:
        if sys.exc_info()[0] is not None:
            traceback.print_exc()
        os._exit(status)
