"""Client of an emulator at 169.254.169.254. The tests run this program in another network namespace. It prints its results as JSON.

    python client.py TOKEN-FILE [unchanged]

TOKEN-FILE contains the token of the admin API. With ``unchanged``, the program loads no fault and announces no event.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import ssl
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from imdskit.client import Client
from imdskit.verify import Policy, Trust, Verifier

BASE = "http://169.254.169.254"
ADMIN = f"{BASE}:9254"
NONCE = "4071882193"
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
"""DER prefix of a SHA-256 digest in a signature (RFC 8017 section 9.2)."""


def fetch(url: str, method: str = "GET", body: Any = None, **headers: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=30)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    given = {"Metadata": "true", **headers}
    connection.request(method, target, None if body is None else json.dumps(body), given)
    response = connection.getresponse()
    return response.status, response.read()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def token_is_signed() -> bool:
    """Fetch the key of a token, starting from its claim ``iss``, and check the signature of the token (RFC 7515 section 5.2)."""
    reply = fetch(f"{BASE}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com/")[1]
    signed, _, signature = json.loads(reply)["access_token"].rpartition(".")
    head, claims = (json.loads(decoded(part)) for part in signed.split("."))
    configuration = json.loads(fetch(claims["iss"] + ".well-known/openid-configuration")[1])
    keys = json.loads(fetch(configuration["jwks_uri"])[1])["keys"]
    key = next(key for key in keys if key["kid"] == head["kid"])
    modulus, exponent = (int.from_bytes(decoded(key[name]), "big") for name in ("n", "e"))
    size = (modulus.bit_length() + 7) // 8
    message = pow(int.from_bytes(decoded(signature), "big"), exponent, modulus).to_bytes(size, "big")
    digest = DIGEST_INFO + hashlib.sha256(signed.encode()).digest()
    right = b"\x00\x01" + b"\xff" * (size - len(digest) - 3) + b"\x00" + digest
    return message == right and configuration["issuer"] == claims["iss"] and claims["iss"].startswith(BASE + "/")


def document_is_valid() -> dict[str, Any]:
    """Verify a document with two certificates that the emulator serves: the root, and the issuer of
    the signer. The address of the issuer is in the AIA extension of the signer's certificate."""
    document = Client(BASE).attested_document(NONCE)
    signature = base64.b64decode(json.loads(document)["signature"])
    issuers = {address.decode() for address in re.findall(rb"http://[ -~]+?\.crt", signature)}
    root = fetch(f"{BASE}/pki/root.pem")[1]
    found = [ssl.DER_cert_to_PEM_cert(fetch(address)[1]).encode() for address in sorted(issuers)]
    verifier = Verifier(Trust.from_pem([root], found, origin="the emulator"), Policy.offline_audit())
    return {"issuers": sorted(issuers), "vmId": verifier.verify(document, nonce=NONCE).claims.vm_id}


def changes(token: str) -> dict[str, Any]:
    """Load a fault and announce an event through the admin API. Return the statuses, and the effects that a client observes."""
    mine = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    fault = [{"match": {"path": "/metadata/versions"}, "times": 1, "fault": {"status": 410}}]
    seen: dict[str, Any] = {"unauthorized": fetch(f"{ADMIN}/v1/faults", "PUT", fault, **{"Content-Type": "application/json"})[0]}
    seen["foreign host"] = fetch(f"{ADMIN}/v1/state", Host="evil.test", **mine)[0]
    seen["foreign page"] = fetch(f"{ADMIN}/v1/state", Origin="http://evil.test", **mine)[0]
    seen["loaded"] = fetch(f"{ADMIN}/v1/faults", "PUT", fault, **mine)[0]
    seen["versions"] = [fetch(f"{BASE}/metadata/versions")[0] for _ in range(2)]
    events = [{"EventId": "across", "EventType": "Reboot"}]
    seen["announced"] = fetch(f"{ADMIN}/v1/events", "POST", events, **mine)[0]
    shown = json.loads(fetch(f"{BASE}/metadata/scheduledevents?api-version=2020-07-01")[1])
    seen["events"] = [event["EventId"] for event in shown["Events"]]
    return seen


def main(token_file: str, *rest: str) -> None:
    seen: dict[str, Any] = {
        "health": [fetch(f"{url}/healthz")[0] for url in (BASE, ADMIN)],
        "vmId": Client(BASE).get("compute/vmId", "text"),
        "document": document_is_valid(),
        "token": token_is_signed(),
    }
    if "unchanged" not in rest:
        seen |= changes(Path(token_file).read_text("ascii").strip())
    print(json.dumps(seen))


main(*sys.argv[1:])
