"""Operations of the client.

Each one decides which requests to send and which responses are valid. The blocking client and the
asyncio client share them.

An operation is a generator of effects (:mod:`imdskit.client.effects`). Three kinds of operations
are in separate modules, which are imported on first use: those for tokens, for scheduled events,
and for attested documents whose nonce is checked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from imdskit import arguments, versions
from imdskit.client import address, responses
from imdskit.client.effects import Operation, RetrySettings, Send, Share, send_with_retries
from imdskit.client.responses import Json, Response
from imdskit.clock import Clock
from imdskit.codes import ClientCode
from imdskit.errors import ClientError, UsageError

if TYPE_CHECKING:
    from imdskit.client.retry import Policy

API_VERSION = "2021-02-01"
"""Default api-version.

New versions reach some regions months later than others (IMDS documentation, "Versions"). The
default is therefore a version that every region has supported for years. Newer versions add no
members to attested documents.
"""

NEWEST = "newest"
"""Value of ``api_version`` that selects the newest api-version that both the service and this
package support."""

PROBE_TARGET = "/metadata/versions"
PROBE_SECONDS = 1.0
"""Default timeout of a probe in seconds.

Programs with a shorter timeout were observed to overlook the service.
"""

Retry = Literal["default", "patient"]
"""Names of retry policies.

The policies are in :mod:`imdskit.client.retry`. That module is imported when a client is created.
"""


MAX_EVENTS = 1000
"""Maximum number of events in one approval. Real lists contain only a few events."""


class Operations:
    """Operations on one service. Safe to share between threads.

    Args:
        base_url: address of the service. None selects the address in the environment variables, or
            the service's usual address.
        timeout: maximum number of seconds for one exchange.
        connect_timeout: maximum number of seconds for establishing a connection.
        api_version: default api-version. ``newest`` selects the newest version that both the
            service and this package support.
        retry: retry policy, or its name. None means a single attempt.
        clock: clock that measures time.

    Attributes:
        base_url: address of the service as ``http://host[:port][/prefix]``.
        api_version: the argument ``api_version``.
        clock: the argument ``clock``.
        settings: retry settings of requests.
        timeout: the argument ``timeout``.
        connect_timeout: the argument ``connect_timeout``.

    Raises:
        UsageError: an argument or an environment variable is invalid.
    """

    def __init__(
        self, base_url: str | None, timeout: float, api_version: str, connect_timeout: float, retry: Policy | Retry | None, clock: Clock
    ) -> None:
        self.base_url = address.base(base_url) if base_url is not None else address.from_environment()
        self.api_version = text(api_version, "api_version")
        self.timeout = seconds(timeout, "timeout")
        self.connect_timeout = seconds(connect_timeout, "connect_timeout")
        self.clock = clock
        self.settings = _settings(retry, self.timeout, clock)
        self._negotiated: str | None = None

    def request(self, path: str, form: str, api_version: str | None, parameters: Mapping[str, str]) -> Operation[Response]:
        """Request ``path``, and return the response if its status is 200.

        The body is not parsed, so callers cannot rely on its being JSON.
        """
        full = address.full_path(path)
        category = address.category(full)
        if form not in ("json", "text"):
            raise UsageError("bad-argument", f"`format` must be json or text; got {form!r}.", location="format", hint="Give json or text.")
        if form == "text" and category != "instance":
            hint = "Leave out the format, or request a path below /metadata/instance."
            raise UsageError("bad-argument", "The format `text` exists only below /metadata/instance.", location="format", hint=hint)
        query = {"format": form} if category == "instance" else {}
        for name, value in parameters.items():
            if name.lower() in ("api-version", "format"):
                message = f"`{name}` must not be one of the query parameters; it is a separate argument."
                raise UsageError("bad-argument", message, location=name, hint="Use the argument `api_version` or `format`.")
            query[name] = text(value, name)
        version = self._version(category) if api_version is None else text(api_version, "api_version")
        if version != NEWEST:
            return (yield from self._shared(full, category, version, query))
        if category == "scheduledevents":
            return (yield from self._shared(full, category, versions.SCHEDULED_EVENTS_USUAL, query))
        known = self._negotiated
        if known is not None:
            try:
                return (yield from self._shared(full, category, known, query))
            except ClientError as error:
                if error.code != ClientCode.UNSUPPORTED_VERSION:  # the machine may have moved to an Azure host with an older service
                    raise
        self._negotiated = version = yield from self._negotiate()
        return (yield from self._shared(full, category, version, query))

    def acknowledge(self, ids: Sequence[str]) -> Operation[None]:
        """Approve scheduled events by a POST request with ``StartRequests``, so that they start at
        once.

        Raises:
            ClientError: ``bad-request``: the service does not list one of the events, or no longer
                lists it. None of them was approved.
            UsageError: no id is given, or an id is not text.
        """
        if not 0 < len(ids) <= MAX_EVENTS:
            raise UsageError(
                "bad-argument", f"An approval must name 1 to {MAX_EVENTS} events.", location="ids", hint="Give the ids of events."
            )
        body = json.dumps({"StartRequests": [{"EventId": text(one, "ids")} for one in ids]}).encode()
        target = f"/metadata/scheduledevents?api-version={versions.SCHEDULED_EVENTS_USUAL}"
        yield from send_with_retries(target, "scheduledevents", self.settings, body)

    def _shared(self, full: str, category: str, version: str, query: Mapping[str, str]) -> Operation[Response]:
        target = address.target(full, {"api-version": version, **query} if version else query)
        response: Response = yield Share(target, lambda: send_with_retries(target, category, self.settings))
        return response

    def _version(self, category: str) -> str:
        """Return the api-version for an endpoint.

        Requests to the endpoints ``versions`` and ``THIM`` have no api-version, so the result for
        them is ``""``. Scheduled events have a separate list of api-versions.
        """
        if category in ("versions", "thim"):
            return ""
        return versions.SCHEDULED_EVENTS_USUAL if category == "scheduledevents" else self.api_version

    def _negotiate(self) -> Operation[str]:
        """Return the newest version that both the service and :mod:`imdskit.versions` list.

        If the service does not send a list of versions, return :data:`API_VERSION`.
        """
        try:
            offered = yield from self.versions()
        except ClientError as error:
            if error.code not in (ClientCode.NOT_FOUND, ClientCode.BAD_REQUEST, ClientCode.UNSUPPORTED_VERSION):
                raise
            return API_VERSION
        common = set(offered) & set(versions.API_VERSIONS)
        if not common:
            listed = (
                f"The service's list of versions ends with {', '.join(offered[-3:])}."
                if offered
                else "The service's list of versions is empty."
            )
            hint = f"{listed} imdskit supports {', '.join(versions.newest(versions.API_VERSIONS))} and older."
            location = f"{self.base_url}/metadata/versions"
            raise ClientError(
                ClientCode.UNSUPPORTED_VERSION, "The service supports no api-version that imdskit supports.", location=location, hint=hint
            )
        return max(common)

    def value(self, path: str, form: str, api_version: str | None, parameters: Mapping[str, str]) -> Operation[Json]:
        """Request a value. Return a parsed object or array, or text if ``form`` is ``text``."""
        response = yield from self.request(path, form, api_version, parameters)
        if is_empty_list(response):
            return {"Events": []}
        return responses.text(response) if form == "text" else responses.parsed(response)

    def raw(self, path: str, form: str, api_version: str | None, parameters: Mapping[str, str]) -> Operation[bytes]:
        """Request a value, check the response, and return its body unchanged."""
        response = yield from self.request(path, form, api_version, parameters)
        if form == "text":
            responses.text(response)
        elif not is_empty_list(response):
            responses.parsed(response)
        return response.body

    def instance(self, api_version: str | None) -> Operation[dict[str, Json]]:
        """Request the instance document."""
        response = yield from self.request("/metadata/instance", "json", api_version, {})
        value = responses.parsed(response)
        if not isinstance(value, dict):
            raise responses.foreign(response, "The instance document is not a JSON object.")
        return value

    def versions(self) -> Operation[tuple[str, ...]]:
        """Request the versions that the service supports."""
        response = yield from self.request("/metadata/versions", "json", None, {})
        return listed(response)

    def attested_document(self, nonce: str | None, api_version: str | None) -> Operation[bytes]:
        """Request an attested document, and return its JSON unchanged."""
        parameters = {}
        if nonce is not None:
            from imdskit.protocol.attested import valid_nonce  # base64 and re take 10 ms to import, and `get` needs neither

            if not isinstance(nonce, str) or not valid_nonce(nonce):
                hint = "The documentation allows 10 digits, or up to 32 letters and digits."
                raise UsageError(
                    "bad-argument",
                    f"`nonce` must be 1 to 32 letters, digits, or - . _ ~; got {arguments.shown(nonce)}.",
                    location="nonce",
                    hint=hint,
                )
            parameters["nonce"] = nonce
        response = yield from self.request("/metadata/attested/document", "json", api_version, parameters)
        value = responses.parsed(response)
        if not isinstance(value, dict) or not isinstance(value.get("signature"), str) or not isinstance(value.get("encoding"), str):
            raise responses.foreign(response, "The response contains no signed document.")
        return response.body


def is_empty_list(response: Response) -> bool:
    """Return whether a response about scheduled events has an empty body.

    On some machines, the service sends an empty body instead of an empty list of events (observed).
    """
    return address.category_of(response.url) == "scheduledevents" and not response.body.strip()


def listed(response: Response) -> tuple[str, ...]:
    """Return the list of versions in a response.

    Raise ClientError ``not-imds`` if the response contains no such list.
    """
    value = responses.parsed(response)
    known = value.get("apiVersions") if isinstance(value, dict) else None
    if not isinstance(known, list) or not all(isinstance(version, str) for version in known):
        raise responses.foreign(response, "The response contains no list of versions.")
    return tuple(known)


def seconds(value: float, name: str) -> float:
    """Return ``value`` if it is a valid timeout in seconds. Raise UsageError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 3600:
        message = f"`{name}` must be a number of seconds, more than 0 and at most 3600; got {arguments.shown(value)}."
        raise UsageError("bad-argument", message, location=name)
    return value


def text(value: str, name: str) -> str:
    """Return ``value`` if it is non-empty text. Raise UsageError otherwise."""
    try:
        if isinstance(value, str) and value:
            value.encode()
            return value
    except UnicodeEncodeError:
        pass
    raise UsageError("bad-argument", f"`{name}` must be text that is not empty; got {arguments.shown(value)}.", location=name)


def _settings(given: Policy | Retry | None, timeout: float, clock: Clock) -> RetrySettings:
    from imdskit.client import retry  # dataclasses and email.utils would add 15 ms to the 22 ms of importing the client

    named = {None: retry.NO_RETRY, "default": retry.DEFAULT, "patient": retry.PATIENT}
    policy = given if isinstance(given, retry.Policy) else named.get(given) if given is None or isinstance(given, str) else None
    if policy is None:
        raise UsageError(
            "bad-argument",
            f"`retry` must be a policy or the name of one; got {arguments.shown(given)}.",
            location="retry",
            hint="Give an imdskit.client.retry.Policy, 'default', 'patient' or None.",
        )
    return RetrySettings(policy, timeout, clock, retry.chance)


class Probe(NamedTuple):
    """Result of a probe. Its truth value is True if the service responded, even if it is busy.

    Attributes:
        state: ``there``: the service responded normally. ``busy``: the service responded with 408,
            410, 429 or 5xx. ``foreign``: another program responded. ``absent``: there was no
            response in time.
        error: error of the request, or None.
    """

    state: Literal["there", "busy", "foreign", "absent"]
    error: ClientError | None = None

    def __bool__(self) -> bool:
        return self.state in ("there", "busy")


def probe(timeout: float) -> Operation[Probe]:
    """Check whether the service responds.

    The probe requests the list of versions once, without retries. An invalid timeout raises
    UsageError.
    """
    try:
        response = yield Send(PROBE_TARGET, seconds(timeout, "timeout"))
        responses.check(response)
        listed(response)
    except ClientError as error:
        if error.code in (ClientCode.GONE, ClientCode.THROTTLED, ClientCode.SERVER_ERROR) or responses.is_request_timeout(error):
            return Probe("busy", error)
        return Probe("absent" if error.code in (ClientCode.TIMED_OUT, ClientCode.UNREACHABLE) else "foreign", error)
    return Probe("there")
