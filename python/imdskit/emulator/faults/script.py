"""Parser of fault scripts. It validates the JSON of a script, and returns its rules.

``docs/faults.md`` describes the format.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from imdskit.emulator.authority.document_faults import DocumentFault
from imdskit.emulator.faults.types import PAGE, Document, Edit, Fault, Headers, Page, Pointer, Slow, Status
from imdskit.emulator.http.messages import Delivery
from imdskit.emulator.json_input import Format, Input
from imdskit.emulator.service.request_context import RequestContext
from imdskit.errors import ScenarioError

MAX_BYTES = 1024 * 1024
MAX_RULES = 1000
MAX_SECONDS = 3600
MAX_COUNT = 1_000_000_000
"""Limits of a script: size in bytes, number of rules, longest time in seconds, and largest whole
number."""

FORMAT = Format("The fault script", partial(ScenarioError, "bad-faults"), "docs/faults.md describes the format.", MAX_BYTES)

CATEGORIES = ("attested", "identity", "instance", "loadbalancer", "reprovisiondata", "scheduledevents", "thim", "versions")
CACHED_NONCE = "cached-nonce"
DOCUMENTS = (CACHED_NONCE, *(fault.value for fault in DocumentFault))

_RULE = ("match", "times", "for", "after", "fault")
_SNAPSHOT = ("rule", "matched", "applied", "age_ns")
_STATUS = ("status", "retryAfter", "from", "body", "contentType", "headers")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}", re.ASCII)
_VALUE = re.compile(r"[!-~](?:[\t -~]{0,1022}[!-~])?", re.ASCII)
_TRANSPORT = ("connection", "content-length", "date", "transfer-encoding")


Criterion = Callable[[RequestContext], bool]
"""Function that returns whether a request meets one criterion of a rule."""


@dataclass(frozen=True, slots=True)
class FaultRule:
    """One rule of a script.

    Attributes:
        criteria: criteria that a request must meet. A rule without a path applies only to requests
            below ``/metadata``.
        times: number of requests to which the rule applies. None means any number.
        for_ns: nanoseconds for which the rule applies, counted from the first application. None
            means that there is no limit of time.
        after: number of matching requests that the rule skips first.
        fault: the fault that the rule injects.
        written: the rule as it was given, in parsed JSON.
    """

    criteria: tuple[Criterion, ...]
    times: int | None
    for_ns: int | None
    after: int
    fault: Fault
    written: dict[str, Any]

    def matches(self, context: RequestContext) -> bool:
        """Return whether the rule matches a request."""
        return self.fault.category in (None, context.category) and all(criterion(context) for criterion in self.criteria)


def read(path: str | Path) -> tuple[FaultRule, ...]:
    """Return the rules of a script file.

    Raise ScenarioError with ``bad-faults`` if the script is invalid.
    """
    return _rules(FORMAT.read(path))


def parse(data: bytes) -> tuple[FaultRule, ...]:
    """Return the rules of a script in JSON.

    Raise ScenarioError with ``bad-faults`` if the script is invalid.
    """
    return _rules(FORMAT.parse(data))


def of(value: object) -> tuple[FaultRule, ...]:
    """Return the rules of a script in parsed JSON.

    Raise ScenarioError with ``bad-faults`` and a JSON pointer if the script is invalid.
    """
    try:
        data = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise FORMAT.wrong(f"{FORMAT.name} is not JSON: {error}.") from None
    return _rules(FORMAT.of(json.loads(data)))  # Parse a copy, so that later changes of the caller's lists have no effect.


def of_snapshot(snapshot: object) -> tuple[tuple[FaultRule, ...], list[tuple[int, int, int]]]:
    """Return the rules and their counters from a snapshot that ``Faults.snapshot`` returned.

    The counters are (matched, applied, nanoseconds since the rule was first applied).
    """
    rules, counts = [], []
    for one in FORMAT.of(snapshot).elements():
        members = one.members(_SNAPSHOT, required=_SNAPSHOT)
        rules.append(members["rule"].value)
        matched, applied, age = (members[name].integer(0, 2**63) for name in _SNAPSHOT[1:])
        counts.append((matched, applied, age))
    return of(rules), counts


def _rules(script: Input) -> tuple[FaultRule, ...]:
    return tuple(_rule(one) for one in script.elements(MAX_RULES, "a list of rules"))


def _rule(given: Input) -> FaultRule:
    rule = given.members(_RULE, required=("fault",))
    if "for" in rule and "times" in rule:
        rule["for"].fail("A rule can have `times` or `for`, but not both.", "Remove one of them.")
    times = None if "for" in rule else 1
    if "times" in rule and rule["times"].value is not None:
        times = rule["times"].integer(1, MAX_COUNT)
    elif "times" in rule:
        times = None
    return FaultRule(
        _criteria(rule["match"].members(_CRITERIA) if "match" in rule else {}),
        times,
        _nanoseconds(rule["for"]) if "for" in rule else None,
        rule["after"].integer(0, MAX_COUNT) if "after" in rule else 0,
        _fault(rule["fault"]),
        given.value,
    )


def _criteria(match: dict[str, Input]) -> tuple[Criterion, ...]:
    criteria = tuple(_CRITERIA[name](given) for name, given in match.items())
    return criteria if "path" in match else (lambda context: context.category is not None, *criteria)


def _method(given: Input) -> Criterion:
    methods = [given.value] if isinstance(given.value, str) else given.value
    if not isinstance(methods, list) or not all(isinstance(one, str) and _TOKEN.fullmatch(one) for one in methods):
        given.must_be("a method such as `GET`, or a list of them")
    accepted = frozenset(methods)
    return lambda context: not accepted or context.request.method in accepted


def _category(given: Input) -> Criterion:
    name = given.value.lower() if isinstance(given.value, str) else given.value
    if name is not None and name not in CATEGORIES:
        given.must_be("a category", f"Known: {', '.join(CATEGORIES)}.")
    return lambda context: name in (None, context.category)


def _path(given: Input) -> Criterion:
    pattern = _pattern(given, lower=True)
    return lambda context: pattern.fullmatch(context.target.folded) is not None


def _query(given: Input) -> Criterion:
    return _values(given, lambda context, name: [value for key, value in context.target.parameters if key.lower() == name])


def _header(given: Input) -> Criterion:
    return _values(given, lambda context, name: context.request.header_values(name))


def _values(given: Input, values_of: Callable[[RequestContext, str], Sequence[str]]) -> Criterion:
    """Return the criterion for the values of parameters or headers.

    A pattern must match one of the values. If the script has null instead of a
    pattern, the request must have no value for the name.

    Args:
        given: object that maps names to patterns.
        values_of: function that returns the values that a request has for a name in lower case.
    """
    members = given.members(expected="an object that maps each name to a pattern for the value, or to null if the name must be absent")
    patterns = [(name.lower(), None if one.value is None else _pattern(one)) for name, one in members.items()]

    def matches(context: RequestContext) -> bool:
        found = ((values_of(context, name), pattern) for name, pattern in patterns)
        return all(any(map(pattern.fullmatch, values)) if pattern else not values for values, pattern in found)

    return matches


def _source(given: Input) -> Criterion:
    try:
        network = ipaddress.ip_network(given.value if isinstance(given.value, str) else "")
    except ValueError:
        given.must_be("an address or a network, such as 10.0.0.4 or 10.0.0.0/8")

    def matches(context: RequestContext) -> bool:
        try:
            return ipaddress.ip_address(context.request.source) in network
        except ValueError:
            return False

    return matches


_CRITERIA: dict[str, Callable[[Input], Criterion]] = {
    "method": _method,
    "category": _category,
    "path": _path,
    "query": _query,
    "headers": _header,
    "source": _source,
}


def _fault(given: Input) -> Fault:
    if isinstance(given.value, dict) and "status" in given.value:
        return _status(given.members(_STATUS))
    fault = given.members(("status", *_TYPES))
    if len(fault) != 1:
        given.fail("A fault must have exactly one member, which is its type.", f"Known types: status, {', '.join(_TYPES)}.")
    ((name, content),) = fault.items()
    return _TYPES[name](content)


def _status(fault: dict[str, Input]) -> Status:
    status = fault["status"].integer(200, 599)
    origin = fault["from"].one_of(("service", "host"), "`service` or `host`") if "from" in fault else "service"
    if status < 400 and "body" not in fault:
        fault["status"].fail("A status below 400 has no default body.", "Add the member `body`.")
    headers = list(_headers(fault["headers"])) if "headers" in fault else []
    if "contentType" in fault:
        headers.append(("Content-Type", _header_value(fault["contentType"])))
    if "retryAfter" in fault:
        headers.append(("Retry-After", str(fault["retryAfter"].integer(0, MAX_COUNT))))
    body = fault["body"].value if "body" in fault else None
    if body is not None and not isinstance(body, str):
        body = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Status(status, origin == "host", tuple(headers), None if body is None else body.encode())


def _drip(given: Input) -> Fault:
    drip = given.members(("bytes", "every"), required=("every",))
    size = drip["bytes"].integer(1, MAX_COUNT) if "bytes" in drip else 1
    return Slow(Delivery(drip_bytes=size, drip_ns=_nanoseconds(drip["every"])))


def _reset(given: Input) -> Fault:
    if given.value is not True:
        given.must_be("`true`")
    return Slow(Delivery(reset=True))


def _foreign(given: Input) -> Fault:
    if given.value is not True and not isinstance(given.value, str):
        given.must_be("`true` or the text of a page")
    return Page((given.value if isinstance(given.value, str) else PAGE).encode())


def _missing(given: Input) -> Fault:
    pointers = given.elements(expected="a list of JSON pointers")
    if not pointers:
        given.must_be("a list of at least one JSON pointer")
    return Edit(tuple((_pointer(one, one.value),) for one in pointers))


def _replace(given: Input) -> Fault:
    members = given.members(expected="an object that maps JSON pointers to new values")
    if not members:
        given.must_be("an object with at least one JSON pointer")
    return Edit(tuple((_pointer(one, name), one.value) for name, one in members.items()))


def _document(given: Input) -> Fault:
    name = given.one_of(DOCUMENTS, "the name of a fault of attested documents")
    return Document(None if name == CACHED_NONCE else DocumentFault(name))


_TYPES: dict[str, Callable[[Input], Fault]] = {
    "delay": lambda given: Slow(Delivery(delay_ns=_nanoseconds(given))),
    "drip": _drip,
    "reset": _reset,
    "truncate": lambda given: Slow(Delivery(cut=given.integer(0, MAX_COUNT))),
    "foreign": _foreign,
    "missing": _missing,
    "replace": _replace,
    "contentType": lambda given: Headers((("Content-Type", _header_value(given)),)),
    "document": _document,
}


def _nanoseconds(given: Input) -> int:
    value = given.value
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= MAX_SECONDS:
        given.must_be(f"a number of seconds, more than 0 and at most {MAX_SECONDS}")
    return max(1, round(value * 1_000_000_000))


def _pattern(given: Input, *, lower: bool = False) -> re.Pattern[str]:
    text = given.text(expected="a pattern: text in which * and ? are wildcards")
    return re.compile(fnmatch.translate(text.lower() if lower else text))


def _headers(given: Input) -> tuple[tuple[str, str], ...]:
    members = given.members(expected="an object that maps header names to values")
    for name, one in members.items():
        if not _TOKEN.fullmatch(name) or name.lower() in _TRANSPORT:
            one.fail(f"A fault cannot set the header {name[:64]!r}.")
    return tuple((name, _header_value(one)) for name, one in members.items())


def _header_value(given: Input) -> str:
    if not isinstance(given.value, str) or not _VALUE.fullmatch(given.value):
        given.must_be("a header value: printable ASCII, at most 1024 characters")
    return given.value


def _pointer(at: Input, text: object) -> Pointer:
    if not isinstance(text, str) or not text.startswith("/") or re.search("~(?![01])", text):
        at.fail(f"Expected a JSON pointer to a member, such as /compute/vmId; got {text!r:.60}.")
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in text[1:].split("/"))
