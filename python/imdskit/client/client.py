"""The client: which request to make for what, and its answer in a form for callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from imdskit import versions
from imdskit.client import address, answers
from imdskit.client.answers import Answer, Json
from imdskit.clock import Clock, SystemClock
from imdskit.errors import ClientError, UsageError

if TYPE_CHECKING:
    from imdskit.client.transport import Transport

API_VERSION = "2021-02-01"
"""What is asked for unless the caller says otherwise. New versions reach some regions months after others (documentation, "Versions"), so
this is one that every host has known for years; it has every member that attested documents carry today."""

MAX_BYTES = 1024 * 1024
"""The largest body that is read. The largest recorded is below 40 kB."""


class Client:
    """Asks the Instance Metadata Service. Makes one attempt and reports what came of it. Safe to share between threads.

    No proxy is ever used, whatever the environment says, and no redirect followed: the service must be asked directly (documentation,
    "Proxies").

    Args:
        base_url: where the service is: ``http://host[:port]``.
        timeout: seconds for a whole exchange, from the look-up of the name to the last octet.
        connect_timeout: seconds until a connection must stand. On Azure that takes less than a millisecond; elsewhere packets often vanish.
        api_version: asked for where a call does not name one.
        clock: measures the time limits.

    Raises:
        UsageError: an argument cannot mean anything.
    """

    def __init__(
        self,
        base_url: str = address.SERVICE,
        timeout: float = 5.0,
        api_version: str = API_VERSION,
        *,
        connect_timeout: float = 2.0,
        clock: Clock | None = None,
    ) -> None:
        self.base_url = address.base(base_url)
        self.api_version = _text(api_version, "api_version")
        for name, seconds in (("timeout", timeout), ("connect_timeout", connect_timeout)):
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= 3600:
                raise UsageError("bad-argument", "A time limit is more than 0 and at most 3600 seconds.", location=name)
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._clock = clock or SystemClock()
        self._transport: Transport | None = None

    @overload
    def get(self, path: str, format: Literal["json"] = "json", api_version: str | None = None, **parameters: str) -> Json: ...

    @overload
    def get(self, path: str, format: Literal["text"], api_version: str | None = None, **parameters: str) -> str: ...

    def get(self, path: str, format: str = "json", api_version: str | None = None, **parameters: str) -> Json:  # noqa: A002  # as the service
        """What stands at ``path``.

        Args:
            path: ``/metadata/...``, or shorter: ``versions``, ``instance/compute``, ``compute`` (:func:`imdskit.client.address.full_path`).
            format: ``json`` for an object or array, parsed. ``text``, below ``/instance`` only: a single value as it is, or the names
                of the children of an object, one a line.
            api_version: instead of the client's.
            parameters: further ones of the query, for instance ``extended="true"``.

        Raises:
            ClientError: the service could not be asked, or did not answer as it should.
            UsageError: an argument cannot mean anything.
        """
        answer = self._ask(path, format, api_version, parameters)
        return answers.text(answer) if format == "text" else answers.parsed(answer)

    def get_bytes(self, path: str, format: str = "json", api_version: str | None = None, **parameters: str) -> bytes:  # noqa: A002  # as above
        """Like :meth:`get`, and checked like there; the octets of the answer unchanged."""
        answer = self._ask(path, format, api_version, parameters)
        if format == "text":
            answers.text(answer)
        else:
            answers.parsed(answer)
        return answer.body

    def instance(self, api_version: str | None = None) -> dict[str, Json]:
        """Everything that the service says of the machine: ``/metadata/instance``. Raises like :meth:`get`."""
        answer = self._ask("/metadata/instance", "json", api_version, {})
        value = answers.parsed(answer)
        if not isinstance(value, dict):
            raise answers.foreign(answer, "The instance document is not a JSON object.")
        return value

    def versions(self) -> tuple[str, ...]:
        """The api-versions that the host knows, ascending: ``/metadata/versions``. Raises like :meth:`get`."""
        answer = self._ask("/metadata/versions", "json", None, {})
        value = answers.parsed(answer)
        known = value.get("apiVersions") if isinstance(value, dict) else None
        if not isinstance(known, list) or not all(isinstance(version, str) for version in known):
            raise answers.foreign(answer, "There is no list of versions in the answer.")
        return tuple(known)

    def attested_document(self, nonce: str | None = None, api_version: str | None = None) -> bytes:
        """A signed statement of who the machine is: ``/metadata/attested/document``. The service's JSON unchanged, ready for a verifier.

        Args:
            nonce: that the document shall carry; None lets the service put in a time.
            api_version: instead of the client's.

        Raises:
            ClientError: like :meth:`get`.
            UsageError: the nonce is one that the service may refuse.
        """
        parameters = {}
        if nonce is not None:
            from imdskit.protocol.attested import valid_nonce  # with it come base64 and regular expressions, which `get` does without

            if not isinstance(nonce, str) or not valid_nonce(nonce):
                hint = "Documented are 10 digits, and 32 letters or digits."
                raise UsageError("bad-argument", "A nonce is 1 to 32 letters, digits, or - . _ ~", location="nonce", hint=hint)
            parameters["nonce"] = nonce
        answer = self._ask("/metadata/attested/document", "json", api_version, parameters)
        value = answers.parsed(answer)
        if not isinstance(value, dict) or not isinstance(value.get("signature"), str) or not isinstance(value.get("encoding"), str):
            raise answers.foreign(answer, "There is no signed document in the answer.")
        return answer.body

    def _ask(self, path: str, form: str, api_version: str | None, parameters: dict[str, str]) -> Answer:
        full = address.full_path(path)
        category = address.category(full)
        query = {}
        version = self._version(category) if api_version is None else _text(api_version, "api_version")
        if version:
            query["api-version"] = version
        if form not in ("json", "text"):
            raise UsageError("bad-argument", f"There is no format {form!r}.", location="format", hint="Known: json, text.")
        if category == "instance":
            query["format"] = form
        elif form == "text":
            raise UsageError("bad-argument", "Text exists below /metadata/instance only.", location="format")
        for name, value in parameters.items():
            if name.lower() in ("api-version", "format"):
                raise UsageError("bad-argument", f"{name} is an argument of its own.", location=name)
            query[name] = _text(value, name)
        return self._transported(address.target(full, query))

    def _version(self, category: str) -> str:
        """Two endpoints have lists of their own: ``versions`` and THIM none, scheduled events an older one."""
        if category in ("versions", "thim"):
            return ""
        return versions.SCHEDULED_EVENTS_VERSIONS[-1] if category == "scheduledevents" else self.api_version

    def _transported(self, target: str) -> Answer:
        if self._transport is None:
            from imdskit.client.transport import Transport  # the costly import, see there

            self._transport = Transport(self.base_url, self._timeout, self._connect_timeout, MAX_BYTES, self._clock)
        return self._transport.get(target)


def _text(value: str, name: str) -> str:
    try:
        if isinstance(value, str) and value:
            value.encode()
            return value
    except UnicodeEncodeError:
        pass
    raise UsageError("bad-argument", "This is not a text, or an empty one.", location=name)


__all__ = ["API_VERSION", "Client", "ClientError"]
