// The page of the admin side: the token is asked for, then every part looks at the emulator again and again.

import { Refused, ask, keep } from "./ask.js";
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
  const configuration = await ask("GET", "/v1/configuration");
  by("token").value = "";
  by("who").textContent = `${configuration.scenario} at ${configuration.url}, cloud ${configuration.cloud}`;
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

/** Forget the token and all that was shown with it. */
function leave(why) {
  keep("");
  visit += 1;
  by("board").hidden = by("sections").hidden = by("leave").hidden = true;
  for (const id of ["who", "connection", "verdict", "anatomy", "entries", "event-log", "event-list", "tree", "told"]) by(id).replaceChildren();
  for (const id of ["event-list", "tree"]) by(id).shown = undefined;
  by("enter").hidden = false;
  by("enter-problem").textContent = why;
  by("token").focus();
}

for (const part of [machine, events, faults, attested, journal]) part.start();
by("enter").addEventListener("submit", async (event) => {
  event.preventDefault();
  await attempt(by("enter-problem"), enter);
});
by("leave").addEventListener("click", () => leave(""));
by("token").focus();
