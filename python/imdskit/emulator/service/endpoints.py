"""Responses to requests that no rule refuses, with one method for each endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from imdskit.clock import Clock
from imdskit.emulator.authority.document_faults import DocumentFault
from imdskit.emulator.authority.tokens import TokenCache
from imdskit.emulator.error_responses import IDENTITY_NOT_ASSIGNED, JSON, SERVER, TEXT
from imdskit.emulator.http.messages import Response
from imdskit.emulator.service.request_context import RequestContext
from imdskit.errors import SelectionError
from imdskit.protocol import attested
from imdskit.protocol.json_writer import compact

Attestor = Callable[[bytes, DocumentFault | None], bytes]
"""Function that signs the content of an attested document and returns the DER encoding of a
SignedData.

The second argument is a fault to inject into the signature or the certificate chain, or None."""

RequestId = Callable[[], str]
"""Function that returns a new request id."""


class Endpoints:
    """Endpoints of one machine.

    Args:
        clock: clock for the times in attested documents.
        attestor: function that signs attested documents.
        tokens: cache of access tokens for the machine's identities.
        request_id: function that returns a new value for the header ``x-ms-request-id``.
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
        """Return the selected node of the instance document.

        Newer builds of the service add ``x-ms-request-id`` (recorded in 2026).
        """
        found, text = context.node, context.form == "text"
        if isinstance(found, SelectionError):  # The rule `leaf`, which refuses a leaf as JSON, is switched off.
            found, text = (
                context.machine.instance.select(context.served_version, context.target.rest, "text", extended=context.extended),
                True,
            )
        respond = text_response if text else json_response
        return respond(found, ("x-ms-request-id", self._request_id()))

    def attested(self, context: RequestContext) -> Response:
        """Return an attested document for this request. An empty nonce counts as absent (inferred).

        A fault can replace the document by an earlier one, or make it invalid.
        """
        version, now = context.served_version, self._clock.now()
        if context.cached:
            created, content = self._earlier.get(version, (0, b""))
            if now - created >= attested.LIFETIME:
                created, content = self._earlier[version] = (
                    now,
                    attested.content(context.machine.instance.attested_facts(), version, now, None),
                )
        else:
            nonce = context.target.parameter("nonce") or None
            content = attested.content(context.machine.instance.attested_facts(), version, now, nonce)
            self._earlier[version] = now, content
        return json_response(attested.envelope(self._attestor(content, context.fault)))

    def identity(self, context: RequestContext) -> Response:
        """Return an access token or, for ``/identity/info``, the tenant.

        The tenant is that of the system-assigned identity. Without such an identity, it is that of
        the first user-assigned identity (inferred). The token response repeats the parameters
        ``msi_res_id`` and ``object_id``. It repeats ``mi_res_id`` as ``msi_res_id`` (inferred).

        Source: Azure's interface description of IMDS (Swagger).
        """
        identities = context.machine.identities
        if context.target.route == ("info",):
            return json_response(compact({"tenantId": (identities.system or identities.user[0]).tenant_id}))
        if context.identity is None:
            return IDENTITY_NOT_ASSIGNED.response()
        names = {"object_id": "object_id", "msi_res_id": "msi_res_id", "mi_res_id": "msi_res_id"}
        given = {names[name]: value for name, value in context.selectors if name in names}
        resource, bypass = context.target.parameter("resource") or "", bool(context.target.parameter("bypass_cache"))
        body = self._tokens.answer(context.identity, resource, given, bypass=bypass)
        return json_response(body, ("x-ms-request-id", self._request_id()))

    def load_balancer(self, context: RequestContext) -> Response:
        """Return the addresses and rules of the load balancer, which are the same for every
        api-version that has this endpoint."""
        return json_response(context.machine.load_balancer or b"")

    def scheduled_events(self, context: RequestContext) -> Response:
        """Return the scheduled events.

        For POST, approve events and return an empty body (inferred, because no source shows the
        body).
        """
        events = context.machine.events
        if context.request.method == "POST":
            events.approve(context.approved or ())
            return json_response(b"")
        return json_response(events.document(context.served_version))

    def versions(self, context: RequestContext) -> Response:
        """Return the enabled api-versions in ascending order."""
        return json_response(compact({"apiVersions": list(context.machine.api_versions)}))


def json_response(body: bytes, *headers: tuple[str, str]) -> Response:
    """Return a JSON response with status 200."""
    return Response(200, (("Content-Type", JSON), ("Server", SERVER), *headers), body)


def text_response(body: bytes, *headers: tuple[str, str]) -> Response:
    """Return a text response with status 200. The parameter ``charset`` is inferred."""
    return Response(200, (("Content-Type", TEXT), ("Server", SERVER), *headers), body)
