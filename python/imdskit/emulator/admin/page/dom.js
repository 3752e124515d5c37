// Making elements. What comes from elsewhere becomes text, never markup.

/** An element with properties (or attributes, where a name has a hyphen or is `role` or `for`) and children. */
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role" || key === "for" || key === "scope") element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** The same in SVG; there all are attributes. */
export function draw(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export const by = (id) => document.getElementById(id);

/** Unix seconds as a person reads them, in UTC. */
export const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);
export const day = (seconds) => new Date(seconds * 1000).toISOString().replace("T", " ").slice(0, 19) + " UTC";

/** Seconds as "14 min 20 s". */
export function span(seconds) {
  const parts = [[Math.floor(seconds / 86400), "d"], [Math.floor(seconds / 3600) % 24, "h"], [Math.floor(seconds / 60) % 60, "min"], [seconds % 60, "s"]];
  const said = parts.filter(([number]) => number > 0).slice(0, 2).map(([number, unit]) => `${number} ${unit}`);
  return said.join(" ") || "0 s";
}

/** Do what a form or button asks for; what is wrong is written to `problem`. */
export async function attempt(problem, work) {
  problem.textContent = "";
  try {
    return await work();
  } catch (error) {
    problem.textContent = error.message;
    return undefined;
  }
}

export function tell(text) {
  by("told").textContent = text;
}

/** Put `children` in the place of what is there, if `key` is another one than last time: what has the focus is not replaced for nothing. */
export function show(place, key, children) {
  if (place.shown === key) return;
  place.shown = key;
  const active = place.contains(document.activeElement) ? document.activeElement.id : "";
  place.replaceChildren(...children());
  if (active) by(active)?.focus();
}
