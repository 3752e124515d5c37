"""Write the results of the benches into docs/performance.md, and draw its figures.

    python benches/page.py RESULTS PAGE

RESULTS is a directory with verification.json, small_paths.json and startup.json. The page has a
pair of comments around each table, and the script replaces everything between the two. It writes
the figures into the directory ``figures`` next to the page.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import plots
import tables


def main(results: Path, page: Path) -> None:
    verification, small_paths, startup = (
        json.loads((results / f"{name}.json").read_text()) for name in ("verification", "small_paths", "startup")
    )
    text = page.read_text()
    for name, block in {
        "conditions": textwrap.fill(tables.conditions(verification), 100, break_long_words=False, break_on_hyphens=False),
        "rates": tables.rates(verification),
        "workloads": tables.workloads(verification),
        "small-paths": tables.small_paths(small_paths),
        "startup": tables.startup(startup),
    }.items():
        pattern = re.compile(rf"(<!-- bench {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            sys.exit(f"{page} must have one pair of comments for {name}")
        text = pattern.sub(lambda match, block=block: f"{match[1]}\n{block}\n\n{match[2]}", text)
    page.write_text(text)
    plots.main(results / "verification.json", page.parent / "figures")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
