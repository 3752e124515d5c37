"""Tests of the development server: clients receive the responses of the application."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator

import pytest

from imdskit.attestation_service.development_server import DevelopmentServer

from .conftest import Service


@pytest.fixture
def port(service: Service) -> Iterator[int]:
    with DevelopmentServer(("127.0.0.1", 0), service.application) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def send(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_client_receives_the_refusal_of_a_large_body(port: int, service: Service) -> None:
    key = f"Bearer {service.keys['client']}"
    for size in (98_305, 900_000):
        status, body = send(port, "POST", "/v1/attestations", b" " * size, Authorization=key, **{"Content-Type": "application/json"})
        assert (status, json.loads(body)["code"]) == (413, "too-large")
        assert send(port, "POST", "/v1/attestations", b" " * size)[0] == 401


def test_missing_content_type_stays_missing(port: int, service: Service) -> None:
    assert send(port, "POST", "/v1/attestations", b"{}", Authorization=f"Bearer {service.keys['client']}")[0] == 415


def test_head_and_requests_without_a_body(port: int, service: Service) -> None:
    assert send(port, "HEAD", "/healthz") == (200, b"")
    assert send(port, "POST", "/v1/challenges", Authorization=f"Bearer {service.keys['client']}")[0] == 200


def test_refuses_chunked_body_without_waiting(port: int, service: Service) -> None:
    head = "POST /v1/attestations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall(f"{head}Authorization: Bearer {service.keys['client']}\r\n\r\n".encode())
        assert connection.recv(1000).split(b" ")[1] == b"411"


def test_idle_client_does_not_block_others(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 30):
        assert send(port, "GET", "/healthz")[0] == 200
