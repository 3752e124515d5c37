"""Linux system calls that some interpreters do not offer, called through ``ctypes``. Python 3.11
lacks most of them, and PyPy lacks ``signal.sigwaitinfo``.

Each function raises OSError on failure.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable

NEW_MOUNTS, NEW_USER, NEW_PIDS, NEW_NETWORK = 0x00020000, 0x10000000, 0x20000000, 0x40000000
"""Flags of unshare(2): CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET (``linux/sched.h``)."""

NO_SUID, NO_DEVICES, NO_EXEC, BIND, RECURSIVE, PRIVATE = 0x2, 0x4, 0x8, 0x1000, 0x4000, 0x40000
"""Flags of mount(2): MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE
(``linux/mount.h``)."""

_DETACH = 2
"""Flag MNT_DETACH of umount2(2)."""
_PDEATHSIG, _CAPBSET_READ, _CAPBSET_DROP, _CAP_AMBIENT, _CLEAR_ALL = 1, 23, 24, 47, 4
"""Operations of prctl(2) (``linux/prctl.h``)."""
_CAPABILITY_VERSION = 0x20080522
"""The constant _LINUX_CAPABILITY_VERSION_3 (``linux/capability.h``).

This version has 64 capabilities in two structures.
"""

_FROM_KERNEL = 0x80
"""The constant SI_KERNEL: the value of ``siginfo_t.si_code`` if the kernel sent the signal."""
_SIGSET_WORDS, _SIGINFO_WORDS = 32, 32
"""Sizes of ``sigset_t`` and ``siginfo_t`` in the C library, in words of 32 bits."""

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Move this process, which must have only one thread, into new namespaces.

    With NEW_PIDS, the next child of this process becomes the first process of a new PID namespace.
    """
    _checked(_libc.unshare(flags))


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Mount a file system, or change a mount. An empty string is passed as NULL."""
    words = [word.encode() or None for word in (source, target, kind)]
    _checked(_libc.mount(*words, ctypes.c_ulong(flags), options.encode() or None))


def detach(target: str) -> None:
    """Unmount the file system at ``target``. Bind mounts of its files at other locations remain."""
    _checked(_libc.umount2(target.encode(), _DETACH))


def die_with_parent(number: int) -> None:
    """Make the kernel send this process a signal when its parent dies.

    The setting is lost when the process executes a setuid program.
    """
    _checked(_libc.prctl(_PDEATHSIG, ctypes.c_ulong(number), 0, 0, 0))


def wait_for_signal(numbers: Iterable[int]) -> tuple[int, bool]:
    """Wait for one of these signals, which must be blocked.

    Returns:
        The number of the signal, and whether the kernel sent it, for example for a key of the
        terminal.
    """
    wanted = (ctypes.c_uint32 * _SIGSET_WORDS)()
    _checked(_libc.sigemptyset(wanted))
    for number in numbers:
        _checked(_libc.sigaddset(wanted, number))
    info = (ctypes.c_int32 * _SIGINFO_WORDS)()
    while _libc.sigwaitinfo(wanted, info) < 0:
        if ctypes.get_errno() != errno.EINTR:
            _checked(-1)
    return info[0], info[2] == _FROM_KERNEL


def drop_capabilities() -> None:
    """Drop all capabilities, including those that root would regain when it executes a program."""
    _checked(_libc.prctl(_CAP_AMBIENT, ctypes.c_ulong(_CLEAR_ALL), 0, 0, 0))
    number = 0
    while _libc.prctl(_CAPBSET_READ, ctypes.c_ulong(number), 0, 0, 0) >= 0:
        _checked(_libc.prctl(_CAPBSET_DROP, ctypes.c_ulong(number), 0, 0, 0))
        number += 1
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    _checked(_libc.capset(ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)())))


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
