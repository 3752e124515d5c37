"""Draw the figures of docs/performance.md from a result of benches/verification.py.

    python benches/plots.py RESULT.json DIRECTORY

Writes throughput.svg, workloads.svg and latency.svg. A dot is a median, and its line extends from
the slowest to the fastest round. The figures follow the reader's light or dark setting. They have
their own background, so they are readable on any page.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

LIGHT = {
    "surface": "#fdfdfb",
    "text": "#1b1b1a",
    "muted": "#6b6a66",
    "rule": "#e1e0da",
    "ours": "#1c62b9",
    "others": "#8a8880",
    "bare": "#b4580a",
}
DARK = {
    "surface": "#191a1b",
    "text": "#ecebe6",
    "muted": "#a3a19a",
    "rule": "#37383a",
    "ours": "#6aa9f7",
    "others": "#8f8d86",
    "bare": "#f0a050",
}
BATCH = "Rust, batch, one thread"
OURS = ("Rust, ", "Python, ")


def main(result: Path, directory: Path) -> None:
    rcParams.update({"svg.hashsalt": "imdskit", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9.5})
    found = json.loads(result.read_text())
    directory.mkdir(parents=True, exist_ok=True)
    save(throughput({name: rate for name, rate in found["rates"].items() if name not in found["workloads"]}), directory / "throughput.svg")
    ratios = {name: load["time_ratio"] for name, load in found["workloads"].items() if load["time_ratio"] and "batch" in name}
    if ratios:
        save(workloads(ratios), directory / "workloads.svg")
    if found["latency_us"]:
        save(latency(found["latency_us"]), directory / "latency.svg")


def throughput(rates: dict[str, Any]) -> Figure:
    """Return a figure with a row for each program, the fastest at the top, on a logarithmic
    axis."""
    rows = sorted(rates.items(), key=lambda row: row[1]["median"])
    peer, rate = next((row for row in reversed(rows) if not row[0].startswith((*OURS, "bare "))), (None, None))
    title = (
        f"In a batch, one thread verifies {rates[BATCH]['median']:,.0f} documents per second" if BATCH in rates else "Documents per second"
    )
    if BATCH in rates and rate:
        title += f",\n{rates[BATCH]['median'] / rate['median']:.1f} times as many as {peer.partition(',')[0]}, the fastest other program"
    figure, axes = canvas(title, len(rows))
    for height, (name, spread) in enumerate(rows):
        colour = LIGHT["ours"] if name.startswith(OURS) else LIGHT["bare"] if name.startswith("bare ") else LIGHT["others"]
        dot(axes, height, spread, colour, f"{spread['median']:,.0f}")
    label_rows(axes, [name for name, _ in rows])
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(10))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    low, high = min(spread["lowest"] for _, spread in rows), max(spread["highest"] for _, spread in rows)
    axes.set_xlim(low / 1.5, high * 4)
    axes.set_xlabel("documents per second (blue: imdskit, orange: bare signatures, grey: others)")
    return figure


def workloads(ratios: dict[str, Any]) -> Figure:
    """Return a figure with a row for each workload: its time per document divided by that of the
    simple batch with which it is compared."""
    rows = list(reversed(ratios.items()))
    worst = max(spread["median"] for spread in ratios.values())
    figure, axes = canvas(
        f"Many signers, many lengths, small batches and new signers take\nat most {worst:.2f} times as long as a simple batch", len(rows)
    )
    for height, (_, spread) in enumerate(rows):
        dot(axes, height, spread, LIGHT["ours"], f"{spread['median']:.2f}")
    label_rows(axes, [name.removeprefix("Rust, ") for name, _ in rows])
    axes.axvline(1, color=LIGHT["bare"], linewidth=1)
    axes.set_xlim(min(0.9, *(spread["lowest"] for _, spread in rows)) - 0.05, max(spread["highest"] for _, spread in rows) + 0.15)
    axes.set_xlabel("time per document divided by that of the simple batch; 1 means equal")
    return figure


def latency(found: dict[str, dict[str, float]]) -> Figure:
    """Return a figure with a line for each backend: the time that one call takes, at four
    quantiles."""
    titles = [f"{quantiles['p99']:,.0f} µs with {name}" for name, quantiles in found.items()]
    figure, axes = canvas(f"99 of 100 calls take at most {' and '.join(reversed(titles))}", 7)
    for name, quantiles in found.items():
        positions = range(len(quantiles))
        axes.plot(positions, quantiles.values(), color=LIGHT["ours"], linewidth=1, marker="o", markersize=5)
        for position, value in zip(positions, quantiles.values(), strict=True):
            axes.annotate(f"{value:,.1f}", (position, value), (0, 7), textcoords="offset points", ha="center", color=LIGHT["text"])
        axes.annotate(
            name, (len(quantiles) - 1, [*quantiles.values()][-1]), (18, 0), textcoords="offset points", va="center", color=LIGHT["text"]
        )
    axes.set_xticks(range(4), ["50 %", "90 %", "99 %", "99.9 %"])
    axes.set_xlim(-0.3, 3.7)
    axes.set_yscale("log")
    axes.set_ylim(axes.get_ylim()[0], axes.get_ylim()[1] * 1.6)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_ylabel("microseconds, logarithmic")
    axes.set_xlabel("share of calls that are at least this fast")
    return figure


def canvas(title: str, rows: int) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8.4, 0.28 * rows + 1.5), layout="constrained", facecolor=LIGHT["surface"])
    axes = figure.subplots()
    axes.set_facecolor(LIGHT["surface"])
    figure.suptitle(title, x=0.01, ha="left", color=LIGHT["text"], fontsize=11, fontweight="bold")
    axes.spines[:].set_visible(False)
    axes.grid(axis="x", color=LIGHT["rule"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, which="both", labelcolor=LIGHT["text"])
    axes.xaxis.label.set_color(LIGHT["muted"])
    axes.yaxis.label.set_color(LIGHT["muted"])
    return figure, axes


def label_rows(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.7, len(names) - 0.3)


def dot(axes: Axes, height: int, spread: dict[str, float], colour: str, label: str) -> None:
    axes.plot([spread["lowest"], spread["highest"]], [height, height], color=colour, linewidth=1.6, solid_capstyle="round")
    axes.plot([spread["median"]], [height], color=colour, marker="o", markersize=6)
    axes.annotate(label, (spread["highest"], height), (8, 0), textcoords="offset points", va="center", color=LIGHT["text"])


def save(figure: Figure, path: Path) -> None:
    """Write the figure as SVG. Style sheets for the light and the dark colour scheme replace the
    fixed colours of the figure."""
    figure.savefig(path, metadata={"Date": None})
    text = path.read_text()
    for name, colour in LIGHT.items():
        text = text.replace(colour, f"var(--{name})")
    sheets = [":root{" + ";".join(f"--{name}:{colour}" for name, colour in scheme.items()) + "}" for scheme in (LIGHT, DARK)]
    text = text.replace("<defs>", f"<style>{sheets[0]}\n@media(prefers-color-scheme:dark){{{sheets[1]}}}</style>\n <defs>", 1)
    path.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
