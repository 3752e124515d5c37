// The page of the admin side: the token is asked for, then every part looks at the emulator again and again.

import { Refused, about, ask, keep } from "./ask.js";
import * as attested from "./attested.js";
import { attempt, by } from "./dom.js";
import * as events from "./events.js";
import * as faults from "./faults.js";
import * as journal from "./journal.js";
import * as machine from "./machine.js";

const EVERY = 1000;
let visit = 0; // grows with each token; what belongs to an earlier one ends

function connected(state, text) {
  by("connection").className = `pill ${state}`;
  if (by("connection").textContent !== text) by("connection").textContent = text;
}

const pause = () => new Promise((done) => setTimeout(done, EVERY));

/** Do it again and again. Without an answer it is tried on; with another token than this, it is over. */
async function again(mine, work) {
  while (mine === visit) {
    try {
      await work();
      if (mine === visit) connected("good", "connected");
    } catch (error) {
      if (mine !== visit) return;
      if (error instanceof Refused && error.status === 401) {
        leave("The token is not the right one any more.");
        return;
      }
      connected("bad", error.message);
    }
    await pause();
  }
}

async function enter() {
  keep(by("token").value.trim());
  about(null);
  const configuration = await ask("GET", "/v1/configuration");
  by("token").value = "";
  by("who").textContent = `${configuration.scenario} at ${configuration.url}, cloud ${configuration.cloud}`;
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

/** Nothing is shown any more of the machine that was looked at. */
function clear() {
  machine.clear();
  events.clear();
  for (const id of ["verdict", "inspection", "told"]) by(id).replaceChildren();
}

/** Forget the token and all that was shown with it. */
function leave(why) {
  keep("");
  about(null);
  visit += 1;
  clear();
  by("board").hidden = by("sections").hidden = by("leave").hidden = by("fleet").hidden = true;
  for (const id of ["who", "connection", "entries", "fault-list"]) by(id).replaceChildren();
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
