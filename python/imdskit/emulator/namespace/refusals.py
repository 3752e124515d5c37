"""Explanations of why the system refuses to create namespaces, with a remedy for each cause.

In most cases, the kernel reports only `Operation not permitted`. To find the cause, this module
reads files of procfs. If several causes apply, the message names all of them.

Sources: user_namespaces(7), namespaces(7), and the documentation of each distribution. All causes
except AppArmor were reproduced.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from imdskit.errors import UsageError

_LIMITS = ("max_user_namespaces", "max_net_namespaces", "max_mnt_namespaces", "max_pid_namespaces")
_FORBIDDEN = (errno.EPERM, errno.EACCES)
_STEPS = {
    "unshare": "create namespaces",
    "maps": "map the user in a user namespace",
    "mounts": "make mounts private in a mount namespace",
    "network": "give the loopback interface of a network namespace the address 169.254.169.254",
    "hosts": "mount a hosts file in a mount namespace",
    "start": "start a process",
}


class Cause(NamedTuple):
    """A cause of the refusal.

    Attributes:
        errors: values of ``errno`` with which the system reports the cause.
        found: a sentence for the message that describes the cause.
        change: a sentence for the hint that says what to do.
        step: the only step that can have this cause, a key of ``_STEPS``. ``""`` means that every
            step can have it.
        applies: function that returns whether the files of procfs show that the cause applies. Its
            argument is the mount point of procfs.
    """

    errors: tuple[int, ...]
    found: str
    change: str
    step: str = ""
    applies: Callable[[Path], bool] = lambda _: True


def explain(step: str, number: int | None, proc: Path = Path("/proc")) -> UsageError:
    """Return the error for a step that failed.

    Args:
        step: name of the failed step, a key of ``_STEPS``.
        number: the ``errno``, or None if the process was killed.
        proc: mount point of procfs.
    """
    number = number or 0
    causes = [cause for cause in (_limit(proc), *_CAUSES) if number in cause.errors and cause.step in ("", step) and cause.applies(proc)]
    why = " ".join(cause.found for cause in causes) or "No known cause was found. One possible cause is a chroot."
    hint = (
        " ".join(cause.change for cause in causes)
        or "Run the command as root, or in a container whose security profile allows unshare(2) and mount(2)."
    )
    message = f"The system does not let this user {_STEPS[step]}: {os.strerror(number) if number else 'the process was killed'}. {why}"
    return UsageError("namespaces-refused", message, location=step, hint=f"{hint} {_ELSEWHERE}")


_ELSEWHERE = "Other ways to reach the address are in docs/reach-the-address.md."


def _limit(proc: Path) -> Cause:
    zero = [f"user.{name}" for name in _LIMITS if _text(proc / "sys" / "user" / name) == "0"]
    if zero:
        change = "As root, set a positive number: " + ", ".join(f"`sysctl -w {name}=10000`" for name in zero) + "."
        return Cause((errno.ENOSPC,), f"{' and '.join(zero)} {'is' if len(zero) == 1 else 'are'} 0.", change)
    return Cause(
        (errno.ENOSPC,),
        "A limit of /proc/sys/user is reached, or user namespaces are nested more than 32 deep.",
        "Raise user.max_user_namespaces and user.max_net_namespaces with `sysctl -w`, as root.",
    )


def _in_chroot(proc: Path) -> bool:
    mounts = _text(proc / "self" / "mountinfo")
    return mounts is not None and not any(line.split()[4:5] == ["/"] for line in mounts.splitlines())


_CAUSES = (
    Cause(
        _FORBIDDEN,
        "kernel.unprivileged_userns_clone is 0.",
        "Run `sysctl -w kernel.unprivileged_userns_clone=1`, as root.",
        applies=lambda proc: _text(proc / "sys" / "kernel" / "unprivileged_userns_clone") == "0",
    ),
    Cause(
        _FORBIDDEN,
        "kernel.apparmor_restrict_unprivileged_userns is 1, as on Ubuntu 24.04: "
        "AppArmor lets only programs with a profile use user namespaces.",
        "Run `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, as root, "
        "or give the Python interpreter an AppArmor profile with `userns,`.",
        applies=lambda proc: _text(proc / "sys" / "kernel" / "apparmor_restrict_unprivileged_userns") == "1",
    ),
    Cause(
        _FORBIDDEN,
        "This process is in a chroot, where the kernel creates no user namespace.",
        "Instead of chroot(2), use pivot_root(2) or a container.",
        applies=_in_chroot,
    ),
    Cause(
        (*_FORBIDDEN, errno.ENOSYS),
        "A seccomp filter applies to this process, as in containers of Docker, Podman and Kubernetes.",
        "Start the container with `--security-opt seccomp=unconfined` and `--security-opt apparmor=unconfined`, "
        "or in Kubernetes with `seccompProfile: {type: Unconfined}`; or run the emulator in a second container.",
        applies=lambda proc: "Seccomp:2" in "".join((_text(proc / "self" / "status") or "").split()),
    ),
    Cause(
        _FORBIDDEN,
        "This process is in a user namespace that maps no user.",
        "Map its user first, for example with `unshare --map-current-user`.",
        applies=lambda proc: _text(proc / "self" / "uid_map") == "",
    ),
    Cause(
        (errno.ENOENT,),
        "/proc is not mounted.",
        "Mount it, as root: `mount -t proc proc /proc`.",
        applies=lambda proc: not (proc / "self").exists(),
    ),
    Cause(
        (errno.EAGAIN,),
        "This user, or this container, has reached its maximum number of processes.",
        "End some processes, or raise the limit with `ulimit -u` in the shell, or with `--pids-limit` for a container.",
        step="start",
    ),
    Cause(
        (errno.ENOENT,),
        "The file /etc/hosts does not exist, so it cannot be replaced.",
        "Create an empty file /etc/hosts, or leave out --map-host.",
        step="hosts",
    ),
    Cause(
        (errno.EINVAL, errno.ENOSYS),
        "The kernel was built without user, PID or network namespaces.",
        "Use a kernel with CONFIG_USER_NS, CONFIG_PID_NS and CONFIG_NET_NS.",
        step="unshare",
    ),
)
"""Causes besides the limits, in the order in which a message names them."""


def _text(path: Path) -> str | None:
    """Return the content of a file without surrounding white space, or None if it cannot be read."""
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return None
