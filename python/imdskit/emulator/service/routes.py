"""Responses to requests that no rule refuses: one function for each endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from imdskit.clock import Clock
from imdskit.emulator.authority.document_faults import DocumentFault
from imdskit.emulator.authority.tokens import TokenCache
from imdskit.emulator.service.request_context import RequestContext
from imdskit.errors import SelectionError
from imdskit.protocol import attested
from imdskit.protocol.attested import compact
from imdskit.protocol.messages import Response
from imdskit.protocol.responses import IDENTITY_NOT_ASSIGNED, json_response, text_response


class Attestor(Protocol):
    """Signs the content of an attested document: content in, the DER of a SignedData out."""

    def __call__(self, content: bytes, fault: DocumentFault | None = None, /) -> bytes:
        """Return the message; ``fault`` is what shall be wrong with its signature or chain."""


RequestId = Callable[[], str]


class Routes:
    """The endpoints of one machine.

    Args:
        clock: for the times in attested documents.
        attestor: signs them.
        tokens: gets tokens for its identities.
        request_id: makes a new value of ``x-ms-request-id``.
    """

    def __init__(self, clock: Clock, attestor: Attestor, tokens: TokenCache, request_id: RequestId) -> None:
        self._clock = clock
        self._attestor = attestor
        self._tokens = tokens
        self._request_id = request_id
        self._earlier: dict[str, tuple[int, bytes]] = {}
        self._by_category: Mapping[str | None, Callable[[RequestContext], Response]] = {
            "instance": self.instance,
            "attested": self.attested,
            "identity": self.identity,
            "loadbalancer": self.load_balancer,
            "scheduledevents": self.scheduled_events,
            "versions": self.versions,
        }

    def answer(self, context: RequestContext) -> Response:
        """Return the response to a request that no rule refuses."""
        return self._by_category[context.category](context)

    def instance(self, context: RequestContext) -> Response:
        """The selected node; newer builds of the service add ``x-ms-request-id`` (recorded in 2026)."""
        found, text = context.selection, context.wants_text
        if isinstance(found, SelectionError):  # the rule that refuses a leaf as JSON is off
            found, text = context.machine.instance.select(context.served_version, context.rest, "text", extended=context.extended), True
        respond = text_response if text else json_response
        return respond(found, ("x-ms-request-id", self._request_id()))

    def attested(self, context: RequestContext) -> Response:
        """A document made for this request; an empty nonce is none (inferred). A fault may make it an earlier one, or a flawed one."""
        version, now = context.served_version, self._clock.now()
        if context.cached:
            made, content = self._earlier.get(version, (0, b""))
            if now - made >= attested.LIFETIME:
                made, content = self._earlier[version] = (
                    now,
                    attested.content(context.machine.instance.attested_facts(), version, now, None),
                )
        else:
            nonce = context.target.parameter("nonce") or None
            content = attested.content(context.machine.instance.attested_facts(), version, now, nonce)
            self._earlier[version] = now, content
        signed = self._attestor(content) if context.fault is None else self._attestor(content, context.fault)
        return json_response(attested.envelope(signed))

    def identity(self, context: RequestContext) -> Response:
        """A token, or the tenant: that of the system-assigned identity (interface description), without one that of the first (inferred).

        ``msi_res_id`` and ``object_id`` come back if they were given (interface description); ``mi_res_id`` does so as the former (inferred).
        """
        identities = context.machine.identities
        if context.route == ("info",):
            return json_response(compact({"tenantId": (identities.system or identities.user[0]).tenant_id}))
        if context.identity is None:
            return IDENTITY_NOT_ASSIGNED.response()
        names = {"object_id": "object_id", "msi_res_id": "msi_res_id", "mi_res_id": "msi_res_id"}
        asked = {names[name]: value for name, value in context.selectors if name in names}
        resource, bypass = context.target.parameter("resource") or "", bool(context.target.parameter("bypass_cache"))
        body = self._tokens.answer(context.identity, resource, asked, bypass=bypass)
        return json_response(body, ("x-ms-request-id", self._request_id()))

    def load_balancer(self, context: RequestContext) -> Response:
        """Addresses and rules, the same at every api-version that has them."""
        return json_response(context.machine.load_balancer or b"")

    def scheduled_events(self, context: RequestContext) -> Response:
        """Return the scheduled events, or start them for POST. No source shows the body of the response to an approval; it is empty (inferred)."""
        events = context.machine.events
        if context.request.method == "POST":
            events.approve(context.approved or ())
            return json_response(b"")
        return json_response(events.document(context.served_version))

    def versions(self, context: RequestContext) -> Response:
        """The enabled api-versions, ascending."""
        return json_response(compact({"apiVersions": list(context.machine.api_versions)}))
