"""The format of fault scripts: JSON in, checked rules out, every mistake with its place. ``docs/faults.md`` describes it."""

from __future__ import annotations

import difflib
import fnmatch
import ipaddress
import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imdskit.emulator.authority.document_faults import Flaw
from imdskit.emulator.faults.types import PAGE, Document, Edit, Fault, Headers, Page, Pointer, Slow, Status
from imdskit.errors import ScenarioError
from imdskit.protocol.messages import Delivery

MAX_BYTES = 1024 * 1024
MAX_RULES = 1000
MAX_SECONDS = 3600
MAX_COUNT = 1_000_000_000
"""The largest script, the most rules, the longest time, the greatest number in one."""

CATEGORIES = ("attested", "identity", "instance", "loadbalancer", "reprovisiondata", "scheduledevents", "thim", "versions")
CACHED_NONCE = "cached-nonce"
DOCUMENTS = (CACHED_NONCE, *(flaw.value for flaw in Flaw))

_RULE = ("match", "times", "for", "after", "fault")
_MATCH = ("method", "category", "path", "query", "headers", "source")
_STATUS = ("status", "retryAfter", "from", "body", "contentType", "headers")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}", re.ASCII)
_VALUE = re.compile(r"[!-~](?:[\t -~]{0,1022}[!-~])?", re.ASCII)
_TRANSPORT = ("connection", "content-length", "date", "transfer-encoding")


@dataclass(frozen=True, slots=True)
class Match:
    """Which requests a rule is about. What is None or empty does not matter.

    Attributes:
        methods: one of these.
        category: this one, in lower case; without it and a path, any below ``/metadata``.
        path: decoded, in lower case, without double and trailing slashes; also what lies outside of ``/metadata``.
        query: (name in lower case, pattern of the value, or None: the parameter must not be there).
        headers: likewise.
        source: says whether an address is meant.
    """

    methods: frozenset[str] = frozenset()
    category: str | None = None
    path: re.Pattern[str] | None = None
    query: tuple[tuple[str, re.Pattern[str] | None], ...] = ()
    headers: tuple[tuple[str, re.Pattern[str] | None], ...] = ()
    source: Callable[[str], bool] | None = None


@dataclass(frozen=True, slots=True)
class FaultRule:
    """One rule of a script.

    Attributes:
        match: which requests.
        times: applies to so many of them; None: to all.
        for_ns: applies for so long from the first time on, in nanoseconds; None: ``times`` counts.
        after: the first so many are spared.
        fault: what happens.
        written: the rule in JSON.
    """

    match: Match
    times: int | None
    for_ns: int | None
    after: int
    fault: Fault
    written: dict[str, Any]


def read(path: str | Path) -> tuple[FaultRule, ...]:
    """The rules in a file. Raises ScenarioError, ``bad-faults``."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise wrong(f"The fault script {path} cannot be read: {error}.") from None
    return parse(data)


def parse(data: bytes) -> tuple[FaultRule, ...]:
    """The rules in JSON. Raises ScenarioError, ``bad-faults``."""
    if len(data) > MAX_BYTES:
        raise wrong(f"The fault script is larger than {MAX_BYTES} bytes.")
    try:
        value = json.loads(data, object_pairs_hook=_object_without_repeats)
    except (ValueError, RecursionError) as error:
        raise wrong(f"The fault script is not JSON: {error}.") from None
    return of(value)


def of(value: object) -> tuple[FaultRule, ...]:
    """The rules in parsed JSON. Raises ScenarioError, ``bad-faults``, with a JSON pointer."""
    try:
        octets = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise wrong(f"The fault script is not JSON: {error}.") from None
    copy = json.loads(octets)  # later changes of the caller's lists do not matter
    if not isinstance(copy, list) or len(copy) > MAX_RULES:
        raise wrong(f"A fault script is a list of at most {MAX_RULES} rules.")
    return tuple(_rule(one, f"/{index}") for index, one in enumerate(copy))


def of_snapshot(snapshot: object) -> tuple[tuple[FaultRule, ...], list[tuple[int, int, int]]]:
    """Rules and (matched, applied, nanoseconds since the first time) of each, of what ``Faults.snapshot`` gave."""
    if not isinstance(snapshot, list):
        raise wrong("A snapshot of faults is a list.")
    rules, counts = [], []
    for index, one in enumerate(snapshot):
        place = f"/{index}"
        members = _object(one, place, ("rule", "matched", "applied", "age_ns"))
        for name in ("rule", "matched", "applied", "age_ns"):
            if name not in members:
                raise wrong(f"There is no member {name} here.", place)
        rules.append(members["rule"])
        numbers = (_whole(members[name], f"{place}/{name}", 0, 2**63) for name in ("matched", "applied", "age_ns"))
        matched, applied, age = numbers
        counts.append((matched, applied, age))
    return of(rules), counts


def wrong(message: str, location: str = "", hint: str = "") -> ScenarioError:
    """The error of every mistake in a script."""
    return ScenarioError("bad-faults", message, location=location, hint=hint or "The format is in docs/faults.md.")


def _rule(value: object, place: str) -> FaultRule:
    rule = _object(value, place, _RULE)
    if "fault" not in rule:
        raise wrong("A rule has a fault.", place)
    if "for" in rule and "times" in rule:
        raise wrong("A rule applies so many times or for so long, not both.", f"{place}/for")
    times = rule.get("times", None if "for" in rule else 1)
    return FaultRule(
        _match(rule.get("match", {}), f"{place}/match"),
        None if times is None else _whole(times, f"{place}/times", 1),
        _nanoseconds(rule["for"], f"{place}/for") if "for" in rule else None,
        _whole(rule.get("after", 0), f"{place}/after", 0),
        _fault(rule["fault"], f"{place}/fault"),
        rule,
    )


def _match(value: object, place: str) -> Match:
    match = _object(value, place, _MATCH)
    methods = match.get("method", [])
    category = match.get("category")
    if isinstance(methods, str):
        methods = [methods]
    if not isinstance(methods, list) or not all(isinstance(one, str) and _TOKEN.fullmatch(one) for one in methods):
        raise wrong("A method is written like GET; several are a list.", f"{place}/method")
    if category is not None and (not isinstance(category, str) or category.lower() not in CATEGORIES):
        raise wrong("There is no such category.", f"{place}/category", f"Known: {', '.join(CATEGORIES)}.")
    return Match(
        frozenset(methods),
        None if category is None else category.lower(),
        _pattern(match["path"], f"{place}/path", lower=True) if "path" in match else None,
        _patterns(match.get("query", {}), f"{place}/query"),
        _patterns(match.get("headers", {}), f"{place}/headers"),
        _source(match["source"], f"{place}/source") if "source" in match else None,
    )


def _fault(value: object, place: str) -> Fault:
    if isinstance(value, dict) and "status" in value:
        return _status(_object(value, place, _STATUS), place)
    fault = _object(value, place, ("status", *_KINDS))
    if len(fault) != 1:
        raise wrong("A fault is exactly one thing.", place, f"Known: status, {', '.join(_KINDS)}.")
    ((kind, content),) = fault.items()
    return _KINDS[kind](content, f"{place}/{kind}")


def _status(fault: dict[str, Any], place: str) -> Status:
    status = _whole(fault["status"], f"{place}/status", 200, 599)
    origin = fault.get("from", "service")
    if origin not in ("service", "host"):
        raise wrong("An answer is from the service or from the host.", f"{place}/from")
    if status < 400 and "body" not in fault:
        raise wrong("The service has no body for this status; give one.", f"{place}/status")
    headers = list(_headers(fault.get("headers", {}), f"{place}/headers"))
    if "contentType" in fault:
        headers.append(("Content-Type", _header_value(fault["contentType"], f"{place}/contentType")))
    if "retryAfter" in fault:
        headers.append(("Retry-After", str(_whole(fault["retryAfter"], f"{place}/retryAfter", 0))))
    body = fault.get("body")
    if body is not None and not isinstance(body, str):
        body = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Status(status, origin == "host", tuple(headers), None if body is None else body.encode())


def _delay(value: object, place: str) -> Fault:
    return Slow(Delivery(delay_ns=_nanoseconds(value, place)))


def _drip(value: object, place: str) -> Fault:
    drip = _object(value, place, ("octets", "every"))
    octets = _whole(drip.get("octets", 1), f"{place}/octets", 1)
    if "every" not in drip:
        raise wrong("How many seconds are between two pieces?", place)
    return Slow(Delivery(drip_octets=octets, drip_ns=_nanoseconds(drip["every"], f"{place}/every")))


def _reset(value: object, place: str) -> Fault:
    if value is not True:
        raise wrong("This is true.", place)
    return Slow(Delivery(reset=True))


def _truncate(value: object, place: str) -> Fault:
    return Slow(Delivery(cut=_whole(value, place, 0)))


def _foreign(value: object, place: str) -> Fault:
    if value is not True and not isinstance(value, str):
        raise wrong("This is true, or the page.", place)
    return Page((value if isinstance(value, str) else PAGE).encode())


def _missing(value: object, place: str) -> Fault:
    if not isinstance(value, list) or not value:
        raise wrong("This is a list of JSON pointers.", place)
    return Edit(tuple((_pointer(one, f"{place}/{index}"),) for index, one in enumerate(value)))


def _replace(value: object, place: str) -> Fault:
    if not isinstance(value, dict) or not value:
        raise wrong("This is an object: JSON pointers and the values to put there.", place)
    return Edit(tuple((_pointer(one, f"{place}/{_escaped(one)}"), put) for one, put in value.items()))


def _content_type(value: object, place: str) -> Fault:
    return Headers((("Content-Type", _header_value(value, place)),))


def _document(value: object, place: str) -> Fault:
    if value not in DOCUMENTS:
        raise wrong("There is no such fault of a document.", place, f"Known: {', '.join(DOCUMENTS)}.")
    return Document(None if value == CACHED_NONCE else Flaw(str(value)))


_KINDS: dict[str, Callable[[object, str], Fault]] = {
    "delay": _delay,
    "drip": _drip,
    "reset": _reset,
    "truncate": _truncate,
    "foreign": _foreign,
    "missing": _missing,
    "replace": _replace,
    "contentType": _content_type,
    "document": _document,
}


def _object(value: object, place: str, known: Collection[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong("This is an object.", place)
    for name in value:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"Did you mean {close[0]}?" if close else f"Known: {', '.join(known)}."
            raise wrong(f"There is no member {name!r} here.", f"{place}/{_escaped(name)}", hint)
    return value


def _whole(value: object, place: str, least: int, most: int = MAX_COUNT) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise wrong(f"This is a whole number from {least} to {most}.", place)
    return value


def _nanoseconds(value: object, place: str) -> int:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= MAX_SECONDS:
        raise wrong(f"This is a number of seconds, more than 0 and at most {MAX_SECONDS}.", place)
    return max(1, round(value * 1_000_000_000))


def _pattern(value: object, place: str, *, lower: bool = False) -> re.Pattern[str]:
    if not isinstance(value, str):
        raise wrong("This is a pattern with * and ?.", place)
    return re.compile(fnmatch.translate(value.lower() if lower else value))


def _patterns(value: object, place: str) -> tuple[tuple[str, re.Pattern[str] | None], ...]:
    if not isinstance(value, dict):
        raise wrong("This is an object: names, and patterns of their values, or null for what must not be there.", place)
    return tuple((name.lower(), None if one is None else _pattern(one, f"{place}/{_escaped(name)}")) for name, one in value.items())


def _source(value: object, place: str) -> Callable[[str], bool]:
    try:
        network = ipaddress.ip_network(value if isinstance(value, str) else "")
    except ValueError:
        raise wrong("This is an address or a network, as 10.0.0.4 or 10.0.0.0/8.", place) from None

    def meant(source: str) -> bool:
        try:
            return ipaddress.ip_address(source) in network
        except ValueError:
            return False

    return meant


def _headers(value: object, place: str) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise wrong("This is an object: names and values of headers.", place)
    for name in value:
        if not _TOKEN.fullmatch(name) or name.lower() in _TRANSPORT:
            raise wrong("This cannot be a header here.", f"{place}/{_escaped(name)}")
    return tuple((name, _header_value(one, f"{place}/{_escaped(name)}")) for name, one in value.items())


def _header_value(value: object, place: str) -> str:
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise wrong("This is the value of a header: printable ASCII, at most 1024 characters.", place)
    return value


def _pointer(value: object, place: str) -> Pointer:
    if not isinstance(value, str) or not value.startswith("/") or re.search("~(?![01])", value):
        raise wrong("This is a JSON pointer to a member, as /compute/vmId.", place)
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in value[1:].split("/"))


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError("the member " + repr(next(name for name in names if names.count(name) > 1)) + " stands there twice")
    return value
