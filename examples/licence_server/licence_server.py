"""A licence server for Azure machines: challenge, attested document, token.

POST /challenge  {"vmId": "..."}                                     -> {"nonce": "..."}
POST /activate   {"vmId": "...", "nonce": "...", "document": "..."}  -> {"token": "...", "expiresIn": 3600}

Whoever is refused learns one word; why is in the log. Without arguments everything is shown on this machine, with an emulator instead of Azure.
"""

from __future__ import annotations

import argparse
import base64
import hmac
import json
import logging
import secrets
import sys
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.request import ProxyHandler, Request, build_opener

from imdskit.client import Client
from imdskit.clock import Clock, SystemClock
from imdskit.emulator import Emulator
from imdskit.errors import FreshnessError, ImdskitError, StoreError, VerificationError
from imdskit.verify import NonceIssuer, NonceStore, Policy, Trust, Verifier
from imdskit.verify.stores.sqlite import SqliteStore

MAX_BODY = 96 * 1024
MAX_DISCARDED = 1024 * 1024
TOKEN_LIFETIME = 3600
_log = logging.getLogger("licence_server")


class Refused(Exception):  # noqa: N818  # an answer, not a fault
    """What the client is told, and nothing more."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class Licences:
    """Who may run the application. Without ``keys`` all secrets are made when it starts: a restart ends challenges and tokens, but not the memory of what
    was used.

    Args:
        subscriptions: whose machines have a licence.
        store: what was used.
        trust: whom to believe; the Azure clouds by default.
        clock: where "now" comes from.
        keys: 32 octets for nonces and 32 for tokens, which the processes of one service share.
    """

    def __init__(
        self,
        subscriptions: frozenset[str],
        store: NonceStore,
        trust: Trust | None = None,
        clock: Clock | None = None,
        keys: tuple[bytes, bytes] | None = None,
    ) -> None:
        nonce_key, token_key = keys or (secrets.token_bytes(32), secrets.token_bytes(32))
        self._subscriptions = subscriptions
        self._store = store
        self._clock = clock or SystemClock()
        self._issuer = NonceIssuer([nonce_key], lifetime=300, clock=self._clock)
        self._verifier = Verifier(trust, Policy.online(), clock=self._clock)
        self._token_key = token_key

    def challenge(self, body: dict[str, str]) -> dict[str, object]:
        """A nonce that is good for this machine only, and for five minutes. Nothing is remembered."""
        return {"nonce": self._issuer.issue(_member(body, "vmId").encode())}

    def activate(self, body: dict[str, str]) -> dict[str, object]:
        """A token, if the document is genuine, new, an answer to our challenge, of the machine that was challenged, and if that has a licence."""
        vm_id, nonce, document = (_member(body, name) for name in ("vmId", "nonce", "document"))
        try:
            self._issuer.check(nonce, vm_id.encode())
            attestation = self._verifier.verify_once(document, nonce, self._store)
        except FreshnessError as error:
            _log.warning("%r refused: %s", vm_id, error)
            raise Refused(403, "refused") from None
        except VerificationError as error:
            _log.warning("%r refused: %s: %r", vm_id, error, error.detail)
            raise Refused(403, "refused") from None
        except StoreError as error:
            _log.error("%r not decided: %s", vm_id, error)
            raise Refused(503, "unavailable") from None
        claims = attestation.claims
        if claims.vm_id != vm_id:
            _log.warning("%r refused: the document is that of machine %r", vm_id, claims.vm_id)
            raise Refused(403, "refused")
        if claims.subscription_id not in self._subscriptions:
            _log.warning("%r refused: subscription %r has no licence", vm_id, claims.subscription_id)
            raise Refused(403, "no-licence")
        _log.info("%r of subscription %r admitted, signed by %s", vm_id, claims.subscription_id, attestation.name)
        return {"token": self.token(vm_id), "expiresIn": TOKEN_LIFETIME}

    def token(self, vm_id: str) -> str:
        """Machine and end of validity, with a tag (HMAC-SHA256) that only this server can make."""
        text = json.dumps({"vmId": vm_id, "expires": self._clock.now() + TOKEN_LIFETIME}).encode()
        tag = hmac.digest(self._token_key, text, "sha256")
        return f"{base64.urlsafe_b64encode(text).decode()}.{base64.urlsafe_b64encode(tag).decode()}"

    def holder(self, token: str) -> str | None:
        """The machine that a token was made for; None if it was not made here, or has ended. For the part that serves the application."""
        try:
            text, tag = (base64.urlsafe_b64decode(part) for part in token.split("."))
        except ValueError:
            return None
        if not hmac.compare_digest(tag, hmac.digest(self._token_key, text, "sha256")):
            return None
        members = json.loads(text)
        return str(members["vmId"]) if self._clock.now() <= members["expires"] else None


def _member(body: dict[str, str], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.isascii():
        _log.warning("member %r is absent, or no text", name)
        raise Refused(400, "bad-request")
    return value


class Handler(BaseHTTPRequestHandler):
    """HTTP around :class:`Licences`. In production a proxy with TLS and a rate limit stands before it."""

    timeout = 10
    licences: Licences

    def do_POST(self) -> None:
        """The only method."""
        try:
            actions = {"/challenge": self.licences.challenge, "/activate": self.licences.activate}
            if self.path not in actions:
                raise Refused(404, "not-found")
            self._answer(200, actions[self.path](self._body()))
        except Refused as refusal:
            self._answer(refusal.status, {"error": refusal.code})

    def _body(self) -> dict[str, str]:
        text = self.headers.get("Content-Length", "")
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise Refused(400, "bad-request")
        length = int(text)
        if length > MAX_BODY:
            self.rfile.read(min(length, MAX_DISCARDED))  # so that the client hears the answer
            _log.warning("a body of %d octets", length)
            raise Refused(413, "too-large")
        try:
            body = json.loads(self.rfile.read(length))
        except (ValueError, RecursionError) as error:
            _log.warning("not JSON: %r", error)
            raise Refused(400, "bad-request") from None
        if not isinstance(body, dict):
            raise Refused(400, "bad-request")
        return body

    def _answer(self, status: int, members: dict[str, object]) -> None:
        body = json.dumps(members).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name
        """Into the log, quoted."""
        _log.debug("%s %r", self.address_string(), format % args)


def server(licences: Licences, port: int = 0) -> ThreadingHTTPServer:
    """Listens on loopback; ``serve_forever`` answers."""
    return ThreadingHTTPServer(("127.0.0.1", port), type("Bound", (Handler,), {"licences": licences}))


def post(url: str, members: object) -> dict[str, str]:
    """What the application does."""
    request = Request(url, json.dumps(members).encode(), {"Content-Type": "application/json"})  # noqa: S310  # our own address
    with build_opener(ProxyHandler({})).open(request, timeout=10) as answer:
        found: dict[str, str] = json.load(answer)
        return found


def demo() -> None:
    """Emulator, server and application in one process."""
    with Emulator() as imds, tempfile.TemporaryDirectory() as folder:
        client = Client(imds.url)
        vm_id, subscription_id = (client.get(f"compute/{name}", "text") for name in ("vmId", "subscriptionId"))
        trust = Trust.from_pem([imds.trust_pem.encode()], origin="the emulator")
        store = SqliteStore(Path(folder) / "used.db")
        licences = Licences(frozenset({subscription_id}), store, trust)
        http = server(licences)
        Thread(target=http.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{http.server_port}"
        nonce = post(f"{url}/challenge", {"vmId": vm_id})["nonce"]
        print("challenge:", nonce)
        document = client.attested_document(nonce).decode()
        body = {"vmId": vm_id, "nonce": nonce, "document": document}
        token = post(f"{url}/activate", body)["token"]
        print("token for:", licences.holder(token))
        try:
            post(f"{url}/activate", body)
        except OSError as refusal:
            print("the same document once more:", refusal)
        http.shutdown()
        http.server_close()
        store.close()


def main() -> int:
    """Serve, or show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--store", metavar="FILE", help="where used documents are remembered; without it the demonstration runs")
    parser.add_argument("--subscription", action="append", default=[], help="that has a licence; may be repeated")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="log: %(message)s")
    if options.store is None:
        demo()
        return 0
    try:
        server(Licences(frozenset(options.subscription), SqliteStore(options.store)), options.port).serve_forever()
    except (ImdskitError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
