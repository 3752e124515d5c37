// Faults: switches for common faults, a list of all faults with their counts, and a field for scripts.

import { ask, looking } from "./ask.js";
import { attempt, by, make, show, tell } from "./dom.js";

const attested = { match: { category: "attested" }, times: null };
const SWITCHES = [
  ["Broken signature", "One bit of the signature is flipped", { ...attested, fault: { document: "broken-signature" } }],
  ["Expired certificate", "The signer’s certificate has expired", { ...attested, fault: { document: "expired-leaf" } }],
  ["Different issuing authority", "An authority under the same root, whose certificate can be fetched", { ...attested, fault: { document: "rotated-issuer" } }],
  ["Unknown root", "The whole chain leads to a different root", { ...attested, fault: { document: "unknown-root" } }],
  ["Missing intermediate", "The address of the issuer’s certificate returns 404", { ...attested, fault: { document: "missing-intermediate" } }],
  ["Cached nonce", "The service returns an earlier document", { ...attested, fault: { document: "cached-nonce" } }],
  ["Unavailable for 70 seconds", "Status 410, as during an update of the service", { for: 70, fault: { status: 410 } }],
  ["Two errors", "Status 500 twice, then normal responses", { times: 2, fault: { status: 500 } }],
  ["Too many requests", "Status 429 with the header Retry-After", { times: null, fault: { status: 429, retryAfter: 1 } }],
  ["Slow responses", "Each response is delayed by three seconds", { times: null, fault: { delay: 3 } }],
  ["Captive portal", "An unrelated page with status 200", { times: null, fault: { foreign: true } }],
];

/** Return JSON with sorted members, so that two rules can be compared. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((key) => JSON.stringify(key) + ":" + canonical(value[key])).join(",")}}`;
}
const same = (one, two) => canonical(one) === canonical(two);

export async function refresh() {
  const subject = looking();
  const { faults } = await ask("GET", "/v1/faults");
  if (subject !== looking()) return;
  for (const [index, [, , rule]] of SWITCHES.entries()) by(`fault-${index}`).checked = faults.some((one) => !one.over && same(one.rule, rule));
  show(by("fault-list"), JSON.stringify(faults), () => (faults.length ? [table(faults)] : []));
}

function table(faults) {
  const rows = faults.map((one, index) => {
    const remove = make("button", { type: "button", className: "quiet small", id: `fault-remove-${index}`, "aria-label": `Remove fault ${index + 1}` }, "Remove");
    remove.addEventListener("click", () => change((rules) => rules.filter((rule, at) => at !== index || !same(rule, one.rule)), "The fault was removed."));
    const known = SWITCHES.find(([, , rule]) => same(rule, one.rule));
    return make("tr", {}, make("th", { scope: "row" }, known ? known[0] : make("code", {}, JSON.stringify(one.rule))),
      make("td", { className: "number", "data-label": "matched" }, String(one.matched)), make("td", { className: "number", "data-label": "applied" }, String(one.applied)),
      make("td", {}, make("span", { className: `pill ${one.over ? "" : "wait"}` }, one.over ? "ended" : "active")), make("td", { className: "number" }, remove));
  });
  const head = [["Fault"], ["Matched", "number"], ["Applied", "number"], ["State"], ["Remove", "number"]].map(([text, className = ""]) => make("th", { scope: "col", className }, text));
  return make("table", { id: "fault-table", className: "stacks" }, make("caption", { className: "dim" }, "Faults, in the order in which they are tried"), make("thead", {}, make("tr", {}, head)), make("tbody", {}, rows));
}

function change(after, said) {
  return attempt(by("fault-problem"), async () => {
    const { faults } = await ask("GET", "/v1/faults");
    await ask("PUT", "/v1/faults", after(faults.map((one) => one.rule)));
    tell(said);
    await refresh();
  }).then(() => refresh().catch(() => {}));
}

export function start() {
  by("fault-switches").append(...SWITCHES.map(([name, what, rule], index) => {
    const input = make("input", { type: "checkbox", role: "switch", id: `fault-${index}`, "aria-describedby": `fault-what-${index}` });
    input.addEventListener("change", () => {
      const on = input.checked;
      change((rules) => [...(on ? [rule] : []), ...rules.filter((one) => !same(one, rule))], `${name}: ${on ? "on" : "off"}.`);
    });
    return make("div", { className: "switch" }, input, make("div", {}, make("label", { for: `fault-${index}` }, name), make("small", { id: `fault-what-${index}` }, what)));
  }));
  by("script-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    await attempt(by("fault-problem"), async () => {
      let rules;
      try {
        rules = JSON.parse(by("script").value);
      } catch (error) {
        throw new Error(`The script is not JSON: ${error.message}`);
      }
      await ask("PUT", "/v1/faults", rules);
      tell("The script was loaded.");
      await refresh();
    });
  });
}
