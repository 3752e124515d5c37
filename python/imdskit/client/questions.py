"""Which request to make for what, as procedures (:mod:`imdskit.client.steps`): the core that both clients share.

What belongs here: paths, parameters and versions, and what a good answer looks like. Tokens, scheduled events and documents with a checked
nonce have modules of their own, which are imported when they are wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from imdskit import versions
from imdskit.client import address, answers
from imdskit.client.answers import Answer, Json
from imdskit.client.steps import Procedure, Settings, Share, attempts
from imdskit.clock import Clock
from imdskit.errors import ClientError, UsageError

if TYPE_CHECKING:
    from imdskit.client.retry import Policy

API_VERSION = "2021-02-01"
"""What is asked for unless the caller says otherwise. New versions reach some regions months after others (documentation, "Versions"), so
this is one that every host has known for years; it has every member that attested documents carry today."""

NEWEST = "newest"
"""In place of an api-version: the newest that both the host and this package know."""

PROBE_SECONDS = 1.0
"""How long a probe may take. Programs that allow less than a second were seen to miss services that are there."""

Retry = Literal["default", "patient"]
"""Policies of :mod:`imdskit.client.retry` by name: that module is not imported until something fails."""


class Questions:
    """What can be asked of one service. Safe to share between threads.

    Args:
        base_url: where the service is; None: what the environment says, or the service's own address.
        timeout: seconds for one exchange.
        connect_timeout: seconds until a connection must stand.
        api_version: asked for where a call does not name one; ``newest`` finds it out.
        retry: a policy, the name of one, or None for one attempt.
        clock: measures.

    Attributes:
        base_url: as ``http://host[:port]``.
        api_version: as given.
        clock: as given.
        timeout: as given.
        connect_timeout: as given.

    Raises:
        UsageError: an argument, or the variable, cannot mean anything.
    """

    def __init__(
        self, base_url: str | None, timeout: float, api_version: str, connect_timeout: float, retry: Policy | Retry | None, clock: Clock
    ) -> None:
        self.base_url = address.base(base_url) if base_url is not None else address.from_environment()
        self.api_version = text(api_version, "api_version")
        self.timeout = seconds(timeout, "timeout")
        self.connect_timeout = seconds(connect_timeout, "connect_timeout")
        self.clock = clock
        self._retry = _known(retry)
        self._negotiated: str | None = None

    def settings(self, *, once: bool = False) -> Settings:
        """For attempts; ``once``: for one only."""
        from random import random

        from imdskit.client import retry

        policy = retry.NO_RETRY if once or self._retry is None else self._retry
        if isinstance(policy, str):
            policy = retry.PATIENT if policy == "patient" else retry.DEFAULT
        return Settings(policy, self.timeout, self.clock, random)

    def ask(self, path: str, form: str, api_version: str | None, parameters: Mapping[str, str]) -> Procedure[Answer]:
        """What stands at ``path``: a good answer, which may still be no JSON."""
        full = address.full_path(path)
        category = address.category(full)
        if form not in ("json", "text"):
            raise UsageError("bad-argument", f"There is no format {form!r}.", location="format", hint="Known: json, text.")
        if form == "text" and category != "instance":
            raise UsageError("bad-argument", "Text exists below /metadata/instance only.", location="format")
        query = {"format": form} if category == "instance" else {}
        for name, value in parameters.items():
            if name.lower() in ("api-version", "format"):
                raise UsageError("bad-argument", f"{name} is an argument of its own.", location=name)
            query[name] = text(value, name)
        version = self._version(category) if api_version is None else text(api_version, "api_version")
        if version != NEWEST:
            return (yield from self._shared(full, category, version, query))
        if category == "scheduledevents":
            return (yield from self._shared(full, category, versions.SCHEDULED_EVENTS_VERSIONS[-1], query))
        known = self._negotiated
        if known is not None:
            try:
                return (yield from self._shared(full, category, known, query))
            except ClientError as error:
                if error.code != "unsupported-version":  # the machine may have moved to a host that is older
                    raise
        self._negotiated = version = yield from self._negotiate()
        return (yield from self._shared(full, category, version, query))

    def _shared(self, full: str, category: str, version: str, query: Mapping[str, str]) -> Procedure[Answer]:
        target = address.target(full, {"api-version": version, **query} if version else query)
        answer: Answer = yield Share(target, lambda: attempts(target, category, self.settings()))
        return answer

    def _version(self, category: str) -> str:
        """Two endpoints have lists of their own: ``versions`` and THIM none, scheduled events an older one."""
        if category in ("versions", "thim"):
            return ""
        return versions.SCHEDULED_EVENTS_VERSIONS[-1] if category == "scheduledevents" else self.api_version

    def _negotiate(self) -> Procedure[str]:
        """The newest version that the host lists and :mod:`imdskit.versions` describes. A host without a list gets the usual one."""
        try:
            offered = yield from self.versions()
        except ClientError as error:
            if error.code not in ("not-found", "bad-request", "unsupported-version"):
                raise
            return API_VERSION
        common = set(offered) & set(versions.API_VERSIONS)
        if not common:
            hint = f"It knows {', '.join(offered[-3:]) or 'none'}; imdskit knows {', '.join(versions.newest(versions.API_VERSIONS))} and older."
            place = f"{self.base_url}/metadata/versions"
            raise ClientError("unsupported-version", "The host knows no api-version that imdskit knows.", location=place, hint=hint)
        return max(common)

    def value(self, path: str, form: str, api_version: str | None, parameters: Mapping[str, str]) -> Procedure[Json]:
        """An object or array, parsed; or text."""
        answer = yield from self.ask(path, form, api_version, parameters)
        return answers.text(answer) if form == "text" else answers.parsed(answer)

    def octets(self, path: str, form: str, api_version: str | None, parameters: Mapping[str, str]) -> Procedure[bytes]:
        """The same, checked and unchanged."""
        answer = yield from self.ask(path, form, api_version, parameters)
        if form == "text":
            answers.text(answer)
        else:
            answers.parsed(answer)
        return answer.body

    def instance(self, api_version: str | None) -> Procedure[dict[str, Json]]:
        """The instance document."""
        answer = yield from self.ask("/metadata/instance", "json", api_version, {})
        value = answers.parsed(answer)
        if not isinstance(value, dict):
            raise answers.foreign(answer, "The instance document is not a JSON object.")
        return value

    def versions(self) -> Procedure[tuple[str, ...]]:
        """The versions that the host knows."""
        answer = yield from self.ask("/metadata/versions", "json", None, {})
        return listed(answer)

    def attested_document(self, nonce: str | None, api_version: str | None) -> Procedure[bytes]:
        """A signed document, its JSON unchanged."""
        parameters = {}
        if nonce is not None:
            from imdskit.protocol.attested import valid_nonce  # with it come base64 and regular expressions, which `get` does without

            if not isinstance(nonce, str) or not valid_nonce(nonce):
                hint = "Documented are 10 digits, and 32 letters or digits."
                raise UsageError("bad-argument", "A nonce is 1 to 32 letters, digits, or - . _ ~", location="nonce", hint=hint)
            parameters["nonce"] = nonce
        answer = yield from self.ask("/metadata/attested/document", "json", api_version, parameters)
        value = answers.parsed(answer)
        if not isinstance(value, dict) or not isinstance(value.get("signature"), str) or not isinstance(value.get("encoding"), str):
            raise answers.foreign(answer, "There is no signed document in the answer.")
        return answer.body


def listed(answer: Answer) -> tuple[str, ...]:
    """The list of versions in an answer. Raises ClientError ``not-imds`` if there is none."""
    value = answers.parsed(answer)
    known = value.get("apiVersions") if isinstance(value, dict) else None
    if not isinstance(known, list) or not all(isinstance(version, str) for version in known):
        raise answers.foreign(answer, "There is no list of versions in the answer.")
    return tuple(known)


def seconds(value: float, name: str) -> float:
    """A time limit. Raises UsageError for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 3600:
        raise UsageError("bad-argument", "A time limit is more than 0 and at most 3600 seconds.", location=name)
    return value


def text(value: str, name: str) -> str:
    """An argument that is a text and not empty. Raises UsageError for what is none."""
    try:
        if isinstance(value, str) and value:
            value.encode()
            return value
    except UnicodeEncodeError:
        pass
    raise UsageError("bad-argument", "This is not a text, or an empty one.", location=name)


def _known(retry: Policy | Retry | None) -> Policy | Retry | None:
    if retry is None or retry in ("default", "patient"):
        return retry
    from imdskit.client.retry import Policy

    if isinstance(retry, Policy):
        return retry
    raise UsageError(
        "bad-argument", "No policy.", location="retry", hint="Give an imdskit.client.retry.Policy, 'default', 'patient' or None."
    )
