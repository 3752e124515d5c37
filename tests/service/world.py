"""Helpers that run the attestation service or an example application in a server, and send requests
to it. The service and the applications trust :data:`AUTHORITY`."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from imdskit.attestation_service.configuration import keys
from imdskit.attestation_service.configuration.keys import Role
from imdskit.clock import SystemClock
from imdskit.emulator.authority import Authority, signed_document
from imdskit.protocol import attested

ROOT = Path(__file__).resolve().parents[2]
VM = "00000000-0000-4000-8000-000000000001"
PATIENCE = 60
"""Maximum time in seconds for a server to start or to end."""

AUTHORITY = Authority(SystemClock(), "http://127.0.0.1:8080", seed=31)


def document(nonce: str) -> str:
    content = attested.content({"vmId": VM}, "2021-02-01", SystemClock().now(), nonce)
    return attested.envelope(signed_document.message(AUTHORITY.signer(), content)).decode()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Server(NamedTuple):
    """Running server."""

    process: subprocess.Popen[bytes]
    port: int
    key: str

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Send a request. A dict is sent as JSON, an iterator of bytes in chunks."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        given = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", **headers}
        try:
            connection.request(method, path, json.dumps(body) if isinstance(body, dict) else body, given)
            response = connection.getresponse()
            data = response.read()
            return response.status, json.loads(data) if data and "json" in response.headers.get("Content-Type", "") else data
        finally:
            connection.close()

    def workers(self) -> list[int]:
        """Return the ids of the processes that the server started."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def service_settings(folder: Path, **more: str) -> tuple[dict[str, str], str]:
    """Return the environment variables of a service whose files are in ``folder``, and an API key
    that has all roles."""
    key, line = keys.new("everything", frozenset(Role))
    (folder / "keys").write_text(line)
    (folder / "nonce-key").write_text("ab" * 32)
    (folder / "root.pem").write_text(AUTHORITY.trust_pem())
    settings = {
        "keys_file": str(folder / "keys"),
        "nonce_key_file": str(folder / "nonce-key"),
        "trust_anchors": str(folder / "root.pem"),
        "store": f"sqlite:{folder / 'used.db'}",
        "audit_log": str(folder / "audit.jsonl"),
        "rate_per_second": "100000",
        "rate_burst": "100000",
        **more,
    }
    return {f"IMDSKIT_VERIFIER_{name.upper()}": value for name, value in settings.items() if value}, key


@contextmanager
def running(command: list[str], port: int, folder: Path, environment: dict[str, str], key: str = "") -> Iterator[Server]:
    """Run a Python module as a server until the context ends."""
    path = os.pathsep.join([str(ROOT / "python"), str(folder)])
    whole = {**os.environ, "PYTHONPATH": path, **environment}
    output = folder / "server.log"
    with (
        output.open("ab") as log,
        subprocess.Popen([sys.executable, "-m", *command], cwd=folder, env=whole, stdout=log, stderr=log) as process,
    ):
        try:
            end = time.monotonic() + PATIENCE
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), PATIENCE).close()
                    break
                except ConnectionRefusedError:
                    if process.poll() is not None or time.monotonic() > end:
                        raise AssertionError(output.read_text()) from None
                    time.sleep(0.05)
            yield Server(process, port, key)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()


@contextmanager
def gunicorn(folder: Path, workers: int = 2, **settings: str) -> Iterator[Server]:
    """Run the service in gunicorn, as docs/attestation-service.md describes."""
    environment, key = service_settings(folder, **settings)
    port = free_port()
    command = ["gunicorn", "imdskit.attestation_service.wsgi:application", "--bind", f"127.0.0.1:{port}"]
    command += ["--workers", str(workers), "--threads", "8", "--no-control-socket"]
    with running(command, port, folder, environment, key) as server:
        yield server
