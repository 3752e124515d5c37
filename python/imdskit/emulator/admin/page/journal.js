// Live view of the journal. A long-polling request waits for the next entry.

import { ask, looking } from "./ask.js";
import { attempt, by, clock, make, tell } from "./dom.js";

const SHOWN = 200, AT_ONCE = 100, WAIT = 20;
let since = 0;
let filter = "";

/** Fetch newer entries once, and return whether there were any. */
async function more() {
  const query = filter && `&category=${encodeURIComponent(filter)}`;
  const asked = filter, subject = looking();
  const { entries, last, total } = await ask("GET", `/v1/journal?since=${since}&limit=${AT_ONCE}${query}`);
  if (asked !== filter || subject !== looking() || by("journal-pause").checked) return false;
  since = entries.length === AT_ONCE ? entries.at(-1).number : Math.max(since, last);
  by("journal-tally").textContent = `${total} ${total === 1 ? "request" : "requests"}`;
  add(entries);
  return entries.length > 0;
}

function add(entries) {
  const place = by("entries"), box = by("journal-log");
  if (!entries.length) return;
  const below = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  place.append(...entries.map(row));
  while (place.children.length > SHOWN) place.firstChild.remove();
  by("journal-empty").hidden = true;
  if (below) box.scrollTop = box.scrollHeight;
}

function row(entry) {
  const kind = entry.status < 300 ? "good" : entry.status < 500 ? "wait" : "bad";
  const why = [entry.rule && `rule ${entry.rule}`, entry.fault && `fault ${entry.fault}`].filter(Boolean).join(", ");
  const machine = (entry.machine ?? null) === null ? "" : `machine ${entry.machine}: `;
  return make("tr", {}, make("td", { className: "mono nowrap" }, clock(entry.time)), make("td", { className: "mono request" }, `${machine}${entry.method} ${entry.target}`),
    make("td", {}, make("span", { className: `pill ${kind}` }, String(entry.status))), make("td", {}, why),
    make("td", { className: "number", "data-unit": "µs" }, String(Math.round(entry.duration_ns / 1000))), make("td", { className: "number", "data-unit": "bytes" }, String(entry.body_bytes)));
}

function begin(from) {
  since = from;
  by("entries").replaceChildren();
  by("journal-empty").hidden = false;
}

/** Follow the journal while `going()` is true. The caller handles errors. */
export async function follow(going) {
  const { last } = await ask("GET", "/v1/journal/count");
  begin(Math.max(last - AT_ONCE, 0));
  while (going()) {
    if (!by("journal-pause").checked && (await more())) continue;
    await ask("GET", `/v1/journal/wait?since=${since}&count=1&timeout=${WAIT}`).then(async ({ reached }) => {
      if (reached && by("journal-pause").checked) await new Promise((done) => setTimeout(done, 500));
    });
  }
}

export function start() {
  by("journal-category").addEventListener("change", () => {
    filter = by("journal-category").value;
    begin(0);
    attempt(by("told"), async () => {
      while (await more());
    });
  });
  by("journal-reset").addEventListener("click", () => attempt(by("told"), async () => {
    const { forgotten } = await ask("DELETE", "/v1/journal");
    begin(since);
    tell(`${forgotten} ${forgotten === 1 ? "entry was" : "entries were"} deleted.`);
    await more();
  }));
}
