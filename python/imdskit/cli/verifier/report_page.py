"""HTML page of ``imdskit report``. It is one file without scripts.

Text from the input is untrusted, so it is escaped. The number that a bar represents is written
beside the bar, so readers need not compare colours or lengths.
"""

from __future__ import annotations

import math
import re
from html import escape

from imdskit.cli.verifier.batch import SENTENCES
from imdskit.cli.verifier.findings import Counted, Findings
from imdskit.reasons import Reason

BARS = 20
"""Maximum number of bars in one section. A sentence below the bars gives the total of the remaining
values."""
OUTLIERS = 100
"""Maximum number of rare values that the page lists."""
_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#59636e;--line:#d1d9e0;--bar:#2f6feb;--bad:#b93a22;--good:#1a7f4b;--paper:#fff}
@media(prefers-color-scheme:dark){
:root{--ink:#e6edf3;--soft:#9aa5b1;--line:#30363d;--bar:#5b8ff5;--bad:#f0806a;--good:#4cc38a;--paper:#0d1117}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,"DejaVu Sans",sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:0 auto;padding:1.6rem 1rem 3rem;
overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .4rem}h2{font-size:1.15rem;margin:2.2rem 0 .5rem}p{margin:.4rem 0}.soft{color:var(--soft)}
ul,ol,dl{margin:0;padding:0;list-style:none}code{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:.9em}.nowrap{white-space:nowrap}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.8rem;margin:1.2rem 0 .8rem}
.figures li{border:1px solid var(--line);border-radius:8px;padding:.6rem 1rem}
.figures b{display:block;font-size:1.7rem;line-height:1.3;font-variant-numeric:tabular-nums}.good{color:var(--good)}.bad{color:var(--bad)}
.bars li{display:grid;grid-template-columns:minmax(0,2fr) minmax(0,3fr) 9.5rem;gap:0 1rem;align-items:center;padding:.25rem 0}
.track span{display:block;height:1rem;min-width:3px;border-radius:3px;background:var(--bar)}
.track .bad{background:var(--bad)}.bars .nowrap{text-align:right;font-variant-numeric:tabular-nums}
dt{margin-top:.9rem}dd{margin:.1rem 0 0}.rare li{border-top:1px solid var(--line);padding:.5rem 0}
@media(max-width:40rem){.bars li{grid-template-columns:minmax(0,1fr) 9.5rem;padding:.4rem 0}.bars .name{grid-column:1/-1}}
@media print{*{print-color-adjust:exact}}
"""


def page(findings: Findings, title: str) -> str:
    """Return the whole page as HTML. ``title`` is plain text."""
    total, refused = findings.documents, findings.documents - findings.accepted
    times = sorted(findings.times)
    verified = times[0] if len(times) == 1 else f"times from {times[0]} to {times[-1]}"
    figures = [f"<li><b>{total:,}</b>{_documents(total)}</li>"]
    for noun, count, colour in (("accepted", findings.accepted, "good"), ("not accepted", refused, "bad")):
        figures.append(f'<li><b class="{colour}">{count:,}</b>{noun}, <span class="nowrap">{_share(count, total)}</span></li>')
    sections = [_section("Not accepted, by reason", findings.reasons, total, "bad"), _meanings(findings)] if refused else []
    if findings.accepted:
        properties = (findings.clouds, findings.regions, findings.issuers, findings.images, findings.horizon)
        sections += [_section(f"Accepted, by {counted.noun}", counted, total) for counted in properties]
    base = f"this {_documents(1)}" if total == 1 else f"these {total:,} {_documents(total)}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>\n"
        f'<h1>{escape(title)}</h1><p class="soft">Verified by imdskit as of {escape(verified)}</p>\n<ul class="figures">{"".join(figures)}</ul>\n'
        f'<p class="soft">Every percentage on this page is a share of {base}. Bars compare the values of one section.</p>\n'
        + "".join(sections)
        + _outliers(findings)
        + "</main></body></html>\n"
    )


def _section(title: str, counted: Counted, total: int, colour: str = "") -> str:
    rows = counted.counts.most_common(BARS)
    most = rows[0][1]
    if counted.order:
        rows.sort(key=lambda row: counted.order.index(row[0]))
    bars = "".join(
        f'<li><span class="name">{escape(value)}</span><span class="track"><span class="{colour}" style="width:{100 * count / most:.1f}%">'
        f'</span></span><span class="nowrap">{count:,} ({_share(count, total)})</span></li>\n'
        for value, count in rows
    )
    others, rest = len(counted.counts) - len(rows), counted.counts.total() - sum(count for _, count in rows)
    values = "1 more value" if others == 1 else f"{others:,} more values"
    more = f'<p class="soft">and {values}, in {rest:,} {_documents(rest)} ({_share(rest, total)})</p>' if others else ""
    return f'<h2>{escape(title)}</h2><ul class="bars">{bars}</ul>{more}\n'


def _meanings(findings: Findings) -> str:
    items = []
    for value, _ in findings.reasons.counts.most_common():
        if value in SENTENCES:
            stage, meaning = "input", SENTENCES[value]
        else:
            reason = Reason(value)
            stage, meaning = reason.stage, f"{reason.sentence} {reason.hint}"
        items.append(f'<dt><code>{value}</code> <span class="soft">stage: {stage}</span></dt><dd>{_prose(meaning)}</dd>\n')
    return f"<h2>What the reasons mean</h2><dl>{''.join(items)}</dl>\n"


def _outliers(findings: Findings) -> str:
    rows = findings.outliers()
    few = math.ceil(findings.rare_below)
    limit = "only one document" if few == 2 else f"fewer than one in a thousand documents (fewer than {few:,})"
    if not rows:
        return f"<h2>Outliers</h2><p>None: no value occurs in {limit}.</p>\n"
    items = "".join(
        f'<li>{what} <code>{escape(value)}</code>: {count:,} {_documents(count)}, <span class="nowrap">{_share(count, findings.documents)}</span>'
        f'<br><span class="soft">{"first found" if count > len(positions) else "found"} at line, file or id:</span> {_listed(positions)}</li>\n'
        for what, value, count, positions in rows[:OUTLIERS]
    )
    shown = f" These are the {OUTLIERS} rarest of {len(rows):,}." if len(rows) > OUTLIERS else ""
    return f'<h2>Outliers</h2><p class="soft">Values that occur in {limit}.{shown}</p><ol class="rare">{items}</ol>\n'


def _listed(positions: list[str]) -> str:
    return ", ".join(f"<code>{escape(position)}</code>" for position in positions)


def _documents(count: int) -> str:
    return "document" if count == 1 else "documents"


def _prose(text: str) -> str:
    """Return a text of this package, such as a hint, as HTML. Text between backticks is shown as
    code. Do not use this function for text from the input, in which backticks have no meaning."""
    return re.sub("`([^`]*)`", r"<code>\1</code>", escape(text))


def _share(count: int, total: int) -> str:
    """Return ``count`` as a percentage of ``total``. The result is "0.0 %" only if ``count`` is 0,
    and "100.0 %" only if ``count`` is ``total``. Other counts that would round to these results
    give "below 0.1 %" and "above 99.9 %"."""
    if 0 < count < total / 2000:
        return "below 0.1 %"
    if total * 1999 / 2000 < count < total:
        return "above 99.9 %"
    return f"{100 * count / total:.1f} %"
