// Scheduled events, the emulator's clock, and a timeline of both.

import { ask, looking } from "./ask.js";
import { attempt, by, clock, day, draw, make, show, span, tell } from "./dom.js";

const USUAL = { Freeze: 900, Reboot: 900, Redeploy: 600, Preempt: 30, Terminate: 300, SpotRebalanceRecommendation: 30 };
const seen = new Map(); // id -> what this page has observed: type, due, and when the event first appeared, started and disappeared
const REMEMBERED = 30;
let now = 0;

export async function refresh() {
  const subject = looking();
  const answer = await ask("GET", "/v1/events"), time = await ask("GET", "/v1/clock");
  if (subject !== looking()) return;
  now = answer.now;
  by("now").textContent = day(now);
  by("now").dateTime = new Date(now * 1000).toISOString();
  by("clock-kind").textContent = time.rate > 1 ? `runs ${time.rate} times as fast as real time` : "";
  by("clock-still").hidden = time.rate !== 0;
  by("clock-form").hidden = !time.movable;
  by("incarnation").textContent = `incarnation ${answer.documentIncarnation}`;
  notice(answer);
  show(by("event-list"), JSON.stringify([answer.events, answer.due]), () => (answer.events.length ? answer.events.map((event) => row(event)) : [make("p", { className: "dim" }, "No events are scheduled.")]));
  for (const left of by("event-list").querySelectorAll("[data-due]")) left.textContent = remaining(left.dataset.status, Number(left.dataset.due));
  picture();
}

const remaining = (status, due) => (status === "Started" ? `ends in ${span(Math.max(due - now, 0))}` : `starts in ${span(Math.max(due - now, 0))} unless approved earlier`);

/** Record what has changed since the last refresh, and log it. */
function notice(answer) {
  const there = new Set();
  for (const event of answer.events) {
    const id = event.EventId, started = event.EventStatus === "Started";
    there.add(id);
    const known = seen.get(id);
    if (!known || known.gone !== null) {
      seen.set(id, { type: event.EventType, first: now, started: started ? now : null, gone: null, due: answer.due[id] });
      log(`${event.EventType} ${started ? "has already started" : "is scheduled for " + day(answer.due[id])}`);
    } else {
      if (started && known.started === null) {
        known.started = now;
        log(`${event.EventType} has started`);
      }
      known.due = answer.due[id];
    }
  }
  for (const [id, known] of seen) {
    if (!there.has(id) && known.gone === null) {
      known.gone = now;
      log(`${known.type} ${known.started === null ? "was removed before it started" : "has ended"}`);
    }
  }
  while (seen.size > REMEMBERED) {
    const [id, known] = seen.entries().next().value;
    if (known.gone === null) break;
    seen.delete(id);
  }
}

function log(text) {
  const list = by("event-log");
  list.append(make("li", {}, make("time", { className: "mono" }, clock(now)), text + "."));
  while (list.children.length > 200) list.firstChild.remove();
  list.parentElement.scrollTop = list.parentElement.scrollHeight;
}

function row(event) {
  const id = event.EventId, started = event.EventStatus === "Started", due = seen.get(id).due;
  const button = (label, method, path, said) => {
    const one = make("button", { type: "button", className: "quiet small", id: `${label}-${id}`, "aria-label": `${label} ${event.EventType} ${id}` }, label);
    one.addEventListener("click", () => act(method, path, said));
    return one;
  };
  const path = `/v1/events/${encodeURIComponent(id)}`;
  return make("div", { className: "event", "data-id": id },
    make("span", { className: `pill ${started ? "good" : "wait"}` }, event.EventStatus),
    make("span", {}, make("strong", {}, event.EventType), " ", make("span", { className: "dim", "data-due": due, "data-status": event.EventStatus }, remaining(event.EventStatus, due))),
    make("span", { className: "row" },
      started ? button("Complete", "POST", `${path}/complete`, "The event has ended.") : button("Approve", "POST", `${path}/approve`, "The event was approved and has started."),
      button("Cancel", "DELETE", path, "The event was cancelled.")),
    make("p", { className: "dim" }, [event.Description, `Resources: ${event.Resources.join(", ")}.`, `Source: ${event.EventSource}.`].filter(Boolean).join(" ")),
    make("p", { className: "dim mono" }, id));
}

function act(method, path, said, body) {
  return attempt(by("event-problem"), async () => {
    const answer = await ask(method, path, body);
    tell(said);
    await refresh();
    return answer;
  });
}

/** Draw two bars for each event, one for the time before its start and one for the time after it, and a line at the present time. The event history says the same in words. */
function picture() {
  const shown = [...seen.entries()].slice(-8);
  by("timeline").hidden = shown.length === 0;
  if (!shown.length) return;
  const begin = Math.min(now, ...shown.map(([, one]) => one.first)) - 30;
  const end = Math.max(now, ...shown.map(([, one]) => one.gone ?? one.due)) + 60;
  const WIDTH = by("timeline-picture").clientWidth, LEFT = 90, ROW = 26, height = shown.length * ROW + 28;
  const at = (second) => LEFT + ((second - begin) / (end - begin)) * (WIDTH - LEFT - 10);
  const bar = (from, to, y, kind) => draw("rect", { x: at(from), y, width: Math.max(at(to) - at(from), 3), height: 14, rx: 4, class: kind });
  const rows = shown.flatMap(([, one], index) => {
    const y = index * ROW + 6, last = one.gone ?? one.due;
    const name = draw("text", { x: 0, y: y + 12, class: "name" });
    name.append(one.type);
    const bars = [name, bar(one.first, one.started ?? last, y, one.gone !== null && one.started === null ? "gone" : "scheduled")];
    if (one.started !== null) bars.push(bar(one.started, last, y, one.gone === null ? "started" : "gone"));
    return bars;
  });
  const label = (second, anchor) => {
    const text = draw("text", { x: at(second), y: height - 4, "text-anchor": anchor });
    text.append(clock(second));
    return text;
  };
  const far = at(end) - at(now) > 130;
  const name = `Timeline of ${shown.length} ${shown.length === 1 ? "event" : "events"}; the event history lists them`;
  by("timeline-picture").replaceChildren(draw("svg", { width: WIDTH, height, role: "img", "aria-label": name },
    draw("line", { x1: LEFT, x2: WIDTH - 10, y1: height - 19, y2: height - 19, class: "axis" }), ...rows,
    draw("line", { x1: at(now), x2: at(now), y1: 0, y2: height - 16, class: "now" }), label(now, at(now) > WIDTH - 80 ? "end" : "middle"), ...(far ? [label(end, "end")] : [])));
}

export function clear() {
  seen.clear();
  for (const id of ["event-list", "event-log", "timeline-picture"]) by(id).replaceChildren();
  by("event-list").shown = undefined;
  by("timeline").hidden = true;
}

export function start() {
  by("event-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const kind = by("event-type").value, given = by("event-notice").value, description = by("event-description").value;
    const announced = { EventType: kind };
    if (given) announced.NotBefore = new Date((now + Number(given)) * 1000).toUTCString();
    if (description) announced.Description = description;
    await act("POST", "/v1/events", `${kind} is scheduled, ${span(Number(given) || USUAL[kind])} from now.`, [announced]);
  });
  by("clock-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const seconds = Number(by("clock-advance").value);
    await act("POST", "/v1/clock", `The clock was moved forward by ${span(seconds)}.`, { advance: seconds });
  });
}
