"""Run the test cases of suites of kind ``http`` (``../scoring.py``) against an emulator. Each case
has the bytes of one or more requests. They are sent on one new connection for each case.

A response is *ok* if the server understood the request. 404 and 405 are ok, for example. Status
400 is ok if the body is not the one for malformed requests (``UNREADABLE``), because IMDS also uses
this status for requests that it understands, such as one with an unknown version of the API. The
adapter inserts ``Metadata: true`` after the first request line, because the emulator refuses every
request without this header.

A case fails if there are more ok responses than it allows (``false-accept``), if it expects an ok
response and there is none (``false-reject``), or if a response is incomplete after two seconds
(``slow``). If the server stops during a case, this case and all later ones count as errors.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from scoring import Case, Score, Suite, expected_of

REFUSALS = frozenset({400, 408, 411, 413, 414, 417, 431, 501, 505})
RESPONSE = re.compile(rb"HTTP/1\.[01] ([2-5]\d\d)[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")
LENGTH = re.compile(rb"^content-length: (\d+)", re.IGNORECASE | re.MULTILINE)
UNREADABLE = b'{ "error": "Bad request" }'
"""Body of the response to a request that cannot be parsed."""
START_SECONDS = 30.0
FIRST_SECONDS, IDLE_SECONDS, LIMIT_SECONDS = 1.0, 0.35, 2.0
"""Maximum wait for the first byte, for each further byte, and in total."""
CONNECTIONS = 16

PYTHON = Path(__file__).resolve().parents[3] / "python"


class Response(NamedTuple):
    """Final statuses in order, and the number of ok responses. ``late`` is True if the response was incomplete when the time was up."""

    statuses: tuple[int, ...]
    ok: int
    late: bool


def score(suite: Suite, scopes: Iterable[str], backend: str) -> Score:
    """Send every case in the given scopes. The rules are at the head of this module."""
    found = Score()
    scopes = set(scopes)
    wanted = [case for case in suite.cases if case["scope"] in scopes]
    for case in suite.cases:
        if case["scope"] not in scopes:
            found.add(case, expected_of(case), "skip")
    try:
        with _emulator(backend) as address, ThreadPoolExecutor(CONNECTIONS) as pool:
            for case, response in zip(wanted, pool.map(lambda case: _request(address, suite.blob(case["raw"])), wanted), strict=True):
                _judge(found, case, response)
            if _request(address, b"GET /metadata/versions HTTP/1.1\r\nHost: localhost\r\n\r\n") != Response((200,), 1, late=False):
                raise OSError("the emulator does not respond any more")
    except OSError as error:
        finished = sum(sum(counts.values()) for counts in found.counts.values()) - (len(suite.cases) - len(wanted))
        for case in wanted[finished:] or wanted[-1:]:
            found.add(case, expected_of(case), "error", f"error: {type(error).__name__}", str(error))
    return found


def _judge(found: Score, case: Case, response: Response) -> None:
    expected = expected_of(case)
    got = "accept" if response.ok else "reject"
    why = f"{list(response.statuses)}, {response.ok} ok, at most {case['max_ok']}"
    if response.late:
        found.add(case, expected, "slow", "slow", why)
    elif response.ok > case["max_ok"] or (expected == "reject" and response.ok):
        found.add(case, expected, "false-accept", got, why)
    elif expected == "accept" and not response.ok:
        found.add(case, expected, "false-reject", got, why)
    else:
        found.add(case, expected, "pass")


def _request(address: tuple[str, int], raw: bytes) -> Response:
    line_end = raw.find(b"\r\n") + 2
    if line_end > 2:
        raw = raw[:line_end] + b"Metadata: true\r\n" + raw[line_end:]
    data, end = b"", time.monotonic() + LIMIT_SECONDS
    with socket.create_connection(address, timeout=LIMIT_SECONDS) as connection:
        try:
            connection.sendall(raw)
            while (left := end - time.monotonic()) > 0:
                connection.settimeout(min(IDLE_SECONDS if data else FIRST_SECONDS, left))
                received = connection.recv(65536)
                if not received:
                    break
                data += received
        except TimeoutError:
            pass
        except ConnectionError:
            left = 1.0  # the server closed the connection, and its response so far still counts
    statuses, ok = [], 0
    for response in RESPONSE.finditer(data):
        status, length = int(response[1]), LENGTH.search(response[2])
        body = data[response.end() : response.end() + int(length[1])] if length else b""
        statuses.append(status)
        ok += status not in REFUSALS or (status == 400 and body != UNREADABLE)
    return Response(tuple(statuses), ok, late=left <= 0)


@contextmanager
def _emulator(backend: str) -> Iterator[tuple[str, int]]:
    """Start an emulator. Raise OSError if it does not start."""
    command = [sys.executable, "-m", "imdskit", "serve", "--port", "0", "--no-rate-limit", "--backend", backend]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(PYTHON)})
    try:
        assert process.stdout is not None
        if not select.select([process.stdout], [], [], START_SECONDS)[0]:
            raise OSError("the emulator does not start")
        line = process.stdout.readline()
        if not line.startswith(b"{"):
            raise OSError(f"the emulator does not start: exit status {process.wait(START_SECONDS)}")
        url = urlsplit(json.loads(line)["url"])
        yield str(url.hostname), url.port or 80
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(START_SECONDS)
        if process.stdout is not None:
            process.stdout.close()
