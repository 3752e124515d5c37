"""Pictures of what benches/verification.py found: rates of all, ours by threads, and how long one call takes.

    python benches/plots.py RESULT.json DIRECTORY

Writes throughput.svg, threads.svg and latency.svg. Bars stand for medians, whiskers for the slowest and the fastest round.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from matplotlib import rcParams
from matplotlib.figure import Figure

OURS, OTHERS = "#1f6fb4", "#9a9a9a"


def main(result: Path, directory: Path) -> None:
    rcParams.update({"svg.hashsalt": "imdskit", "svg.fonttype": "none", "font.size": 9})
    found = json.loads(result.read_text())
    directory.mkdir(parents=True, exist_ok=True)
    rates = {name: rate for name, rate in found["rates"].items() if name not in found["workloads"]}
    bars(rates, directory / "throughput.svg", "documents a second", log=True)
    threads = {name: rate for name, rate in rates.items() if name.startswith("Rust, ") and ("batch" in name or "per call" in name)}
    if threads:
        bars(threads, directory / "threads.svg", "documents a second", log=False)
    if found.get("latency_us"):
        latency(found["latency_us"], directory / "latency.svg")


def bars(rates: dict[str, Any], path: Path, label: str, *, log: bool) -> None:
    rows = sorted(rates.items(), key=lambda row: row[1]["median"])
    figure = Figure(figsize=(8, 0.32 * len(rows) + 1), layout="constrained")
    axes = figure.subplots()
    values = [rate["median"] for _, rate in rows]
    whiskers = [
        [rate["median"] - rate["lowest"] for _, rate in rows],
        [rate["highest"] - rate["median"] for _, rate in rows],
    ]
    colours = [OURS if name.startswith(("Rust, ", "Python, ")) else OTHERS for name, _ in rows]
    axes.barh([name for name, _ in rows], values, xerr=whiskers, color=colours, ecolor="#444444", capsize=2)
    if log:
        axes.set_xscale("log")
    axes.set_xlabel(label)
    save(figure, path)


def latency(found: dict[str, dict[str, float]], path: Path) -> None:
    figure = Figure(figsize=(8, 3.5), layout="constrained")
    axes = figure.subplots()
    for name, quantiles in found.items():
        axes.plot(list(quantiles), list(quantiles.values()), marker="o", label=name)
    axes.set_yscale("log")
    axes.set_ylabel("microseconds a call")
    axes.legend()
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
    # Trailing blanks are all that differs from what an editor would leave.
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
