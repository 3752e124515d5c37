"""Compare the speed of the emulator over HTTP with that of nginx.

    python benches/http_server.py [--rounds N] [--seconds S]
        [--connections N]... [--json OUT]

The emulator runs with and without cached responses. Needs ``wrk``
(``apt-get install wrk nginx-light``). If nginx is installed, it serves a file
with the same bytes. In each round, all servers run in turn. Each server runs
on core 0, and ``wrk`` with one thread on core 1; on a machine with one core
the figures mean little. Rates are medians over the rounds, with the slowest
and the fastest round. Each ratio compares two rates of the same round.
``cpu_us`` is the processor time of the server per request, user and system.
This time varies less than the rate if other programs use the cores.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from statistics import median
from time import sleep

ROOT = Path(__file__).resolve().parent.parent
TARGET = "/metadata/instance?api-version=2025-04-07"
UNITS = {"us": 1.0, "ms": 1000.0, "s": 1_000_000.0}
NGINX = """
worker_processes 1;
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {folder};
  proxy_temp_path {folder};
  fastcgi_temp_path {folder};
  uwsgi_temp_path {folder};
  scgi_temp_path {folder};
  open_file_cache max=10;
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location = /metadata/instance {{
      default_type application/json;
      if ($http_metadata != "true") {{ return 400; }}
      alias {folder}/instance.json;
    }}
  }}
}}
"""


def main() -> int:
    options = _parse()
    if options.serve:
        return serve(options.serve, options.backend)
    if shutil.which("wrk") is None:
        print("wrk is not installed. Install it with: apt-get install wrk", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        servers = {name: Served(name, options.backend) for name in ("cached", "uncached")}
        try:
            body = fetch(next(iter(servers.values())).url)
            if shutil.which("nginx"):
                servers["nginx"] = Nginx(Path(folder), body)
            result = {
                "machine": {"python": platform.python_version(), "cores": os.cpu_count(), "system": platform.platform()},
                "body_bytes": len(body),
                "loads": {f"{number} connections": measure(servers, options, number, close=False) for number in options.connections}
                | {"16 connections, one request each": measure(servers, options, 16, close=True)},
            }
        finally:
            for server in servers.values():
                server.stop()
    text = json.dumps(result, indent=1)
    print(text)
    if options.json:
        Path(options.json).write_text(text + "\n", encoding="utf-8")
    return 0


class Served:
    """An emulator in a separate process on core 0."""

    def __init__(self, name: str, backend: str) -> None:
        mode = "cached" if name == "cached" else "each"
        command = [sys.executable, __file__, "--serve", mode, "--backend", backend]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
        self.process = subprocess.Popen(pinned(0, command), env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def cpu_seconds(self) -> float:
        """Return the processor time in seconds of the process and its children."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii").split()
        ticks = 0
        for pid in (str(self.process.pid), *children):
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)


class Nginx(Served):
    """An nginx server on core 0, with one worker process, which serves one file."""

    def __init__(self, folder: Path, body: bytes) -> None:
        folder.chmod(0o755)
        (folder / "instance.json").write_bytes(body)
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=18169), encoding="utf-8")
        self.process = subprocess.Popen(pinned(0, ["nginx", "-c", str(folder / "nginx.conf")]), stderr=subprocess.DEVNULL)
        self.url = "http://127.0.0.1:18169"
        for _ in range(50):
            sleep(0.1)
            try:
                fetch(self.url)
                return
            except OSError:
                continue


def measure(servers: dict[str, Served], options: argparse.Namespace, connections: int, *, close: bool) -> dict[str, object]:
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
    for _ in range(options.rounds):
        for name, server in servers.items():
            before = server.cpu_seconds()
            one = load(server.url, options.seconds, connections, close=close)
            one["cpu"] = (server.cpu_seconds() - before) / max(1.0, one["requests"]) * 1e6
            rounds[name].append(one)
    rates, costs = ({name: [each[what] for each in one] for name, one in rounds.items()} for what in ("rate", "cpu"))
    found: dict[str, object] = {
        name: {
            "rate": spread(rates[name]),
            "cpu_us": spread([each["cpu"] for each in one]),
            "p50_us": median(each["p50"] for each in one),
            "p99_us": median(each["p99"] for each in one),
            "errors": sum(each["errors"] for each in one),
        }
        for name, one in rounds.items()
    }
    for reference in ("nginx", "uncached"):
        if reference in rates:
            found[f"cached / {reference}"] = {
                "rate": spread([mine / other for mine, other in zip(rates["cached"], rates[reference], strict=True)]),
                "by_cpu": spread([other / mine for mine, other in zip(costs["cached"], costs[reference], strict=True)]),
            }
    return found


def load(url: str, seconds: int, connections: int, *, close: bool) -> dict[str, float]:
    """Run wrk once and return its figures."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-H", "Metadata: true"]
    if close:
        command += ["-H", "Connection: close"]
    output = subprocess.run(pinned(1, [*command, url + TARGET]), capture_output=True, text=True, check=True, timeout=seconds + 30).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    assert rate is not None, output
    requests = re.search(r"(\d+) requests in", output)
    assert requests is not None, output
    found = {name: re.search(rf"{name}%\s+([\d.]+)(us|ms|s)", output) for name in ("50", "99")}
    failures = re.findall(r"(?:Non-2xx or 3xx responses: |connect |read |write |timeout )(\d+)", output)
    return {
        "rate": float(rate[1]),
        "requests": float(requests[1]),
        **{f"p{name}": float(match[1]) * UNITS[match[2]] if match else 0.0 for name, match in found.items()},
        "errors": sum(map(int, failures)),
    }


def pinned(core: int, command: list[str]) -> list[str]:
    return ["taskset", "-c", str(core), *command] if shutil.which("taskset") and (os.cpu_count() or 1) > core else command


def fetch(url: str) -> bytes:
    request = urllib.request.Request(url + TARGET, headers={"Metadata": "true"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as response:
        return bytes(response.read())


def spread(values: list[float]) -> dict[str, float]:
    return {"median": round(median(values), 3), "slowest": round(min(values), 3), "fastest": round(max(values), 3)}


def serve(mode: str, backend: str) -> int:
    """Run the emulator that :class:`Served` starts as a process, until SIGTERM."""
    from imdskit import backends
    from imdskit.emulator import Emulator, Scenario

    tags = {f"tag{number}": "x" * 40 for number in range(10)}  # a document of about 4 kB
    scenario = Scenario.of({"compute": {"tags": tags}})
    with Emulator(scenario, 1, rate_limit=False, backend=backends.get(backend)) as emulator:
        if mode == "each":
            emulator.app.responses = None
        print(emulator.url, flush=True)
        signal.sigwait([signal.SIGTERM])
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds")
    parser.add_argument("--seconds", type=int, default=2, help="duration of each run of wrk")
    parser.add_argument("--connections", type=int, action="append", default=None, help="number of connections; may be repeated")
    parser.add_argument("--backend", default="python", help="backend of the emulator")
    parser.add_argument("--json", help="file for the results as JSON")
    parser.add_argument("--serve", choices=("cached", "each"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.connections = options.connections or [1, 16, 64]
    return options


if __name__ == "__main__":
    sys.exit(main())
