"""Signals reach the command, and neither the command nor `imdskit run` leaves a process behind."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import uuid
from pathlib import Path

import pytest
from run_verb import Start, alive, environment, identity, interpreter, python, wait_until, words

FORWARDED = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGWINCH")


def test_each_signal_reaches_the_command_once(start: Start) -> None:
    program = f"""
import signal, sys, time
seen = []
def received(number, _):
    seen.append(number)
    print(signal.Signals(number).name, flush=True)
for name in {FORWARDED}:
    signal.signal(getattr(signal, name), received)
print("ready", flush=True)
while len(seen) < {len(FORWARDED)}:
    time.sleep(0.05)
time.sleep(0.3)
sys.exit(5)
"""
    process = start(program)
    assert process.stdout is not None
    for name in FORWARDED:
        process.send_signal(getattr(signal, name))
        assert process.stdout.readline() == f"{name}\n"
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (5, "", "")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_ends_a_command_without_a_handler(name: str, start: Start) -> None:
    number = getattr(signal, name)
    process = start("import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); print('ready', flush=True); signal.pause()")
    process.send_signal(number)
    assert process.wait(timeout=30) == 128 + number


CHILDREN = """
import subprocess, sys
mark = sys.argv[0]
for _ in range(2):
    subprocess.Popen([sys.executable, "-c", "import os, signal; os.setsid(); signal.pause()", MARK], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print("ready", flush=True)
"""


def test_no_process_survives_the_command(start: Start) -> None:
    mark = uuid.uuid4().hex
    process = start(f"MARK = '{mark}'{CHILDREN}")
    assert process.wait(timeout=30) == 0
    assert wait_until(lambda: not alive(mark))


def test_no_process_survives_a_killed_run(start: Start) -> None:
    mark = uuid.uuid4().hex
    process = start(f"import signal\nMARK = '{mark}'{CHILDREN}\nsignal.pause()")
    assert len(alive(mark)) >= 3 + 2
    process.kill()
    process.wait(timeout=30)
    assert wait_until(lambda: not alive(mark))


@pytest.mark.parametrize("which", [0, 1])
def test_no_process_survives_if_an_intermediate_process_is_killed(which: int, start: Start) -> None:
    mark = uuid.uuid4().hex
    process = start(f"import signal\nMARK = '{mark}'{CHILDREN}\nsignal.pause()")
    between = [pid for pid in alive(mark) if pid != process.pid and b"imdskit" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(sorted(between)[which], signal.SIGKILL)
    assert process.wait(timeout=30) == 128 + 9
    assert wait_until(lambda: not alive(mark))


def test_a_background_job_still_ignores_interrupts(namespaces: None) -> None:
    script = 'trap "" INT; exec "$@"'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *words("--", "grep", "SigIgn", "/proc/self/status")],
        env=environment(),
        capture_output=True,
        text=True,
        cwd="/",
        timeout=60,
        check=False,
        **identity(),
    )
    ignored = int(done.stdout.split()[1], 16)
    assert [ignored >> number - 1 & 1 for number in (signal.SIGINT, signal.SIGPIPE)] == [1, 0]


def test_a_signal_before_the_start_of_the_command_ends_run(namespaces: None) -> None:
    blocked = "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, [15]); os.kill(os.getpid(), 15); os.execv(sys.argv[1], sys.argv[1:])"
    done = subprocess.run(
        [interpreter(), "-c", blocked, *words(*python("print('ran')"))],
        env=environment(),
        capture_output=True,
        text=True,
        cwd="/",
        timeout=60,
        check=False,
        **identity(),
    )
    assert (done.returncode, done.stdout) == (128 + 15, "")


# A worker of pytest-xdist has several threads, and newer Pythons warn about a fork of such a process.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_an_interrupt_from_the_terminal_reaches_the_command_once(namespaces: None) -> None:
    program = """
import signal, sys, time
received = []
signal.signal(signal.SIGINT, lambda *_: received.append(1))
print("ready", flush=True)
while not received:
    time.sleep(0.05)
time.sleep(0.3)
print("interrupts:", len(received), flush=True)
"""
    pid, terminal = pty.fork()
    if pid == 0:
        user = identity().get("user")
        if user is not None:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
        os.chdir("/")
        os.execve(interpreter(), words(*python(program)), environment())
    said = b""
    while b"interrupts: " not in said or not said.endswith(b"\n"):
        assert select.select([terminal], [], [], 30)[0], said
        try:
            said += os.read(terminal, 4096)
        except OSError:
            break
        if said.endswith(b"ready\r\n"):
            os.write(terminal, b"\x03")
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert b"interrupts: 1" in said
    assert os.waitstatus_to_exitcode(status) in (0, 128 + signal.SIGHUP)
