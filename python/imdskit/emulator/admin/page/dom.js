// Creation of elements. Text from requests, documents and machines becomes text nodes, never markup.

/** Return an element with properties and children. A property whose name has a hyphen or is `role`, `for` or `scope` is set as an attribute. */
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role" || key === "for" || key === "scope") element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** Return an SVG element with attributes and children. */
export function draw(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export const by = (id) => document.getElementById(id);

/** Return the nodes of a message, with `code` elements for the text between backticks. */
export const prose = (text) => (text ?? "").split("`").map((piece, index) => (index % 2 ? make("code", {}, piece) : piece));

/** Format Unix seconds in UTC: `clock` returns the time alone, `day` the date and the time. */
export const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);
export const day = (seconds) => new Date(seconds * 1000).toISOString().replace("T", " ").slice(0, 19) + " UTC";

/** Format seconds as "14 min 20 s". */
export function span(seconds) {
  const parts = [[Math.floor(seconds / 86400), "d"], [Math.floor(seconds / 3600) % 24, "h"], [Math.floor(seconds / 60) % 60, "min"], [seconds % 60, "s"]];
  const said = parts.filter(([number]) => number > 0).slice(0, 2).map(([number, unit]) => `${number} ${unit}`);
  return said.join(" ") || "0 s";
}

/** Run the action of a form or button, and show its error in `problem`. */
export async function attempt(problem, work) {
  problem.textContent = "";
  try {
    return await work();
  } catch (error) {
    problem.replaceChildren(...prose(error.message));
    return undefined;
  }
}

export function tell(text) {
  by("told").textContent = text;
}

/** Replace the content of `place` if `key` differs from the last call. An element that has the focus gets it back. */
export function show(place, key, children) {
  if (place.shown === key) return;
  place.shown = key;
  const active = place.contains(document.activeElement) ? document.activeElement.id : "";
  place.replaceChildren(...children());
  if (active) by(active)?.focus();
}
