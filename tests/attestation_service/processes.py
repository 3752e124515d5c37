"""Program that serves the attestation service in several processes with one listening socket. ``test_crashes.py`` runs it.

    python processes.py WORKERS [DIE FLAG]      configured by environment variables; prints one line of JSON when it listens

DIE names a point in the handling of a document: ``before-content``, ``after-content``,
``after-nonce`` or ``after-audit``. The first process that reaches the point creates the file FLAG
and then kills itself with SIGKILL. Other processes go on, because FLAG exists.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType

from imdskit.attestation_service import Application, Settings
from imdskit.attestation_service.development_server import DevelopmentServer
from imdskit.verify import NonceStore


class Worker(DevelopmentServer):
    """Server that accepts connections on a socket that is already listening."""

    multiprocess = True

    def __init__(self, listener: socket.socket, application: Application) -> None:
        self._listener = listener
        super().__init__(listener.getsockname(), application)

    def server_bind(self) -> None:
        self.socket.close()
        self.socket = self._listener
        self.server_name, self.server_port = self.socket.getsockname()[:2]
        self.setup_environ()


def die(flag: str) -> None:
    try:
        os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


class DyingStore:
    """Store that forwards each call to another store, and kills the process at a given point."""

    def __init__(self, store: NonceStore, point: str, flag: str) -> None:
        self._store, self._point, self._flag, self._calls = store, point, flag, 0

    def consume(self, key: bytes, expires_at: int) -> bool:
        self._calls += 1
        step = "content" if self._calls % 2 else "nonce"  # The service records the content of a document first, and then its nonce.
        if self._point == f"before-{step}":
            die(self._flag)
        consumed = self._store.consume(key, expires_at)
        if self._point == f"after-{step}":
            die(self._flag)
        return consumed


def work(listener: socket.socket, arguments: list[str]) -> None:
    application = Application(Settings.read())
    if arguments:
        point, flag = arguments
        application._store = DyingStore(application._store, point, flag)
        if point == "after-audit":
            write = application._audit_log.write

            def write_and_die(*given: object) -> None:
                write(*given)  # type: ignore[arg-type]
                die(flag)

            application._audit_log.write = write_and_die  # type: ignore[method-assign]
    Worker(listener, application).serve_forever()


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    listener.setblocking(False)  # Several processes wake for one connection, but only one of them can accept it.
    pids = []
    for _ in range(int(sys.argv[1])):
        pid = os.fork()
        if pid == 0:
            work(listener, sys.argv[2:])
        pids.append(pid)

    def stop(_: int, __: FrameType | None) -> None:
        for each in pids:
            os.kill(each, signal.SIGKILL)  # The processes have not been reaped, so their ids cannot belong to others.
        sys.exit()

    signal.signal(signal.SIGTERM, stop)
    print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}", "pids": pids}), flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2] / "python")]
    main()
