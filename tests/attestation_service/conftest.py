"""Fixtures that call the attestation service in the process of the tests, as a WSGI server would.
The documents are signed by an authority that the service trusts."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from wsgiref.validate import validator

import pytest

from imdskit.attestation_service import Application, Settings
from imdskit.attestation_service.configuration import keys
from imdskit.attestation_service.configuration.keys import Role
from imdskit.clock import Clock, ManualClock
from imdskit.emulator.authority import Authority, signed_document
from imdskit.protocol import attested

NOW = 1_790_000_000
VM, SUBSCRIPTION = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-0000000000aa"
CONFIGURED_KEYS = {"client": Role.CLIENT, "client2": Role.CLIENT, "other": Role.CLIENT, "operator": Role.OPERATOR, "metrics": Role.METRICS}


class Response(NamedTuple):
    """Response that a caller receives."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Service:
    """Attestation service with its files, and methods that send requests to the service."""

    def __init__(self, folder: Path, clock: Clock, authority: Authority) -> None:
        self.folder, self.clock, self.authority = folder, clock, authority
        self.keys = {}
        lines = []
        for name, role in CONFIGURED_KEYS.items():
            self.keys[name], line = keys.new(name, frozenset({role}))
            lines.append(line)
        (folder / "keys").write_text("\n".join(lines) + "\n")
        (folder / "nonce-key").write_text("ab" * 32)
        (folder / "root.pem").write_text(authority.trust_pem())
        self.settings = {
            "keys_file": str(folder / "keys"),
            "nonce_key_file": str(folder / "nonce-key"),
            "store": f"sqlite:{folder / 'used.db'}",
            "trust_anchors": str(folder / "root.pem"),
            "audit_log": str(folder / "audit.jsonl"),
        }
        self._application: Application | None = None

    def configure(self, **settings: str | None) -> Service:
        """Change settings. None removes a setting."""
        self.settings = {name: value for name, value in {**self.settings, **settings}.items() if value is not None}
        self.close()
        return self

    def use(self, **arguments: Any) -> Service:
        """Create the application anew, with the given arguments."""
        self.close()
        self._application = Application(Settings.read(environment={}, overrides=self.settings), clock=self.clock, **arguments)
        return self

    @property
    def application(self) -> Application:
        if self._application is None:
            self.use()
        assert self._application is not None
        return self._application

    def close(self) -> None:
        if self._application is not None:
            self._application._audit_log.close()
            store = self._application._store
            if hasattr(store, "close"):
                store.close()
            self._application = None

    def call(self, method: str, path: str, body: Any = None, key: str | None = None, **environ: Any) -> Response:
        """Send a request. A body other than bytes is sent as JSON. ``environ`` sets members of the
        WSGI environment. The value None removes a member."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        whole: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(data),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        if body is not None:
            whole |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(data))}
        if key is not None:
            whole["HTTP_AUTHORIZATION"] = f"Bearer {self.keys.get(key, key)}"
        whole = {name: value for name, value in {**whole, **environ}.items() if value is not None}
        seen: list[Any] = []
        # The validator of the standard library checks that the application follows PEP 3333.
        parts = validator(self.application)(whole, lambda status, headers, _=None: seen.append((status, headers)) or (lambda data: None))
        try:
            content = b"".join(parts)
        finally:
            parts.close()
        (status, headers) = seen[0]
        assert len({name for name, _ in headers}) == len(headers)
        response = Response(int(status.split()[0]), dict(headers), content)
        if method != "HEAD":
            assert response.headers["Content-Length"] == str(len(content))
        return response

    def nonce(self, key: str = "client", **body: str) -> str:
        response = self.call("POST", "/v1/challenges", body or None, key)
        assert response.status == 200, response
        return str(response.json["nonce"])

    def document(self, nonce: str, *, at: int | None = None, vm_id: str = VM) -> str:
        facts = {"vmId": vm_id, "subscriptionId": SUBSCRIPTION}
        content = attested.content(facts, "2021-02-01", self.clock.now() if at is None else at, nonce)
        return attested.envelope(signed_document.message(self.authority.signer(), content)).decode()

    def attest(self, nonce: str, document: str, key: str = "client", **more: str) -> Response:
        return self.call("POST", "/v1/attestations", {"nonce": nonce, "document": document, **more}, key)

    def audit_lines(self) -> list[dict[str, str]]:
        path = self.folder / "audit.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def metric(self, name: str, **labels: str) -> float:
        """Return the value of a sample, or 0 if it is absent."""
        for line in self.call("GET", "/metrics", key="metrics").body.decode().splitlines():
            if line.startswith(name + "{") and all(f'{label}="{value}"' in line for label, value in labels.items()):
                return float(line.rpartition(" ")[2])
        return 0


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority(ManualClock(NOW), "http://127.0.0.1:8080", seed=41)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def service(tmp_path: Path, clock: ManualClock, authority: Authority) -> Iterator[Service]:
    made = Service(tmp_path, clock, authority)
    yield made
    made.close()
