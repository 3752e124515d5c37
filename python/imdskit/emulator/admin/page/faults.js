// Faults: switches for the usual ones, a list of all with their counts, and scripts of one's own.

import { ask, looking } from "./ask.js";
import { attempt, by, make, show, tell } from "./dom.js";

const attested = { match: { category: "attested" }, times: null };
const SWITCHES = [
  ["Break the signature", "One bit of each document’s signature is wrong", { ...attested, fault: { document: "broken-signature" } }],
  ["Expired certificate", "The signer’s certificate is over", { ...attested, fault: { document: "expired-leaf" } }],
  ["Another issuing authority", "Under the same root; it can be fetched", { ...attested, fault: { document: "rotated-issuer" } }],
  ["Unknown root", "The whole chain is another one", { ...attested, fault: { document: "unknown-root" } }],
  ["Missing intermediate", "Nothing is at the address in the certificate", { ...attested, fault: { document: "missing-intermediate" } }],
  ["Cached nonce", "An earlier document comes back", { ...attested, fault: { document: "cached-nonce" } }],
  ["Gone for 70 seconds", "410, as while the service is updated", { for: 70, fault: { status: 410 } }],
  ["Two errors", "500 twice, then all is well", { times: 2, fault: { status: 500 } }],
  ["Too many requests", "429 with Retry-After", { times: null, fault: { status: 429, retryAfter: 1 } }],
  ["Slow", "Each answer leaves after three seconds", { times: null, fault: { delay: 3 } }],
  ["Captive portal", "A foreign page with status 200", { times: null, fault: { foreign: true } }],
];

/** JSON with the members of objects in order: rules are the same if this is. */
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
  for (const [index, [, , rule]] of SWITCHES.entries()) by(`fault-${index}`).checked = faults.some((one) => same(one.rule, rule));
  show(by("fault-list"), JSON.stringify(faults), () => (faults.length ? [table(faults)] : []));
}

function table(faults) {
  const rows = faults.map((one, index) => {
    const remove = make("button", { type: "button", className: "quiet small", id: `fault-remove-${index}`, "aria-label": `Take fault ${index + 1} away` }, "Take away");
    remove.addEventListener("click", () => change((rules) => rules.filter((rule, at) => at !== index || !same(rule, one.rule)), "The fault is gone."));
    const known = SWITCHES.find(([, , rule]) => same(rule, one.rule));
    return make("tr", {}, make("td", {}, known ? known[0] : make("code", {}, JSON.stringify(one.rule))), make("td", { className: "number" }, String(one.matched)), make("td", { className: "number" }, String(one.applied)),
      make("td", {}, make("span", { className: `pill ${one.over ? "" : "wait"}` }, one.over ? "over" : "on")), make("td", { className: "number" }, remove));
  });
  const head = [["Fault"], ["Matched", "number"], ["Applied", "number"], ["State"], ["Take away", "number"]].map(([text, className = ""]) => make("th", { scope: "col", className }, text));
  return make("table", { id: "fault-table" }, make("caption", { className: "dim" }, "Faults in their order"), make("thead", {}, make("tr", {}, head)), make("tbody", {}, rows));
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
      change((rules) => (on ? [rule, ...rules] : rules.filter((one) => !same(one, rule))), `${name}: ${on ? "on" : "off"}.`);
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
      tell("The script is loaded.");
      await refresh();
    });
  });
}
