// Inspection of an attested document: the verdict, all checks, the content, the certificates and the chain.

import { ask, looking } from "./ask.js";
import { attempt, by, day, make, prose } from "./dom.js";

const raw = (name, text) => make("pre", { tabIndex: 0, role: "group", "aria-label": name }, text);
const MARK = { pass: ["good", "pass"], fail: ["bad", "fail"], skip: ["", "skipped"] };

function shown({ request, document: text, canExplain, inspection }) {
  by("verdict").replaceChildren(verdict(request, canExplain, inspection));
  const pieces = inspection ? [steps(inspection.report), make("div", { className: "pieces" }, make("div", {}, content(inspection), signature(inspection)), make("div", {}, chain(inspection), certificates(inspection)))] : [];
  by("inspection").replaceChildren(...pieces, make("details", { className: "sub" }, make("summary", {}, request ? "Response as received" : "Document as given"), raw("The document", text)));
}

function verdict(request, canExplain, inspection) {
  const banner = (kind, title, ...more) => make("div", { className: `verdict ${kind}` }, make("strong", {}, title), more.filter(Boolean).map((one) => make("p", {}, prose(one))));
  const fault = request?.fault && `A fault of type \`${request.fault}\` was applied.`, rule = request?.rule && `The rule \`${request.rule}\` refused the request.`;
  if (request && request.status !== 200) return banner("bad", `No document: the service responded with ${request.status}`, rule, fault);
  if (!canExplain) return banner("bad", "This emulator has no verifier", "The program that started it must assign one to `Emulator.explain` before documents can be inspected here.");
  const { report } = inspection, failed = report.checks.find((one) => one.outcome === "fail");
  if (report.ok) return banner("good", "Accepted", `No check failed as of ${day(report.at)}.`, fault);
  return banner("bad", `Refused: ${failed.reason}`, `${failed.message} ${failed.hint}`, fault);
}

function steps(report) {
  const rows = report.checks.map((one) => {
    const [kind, word] = MARK[one.outcome];
    const why = one.reason ? [make("strong", {}, one.reason), ...prose(`, at ${one.location}: ${one.message}`), make("span", { className: "hint" }, prose(one.detail || one.hint))] : prose(one.evidence);
    return make("tr", { "data-check": one.check, "data-outcome": one.outcome }, make("td", {}, make("span", { className: `pill ${kind}` }, word)), make("th", { scope: "row", className: "nowrap" }, one.check), make("td", {}, why), make("td", { className: "dim" }, prose(one.source)));
  });
  const head = ["Outcome", "Check", "Finding", "Source of the rule"].map((text) => make("th", { scope: "col" }, text));
  return make("div", {}, make("h3", { id: "steps-title" }, "Checks, in order"), make("div", { className: "scroll-x", tabIndex: 0, role: "group", "aria-labelledby": "steps-title" }, make("table", { className: "steps stacks", id: "steps" }, make("thead", {}, make("tr", {}, head)), make("tbody", {}, rows))));
}

function pairs(entries) {
  return make("dl", { className: "pairs" }, entries.map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]).flat());
}

function flat(members, prefix = "") {
  return Object.entries(members).flatMap(([name, value]) => (typeof value === "object" && value !== null ? flat(value, `${prefix}${name}.`) : [[prefix + name, value === "" ? make("span", { className: "dim" }, "empty") : String(value)]]));
}

function content({ content: found }) {
  if (!found) return make("div", {}, make("h3", {}, "Content"), make("p", { className: "dim" }, "The document has no readable content."));
  return make("div", {}, make("h3", {}, `Content, ${found.bytes} bytes`), found.members ? pairs(flat(found.members)) : raw("Content", found.text),
    make("details", { className: "sub" }, make("summary", {}, "Signed bytes"), raw("Content", found.text), make("p", { className: "dim mono" }, `SHA-256 ${found.sha256}`)));
}

function signature({ signature: found }) {
  if (!found) return "";
  return make("div", {}, make("h3", {}, "Signature"), pairs([["digest algorithm", found.digestAlgorithm], ["signature algorithm", found.signatureAlgorithm], ["bytes", make("span", { className: "mono" }, `${found.value.slice(0, 32)}…${found.value.slice(-16)}`)]]));
}

function facts(one) {
  return pairs([["issuer", one.issuer], ["serial", make("span", { className: "mono" }, one.serial)], ["valid", `${day(one.notBefore)} to ${day(one.notAfter)}`], ["key", one.key],
    ...(one.names.length ? [["names", one.names.join(", ")]] : []), ...(one.keyUsage.length ? [["key usage", one.keyUsage.join(", ")]] : []), ...(one.caIssuers.length ? [["CA Issuers", one.caIssuers.join(", ")]] : []),
    ["SHA-256", make("span", { className: "mono" }, one.fingerprint)]]);
}

function chain({ chain: found }) {
  const title = make("h3", {}, "Chain");
  if (!found) return make("div", {}, title, make("p", { className: "dim" }, "No path leads from the signer to a trust anchor."));
  const roles = found.map((one, index) => (one.trusted ? "trust anchor" : index === 0 ? "signer" : "issuing authority"));
  return make("div", {}, title, make("ol", { className: "chain", id: "chain" }, found.map((one, index) => make("li", {}, make("strong", {}, one.subject), " ", make("span", { className: `pill ${one.trusted ? "good" : ""}` }, roles[index]),
    make("details", {}, make("summary", { "aria-label": `Details of ${one.subject}` }, "Details"), facts(one))))));
}

function certificates({ certificates: found }) {
  if (!found.length) return "";
  return make("div", {}, make("h3", {}, found.length === 1 ? "Certificate in the document" : `${found.length} certificates in the document`), found.map((one) => make("div", {}, make("p", {}, make("strong", {}, one.subject)), facts(one))));
}

export function start() {
  const take = (body) => attempt(by("document-problem"), async () => {
    const subject = looking();
    const answer = await ask("POST", "/v1/attested", body);
    if (subject === looking()) shown(answer);
  });
  by("document-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const nonce = by("nonce").value;
    await take(nonce ? { nonce } : {});
  });
  by("given-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    await take({ document: by("given").value });
  });
}
