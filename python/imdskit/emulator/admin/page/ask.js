// Asking the admin side. The token is kept here, in memory, and leaves in a header alone.

let token = "";
let subject = { machine: null }; // the machine that is looked at: its number in a fleet
const OF_ONE = ["/v1/state", "/v1/events", "/v1/attested"];

/** Why there is no answer: as the admin side says it, or that there is none. */
export class Refused extends Error {
  constructor(status, said) {
    const more = status === 401 ? [] : [said.location && `At ${said.location}.`, said.hint]; // the hint tells programs of the header
    super([said.message, ...more].filter(Boolean).join(" "));
    this.status = status;
  }
}

export function keep(given) {
  token = given;
}

/** From now on ask of this machine of a fleet; null where there is one alone. */
export function about(number) {
  subject = { machine: number };
}

/** What is looked at; another one after each `about`. An answer that comes when it has changed is of no interest any more. */
export const looking = () => subject;

export async function ask(method, path, body) {
  const { machine } = subject;
  if (machine !== null && OF_ONE.some((one) => path.startsWith(one))) path += `?machine=${machine}`;
  const headers = { Authorization: `Bearer ${token}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let reply;
  try {
    reply = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store", credentials: "omit", redirect: "error", referrerPolicy: "no-referrer" });
  } catch {
    throw new Refused(0, { message: "The emulator does not answer." });
  }
  const text = await reply.text();
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refused(reply.status, { message: "The answer is no JSON." });
  }
  if (!reply.ok) throw new Refused(reply.status, value);
  return value;
}
