"""The page of ``imdskit report``: HTML with drawings in SVG, all in one, without scripts.

What belongs here: what the page looks like. All text is somebody else's and escaped. Bars have their numbers beside them, so nothing is told by
colour or length alone.
"""

from __future__ import annotations

from html import escape

from imdskit.cli.verifier.findings import Counted, Findings
from imdskit.reasons import Reason

SHOWN = 20
"""Bars of one drawing; the rest is summed up in words."""
_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#59636e;--line:#d1d9e0;--bar:#2f6feb;--bad:#c4432b;--good:#1a7f4b;--paper:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa5b1;--line:#30363d;--bar:#5b8ff5;--bad:#f0806a;--good:#4cc38a;--paper:#0d1117}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}p{margin:.4rem 0}.soft{color:var(--soft)}
.figures{display:flex;flex-wrap:wrap;gap:1rem;margin:1.4rem 0}.figures div{border:1px solid var(--line);border-radius:8px;padding:.7rem 1.1rem;min-width:9rem}
.figures b{display:block;font-size:1.7rem;font-variant-numeric:tabular-nums}svg{width:100%;height:auto;display:block}svg text{fill:var(--ink);font-size:14px}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
td.number{text-align:right;font-variant-numeric:tabular-nums}code{font-size:.92em;overflow-wrap:anywhere}
"""


def page(findings: Findings, title: str) -> str:
    """The whole page."""
    refused = findings.documents - findings.accepted
    times = sorted(findings.times)
    judged = times[0] if len(times) == 1 else f"{times[0]} to {times[-1]}"
    figures = (("documents", findings.documents, ""), ("accepted", findings.accepted, "good"), ("refused", refused, "bad"))
    boxes = "".join(
        f"<div><b{f' style=color:var(--{colour})' if colour else ''}>{count:,}</b>{noun}, {_share(count, findings.documents)}</div>"
        for noun, count, colour in figures
    )
    drawings = [_drawing(findings.reasons, "bad")] if refused else []
    if findings.accepted:
        others = (findings.clouds, findings.regions, findings.issuers, findings.horizon, findings.images)
        drawings += [_drawing(counted, "bar") for counted in others]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">\n'
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>\n"
        f'<h1>{escape(title)}</h1><p class="soft">judged as of {escape(judged)}, by imdskit</p>\n<div class="figures">{boxes}</div>\n'
        + "\n".join(drawings)
        + _meanings(findings)
        + _outliers(findings)
        + "</body></html>\n"
    )


def _drawing(counted: Counted, colour: str) -> str:
    rows = counted.counts.most_common(SHOWN)
    most, whole = rows[0][1], counted.counts.total()
    if counted.order:
        rows.sort(key=lambda row: counted.order.index(row[0]))
    bars = []
    for place, (value, count) in enumerate(rows):
        top = place * 26
        width = max(round(300 * count / most), 2)
        label = value if len(value) <= 38 else value[:37] + "\u2026"
        bars.append(
            f'<text x="0" y="{top + 17}">{escape(label)}</text><rect x="300" y="{top + 4}" width="{width}" height="17" rx="3" '
            f'fill="var(--{colour})"/><text x="{306 + width}" y="{top + 17}">{count:,} ({_share(count, whole)})</text>'
        )
    rest = len(counted.counts) - len(rows)
    more = f'<p class="soft">and {rest:,} more kinds, of {whole - sum(count for _, count in rows):,} documents</p>' if rest else ""
    name = escape(counted.title)
    spoken = escape("; ".join(f"{value}: {count}" for value, count in rows), quote=True)
    drawing = f'<svg viewBox="0 0 760 {len(rows) * 26}" role="img" aria-label="{name}. {spoken}">{"".join(bars)}</svg>'
    return f"<h2>{name}</h2>{drawing}{more}"


def _meanings(findings: Findings) -> str:
    known = [Reason(reason) for reason, _ in findings.reasons.counts.most_common() if reason in set(Reason)]
    if not known:
        return ""
    rows = "".join(
        f"<tr><td><code>{reason}</code></td><td>{reason.stage}</td><td>{escape(reason.sentence)} {escape(reason.hint)}</td></tr>"
        for reason in known
    )
    return f"<h2>What the reasons mean</h2><table><tr><th>reason</th><th>stage</th><th>meaning, and what to do</th></tr>{rows}</table>\n"


def _outliers(findings: Findings) -> str:
    rows = findings.outliers()
    if not rows:
        return "<h2>Outliers</h2><p>None: nothing is rarer than one in a thousand.</p>\n"
    cells = "".join(
        f'<tr><td>{escape(what)}</td><td><code>{escape(value)}</code></td><td class="number">{count:,}</td>'
        f"<td><code>{escape(', '.join(places))}</code></td></tr>"
        for what, value, count, places in rows[:100]
    )
    head = "<tr><th>of</th><th>value</th><th>documents</th><th>the first: line, file or id</th></tr>"
    return f'<h2>Outliers</h2><p class="soft">What fewer than one in a thousand documents have.</p><table>{head}{cells}</table>\n'


def _share(count: int, whole: int) -> str:
    return f"{100 * count / whole:.1f} %" if not 0 < count < whole / 2000 else "below 0.1 %"
