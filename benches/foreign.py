"""Programs in other languages that verify the same documents. Each is a file in ``other_languages``
and uses only its language's standard library.

If the bench sent each document when it is verified, it would also measure the transfer through the
pipe. A program therefore stores the documents first and verifies them in rounds. Its input has one
item in each line: the root and the intermediate in base64, the time in Unix seconds, the DNS name,
and then commands. The program responds to every command except ``keep`` with ``accepted``, or with
``refused`` and the reason. The commands are:

    keep DOCUMENT
    check cached|uncached DOCUMENT
    round cached|uncached NUMBER        verify NUMBER of the stored documents, in turn
"""

from __future__ import annotations

import atexit
import base64
import re
import select
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic

from corpus import AT, DOMAIN, Chain

SOURCES = Path(__file__).parent / "other_languages"
ROUND = 512
"""Number of documents in a round."""
SECONDS = 300
"""Timeout in seconds for compiling a program, and for each of its responses."""
WARM = 1.5
"""Seconds of work before the measurement, because some languages compile frequent code at run
time."""


class Program:
    """Running program. ``mode`` is ``cached`` if it caches the chain, else ``uncached``."""

    def __init__(self, chain: Chain, mode: str, command: list[str], version: str) -> None:
        self.version = version
        self._mode = mode
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        atexit.register(self.close)
        for pair in (chain.root, chain.intermediate):
            self._send(base64.b64encode(pair.der).decode())
        self._send(str(AT))
        self._send(f"westeurope.{DOMAIN}")

    def __call__(self, document: bytes) -> None:
        """Verify a document. Raise ``ValueError`` if the program refuses it."""
        self._request(f"check {self._mode} {document.decode()}")

    def keep(self, documents: list[bytes]) -> None:
        """Store the documents for all rounds, and run rounds until the program is warm."""
        for document in documents:
            self._send(f"keep {document.decode()}")
        end = monotonic() + WARM
        while monotonic() < end:
            self.work()

    def work(self) -> int:
        """Run a round and return its number of documents."""
        self._request(f"round {self._mode} {ROUND}")
        return ROUND

    def close(self) -> None:
        """End the program by closing its input. Kill it if it keeps running."""
        try:
            self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _send(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(line + "\n")

    def _request(self, line: str) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._send(line)
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], SECONDS)[0]:
            raise ValueError(f"no response within {SECONDS} s")
        response = self._process.stdout.readline().strip()
        if response != "accepted":
            raise ValueError(response)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ImportError(name=f"the program {name}")
    return found


def _version(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return found[0] if found else "unknown"


def go(chain: Chain, mode: str) -> Program:
    """Compile and start the program that uses crypto/x509 and crypto/rsa of Go."""
    compiler = _program("go")
    target = Path(tempfile.mkdtemp(prefix="imdskit-bench-")) / "verify"
    subprocess.run([compiler, "build", "-o", str(target), str(SOURCES / "verify.go")], check=True, timeout=SECONDS)
    return Program(chain, mode, [str(target)], _version(compiler, "version"))


def java(chain: Chain, mode: str) -> Program:
    """Compile and start the program that uses the JDK."""
    compiler, machine = _program("javac"), _program("java")
    folder = tempfile.mkdtemp(prefix="imdskit-bench-")
    subprocess.run([compiler, "-d", folder, str(SOURCES / "Verify.java")], check=True, timeout=SECONDS)
    return Program(chain, mode, [machine, "-cp", folder, "Verify"], _version(machine, "-version"))


def node(chain: Chain, mode: str) -> Program:
    """Start the program that uses node:crypto.

    Node.js cannot validate paths. Without a cached chain, the program only checks the signatures,
    names and times of the chain.
    """
    runtime = _program("node")
    return Program(chain, mode, [runtime, str(SOURCES / "verify.mjs")], _version(runtime, "--version"))


def bun(chain: Chain, mode: str) -> Program:
    """Start the program for Node.js under bun, whose ``node:crypto`` calls BoringSSL.

    `make bench` installs bun with npm beside the Python packages. npm does not run the installation
    script of bun here, so the binary is not on the PATH.
    """
    installed = sorted(Path(sys.prefix).glob("node_modules/@oven/bun-*/bin/bun"))
    runtime = str(installed[0]) if installed else _program("bun")
    return Program(chain, mode, [runtime, str(SOURCES / "verify.mjs")], _version(runtime, "--version"))


LANGUAGES = {"Go": go, "Java": java, "Node.js": node, "bun": bun}
