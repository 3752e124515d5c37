"""Soak test of a verifier process with hostile documents, forks, and faulty servers of issuer certificates (``make soak``).

    python tests/soak/soak.py [--seconds N] [--seed N]

The verifier runs in a separate process (``subject.py``). This program sends documents to this process, and serves the issuer certificates
that the documents name. Once a second, it measures the resident memory, the file descriptors and the threads of the process, and checks that
every thread makes progress. It fails with exit status 1 if

- memory grows by more than :data:`ROOM` after the warm-up, or the number of descriptors or threads grows;
- a thread makes no progress for :data:`PATIENCE` seconds, or a forked child does not end (the program then shows the stacks and kills the
  process);
- the verifier raises an undocumented error, or refuses a valid document.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / "python"
sys.path[:0] = [str(HERE), str(PYTHON)]

from faulty_issuers import FaultyIssuers  # noqa: E402  # the paths above come first
from feed import AT, HOST, NONCE, Feed  # noqa: E402
from subject import FastClock  # noqa: E402

PATIENCE = 120.0
"""Seconds without progress that count as a hang. The slowest operation is a batch in which the
fetch of every issuer fails. It takes about 20 seconds. The rest is a reserve for busy machines."""
WARM_UP = 0.3
"""Share of the run that is the warm-up. Caches and allocators grow most in this time, so memory is
compared only afterwards. On a busy machine, the process reaches its final size only after a
quarter of an hour."""
ROOM = 16 * 1024 * 1024
"""Maximum difference of two medians of resident memory, in bytes. Some growth is normal, because caches still fill and allocators keep
memory that threads have freed."""
ROOM_FILES, ROOM_THREADS = 8, 4


class Sample(NamedTuple):
    """Measurement of the process: seconds since the start, resident bytes, open descriptors, threads."""

    seconds: float
    resident: int
    files: int
    threads: int


def look(pid: int, start: float) -> Sample:
    folder = Path(f"/proc/{pid}")
    resident = int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return Sample(time.monotonic() - start, resident, len(list((folder / "fd").iterdir())), len(list((folder / "task").iterdir())))


def growth(samples: list[Sample], seconds: float) -> list[str]:
    """Return a description of each measurement that has grown.

    The function compares two medians: one directly after the warm-up, and one over the same length of time at the end of the run.
    """
    warm = WARM_UP * seconds
    width = max((seconds - warm) / 5, 1.0)
    early = [one for one in samples if warm <= one.seconds < warm + width]
    late = [one for one in samples if one.seconds >= samples[-1].seconds - width]
    if not early or not late or early[-1].seconds >= late[0].seconds:
        return ["the run was too short to compare anything"]
    found = []
    for name, room, unit in (("resident", ROOM, "bytes"), ("files", ROOM_FILES, ""), ("threads", ROOM_THREADS, "")):
        before, after = (median(getattr(one, name) for one in window) for window in (early, late))
        if after - before > room:
            found.append(f"{name} grew from {before:.0f} to {after:.0f} {unit}".rstrip())
    return found


def curve(samples: list[Sample], points: int = 12) -> str:
    """Return resident memory in MiB at about a dozen times."""
    step = max(len(samples) // points, 1)
    return " ".join(f"{one.seconds:.0f}s:{one.resident / 2**20:.0f}" for one in [*samples[::step], samples[-1]])


def idle(seen: dict[str, int], fetches: int) -> list[str]:
    """Return a description of each operation that never occurred in the run."""
    happened = {"fetches": fetches, **seen}
    return [f"no {what}" for what in ("accepted", "refused", "explained", "forks", "fetches") if not happened.get(what)]


class Soak:
    """The process under test, its documents and its reports."""

    def __init__(self, seconds: float, seed: int, folder: Path) -> None:
        self.issuers = FaultyIssuers()
        self.feed = Feed(seed, self.issuers)
        self.start = time.monotonic()
        self.clock = FastClock(AT, self.start)
        self.stderr = folder / "stderr"
        self.reports: queue.Queue[dict[str, Any]] = queue.Queue()
        with self.stderr.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(HERE / "subject.py")],
                env={**os.environ, "PYTHONPATH": str(PYTHON), "MALLOC_ARENA_MAX": "2"},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        self._write({
            "at": AT, "origin": self.start, "end": self.start + seconds, "nonce": NONCE, "host": HOST, "port": self.issuers.port, "folder": str(folder),
            "anchors": self.feed.anchors(), "intermediates": self.feed.intermediates(),
        })  # fmt: skip
        threading.Thread(target=self._produce, daemon=True).start()
        threading.Thread(target=self._collect, daemon=True).start()

    def _write(self, value: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(value).encode() + b"\n")
        self.process.stdin.flush()

    def _produce(self) -> None:
        """Write about twenty documents a second, so that most of the processor is left to the verifier."""
        with suppress(BrokenPipeError, ValueError):
            while self.process.poll() is None:
                kind, good, document = self.feed.next(self.clock.now())
                self._write([kind, good, base64.b64encode(document).decode()])
                time.sleep(0.02)

    def _collect(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.reports.put(json.loads(line))

    def watch(self, seconds: float) -> tuple[list[Sample], dict[str, Any], list[str]]:
        """Watch until the process ends or hangs. Return the measurements, the last report, and descriptions of the failures."""
        samples: list[Sample] = []
        report: dict[str, Any] = {"seen": {}, "faults": []}
        heard = time.monotonic()
        while self.process.poll() is None:
            sample = look(self.process.pid, self.start)
            if sample.resident:  # a process that has just ended has none
                samples.append(sample)
            with suppress(queue.Empty):
                report = self.reports.get(timeout=1)
                heard = time.monotonic()
                if report["quiet"] > PATIENCE:
                    return samples, report, self._hung(f"thread {report['thread']}")
            late = time.monotonic() > self.start + seconds + 2 * PATIENCE
            if time.monotonic() - heard > PATIENCE or late:
                return samples, report, self._hung("the process")
        while not self.reports.empty():
            report = self.reports.get()
        failed = [] if self.process.returncode == 0 else [f"the process ended with status {self.process.returncode}"]
        return samples, report, failed

    def _hung(self, what: str) -> list[str]:
        """Make the process write the stack of each thread to standard error. :meth:`close` kills it later."""
        self.process.send_signal(signal.SIGUSR1)
        time.sleep(2)
        return [f"{what} made no progress for {PATIENCE:.0f} s; the stacks follow"]

    def close(self) -> str:
        """Stop everything, and return the standard error of the process."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(30)
        self.issuers.close()
        return self.stderr.read_text("utf-8", "replace")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(options.seconds, options.seed, Path(folder))
        try:
            samples, report, failed = soak.watch(options.seconds)
        finally:
            errors = soak.close()
    failed += report["faults"] + idle(report["seen"], soak.issuers.served) + growth(samples, options.seconds)
    seen = ", ".join(f"{count} {what}" for what, count in sorted(report["seen"].items()))
    print(f"resident MiB: {curve(samples)}")
    last = samples[-1]
    print(
        f"soak: {'FAILED' if failed else 'ok'}, {last.seconds:.0f} s, {seen}, {soak.issuers.served} fetches served, "
        f"{last.resident / 2**20:.0f} MiB, {last.files} descriptors, {last.threads} threads"
    )
    for fault in failed:
        print(f"- {fault}")
    if failed and errors:
        print(errors[-8000:])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
