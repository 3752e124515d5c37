// The page of the admin API. It asks for the token. From then on, its parts refresh themselves once a second, and the journal waits for new entries.

import { Refused, about, ask, keep } from "./ask.js";
import * as attested from "./attested.js";
import { attempt, by } from "./dom.js";
import * as events from "./events.js";
import * as faults from "./faults.js";
import * as journal from "./journal.js";
import * as machine from "./machine.js";

const EVERY = 1000;
let visit = 0; // number of the current visit, which lasts while the page uses one token; a loop ends when its visit is over

/** Show whether the emulator responds; `problem` is empty if it does. Text that has not changed is not written again, because screen readers would repeat it. */
function connection(problem) {
  const put = (id, text) => by(id).textContent === text || by(id).replaceChildren(text);
  by("connection").className = `pill ${problem ? "bad" : "good"}`;
  put("connection", problem ? "disconnected" : "connected");
  put("connection-problem", problem);
}

const pause = () => new Promise((done) => setTimeout(done, EVERY));

/** Repeat `work` every second, also after errors, until the token is refused or another visit begins. */
async function again(mine, work) {
  while (mine === visit) {
    try {
      await work();
      if (mine === visit) connection("");
    } catch (error) {
      if (mine !== visit) return;
      if (error instanceof Refused && error.status === 401) {
        leave("The emulator no longer accepts this token.");
        return;
      }
      connection(error.message);
    }
    await pause();
  }
}

async function enter() {
  keep(by("token").value.trim());
  about(null);
  const configuration = await ask("GET", "/v1/configuration");
  by("token").value = "";
  by("who").textContent = `Scenario ${configuration.scenario} at ${configuration.url}, cloud ${configuration.cloud}`;
  if (configuration.fleet) {
    about(0);
    by("which").max = configuration.fleet.machines - 1;
    by("which").value = 0;
    by("fleet-size").textContent = `of ${configuration.fleet.machines}`;
  }
  by("fleet").hidden = !configuration.fleet;
  by("enter").hidden = true;
  by("board").hidden = by("sections").hidden = by("leave").hidden = false;
  by("main").focus();
  visit += 1;
  const mine = visit;
  again(mine, async () => {
    await events.refresh();
    await faults.refresh();
    await machine.refresh();
  });
  again(mine, () => journal.follow(() => mine === visit));
}

/** Remove everything that belongs to one machine. */
function clear() {
  machine.clear();
  events.clear();
  for (const id of ["verdict", "inspection", "told"]) by(id).replaceChildren();
}

/** Discard the token and everything that was shown with it. */
function leave(why) {
  keep("");
  about(null);
  visit += 1;
  clear();
  by("board").hidden = by("sections").hidden = by("leave").hidden = by("fleet").hidden = true;
  for (const id of ["who", "connection", "connection-problem", "entries", "fault-list"]) by(id).replaceChildren();
  by("fault-list").shown = undefined;
  by("enter").hidden = false;
  by("enter-problem").textContent = why;
  by("token").focus();
}

for (const part of [machine, events, faults, attested, journal]) part.start();
by("enter").addEventListener("submit", async (event) => {
  event.preventDefault();
  await attempt(by("enter-problem"), enter);
});
by("fleet").addEventListener("submit", (event) => event.preventDefault());
by("which").addEventListener("change", () => {
  if (!by("which").checkValidity()) return;
  clear();
  about(Number(by("which").value));
});
by("leave").addEventListener("click", () => leave(""));
by("token").focus();
