"""Programs in other languages that verify the same documents, one in ``other_languages`` each, with nothing but what their language brings.

A call for each document would measure the pipe, so a program holds the documents and works through them at a word. Its lines are: root and intermediate
(base64), Unix seconds, and the DNS name; then commands, of which all but the first are answered, ``accepted`` or ``refused`` and why:

    keep DOCUMENT
    check cached|uncached DOCUMENT
    round cached|uncached NUMBER        of documents, from those kept, over and over
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
"""Documents for which a program is asked once."""
SECONDS = 300
"""In which a program must be compiled, and in which it must answer."""
WARM = 1.5
"""Seconds for which a program works before anything is timed: some compile what they do often."""


class Program:
    """One of them, and whether it remembers a chain."""

    def __init__(self, chain: Chain, mode: str, command: list[str], version: str) -> None:
        self.version = version
        self._mode = mode
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        atexit.register(self.close)
        for pair in (chain.root, chain.intermediate):
            self._say(base64.b64encode(pair.der).decode())
        self._say(str(AT))
        self._say(f"westeurope.{DOMAIN}")

    def __call__(self, document: bytes) -> None:
        """Raises ValueError if it is refused."""
        self._ask(f"check {self._mode} {document.decode()}")

    def keep(self, documents: list[bytes]) -> None:
        """The documents of all rounds; some rounds are done at once."""
        for document in documents:
            self._say(f"keep {document.decode()}")
        end = monotonic() + WARM
        while monotonic() < end:
            self.work()

    def work(self) -> int:
        """A round; how many documents it had."""
        self._ask(f"round {self._mode} {ROUND}")
        return ROUND

    def close(self) -> None:
        """End of input, which ends the program; one that goes on is ended."""
        try:
            self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _say(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(line + "\n")

    def _ask(self, line: str) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._say(line)
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], SECONDS)[0]:
            raise ValueError("no answer")
        answer = self._process.stdout.readline().strip()
        if answer != "accepted":
            raise ValueError(answer)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ImportError(name=f"the program {name}")
    return found


def _version(*command: str) -> str:
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"\d+(\.\d+)+", said.stdout + said.stderr)
    return found[0] if found else "unknown"


def go(chain: Chain, mode: str) -> Program:
    """crypto/x509 and crypto/rsa, compiled here."""
    compiler = _program("go")
    target = Path(tempfile.mkdtemp(prefix="imdskit-bench-")) / "verify"
    subprocess.run([compiler, "build", "-o", str(target), str(SOURCES / "verify.go")], check=True, timeout=SECONDS)
    return Program(chain, mode, [str(target)], _version(compiler, "version"))


def java(chain: Chain, mode: str) -> Program:
    """The JDK, compiled here; a warm machine, for the first round is not timed."""
    compiler, machine = _program("javac"), _program("java")
    folder = tempfile.mkdtemp(prefix="imdskit-bench-")
    subprocess.run([compiler, "-d", folder, str(SOURCES / "Verify.java")], check=True, timeout=SECONDS)
    return Program(chain, mode, [machine, "-cp", folder, "Verify"], _version(machine, "-version"))


def node(chain: Chain, mode: str) -> Program:
    """node:crypto, which validates no paths: uncached it looks at the signatures, names and times of a chain."""
    runtime = _program("node")
    return Program(chain, mode, [runtime, str(SOURCES / "verify.mjs")], _version(runtime, "--version"))


def bun(chain: Chain, mode: str) -> Program:
    """Return the program for Node.js, run by bun, whose ``node:crypto`` calls BoringSSL.

    `make bench` installs bun with npm beside the Python packages. npm runs no installation script, so the binary is not on the PATH.
    """
    installed = sorted(Path(sys.prefix).glob("node_modules/@oven/bun-*/bin/bun"))
    runtime = str(installed[0]) if installed else _program("bun")
    return Program(chain, mode, [runtime, str(SOURCES / "verify.mjs")], _version(runtime, "--version"))


LANGUAGES = {"Go": go, "Java": java, "Node.js": node, "bun": bun}
