"""Outbound connections from a network namespace through the program pasta (https://passt.top,
Debian package ``passt``)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from imdskit.emulator.namespace.cleanup_process import CleanupProcess
from imdskit.errors import UsageError

_OPTIONS = ("--config-net", "--foreground", "--quiet", "--no-map-gw", *(word for flag in "tuTU" for word in (f"-{flag}", "none")))
"""Options of pasta.

With these options, pasta configures the interface and remains a child of this process. It forwards
neither connections from outside nor connections to the loopback interface of this machine.
"""
_SECONDS = 10.0
_POLL = 0.02


def pasta(pid: int) -> CleanupProcess:
    """Return a context manager that starts pasta on entry, to connect the network namespace of the
    process ``pid`` to the outside. It ends pasta on exit, or when the calling process dies.

    Raises:
        UsageError: pasta is not installed. Entering the context manager raises this error if pasta
            fails.
    """
    program = shutil.which("pasta")
    if program is None:
        hint = "Install pasta (on Debian with `apt install passt`), or leave out `--network pasta`."
        raise UsageError("bad-argument", "The program pasta is not installed.", location="--network", hint=hint)
    return CleanupProcess(_Pasta(program, pid), _refused)


class _Pasta:
    def __init__(self, program: str, pid: int) -> None:
        self._program, self._pid = program, pid
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> str:
        # If root starts pasta, pasta switches to another user by default, and that user may not
        # enter the namespaces.
        root = ["--runas", "0:0"] if os.geteuid() == 0 else []
        with tempfile.TemporaryFile() as output:
            self._process = subprocess.Popen(  # noqa: S603
                [self._program, *_OPTIONS, *root, str(self._pid)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, ()),  # noqa: PLW1509
            )
            for _ in range(int(_SECONDS / _POLL)):
                try:
                    status = self._process.wait(_POLL)
                except subprocess.TimeoutExpired:
                    if self._connected():
                        return ""
                else:
                    output.seek(0)
                    return output.read(2000).decode("utf-8", "replace").strip() or f"it ended with status {status}"
            self.end()
            return f"no interface came up within {_SECONDS:.0f} s"

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _connected(self) -> bool:
        """Return whether the namespace has a route on an interface other than loopback."""
        lines = Path(f"/proc/{self._pid}/net/route").read_text("ascii").splitlines()[1:]
        return any(line.split()[0] != "lo" for line in lines)


def _refused(why: str) -> UsageError:
    hint = (
        "pasta needs access to /dev/net/tun and an interface with a default route. If this machine has none, leave out `--network pasta`."
    )
    return UsageError("bad-argument", f"pasta cannot connect the namespace: {why or 'it was killed'}.", location="--network", hint=hint)
