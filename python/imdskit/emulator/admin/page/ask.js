// Requests to the admin API. This module keeps the token in memory, and sends it only in a header.

let token = "";
let subject = { machine: null }; // the number of the machine that the page shows, or null without a fleet
const OF_ONE = ["/v1/state", "/v1/events", "/v1/attested"];

/** Error that contains the message of the admin API, or says why there is no usable response. */
export class Refused extends Error {
  constructor(status, said) {
    const more = status === 401 ? [] : [said.location && `Location: ${said.location}.`, said.hint]; // the hint for status 401 is for programs
    super([said.message, ...more].filter(Boolean).join(" "));
    this.status = status;
  }
}

export function keep(given) {
  token = given;
}

/** Choose the machine of a fleet that later requests refer to. Without a fleet, the number is null. */
export function about(number) {
  subject = { machine: number };
}

/** Return the current subject, which each call of `about` replaces by a new object. If the subject has changed during a request, the caller discards the response, because it is about an earlier machine. */
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
    throw new Refused(0, { message: "The emulator does not respond." });
  }
  const text = await reply.text();
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refused(reply.status, { message: "The response is not JSON." });
  }
  if (!reply.ok) throw new Refused(reply.status, value);
  return value;
}
