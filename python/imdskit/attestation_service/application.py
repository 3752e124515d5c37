"""Attestation service as a WSGI application (PEP 3333)."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from imdskit.attestation_service import decisions, stores, verifiers
from imdskit.attestation_service.audit_log import AuditLog
from imdskit.attestation_service.configuration import keys
from imdskit.attestation_service.configuration.keys import Key
from imdskit.attestation_service.configuration.settings import Settings
from imdskit.attestation_service.configuration.watched_files import Watched
from imdskit.attestation_service.decisions import Decision
from imdskit.attestation_service.http import bodies, openapi, routes
from imdskit.attestation_service.http.limits import Limits
from imdskit.attestation_service.http.messages import Problem, Request, Response, StartResponse, json_response
from imdskit.attestation_service.http.routes import Route
from imdskit.attestation_service.metrics import CONTENT_TYPE, Metrics
from imdskit.clock import SECOND, Clock, SystemClock
from imdskit.errors import StoreError
from imdskit.reasons import Reason
from imdskit.verify import NonceIssuer, NonceStore

T = TypeVar("T")
SKEW = 30
"""Maximum number of seconds by which the clocks of the machines that run the service may differ."""

_log = logging.getLogger("imdskit.attestation_service")


class Application:
    """Attestation service as a WSGI application. Create one object in each process, and keep it.
    The object is safe to share between threads.

    Args:
        settings: configuration of the service.
        clock: source of the current time; the system clock by default.
        store: store of used documents, which replaces the store in the settings. All processes of
            the service must use the same store. By default, the store in the settings is used.

    Raises:
        ImdskitError: A file of the configuration is invalid, or the store cannot be opened.
    """

    def __init__(self, settings: Settings, *, clock: Clock | None = None, store: NonceStore | None = None) -> None:
        self.settings = settings
        self._clock = clock or SystemClock()
        self._pid = os.getpid()
        self._keys = self._watched("keys", settings.keys_file, lambda: keys.read(settings.keys_file))
        self._issuer = self._nonce_issuer()
        self._verifiers = verifiers.watch(settings, self._clock)
        self._store = store or stores.open_store(settings, self._clock)
        self._one_process_only = settings.nonce_key_file is None or settings.store == "memory"
        self._limits = Limits(settings, self._clock)
        self._audit_log = AuditLog(settings.audit_log)
        self._metrics = Metrics()
        self._description = openapi.description(settings)
        self._error_logged = False

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Handle one request, as PEP 3333 defines."""
        started = self._clock.monotonic_ns()
        request = Request(environ)
        operation = "none"
        try:
            self._refuse_separate_processes(request)
            route = routes.find(request.method, request.path)
            operation = route.name
            response = self._respond(route, request)
        except Problem as problem:
            response = problem.response()
        self._metrics.request(operation, response.status, (self._clock.monotonic_ns() - started) / SECOND)
        return response.send(request.method, start_response)

    def _refuse_separate_processes(self, request: Request) -> None:
        """Refuse every request if the server has several processes, but no common store or no
        common nonce key file.

        Without a common store, a process could not know which documents the other processes have
        accepted. Without a common nonce key file, it could not check the nonces that they have
        issued.

        Raises:
            Problem: The server has several processes, but no common store or no common nonce key
                file (503).
        """
        if not self._one_process_only or not (request.multiprocess or os.getpid() != self._pid):
            return
        if not self._error_logged:
            self._error_logged = True
            _log.error(
                "Every request is refused: the server has several processes, so the settings must name a common `store` and `nonce_key_file`. "
                "See docs/attestation-service.md."
            )
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "configuration", "The service is not configured correctly. Its log says why.")

    def _respond(self, route: Route, request: Request) -> Response:
        key = self._authenticate(route, request)
        if not request.accepts(route.content_type):
            raise Problem(
                HTTPStatus.NOT_ACCEPTABLE,
                "not-acceptable",
                f"The response has the type {route.content_type}, which the header Accept of the request does not allow.",
            )
        if route == routes.HEALTH:
            return json_response({"status": "ok"})
        if route == routes.DESCRIPTION:
            return json_response(self._description)
        if route == routes.METRICS:
            return Response(HTTPStatus.OK, self._metrics.text(self._gauges()).encode("ascii"), CONTENT_TYPE)
        assert key is not None, "every operation with a body needs a key"
        body = self._body(route, request)
        with (
            self._limits.slot()
        ):  # The request counts for `max_concurrent` from here on. Clients that are still sending their body do not count.
            if route == routes.ISSUE_NONCE:
                return self._issue_nonce(body, key)
            return self._attest(body, key) if route == routes.ATTEST else self._audit(body, key)

    def _authenticate(self, route: Route, request: Request) -> Key | None:
        """Return the caller's key, and count the request for the rate limit of the key. Return None
        if the operation needs no key.

        Raises:
            Problem: The key is missing or unknown (401), lacks the role (403), or exceeds its rate
                limit (429).
        """
        if not route.roles:
            return None
        presented = request.bearer
        if presented is None:
            challenge = (("WWW-Authenticate", 'Bearer realm="imdskit"'),)
            raise Problem(
                HTTPStatus.UNAUTHORIZED, "key-required", "The request has no key. Send the header `Authorization: Bearer KEY`.", challenge
            )
        key = keys.find(presented, self._keys.current()) if len(presented) <= keys.MAX_KEY_CHARACTERS else None
        if key is None:
            challenge = (("WWW-Authenticate", 'Bearer realm="imdskit", error="invalid_token"'),)
            raise Problem(HTTPStatus.UNAUTHORIZED, "key-unknown", "The key is not in the key file of the service.", challenge)
        if not key.roles & route.roles:
            roles = " or ".join(sorted(route.roles))
            challenge = (("WWW-Authenticate", 'Bearer realm="imdskit", error="insufficient_scope"'),)
            raise Problem(HTTPStatus.FORBIDDEN, "role", f"This operation needs a key with the role {roles}.", challenge)
        self._limits.take(key.name)
        return key

    def _body(self, route: Route, request: Request) -> bytes:
        """Return the body of a request. The result is empty if the request has no body and the
        operation does not require one.

        Raises:
            Problem: The body cannot be read (400, 411), is too large (413) or is not declared as
                JSON (415).
        """
        if not route.body_required and not request.has_body():
            return b""
        if not request.content_is_json():
            raise Problem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content-type", "The body must be declared as `Content-Type: application/json`."
            )
        return request.body(self.settings.max_verdict_body_bytes if route == routes.AUDIT else self.settings.max_body_bytes)

    def _issue_nonce(self, body: bytes, key: Key) -> Response:
        request = bodies.nonce_request(body)
        nonce = self._issuer.current().issue(decisions.nonce_binding(key, request.binding))
        self._metrics.count("imdskit_nonces_total")
        return json_response({"nonce": nonce, "expiresIn": self.settings.nonce_lifetime})

    def _attest(self, body: bytes, key: Key) -> Response:
        request = bodies.attestation_request(body)
        decision = decisions.attest(request, key, self._issuer.current(), self._verifiers.current().online, self._store)
        self._record("attestation", decision, key)
        if isinstance(decision.result, StoreError):
            _log.error("The store cannot tell whether a document was used before. %r", str(decision.result))
            detail = "The service cannot determine now whether the document was used before. Request a new nonce and a new document."
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "undecided", detail, (("Retry-After", "5"),))
        if decision.outcome == decisions.ACCEPTED:
            return json_response(decisions.verdict_members(decision))
        # The status is that of an error, so that a client that reads only the status does not admit
        # the machine.
        return json_response({"decision": decisions.REFUSED}, HTTPStatus.FORBIDDEN)

    def _audit(self, body: bytes, key: Key) -> Response:
        requests = bodies.verdicts_request(body, self.settings.max_verdict_documents)
        now, verifier = self._clock.now(), self._verifiers.current().audit
        verdicts = []
        for request in requests:
            decision = decisions.audit(request, now, verifier)
            self._record("verdict", decision, key)
            verdicts.append(decisions.verdict_members(decision))
        return json_response({"verdicts": verdicts})

    def _record(self, operation: str, decision: Decision, key: Key) -> None:
        """Write a decision to the audit log, and count it in the metrics.

        Raises:
            Problem: The audit log cannot be written (503). In this case, the service must not
                accept the document.
        """
        entry = decision.entry(operation, key)
        try:
            self._audit_log.write(entry, self._clock.now())
        except OSError as error:
            _log.error("The audit log cannot be written, so the request gets no decision. %r", str(error))
            detail = "The service cannot record its decisions now."
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "undecided", detail, (("Retry-After", "5"),)) from None
        self._metrics.count("imdskit_decisions_total", operation=operation, decision=entry.decision, reason=entry.reason, cloud=entry.cloud)
        if entry.reason == Reason.UNKNOWN_ISSUER:
            self._metrics.count("imdskit_unknown_issuers_total")

    def _gauges(self) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
        watched: dict[str, Watched[Any]] = {"trust": self._verifiers, "keys": self._keys, "nonce-keys": self._issuer}
        found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {
            "imdskit_requests_in_progress": {(): self._limits.in_progress},
            "imdskit_reload_failing": {(("file", name),): int(each.failing) for name, each in watched.items()},
        }
        date = self._verifiers.current().trust.date
        if date:
            created = int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp())
            found["imdskit_trust_bundle_age_seconds"] = {(): max(self._clock.now() - created, 0)}
        return found

    def _nonce_issuer(self) -> Watched[NonceIssuer]:
        path, lifetime = self.settings.nonce_key_file, self.settings.nonce_lifetime
        generated = secrets.token_bytes(keys.NONCE_KEY_BYTES)

        def read() -> NonceIssuer:
            secret = (generated,) if path is None else keys.read_nonce_keys(path)
            return NonceIssuer(secret, lifetime=lifetime, skew=SKEW, clock=self._clock)

        return self._watched("nonce keys", path, read)

    def _watched(self, name: str, path: Path | None, read: Callable[[], T]) -> Watched[T]:
        return Watched(name, () if path is None else (path,), read, self.settings.reload_seconds, self._clock)
