"""If the system refuses to create namespaces, the message names the cause, and the hint says what to change."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from run_verb import IS_ROOT, Run, environment, identity, python, words

from imdskit.cli import main
from imdskit.emulator.namespace import refusals

MOUNTS = "22 1 0:21 / / rw,relatime - ext4 /dev/root rw\n23 22 0:5 / /proc rw - proc proc rw\n"
USABLE = {
    "self/status": "Name:\tpython3\nNoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\n",
    "self/mountinfo": MOUNTS,
    "self/uid_map": "         0          0 4294967295\n",
    "sys/user/max_user_namespaces": "96365\n",
    "sys/user/max_net_namespaces": "96365\n",
    "sys/user/max_mnt_namespaces": "96365\n",
    "sys/user/max_pid_namespaces": "96365\n",
}
"""Files of a system that permits namespaces."""

CASES = [
    (
        "unshare",
        errno.ENOSPC,
        {"sys/user/max_user_namespaces": "0\n"},
        "user.max_user_namespaces is 0",
        "sysctl -w user.max_user_namespaces=10000",
    ),
    (
        "unshare",
        errno.ENOSPC,
        {"sys/user/max_net_namespaces": "0\n"},
        "user.max_net_namespaces is 0",
        "sysctl -w user.max_net_namespaces=10000",
    ),
    (
        "unshare",
        errno.ENOSPC,
        {"sys/user/max_pid_namespaces": "0\n"},
        "user.max_pid_namespaces is 0",
        "sysctl -w user.max_pid_namespaces=10000",
    ),
    ("unshare", errno.ENOSPC, {}, "nested more than 32 deep", "user.max_user_namespaces"),
    ("unshare", errno.EPERM, {"self/status": "Seccomp:\t2\n"}, "A seccomp filter", "--security-opt seccomp=unconfined"),
    ("unshare", errno.ENOSYS, {"self/status": "Seccomp:\t2\n"}, "A seccomp filter", "seccompProfile"),
    ("mounts", errno.EACCES, {"self/status": "Seccomp:\t2\n"}, "A seccomp filter", "--security-opt apparmor=unconfined"),
    ("unshare", errno.EPERM, {"self/mountinfo": "23 22 0:5 / /proc rw - proc proc rw\n"}, "in a chroot", "pivot_root(2)"),
    (
        "unshare",
        errno.EPERM,
        {"sys/kernel/unprivileged_userns_clone": "0\n"},
        "unprivileged_userns_clone is 0",
        "kernel.unprivileged_userns_clone=1",
    ),
    (
        "unshare",
        errno.EPERM,
        {"sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"},
        "Ubuntu 24.04",
        "apparmor_restrict_unprivileged_userns=0",
    ),
    ("maps", errno.EPERM, {"sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"}, "Ubuntu 24.04", "AppArmor profile"),
    ("mounts", errno.EACCES, {"sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"}, "Ubuntu 24.04", "AppArmor profile"),
    ("unshare", errno.EPERM, {"self/uid_map": ""}, "maps no user", "unshare --map-current-user"),
    ("maps", errno.ENOENT, None, "/proc is not mounted", "mount -t proc proc /proc"),
    ("unshare", errno.EINVAL, {}, "CONFIG_USER_NS", ""),
    ("start", errno.EAGAIN, {}, "maximum number of processes", "ulimit -u"),
    ("hosts", errno.ENOENT, {}, "file /etc/hosts does not exist", "--map-host"),
    ("unshare", errno.EPERM, {}, "No known cause", "as root"),
]


@pytest.mark.parametrize(("step", "number", "files", "found", "change"), CASES, ids=str)
def test_names_each_cause(step: str, number: int, files: dict[str, str] | None, found: str, change: str, tmp_path: Path) -> None:
    for name, content in {} if files is None else {**USABLE, **files}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    error = refusals.explain(step, number, tmp_path)
    assert (error.code, error.location) == ("namespaces-refused", step)
    assert os.strerror(number) in error.message
    assert found in f"{error.message} {error.hint}"
    assert change in error.hint
    assert "docs/reach-the-address.md" in error.hint


def test_names_all_of_several_causes(tmp_path: Path) -> None:
    for name, content in {**USABLE, "self/status": "Seccomp:\t2\n", "sys/kernel/unprivileged_userns_clone": "0\n"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    message = refusals.explain("unshare", errno.EPERM, tmp_path).message
    assert "seccomp" in message
    assert "unprivileged_userns_clone" in message


CHROOT = """
set -e
mount -t tmpfs none "$1"
chmod 755 "$1"
root=$1/root
mkdir "$root"
for each in /*; do
  if [ -L "$each" ]; then cp -P "$each" "$root/"; elif [ -d "$each" ]; then mkdir "$root$each"; mount --rbind "$each" "$root$each"; fi
done
shift
exec chroot --userspec=65534:65534 "$root" "$@"
"""
"""Shell commands that turn an ordinary folder into a root file system, in a mount namespace."""


def test_recognises_a_chroot(namespaces: None, tmp_path: Path) -> None:
    if not IS_ROOT:
        pytest.skip("only root can make a chroot")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", CHROOT, "sh", tmp_path, *words(*python("0"))],
        env=environment(),
        capture_output=True,
        text=True,
        cwd="/",
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "error: namespaces-refused: " in done.stderr
    assert "in a chroot" in done.stderr


def test_recognises_a_limit_of_zero(run: Run) -> None:
    """The test sets the limit of a new user namespace. Nothing changes outside of it."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    script = 'echo 0 > /proc/sys/user/max_net_namespaces && exec "$@"'
    done = run(*python("print('ran')"), before=("unshare", "--user", "--map-root-user", "sh", "-c", script, "sh"))
    assert (done.status, done.out) == (2, "")
    assert "user.max_net_namespaces is 0" in done.err
    assert "sysctl -w user.max_net_namespaces=10000" in done.err


def test_recognises_a_limit_on_processes(run: Run) -> None:
    if shutil.which("prlimit") is None:
        pytest.skip("prlimit is not installed")
    done = run(*python("print('ran')"), before=("prlimit", "--nproc=1"))
    assert (done.status, done.out) == (2, "")
    assert "does not let this user start a process: Resource temporarily unavailable. This user" in done.err


def test_recognises_a_seccomp_filter(run: Run) -> None:
    """The test installs a seccomp filter that refuses unshare(2), like Docker's profile."""
    program = r"""
import ctypes, os, platform, struct, sys
number = {"x86_64": 272, "aarch64": 97}[platform.machine()]
code = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]  # unshare: EPERM; others: allow
filter = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Program(len(code), ctypes.addressof(filter)))) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""
    inner = words(*python("print('ran')"))
    done = subprocess.run(
        [inner[0], "-c", program, *inner], env=environment(), capture_output=True, text=True, cwd="/", timeout=60, check=False, **identity()
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: namespaces-refused: " in done.stderr
    assert "A seccomp filter applies to this process" in done.stderr
    assert "--security-opt seccomp=unconfined" in done.stderr


def test_other_operating_systems_get_a_short_message(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert main(["run", "--", "true"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "error: bad-argument: `imdskit run` needs Linux."
    assert any("docs/reach-the-address.md" in line for line in said)
