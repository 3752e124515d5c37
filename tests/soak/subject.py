"""The verifier process of the soak test. ``soak.py`` starts it. It reads documents from standard input and writes a line of JSON each second.

For each backend, several threads call ``verify``, ``verify_many``, ``verify_once`` and ``explain``. The verifiers fetch missing issuers. The
main thread forks meanwhile. Each child verifies one document with every verifier and store of its parent, and exits.
"""

from __future__ import annotations

import base64
import faulthandler
import json
import logging
import os
import random
import signal
import sys
import threading
import time
import traceback
import warnings
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

from imdskit.errors import ImdskitError, StoreError, VerificationError
from imdskit.verify import Attestation, Policy, Trust, Verifier
from imdskit.verify.aia import AiaFetcher, FetchBudget, Location
from imdskit.verify.stores.memory import MemoryStore
from imdskit.verify.stores.sqlite import SqliteStore

BACKENDS = ("python", "rust")
THREADS = 2
"""Number of threads for each backend."""
RECENT = 400
"""Number of the latest documents, from which the threads choose. Each document is used several
times before newer ones replace it."""
CHILD_SECONDS = 60.0
"""Time limit of a child. It verifies a few documents, which takes milliseconds. The rest is a reserve for busy machines."""
FORK_EVERY = 0.5
MAX_HUNG = 2
"""Number of hanging children after which the test ends early."""
FETCH_SECONDS = 1


class FastClock:
    """Clock on which a day passes in about a minute, so that documents and keys in stores expire during the test.

    Args:
        start: time of this clock, in Unix seconds, when the monotonic clock shows ``origin``.
        origin: a reading of the monotonic clock, which all processes of a machine share.
    """

    SPEED = 1200

    def __init__(self, start: int, origin: float) -> None:
        self._start = start
        self._origin = origin

    def now(self) -> int:
        return self._start + int((time.monotonic() - self._origin) * self.SPEED)

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


class Loopback:
    """Resolver that resolves every name to the loopback address."""

    def resolve(self, host: str, timeout_ns: int) -> Sequence[str]:
        del host, timeout_ns
        return ("127.0.0.1",)


class LogReader(logging.Handler):
    """Handler that checks each log entry. It must be one line without control characters, whatever a server has sent."""

    def __init__(self, fault: Callable[[str], None]) -> None:
        super().__init__()
        self._fault = fault

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if not text.isprintable():
            self._fault(f"control characters in the log: {text!r}")


Item = tuple[str, bool, bytes]
"""Kind, whether the document must be accepted, and the document."""


class Subject:
    """Verifiers, stores and the threads that use them."""

    def __init__(self, setting: dict[str, object], folder: Path) -> None:
        clock = FastClock(int(str(setting["at"])), float(str(setting["origin"])))
        trust = Trust(*(tuple(base64.b64decode(der) for der in setting[key]) for key in ("anchors", "intermediates")))  # type: ignore[attr-defined]
        self.nonce = str(setting["nonce"])
        self.verifiers = {}
        for backend in BACKENDS:
            fetcher = AiaFetcher(
                locations=[Location(str(setting["host"]), "/", int(str(setting["port"])))],
                seconds=FETCH_SECONDS,
                budget=FetchBudget(1_000_000, 1),
                allow_addresses=["127.0.0.1"],
                resolver=Loopback(),
                clock=clock,
            )
            self.verifiers[backend] = Verifier(trust, Policy(), backend=backend, clock=clock, aia=fetcher)
        self.stores = {"memory": MemoryStore(clock=clock), "sqlite": SqliteStore(folder / "used.db", clock=clock, busy_seconds=20)}
        self.recent: deque[Item] = deque(maxlen=RECENT)
        self.seen: Counter[str] = Counter()
        self.faults: list[str] = []
        self.beats: dict[str, float] = {}
        self.last_good: bytes | None = None
        log = logging.getLogger("imdskit")
        log.addHandler(LogReader(self.fault))
        log.setLevel(logging.INFO)
        log.propagate = False

    def read(self, stream: BinaryIO) -> None:
        """Read documents from the pipe until it is closed."""
        while line := stream.readline():
            kind, good, text = json.loads(line)
            item = (kind, good, base64.b64decode(text))
            self.recent.append(item)
            if kind == "good":
                self.last_good = item[2]

    def work(self, backend: str, number: int) -> None:
        """Verify documents in an endless loop."""
        verifier = self.verifiers[backend]
        rng = random.Random(f"{backend} {number}")
        operations = (self._verify, self._verify, self._verify, self._many, self._once, self._once, self._explain)
        while True:
            self.beats[f"{backend} {number}"] = time.monotonic()
            try:
                items = list(self.recent)
            except RuntimeError:
                continue  # another thread changed the deque meanwhile
            if len(items) < 20:
                time.sleep(0.1)
                continue
            operation = rng.choice(operations)
            self._guarded(backend, operation, verifier, rng, items)

    def _guarded(self, backend: str, operation: Callable[..., None], verifier: Verifier, rng: random.Random, items: list[Item]) -> None:
        """Run an operation and report any undocumented error."""
        try:
            operation(verifier, rng, items)
        except BaseException:  # noqa: BLE001  # any other error is a finding, and a panic of the extension is not an Exception
            self.fault(f"{backend} {operation.__name__}: {traceback.format_exc()[-1500:]}")

    def fault(self, text: str) -> None:
        self.seen["faults"] += 1
        kind = text.rstrip().splitlines()[-1][:40]
        if len(self.faults) < 10 and not any(kind in known for known in self.faults):
            self.faults.append(text)

    def _note(self, item: Item, verdict: Attestation | ImdskitError, *, reused: bool = False) -> None:
        kind, good, _ = item
        accepted = isinstance(verdict, Attestation)
        self.seen["accepted" if accepted else "refused"] += 1
        code = "" if isinstance(verdict, Attestation) else verdict.code
        if good and not accepted and code not in ("document-expired", *(("replayed", "store-full") if reused else ())):
            self.fault(f"a good document ({kind}) was refused: {verdict}")

    def _verify(self, verifier: Verifier, rng: random.Random, items: list[Item]) -> None:
        item = rng.choice(items)
        try:
            self._note(item, verifier.verify(item[2], nonce=self.nonce))
        except VerificationError as error:
            self._note(item, error)

    def _many(self, verifier: Verifier, rng: random.Random, items: list[Item]) -> None:
        chosen = rng.sample(items, 16)
        for item, verdict in zip(chosen, verifier.verify_many([item[2] for item in chosen], threads=rng.choice((1, 2))), strict=True):
            self._note(item, verdict)

    def _once(self, verifier: Verifier, rng: random.Random, items: list[Item]) -> None:
        item = rng.choice(items)
        store = self.stores[rng.choice(("memory", "memory", "sqlite"))]
        try:
            self._note(item, verifier.verify_once(item[2], nonce=None, store=store), reused=True)
        except (VerificationError, StoreError) as error:
            self._note(item, error, reused=True)

    def _explain(self, verifier: Verifier, rng: random.Random, items: list[Item]) -> None:
        report = verifier.explain(rng.choice(items)[2], nonce=self.nonce)
        report.text()
        self.seen["explained"] += 1

    def fork(self) -> None:
        """Fork, and wait for the child. If it does not end, let it write its stacks to standard error, and kill it."""
        document = self.last_good
        if document is None:
            return
        pid = os.fork()
        if pid == 0:
            os._exit(self._in_child(document))
        end = time.monotonic() + CHILD_SECONDS
        while time.monotonic() < end:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                self.seen["forks"] += 1
                if status:
                    self.fault(f"a child ended with status {os.waitstatus_to_exitcode(status)}")
                return
            time.sleep(0.01)
        self.seen["hung children"] += 1
        os.kill(pid, signal.SIGUSR1)  # faulthandler writes the stack to standard error
        time.sleep(1)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self.fault(f"child {pid} hung after a fork; its stack is in the standard error of the process")

    def _in_child(self, document: bytes) -> int:
        """Use each object that has a lock once. Return the exit status of the child."""
        calls = [
            (kind, partial(verifier.verify_once, document, nonce=None, store=store))
            for verifier in self.verifiers.values()
            for kind, store in self.stores.items()
        ]
        calls += [("", partial(verifier.verify, document, nonce=self.nonce)) for verifier in self.verifiers.values()]
        try:
            for kind, call in calls:
                # A store in memory raises an error in a child process (decision 0021).
                allowed = ("store-forked", "document-expired") if kind == "memory" else ("replayed", "document-expired", "store-full")
                try:
                    call()
                except (VerificationError, StoreError) as error:
                    if error.code not in allowed:
                        print(error, file=sys.stderr, flush=True)
                        return 3
                else:
                    if kind == "memory":
                        print("a store in memory was used in a child", file=sys.stderr, flush=True)
                        return 3
        except BaseException:  # noqa: BLE001  # a child must report any error and exit
            traceback.print_exc()
            return 4
        return 0

    def beat(self) -> None:
        """Report the counts so far as one line of JSON."""
        now = time.monotonic()
        slowest = max(self.beats.items(), key=lambda beat: now - beat[1], default=("", now))
        print(json.dumps({"seen": self.seen, "faults": self.faults, "quiet": round(now - slowest[1], 1), "thread": slowest[0]}), flush=True)


def main() -> None:
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    warnings.simplefilter("ignore", DeprecationWarning)  # newer Python versions warn about fork() in a process with threads
    # A separate file object, because sys.stdin has a lock that a forked child could find taken.
    stream = os.fdopen(os.dup(0), "rb")
    setting = json.loads(stream.readline())
    subject = Subject(setting, Path(setting["folder"]))
    threading.Thread(target=subject.read, args=(stream,), daemon=True).start()
    for backend in BACKENDS:
        for number in range(THREADS):
            threading.Thread(target=subject.work, args=(backend, number), name=f"{backend} {number}", daemon=True).start()
    end = float(setting["end"])
    next_beat = 0.0
    while time.monotonic() < end and subject.seen["hung children"] < MAX_HUNG:
        subject.fork()
        time.sleep(FORK_EVERY)
        if time.monotonic() >= next_beat:
            subject.beat()
            next_beat = time.monotonic() + 1
    subject.beat()
    sys.stdout.flush()
    os._exit(0)  # the threads never end


if __name__ == "__main__":
    main()
