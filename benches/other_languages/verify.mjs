// Verifies attested documents with node:crypto. benches/foreign.py starts this program, and
// describes the commands and responses.
//
// With "cached", the program parses the message without the checks of a safe parser, compares the
// leaf with one whose chain was checked, and verifies one RSA signature. With "uncached", it parses
// the leaf each time and checks its signature, the signature of its issuer, its name and its times.
// Node.js cannot validate paths, so the program does not check basic constraints, key usage and the
// other rules of RFC 5280. It checks neither the rest of the message nor the claims.

import { createInterface } from "node:readline";
import { verify as verifySignature, X509Certificate } from "node:crypto";

function header(der, at) {
  let length = der[at + 1];
  let start = at + 2;
  if (length >= 0x80) {
    const size = length - 0x80;
    length = 0;
    for (let n = 0; n < size; n++) length = length * 256 + der[start++];
  }
  return [start, start + length];
}

/** Returns the position of the n-th element inside the element at a position. */
function child(der, at, n) {
  let [place] = header(der, at);
  for (; n > 0; n--) [, place] = header(der, place);
  return place;
}

function element(der, at) {
  return der.subarray(at, header(der, at)[1]);
}

function contents(der, at) {
  return der.subarray(...header(der, at));
}

const kept = [];
let root, intermediate, at, name;
let knownLeaf = null;
let knownKey = null;

function valid(certificate) {
  return Date.parse(certificate.validFrom) <= at && at <= Date.parse(certificate.validTo);
}

function leafKey(leaf) {
  const certificate = new X509Certificate(leaf);
  const issued = certificate.checkIssued(intermediate) && certificate.verify(intermediate.publicKey);
  const chained = issued && intermediate.checkIssued(root) && intermediate.verify(root.publicKey);
  if (!chained || ![certificate, intermediate, root].every(valid) || !certificate.checkHost(name)) throw new Error("no good chain");
  return certificate.publicKey;
}

function verify(document, cached) {
  const der = Buffer.from(document, "base64");
  const signed = child(der, child(der, 0, 1), 0);
  const content = contents(der, child(der, child(der, child(der, signed, 2), 1), 0));
  const leaf = element(der, child(der, child(der, signed, 3), 0));
  const signature = contents(der, child(der, child(der, child(der, signed, 4), 0), 4));
  let key = knownKey;
  if (!cached || knownLeaf === null || !leaf.equals(knownLeaf)) {
    key = leafKey(leaf);
    [knownLeaf, knownKey] = [leaf, key];
  }
  if (!verifySignature("sha256", content, key, signature)) throw new Error("bad signature");
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const next = async () => (await lines.next()).value;
root = new X509Certificate(Buffer.from(await next(), "base64"));
intermediate = new X509Certificate(Buffer.from(await next(), "base64"));
at = Number(await next()) * 1000;
name = await next();
for (let line = await next(); line !== undefined; line = await next()) {
  const [command, mode, argument] = line.split(" ");
  if (command === "keep") {
    kept.push(mode);
    continue;
  }
  try {
    if (command === "check") verify(argument, mode === "cached");
    else for (let number = 0; number < Number(argument); number++) verify(kept[number % kept.length], mode === "cached");
    console.log("accepted");
  } catch (error) {
    console.log(`refused: ${error.message}`);
  }
}
