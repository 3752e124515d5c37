"""Rules of the service: the reasons for refusing a request, in the order of evaluation.

The table :data:`RULES` contains all rules. The first rule that refuses a request determines the
response. :mod:`imdskit.emulator.service.endpoints` responds to requests that no rule refuses.
``docs/fidelity.md`` shows the table, and a test checks that the page agrees with the table. The
order of the rules is inferred.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from imdskit import versions
from imdskit.emulator import error_responses as r
from imdskit.emulator.error_responses import ErrorResponse, Evidence
from imdskit.emulator.http.messages import Request
from imdskit.emulator.service.request_context import RequestContext
from imdskit.errors import SelectionError
from imdskit.protocol.attested import valid_nonce


@dataclass(frozen=True, slots=True)
class Rule:
    """Reason to refuse a request.

    Attributes:
        name: stable name of the rule.
        when: condition under which the rule refuses a request, as a sentence.
        answers: responses that the rule can return. The first one is used if ``check`` does not
            return a response.
        evidence: kind of evidence for the condition and the status. Each response has separate
            evidence for its body.
        source: source of the condition.
        check: function that returns a true value if the rule refuses a request. The value can be
            the response to the request.
        after_lookup: whether the rule is evaluated after the lookup in the instance document. Such
            rules come last.
        off: description of how the emulator handles such a request while the rule is switched off.
            It is ``""`` if the rule cannot be switched off, because the emulator has no other
            response to such a request.
    """

    name: str
    when: str
    answers: tuple[ErrorResponse, ...]
    evidence: Evidence
    source: str
    check: Callable[[RequestContext], object]
    off: str = ""
    after_lookup: bool = False


def has_metadata_header(request: Request) -> bool:
    """Return whether the request has the header ``Metadata: true``.

    Letter case is ignored, and so is white space around the value.

    Existing clients send ``true``, ``True`` and ``TRUE``. If the header occurs several times, every
    value must be ``true``.
    """
    values = request.header_values("Metadata")
    return bool(values) and all(value.strip().lower() == "true" for value in values)


def no_metadata_header(context: RequestContext) -> ErrorResponse:
    """Return the response to a request without a valid header ``Metadata``."""
    return r.IDENTITY_NO_METADATA_HEADER if context.category == "identity" else r.NO_METADATA_HEADER


_LOAD_BALANCER = {404: r.LOAD_BALANCER_NOT_FOUND, 405: r.LOAD_BALANCER_NOT_ALLOWED}
"""Errors of the load balancer that name the path and the method of the request."""


def _failure(context: RequestContext, status: int) -> ErrorResponse:
    """Return the error that the category of a request has for a status."""
    if context.category == "loadbalancer":
        return r.about_request(_LOAD_BALANCER[status], context.target.path, context.request.method)
    return r.failure(status, context.category)


def _method(context: RequestContext) -> ErrorResponse | None:
    if context.category == "scheduledevents":
        allowed: tuple[str, ...] = ("GET", "POST")
    elif context.category == "identity" and context.target.route in (("credential",), ("issuecredential",)):
        allowed = ("POST",)
    else:
        allowed = ("GET",)
    if context.request.method in allowed:
        return None
    return r.not_allowed(_failure(context, 405), allowed)


def _version(context: RequestContext) -> ErrorResponse | None:
    if context.category == "versions" or (context.category == "identity" and context.target.route[:1] in _CREDENTIAL_ROUTES):
        return None
    if context.category == "scheduledevents" and context.version:
        return None
    return None if context.version in context.machine.known_versions else context.machine.bad_version


def _endpoint_version(context: RequestContext) -> ErrorResponse | None:
    since = versions.ENDPOINTS.get(context.category or "")
    return None if since is None or context.version is None or context.version >= since else _failure(context, 404)


def _nonce(context: RequestContext) -> bool:
    nonce = context.target.parameter("nonce") if context.category == "attested" else None
    return bool(nonce and not valid_nonce(nonce))


def _requests_token(context: RequestContext) -> bool:
    return context.category == "identity" and context.target.route == ("oauth2", "token")


def _identity(context: RequestContext) -> bool:
    if context.category != "identity":
        return False
    return context.identity is None if _requests_token(context) else not context.machine.identities


_CATEGORIES: dict[str, tuple[tuple[str, ...], ...]] = {
    "": (),
    "attested": (("document",),),
    "identity": (("oauth2", "token"), ("info",)),
    "instance": (),
    "loadbalancer": ((),),
    "reprovisiondata": ((),),
    "scheduledevents": ((),),
    "thim": (),
    "versions": ((),),
}
"""Known paths below each category. A path is a tuple of segments, and ``()`` is the path of the
category itself.

The paths below ``instance`` depend on the instance document, so this table does not list them.
"""

_CREDENTIAL_ROUTES = (("credential",), ("issuecredential",), ("getplatformmetadata",))
"""Paths of newer requests below ``identity``, which take ``cred-api-version`` instead of
``api-version``.

No emulated machine supports them.
"""

_D, _O, _I = Evidence

RULES: tuple[Rule, ...] = (
    Rule(
        "head",
        "The method is HEAD.",
        (r.HOST_BAD_REQUEST,),
        _O,
        "recordings of 2025, in which the web server of the Azure host responds instead of IMDS",
        lambda context: context.request.method == "HEAD",
        "The rule `method` refuses the request.",
    ),
    Rule(
        "root",
        "The path is `/`.",
        (r.HOST_BAD_REQUEST,),
        _I,
        "A HEAD request for this path was recorded, but no GET request.",
        lambda context: not context.target.segments,
        "The rule `outside` refuses the request.",
    ),
    Rule(
        "outside",
        "The path does not begin with `/metadata`. Letter case does not matter.",
        (r.OUTSIDE,),
        _O,
        "DataDog/datadog-agent#2861, where the web server of the Azure host responds instead of IMDS",
        lambda context: context.category is None,
    ),
    Rule(
        "limit",
        "There are more than 5 requests per second. Requests below `/identity` have separate limits: 20 per second, and 5 at the "
        "same time.",
        (r.TOO_MANY, r.TOO_MANY_TEXT, r.IDENTITY_TOO_MANY, r.LOAD_BALANCER_TOO_MANY),
        _D,
        "IMDS documentation, rate limiting; no recorded response has the header Retry-After",
        lambda context: not context.admitted and r.failure(429, context.category, context.wants_text),
        "The request gets a normal response.",
    ),
    Rule(
        "method",
        "The path does not accept the method. `/identity/credential` and `/identity/issuecredential` accept POST, `/scheduledevents` "
        "accepts GET and POST, and all other paths accept GET.",
        (r.NOT_ALLOWED, r.IDENTITY_NOT_ALLOWED, r.LOAD_BALANCER_NOT_ALLOWED),
        _D,
        "IMDS documentation, errors",
        _method,
        "The emulator treats the request as a GET.",
    ),
    Rule(
        "x-forwarded-for",
        "The request has the header X-Forwarded-For.",
        (r.BAD_REQUEST,),
        _D,
        "IMDS documentation, proxies; the status is inferred",
        lambda context: context.request.header_values("X-Forwarded-For"),
        "The request gets a normal response.",
    ),
    Rule(
        "metadata-header",
        "The request does not have the header `Metadata: true`. Letter case does not matter, neither in the name nor in the value.",
        (r.NO_METADATA_HEADER, r.IDENTITY_NO_METADATA_HEADER),
        _D,
        "IMDS documentation, security; existing clients send `true`, `True` and `TRUE`",
        lambda context: not has_metadata_header(context.request) and no_metadata_header(context),
        "The request gets a normal response.",
    ),
    Rule(
        "repeated-parameter",
        "A parameter occurs twice. Letter case in its name does not matter.",
        (r.BAD_REQUEST,),
        _D,
        "IMDS documentation, parameters; the status and the treatment of letter case are inferred",
        lambda context: context.target.repeated is not None,
        "The emulator uses the first value.",
    ),
    Rule(
        "category",
        "The first segment below `/metadata` names no known category.",
        (r.NOT_FOUND,),
        _I,
        "assumed to be the same as for an unknown key",
        lambda context: context.category not in _CATEGORIES,
    ),
    Rule(
        "thim",
        "The path is `/metadata/THIM` or below it. No emulated machine has the AMD certificates that this path serves. The "
        "api-version is not checked.",
        (r.NOT_FOUND,),
        _I,
        "documented for machines with SEV-SNP only; the response of other machines is not known",
        lambda context: context.category == "thim",
    ),
    Rule(
        "events-version",
        "The path is `/scheduledevents`, and the api-version is not in the separate list of this category.",
        (r.EVENTS_NOT_FOUND,),
        _O,
        "recording of 2023-10",
        lambda context: (
            context.category == "scheduledevents" and context.version and context.version not in versions.SCHEDULED_EVENTS_VERSIONS
        ),
        "The emulator uses the newest version before the requested one. If there is none, it uses the newest version.",
    ),
    Rule(
        "api-version",
        "The api-version is missing or not enabled. `/versions` needs none, and neither do the requests below `/identity` that have the "
        "parameter `cred-api-version` instead.",
        (r.BAD_VERSION,),
        _O,
        "recordings of 2020-12 and 2025-07; the recording of 2025-07 has only a request for `/metadata` itself",
        _version,
        "The emulator uses the newest version before the requested one. If there is none, it uses the newest version.",
    ),
    Rule(
        "endpoint-version",
        "The category was introduced in a later api-version than the requested one.",
        (r.NOT_FOUND, r.IDENTITY_NOT_FOUND, r.LOAD_BALANCER_NOT_FOUND),
        _I,
        "assumed to be the same as for a key that was introduced later",
        _endpoint_version,
        "The request gets a normal response.",
    ),
    Rule(
        "route",
        "The category has no such path. An example is `/metadata/identity`.",
        (r.NOT_FOUND, r.IDENTITY_NOT_FOUND, r.EVENTS_NOT_FOUND, r.LOAD_BALANCER_NOT_FOUND),
        _O,
        "recordings of 2018 and 2023 for `/identity`; the other categories are inferred",
        lambda context: (
            context.category != "instance" and context.target.route not in _CATEGORIES[context.category or ""] and _failure(context, 404)
        ),
    ),
    Rule(
        "reprovisiondata",
        "The path is `/metadata/reprovisiondata`. It serves data to machines that were provisioned before they had an owner, and no "
        "emulated machine is of this kind.",
        (r.NOT_FOUND,),
        _I,
        "canonical/cloud-init repeats the request after each 404 until it gets data",
        lambda context: context.category == "reprovisiondata",
    ),
    Rule(
        "nonce",
        "The nonce is longer than 32 characters, or contains a character that is not a letter, a digit or one of `-._~`.",
        (r.BAD_REQUEST,),
        _I,
        "The interface description allows up to 32 letters and digits. Existing clients also send base64url.",
        _nonce,
        "The emulator signs the nonce unchanged.",
    ),
    Rule(
        "approval",
        'The body of a POST to `/scheduledevents` does not have the form `{"StartRequests":[{"EventId":"..."}]}`, or it names an unknown '
        "event. In both cases, no event is started.",
        (r.BAD_REQUEST,),
        _D,
        "scheduled events documentation, which has status 400 for a malformed body; the response body and the treatment of "
        "unknown events are inferred",
        lambda context: context.category == "scheduledevents" and context.request.method == "POST" and context.approved is None,
        "The response has status 200, and no event is started.",
    ),
    Rule(
        "resource",
        "A token is requested without `resource`.",
        (r.IDENTITY_NO_RESOURCE,),
        _O,
        "Azure/aad-pod-identity#450",
        lambda context: _requests_token(context) and not context.target.parameter("resource"),
        "The response is a token for an empty audience.",
    ),
    Rule(
        "bypass-cache",
        "`bypass_cache` has a value other than `true`.",
        (r.IDENTITY_BAD_REQUEST,),
        _D,
        "interface description; the response is inferred",
        lambda context: _requests_token(context) and (context.target.parameter("bypass_cache") or "true").lower() != "true",
        "The emulator bypasses the cache.",
    ),
    Rule(
        "one-selector",
        "The request has more than one of the parameters `client_id`, `object_id`, `msi_res_id` and `mi_res_id`.",
        (r.IDENTITY_BAD_REQUEST,),
        _D,
        "interface description, where these parameters are mutually exclusive; the response is inferred",
        lambda context: _requests_token(context) and len(context.selectors) > 1,
        'The emulator uses the first of these parameters, in the order of the column "refused when".',
    ),
    Rule(
        "several-identities",
        "The request names no identity, and the machine has several user-assigned identities but no system-assigned identity.",
        (r.IDENTITY_AMBIGUOUS,),
        _O,
        "logs of AKS nodes; AzureAD/microsoft-authentication-library-for-python shows which identity gets the token if the "
        "request names none",
        lambda context: _requests_token(context) and not context.selectors and context.machine.identities and context.identity is None,
        "The rule `identity` refuses the request.",
    ),
    Rule(
        "identity",
        "The machine has no identity, or it does not have the identity that the request names.",
        (r.IDENTITY_NOT_ASSIGNED,),
        _O,
        "recordings of 2022 and 2023; inferred for `/identity/info`",
        _identity,
    ),
    Rule(
        "unknown-resource",
        "The scenario declares that Entra ID does not know the `resource`.",
        (r.IDENTITY_UNKNOWN_RESOURCE,),
        _O,
        "recordings of 2022 and 2023",
        lambda context: _requests_token(context) and context.machine.unknown_resource(context.target.parameter("resource") or ""),
        "The response is a token.",
    ),
    Rule(
        "load-balancer",
        "The machine has no load balancer.",
        (r.NO_LOAD_BALANCER,),
        _O,
        "recordings of 2021 and 2023",
        lambda context: context.category == "loadbalancer" and context.machine.load_balancer is None,
    ),
    Rule(
        "extended-version",
        "The request has `extended=true` and an api-version before 2021-08-01.",
        (r.BAD_REQUEST,),
        _O,
        "after a 400, canonical/cloud-init repeats the request with an older api-version; the body is inferred",
        lambda context: context.category == "instance" and context.extended and (context.version or "") < versions.EXTENDED_SINCE,
        "The response contains `extended`.",
    ),
    Rule(
        "instance-path",
        "The instance document of this api-version has no node with this path.",
        (r.NOT_FOUND,),
        _O,
        "MicrosoftDocs/azure-docs#15282 for keys; array indexes and paths below a leaf are inferred",
        lambda context: isinstance(context.node, SelectionError) and context.node.code == "not-found",
        after_lookup=True,
    ),
    Rule(
        "format",
        "`format` is neither `json` nor `text`.",
        (r.BAD_REQUEST,),
        _I,
        "not documented",
        lambda context: context.category == "instance" and context.form is None,
        "The response is JSON.",
        after_lookup=True,
    ),
    Rule(
        "leaf",
        "The path names a leaf of the instance document, and the request does not have `format=text`.",
        (r.BAD_REQUEST,),
        _O,
        "recording of 2018; RedHatInsights/insights-core#3251",
        lambda context: isinstance(context.node, SelectionError),
        "The response is text.",
        after_lookup=True,
    ),
)
"""All rules in the order of evaluation."""


def refusal(context: RequestContext, rules: tuple[Rule, ...] = RULES) -> tuple[Rule, ErrorResponse] | None:
    """Return the first of ``rules`` that refuses the request, with its response; or None if no rule
    does."""
    for rule in rules:
        found = rule.check(context)
        if found:
            return rule, found if isinstance(found, ErrorResponse) else rule.answers[0]
    return None
