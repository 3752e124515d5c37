"""Tests of the attestation service in gunicorn, uvicorn and Granian, and of web framework examples. ``make service`` runs them."""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from world import PATIENCE, ROOT, VM, Server, document, free_port, gunicorn, running, service_settings

EXAMPLES = ROOT / "examples"


def accepted_once(server: Server) -> None:
    """Assert that concurrent requests with the same document are accepted exactly once."""
    for _ in range(5):
        status, challenge = server.send("POST", "/v1/challenges")
        assert status == 200
        members = {"nonce": challenge["nonce"], "document": document(challenge["nonce"])}
        with ThreadPoolExecutor(8) as pool:
            responses = list(pool.map(lambda members: server.send("POST", "/v1/attestations", members), [members] * 16))
        assert sorted(status for status, _ in responses) == [200] + [403] * 15
        assert next(found for status, found in responses if status == 200)["claims"]["vmId"] == VM


def test_gunicorn_runs_the_service_in_two_processes(tmp_path: Path) -> None:
    with gunicorn(tmp_path) as server:
        accepted_once(server)
        assert server.send("GET", "/openapi.json")[1]["openapi"] == "3.1.0"
        assert len({server.send("GET", "/metrics")[1].split(b'process="')[1].split(b'"')[0] for _ in range(40)}) <= 2


def test_valkey_client_library_works_with_a_store(tmp_path: Path) -> None:
    binary = shutil.which("redis-server")
    assert binary is not None, "not installed: redis-server"
    port = free_port()
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as store:
        try:
            assert store.stdout is not None
            assert any(b"Ready to accept connections" in line for line in store.stdout)
            with gunicorn(tmp_path, store=f"valkey://127.0.0.1:{port}/0") as server:
                accepted_once(server)
                store.kill()
                store.wait()
                nonce = server.send("POST", "/v1/challenges")[1]["nonce"]
                assert server.send("POST", "/v1/attestations", {"nonce": nonce, "document": document(nonce)})[0] == 503
        finally:
            store.kill()


def test_gunicorn_passes_on_bodies_of_every_framing(tmp_path: Path) -> None:
    with gunicorn(tmp_path, max_body_bytes="2048") as server:
        body = b'{"nonce":"x","document":"y"}'
        assert server.send("POST", "/v1/attestations", body)[0] == 403
        assert server.send("POST", "/v1/attestations", iter([body[:9], body[9:]]))[0] == 403  # in chunks
        assert server.send("POST", "/v1/attestations", b" " * 2049)[0] == 413
        assert server.send("POST", "/v1/attestations", iter([b" " * 2000] * 3))[0] == 413
        assert server.send("POST", "/v1/attestations")[0] in (400, 411)
        assert server.send("POST", "/v1/challenges")[0] == 200
        assert server.send("POST", "/v1/challenges", iter([b"{}"]))[0] == 200


def test_two_gunicorn_processes_with_memory_store_refuse_everything(tmp_path: Path) -> None:
    with gunicorn(tmp_path, store="", nonce_key_file="") as server:
        for method, path in (("GET", "/healthz"), ("POST", "/v1/challenges"), ("GET", "/metrics")):
            status, problem = server.send(method, path)
            assert (status, problem["code"]) == (503, "configuration")
    assert "the server has several processes" in (tmp_path / "server.log").read_text()


def test_one_gunicorn_process_needs_no_common_store(tmp_path: Path) -> None:
    with gunicorn(tmp_path, workers=1, store="", nonce_key_file="") as server:
        accepted_once(server)


def test_invalid_setting_ends_gunicorn_and_is_named(tmp_path: Path) -> None:
    with gunicorn(tmp_path, max_age="soon") as server:
        assert server.process.wait(PATIENCE) != 0
    assert "`max_age` must be a whole number" in (tmp_path / "server.log").read_text()


def test_uvicorn_runs_the_service_through_an_adapter(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "attestation_service" / "asgi.py", tmp_path)
    environment, key = service_settings(tmp_path)
    port = free_port()
    command = ["uvicorn", "asgi:app", "--port", str(port), "--workers", "2", "--log-level", "warning"]
    with running(command, port, tmp_path, environment, key) as server:
        accepted_once(server)
        assert server.send("POST", "/v1/attestations", b"{")[0] == 400
        assert server.send("POST", "/v1/challenges")[0] == 200
        assert server.send("HEAD", "/healthz") == (200, b"")


def test_granian_runs_the_service_in_two_processes(tmp_path: Path) -> None:
    environment, key = service_settings(tmp_path)
    port = free_port()
    command = ["granian", "imdskit.attestation_service.wsgi:application", "--interface", "wsgi", "--port", str(port), "--workers", "2"]
    with running([*command, "--blocking-threads", "4"], port, tmp_path, environment, key) as server:
        accepted_once(server)
        assert server.send("POST", "/v1/attestations", b"{")[0] == 400
        assert server.send("POST", "/v1/challenges", iter([b"{}"]))[0] == 200


# Frameworks

FRAMEWORKS = {
    "fastapi": ["uvicorn", "with_fastapi:app", "--log-level", "warning", "--port", "{port}"],
    "flask": ["gunicorn", "with_flask:app", "--no-control-socket", "--workers", "2", "--bind", "127.0.0.1:{port}"],
    "django": ["gunicorn", "with_django:application", "--no-control-socket", "--workers", "2", "--bind", "127.0.0.1:{port}"],
}


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_framework_example_admits_a_machine_once(name: str, tmp_path: Path) -> None:
    for path in (EXAMPLES / "attestation_frameworks").glob("*.py"):
        shutil.copy(path, tmp_path)
    environment, _ = service_settings(tmp_path)
    environment = {"NONCE_SECRET": "ab" * 32, "VERIFIER_TRUST": environment["IMDSKIT_VERIFIER_TRUST_ANCHORS"]}
    port = free_port()
    command = [word.replace("{port}", str(port)) for word in FRAMEWORKS[name]]
    with running(command, port, tmp_path, environment) as server:
        status, challenge = server.send("POST", "/challenge")
        assert status == 200
        members = {"nonce": challenge["nonce"], "document": document(challenge["nonce"])}
        assert server.send("POST", "/activate", {**members, "document": document("other")})[0] == 403
        assert server.send("POST", "/activate", {**members, "nonce": "a" * 32})[0] == 403
        status, found = server.send("POST", "/activate", members)
        assert (status, found["vmId"]) == (200, VM)
        assert server.send("POST", "/activate", members)[0] == 403
        for bad in (b"", b"{", b"[]", b'{"nonce": 1, "document": 2}', b'{"nonce": "x"}'):
            assert server.send("POST", "/activate", bad)[0] in (400, 422)
