"""Compare the verification service over HTTP with the same service in Go.

    make service-bench
    .venv-service/bin/python benches/verification_service.py \\
        [--rounds N] [--requests N] [--json OUT]

Each server verifies every document, marks it as used in the same Redis, and
writes a line of an audit log. imdskit runs under gunicorn and under granian,
each with two processes. The program in Go (``verification_service/``) has two
system threads (GOMAXPROCS=2). In one mode it verifies the chain of each
document. In the other it compares the leaf with one that it verified before.
A load generator in Go sends each document once; the documents are signed in
advance. In each round, all servers run in turn. With more than four
processors, the servers use the first two, and the load generator uses the
others. Otherwise all programs share all processors.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "benches")]

import corpus  # noqa: E402  # needs the path above
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import padding  # noqa: E402

from imdskit import backends  # noqa: E402
from imdskit.asn1 import writer as der  # noqa: E402
from imdskit.attestation_service.configuration import keys  # noqa: E402
from imdskit.attestation_service.configuration.keys import Role  # noqa: E402
from imdskit.protocol import attested  # noqa: E402
from imdskit.verify import NonceIssuer  # noqa: E402

NONCE_KEY = "ab" * 32
CONNECTIONS = 32
SPREAD = ["--worker-connections", str(CONNECTIONS // 2)]
"""Connection limit of each gunicorn worker. Without it, the first worker would accept all
persistent connections."""
START_SECONDS = 60
"""Maximum time in seconds until a server accepts connections."""
FACTS = {"vmId": "8f0c5b0a-2b53-4d6c-9d7e-1f2a3b4c5d6e", "subscriptionId": "11111111-2222-4333-8444-555555555555", "sku": "22_04-lts-gen2"}


@dataclass(frozen=True)
class Contender:
    """A running server."""

    name: str
    url: str
    pid: int

    def processor_seconds(self) -> float:
        """Return the processor time, user and system, of the server and its child processes in
        seconds."""
        pids = [self.pid, *map(int, Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split())]
        ticks = 0
        for pid in pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


class Bench:
    """The resources that all servers share: files, keys, a chain and Redis."""

    def __init__(self, folder: Path, programs: ExitStack) -> None:
        self.folder, self._programs = folder, programs
        corpus.AT = int(time.time())
        self.chain = corpus.chain()
        self.key, line = keys.new("bench", frozenset({Role.CLIENT}))
        (folder / "keys").write_text(line)
        (folder / "nonce-key").write_text(NONCE_KEY)
        for name, pair in (("root.pem", self.chain.root), ("root.pem.intermediates", self.chain.intermediate)):
            (folder / name).write_bytes(pair.certificate.public_bytes(serialization.Encoding.PEM))
        self.redis = free_port()
        self.start(["redis-server", "--port", str(self.redis), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)], self.redis)
        self.go = folder / "service"
        sources = sorted(map(str, (ROOT / "benches" / "verification_service").glob("*.go")))
        subprocess.run(["go", "build", "-o", str(self.go), *sources], check=True, timeout=300)

    def start(self, command: list[str], port: int, given: bytes = b"", **environment: str) -> int:
        """Run a server until the end of the bench, with ``given`` as its input, and return its
        process id."""
        servers = "0,1" if (os.cpu_count() or 1) > 4 else None
        command = ["taskset", "-c", servers, *command] if servers else command
        with (self.folder / "servers.log").open("ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env={**os.environ, **environment})
        self._programs.callback(process.wait)
        self._programs.callback(process.terminate)
        assert process.stdin is not None
        process.stdin.write(given)
        process.stdin.close()
        wait_for(port, process)
        return process.pid

    def imdskit(self, server: str) -> Contender:
        port = free_port()
        settings = {
            "keys_file": self.folder / "keys",
            "nonce_key_file": self.folder / "nonce-key",
            "trust_anchors": self.folder / "root.pem",
            "trust_intermediates": self.folder / "root.pem.intermediates",
            "store": f"redis://127.0.0.1:{self.redis}/0",
            "audit_log": self.folder / f"{server}.jsonl",
            "rate_per_second": 1_000_000,
            "rate_burst": 1_000_000,
        }
        application = "imdskit.attestation_service.wsgi:application"
        commands = {
            "gunicorn": [application, "--bind", f"127.0.0.1:{port}", "--workers", "2", "--threads", "8", "--no-control-socket", *SPREAD],
            "granian": [application, "--interface", "wsgi", "--port", str(port), "--workers", "2", "--blocking-threads", "4", "--no-ws"],
        }
        environment = {f"IMDSKIT_VERIFIER_{name.upper()}": str(value) for name, value in settings.items()}
        command = [sys.executable, "-m", server, *commands[server]]
        pid = self.start(command, port, **environment, PYTHONPATH=str(ROOT / "python"))
        return Contender(f"imdskit, {server}", f"http://127.0.0.1:{port}/v1/attestations", pid)

    def in_go(self, mode: str) -> Contender:
        port = free_port()
        given = {
            "Address": f"127.0.0.1:{port}",
            "KeyName": "bench",
            "KeyDigest": sha256(self.key.encode()).hexdigest(),
            "NonceKey": NONCE_KEY,
            "Roots": str(self.folder / "root.pem"),
            "Redis": f"127.0.0.1:{self.redis}",
            "Audit": str(self.folder / f"{mode}.jsonl"),
        }
        pid = self.start([str(self.go), mode], port, json.dumps(given).encode(), GOMAXPROCS="2")
        how = "cached" if mode == "serve-cached" else "verified each time"
        return Contender(f"Go, chain {how}", f"http://127.0.0.1:{port}/v1/attestations", pid)

    def bodies(self, count: int) -> Path:
        """Write requests with new documents to a file, one in each line. Return the path of the
        file."""
        issuer = NonceIssuer([bytes.fromhex(NONCE_KEY)])
        path = self.folder / "bodies.ndjson"
        with path.open("w") as file:
            for _ in range(count):
                nonce = issuer.issue(b"bench\x00")
                file.write(json.dumps({"nonce": nonce, "document": document(self.chain, nonce)}) + "\n")
        return path

    def load(self, contender: Contender, count: int, connections: int = CONNECTIONS) -> tuple[float, list[float]]:
        """Send ``count`` requests to a server. Return requests per second, and the latencies in
        seconds."""
        path = self.bodies(count)
        command = [str(self.go), "load", contender.url, self.key, str(path), str(connections)]
        if (os.cpu_count() or 1) > 4:
            command = ["taskset", "-c", f"2-{(os.cpu_count() or 1) - 1}", *command]
        done = subprocess.run(command, capture_output=True, check=True, timeout=600)
        found = json.loads(done.stdout)
        if found["statuses"] != {"200": count}:
            raise SystemExit(f"{contender.name}: {found['statuses']}\n{(self.folder / 'servers.log').read_text()[-2000:]}")
        return count / found["seconds"], found["latencies"]


def document(chain: corpus.Chain, nonce: str) -> str:
    """Return a document in the form that the metadata service returns."""
    content = attested.content(FACTS, "2021-02-01", int(time.time()), nonce)
    signature = chain.leaf.key.sign(content, padding.PKCS1v15(), hashes.SHA256())
    algorithms = [der.sequence(der.oid(oid), der.null()) for oid in ("1.2.840.113549.1.1.11", "1.2.840.113549.1.1.1")]
    sid = der.sequence(chain.leaf.certificate.issuer.public_bytes(), der.integer(chain.leaf.certificate.serial_number))
    signed = der.sequence(
        der.integer(1),
        der.set_of(algorithms[0]),
        der.sequence(der.oid("1.2.840.113549.1.7.1"), der.explicit(0, der.octet_string(content))),
        der.explicit(0, chain.leaf.der),
        der.set_of(der.sequence(der.integer(1), sid, *algorithms, der.octet_string(signature))),
    )
    return json.dumps(
        {
            "encoding": "pkcs7",
            "signature": base64.b64encode(der.sequence(der.oid("1.2.840.113549.1.7.2"), der.explicit(0, signed))).decode(),
        }
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"The server on port {port} did not start within {START_SECONDS} seconds.") from None
            time.sleep(0.05)


@contextmanager
def bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as programs:
        yield Bench(Path(folder), programs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="number of rounds")
    parser.add_argument("--requests", type=int, default=3000, help="requests in a round")
    parser.add_argument("--json", type=Path, help="file for the results as JSON")
    options = parser.parse_args()
    for program in ("go", "redis-server"):
        if shutil.which(program) is None:
            raise SystemExit(f"The program {program} is not installed.")
    print(f"backend {backends.best().name}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    with bench() as shared:
        makers: list[Callable[[], Contender]] = [
            lambda: shared.in_go("serve"),
            lambda: shared.in_go("serve-cached"),
            lambda: shared.imdskit("gunicorn"),
            lambda: shared.imdskit("granian"),
        ]
        contenders = [make() for make in makers]
        spent: dict[str, list[float]] = {contender.name: [] for contender in contenders}
        rates: dict[str, list[float]] = {contender.name: [] for contender in contenders}
        latencies: dict[str, list[float]] = {contender.name: [] for contender in contenders}
        for contender in contenders:
            shared.load(contender, 300)
        for number in range(options.rounds):
            for contender in contenders if number % 2 else reversed(contenders):
                before = contender.processor_seconds()
                rate, times = shared.load(contender, options.requests)
                spent[contender.name].append((contender.processor_seconds() - before) / options.requests)
                rates[contender.name].append(rate)
                latencies[contender.name] += times
    report(rates, spent, latencies, options.json)


def report(rates: dict[str, list[float]], spent: dict[str, list[float]], latencies: dict[str, list[float]], path: Path | None) -> None:
    """Print medians with the slowest and fastest round, and ratios within each round. Write them to
    ``path`` as JSON."""
    base = next(iter(rates))
    found: dict[str, Any] = {}
    for name, each in rates.items():
        ratios = [mine / theirs for mine, theirs in zip(each, rates[base], strict=True)]
        times = sorted(latencies[name])
        found[name] = {
            "requests_per_second": round(median(each)),
            "slowest": round(min(each)),
            "fastest": round(max(each)),
            "of_go_verified": round(median(ratios), 2),
            "processor_us": round(median(spent[name]) * 1e6),
            "p50_ms": round(times[len(times) // 2] * 1000, 2),
            "p99_ms": round(times[len(times) * 99 // 100] * 1000, 2),
        }
        print(f"{name:36}", *(f"{label} {value}" for label, value in found[name].items()))
    if path is not None:
        path.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
