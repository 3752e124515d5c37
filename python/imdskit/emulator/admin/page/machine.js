// The machine's scenario as a tree of fields. The page collects edits, and sends them as one JSON merge patch (RFC 7386).

import { ask, looking } from "./ask.js";
import { attempt, by, make, show, tell } from "./dom.js";

let document_ = {};
const opened = new Map(); // JSON pointer -> whether that branch is open; contains the branches that the user has opened or closed
const edits = new Map(); // JSON pointer -> value; undefined removes the member

const pointer = (path) => path.map((key) => "/" + String(key).replaceAll("~", "~0").replaceAll("/", "~1")).join("");
const parts = (text) => text.split("/").slice(1).map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
const isBranch = (value) => typeof value === "object" && value !== null;

export async function refresh() {
  const subject = looking();
  const state = await ask("GET", "/v1/state");
  if (edits.size || subject !== looking()) return; // a new tree would lose edits that are not applied yet
  document_ = state;
  show(by("tree"), JSON.stringify(state), () => [branch("document", state, [], true)]);
}

function branch(name, value, path, open) {
  const entries = Object.entries(value);
  const size = Array.isArray(value) ? `${entries.length} ${entries.length === 1 ? "item" : "items"}` : entries.length ? "" : "empty";
  const children = entries.map(([key, child]) => (isBranch(child) ? branch(key, child, [...path, key], path.length < 1) : leaf(key, child, [...path, key])));
  const place = pointer(path);
  const node = make("details", { open: opened.get(place) ?? open }, make("summary", { id: "below" + place }, name, size && make("small", {}, size)), children);
  node.addEventListener("toggle", () => opened.set(place, node.open));
  return node;
}

function leaf(name, value, path) {
  const place = pointer(path), id = "at" + place;
  const input = make("input", { id, "data-place": place, type: typeof value === "boolean" ? "checkbox" : typeof value === "number" ? "number" : "text", spellcheck: false });
  if (typeof value === "boolean") input.checked = value;
  else input.value = value === null ? "" : String(value);
  if (typeof value === "number") input.step = "any";
  if (value === null) input.placeholder = "null";
  const row = make("div", { className: "leaf" }, make("label", { for: id, title: place }, name), input);
  if (!insideList(path)) {
    const remove = make("button", { type: "button", className: "remove", "aria-label": `Remove ${place}`, title: "Remove" }, "×");
    remove.addEventListener("click", () => send({ [place]: undefined }, `${place} was removed.`));
    row.append(remove);
  }
  input.addEventListener("input", () => {
    const now = typeof value === "boolean" ? input.checked : typeof value === "number" ? Number(input.value) : input.value;
    if (now === (value ?? "")) edits.delete(place);
    else edits.set(place, now);
    row.classList.toggle("edited", edits.has(place));
    told();
  });
  return row;
}

function insideList(path) {
  let value = document_;
  return path.some((key) => {
    const list = Array.isArray(value);
    value = value?.[key];
    return list;
  });
}

function told() {
  by("machine-apply").disabled = by("machine-undo").disabled = edits.size === 0;
  by("machine-edits").textContent = edits.size ? `${edits.size} ${edits.size === 1 ? "edit" : "edits"} not applied yet` : "";
}

/** Return the merge patch for these changes. It contains whole arrays, because a merge patch cannot change a single item. */
function patchOf(changes) {
  const after = structuredClone(document_), patch = {};
  for (const [place, value] of Object.entries(changes)) {
    const path = parts(place);
    let target = after;
    for (const key of path.slice(0, -1)) {
      if (!isBranch(target[key])) Object.defineProperty(target, key, { value: {}, writable: true, enumerable: true, configurable: true });
      target = target[key];
    }
    if (value !== undefined) Object.defineProperty(target, path.at(-1), { value, writable: true, enumerable: true, configurable: true });
    let from = after, to = patch;
    for (const [index, key] of path.entries()) {
      const last = index === path.length - 1, whole = last || Array.isArray(from[key]);
      const next = last && value === undefined ? null : from[key];
      if (whole || !isBranch(to[key])) Object.defineProperty(to, key, { value: whole ? next : {}, writable: true, enumerable: true, configurable: true });
      if (whole) break;
      from = from[key];
      to = to[key];
    }
  }
  return patch;
}

function send(changes, said) {
  return attempt(by("machine-problem"), async () => {
    await ask("PATCH", "/v1/state", patchOf(changes));
    edits.clear();
    told();
    for (const place of Object.keys(changes)) for (const [index] of parts(place).entries()) opened.set(pointer(parts(place).slice(0, index)), true);
    await refresh();
    tell(said);
  });
}

export function clear() {
  edits.clear();
  opened.clear();
  told();
  by("tree").replaceChildren();
  by("tree").shown = undefined;
}

export function start() {
  by("machine-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (edits.size) send(Object.fromEntries(edits), "The changes were applied.");
  });
  by("machine-undo").addEventListener("click", () => {
    edits.clear();
    by("tree").shown = undefined;
    told();
    attempt(by("machine-problem"), refresh);
    by("machine-title").scrollIntoView({ block: "nearest" });
  });
  by("member-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const place = by("member-path").value.trim(), text = by("member-value").value;
    if (!place.startsWith("/") || place.length < 2) {
      by("machine-problem").textContent = "A JSON pointer begins with a slash, for example /compute/location.";
      return;
    }
    let value = text;
    try {
      value = JSON.parse(text);
    } catch {
      // The value is plain text.
    }
    await send({ [place]: value === null ? undefined : value }, `${place} was set.`);
  });
}
