// Prove to the verification service that this is an Azure machine, and print its claims. Needs Node 18.
// VERIFIER_URL is the address of the service, and VERIFIER_KEY is your key to the service. Set IMDS_URL only in tests.
const { VERIFIER_URL, VERIFIER_KEY, IMDS_URL = "http://169.254.169.254" } = process.env;
const headers = { "Content-Type": "application/json", Authorization: `Bearer ${VERIFIER_KEY}` };
const post = (path, body) => fetch(VERIFIER_URL + path, { method: "POST", headers, body: JSON.stringify(body) });

const { nonce } = await (await post("/v1/challenges", {})).json();
const imds = `${IMDS_URL}/metadata/attested/document?api-version=2021-02-01&nonce=${nonce}`;
const document = await (await fetch(imds, { headers: { Metadata: "true" } })).text();
const response = await post("/v1/attestations", { nonce, document });
if (response.status !== 200) throw new Error(`refused: ${response.status}`);
console.log((await response.json()).claims);
