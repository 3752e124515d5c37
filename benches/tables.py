"""Markdown tables of the results of the benches, for the terminal and for docs/performance.md."""

from __future__ import annotations

from typing import Any


def rates(result: dict[str, Any]) -> str:
    """Return a table of documents per second for every program, the fastest first."""
    lines = ["| program | documents per second (slowest to fastest round) | relative to bare RSA |", "|---|---|---|"]
    for name, rate in sorted(result["rates"].items(), key=lambda row: -row[1]["median"]):
        if name not in result["workloads"]:
            ratio = result["to_bare_rsa"].get(name)
            lines.append(f"| {name} | {spread(rate, ',.0f')} | {spread(ratio, '.2f') if ratio else ''} |")
    return "\n".join(lines)


def workloads(result: dict[str, Any]) -> str:
    """Return a table of the time per document for every workload, and its ratio to the workload
    with which it is compared."""
    lines = ["| workload | microseconds per document (fastest to slowest round) | compared with | ratio |", "|---|---|---|---|"]
    for name, found in result["workloads"].items():
        rate = result["rates"][name]
        times = {"median": 1e6 / rate["median"], "lowest": 1e6 / rate["highest"], "highest": 1e6 / rate["lowest"]}
        ratio = found["time_ratio"]
        lines.append(f"| {name} | {spread(times, '.2f')} | {found['over'] or ''} | {spread(ratio, '.2f') if ratio else ''} |")
    return "\n".join(lines)


def small_paths(result: dict[str, Any]) -> str:
    """Return a table of microseconds per call, grouped by the operation."""
    rows = sorted(result["microseconds"].items(), key=lambda row: (row[0].split(":")[0], row[1]["median"]))
    return "\n".join(
        [
            "| call | microseconds (fastest to slowest round) |",
            "|---|---|",
            *(f"| {name} | {spread(taken, '.2f')} |" for name, taken in rows),
        ]
    )


def startup(result: dict[str, Any]) -> str:
    """Return a table of milliseconds for every process."""
    rows = result["milliseconds"].items()
    return "\n".join(
        [
            "| process | milliseconds (fastest to slowest round) |",
            "|---|---|",
            *(f"| {name} | {spread(taken, '.1f')} |" for name, taken in rows),
        ]
    )


def conditions(result: dict[str, Any]) -> str:
    """Return a paragraph with the date, the machine and the settings of the verification bench."""
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    load = result["load"]["busy"] or "Other programs used little of this machine before the measurement started."
    return (
        f"Measured on {result['date']}: {result['processors']} processors, RSA implementation `{result['cpu_path']}`, {result['documents']} documents, "
        f"{result['rounds']} rounds of {result['seconds']} s in {result['clock']}. {load} Versions: {versions}."
    )


def spread(values: dict[str, float], form: str) -> str:
    """Return the median, and the lowest and the highest value in parentheses."""
    return f"{values['median']:{form}} ({values['lowest']:{form}} to {values['highest']:{form}})"
