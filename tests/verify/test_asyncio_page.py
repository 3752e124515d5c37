"""The programs in ``docs/asyncio.md`` work with a real Redis server."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from imdskit.clock import SystemClock
from imdskit.emulator.authority import Authority, signed_document
from imdskit.errors import StoreError, VerificationError
from imdskit.protocol import attested
from imdskit.verify import Attestation, Trust

PAGE = Path(__file__).parents[2] / "docs" / "asyncio.md"
PROGRAMS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
VM = "00000000-0000-4000-8000-000000000001"


@pytest.fixture
def redis_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    binary = shutil.which("redis-server")
    if binary is None:
        (pytest.fail if request.config.getoption("--require-programs") else pytest.skip)("not installed: redis-server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    # Run it in a separate session: while it is stopped, the kernel would send SIGHUP to its whole process group, and so to the test run, as
    # soon as that group is orphaned (POSIX.1-2017, _exit, "Consequences of Process Termination").
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True) as process:
        assert process.stdout is not None
        assert any(b"Ready to accept connections" in line for line in process.stdout)
        yield port, process
        process.kill()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(SystemClock(), "http://127.0.0.1:8080", seed=31)


def document(authority: Authority, nonce: str) -> str:
    content = attested.content({"vmId": VM}, "2021-02-01", SystemClock().now(), nonce)
    return attested.envelope(signed_document.message(authority.signer(), content)).decode()


def program(number: int, authority: Authority, port: int) -> dict[str, Any]:
    """Run a program of the page with the trust and the Redis server of the test."""
    text = PROGRAMS[number].replace("Trust.bundled()", "TRUST").replace("6379", str(port))
    names: dict[str, Any] = {"TRUST": Trust.from_pem([authority.trust_pem()]), "__name__": "page"}
    exec(compile(text, str(PAGE), "exec", dont_inherit=True), names)
    return names


async def used_once_and_never_without_the_store(
    admit: Callable[[str, str], Awaitable[Attestation]], authority: Authority, process: subprocess.Popen[bytes]
) -> None:
    first, second = document(authority, "1"), document(authority, "2")
    results = await asyncio.gather(*(admit(first, "1") for _ in range(8)), return_exceptions=True)
    accepted = [result for result in results if isinstance(result, Attestation)]
    refused = [result for result in results if isinstance(result, VerificationError)]
    assert len(accepted) == 1, results
    assert accepted[0].claims.vm_id == VM
    assert [error.reason.value for error in refused] == ["replayed"] * 7, results
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(StoreError):
        await admit(second, "2")  # within the time limit that the page sets
    process.kill()
    process.wait()
    with pytest.raises(StoreError):
        await admit(second, "2")


def test_a_synchronous_client_in_a_thread(redis_server: tuple[int, subprocess.Popen[bytes]], authority: Authority) -> None:
    port, process = redis_server
    names = program(0, authority, port)
    asyncio.run(used_once_and_never_without_the_store(names["admit"], authority, process))
    names["client"].close()


def test_the_client_of_the_event_loop(redis_server: tuple[int, subprocess.Popen[bytes]], authority: Authority) -> None:
    port, process = redis_server
    names = program(1, authority, port)

    async def main() -> None:
        async with names["Redis"](port=port) as client:
            await used_once_and_never_without_the_store(lambda text, nonce: names["admit"](client, text, nonce), authority, process)

    asyncio.run(main())


def test_the_page_has_these_programs() -> None:
    assert len(PROGRAMS) == 2
