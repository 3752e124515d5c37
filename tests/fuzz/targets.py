"""The table of fuzzing targets. A target is a parser of bytes that an attacker may have written, with the errors that it may raise.

Two programs run the table: ``run.py`` (atheris, guided by coverage, ``make fuzz``) and ``test_smoke.py`` (random mutations, in every test
run). A target must return a value or raise one of its documented errors. Any other exception is a finding. If there is also an
implementation in Rust, the target runs both and raises :class:`Disagreement` if their results differ.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from attested_vectors import AT, CASES, SETTING, setup_of

from imdskit import backends, strict_json
from imdskit.backends import envelope
from imdskit.backends.contract import Backend, Checker, Document, Limits
from imdskit.backends.python import claims
from imdskit.client import responses
from imdskit.clock import ManualClock
from imdskit.emulator.faults import script as fault_script
from imdskit.emulator.http import framing, request_target
from imdskit.emulator.scenario import Scenario
from imdskit.errors import (
    BackendError,
    ClientError,
    DerError,
    FetchError,
    FreshnessError,
    ImdskitError,
    ScenarioError,
    SelectionError,
    TrustError,
    VerificationError,
)
from imdskit.pki import cms
from imdskit.pki.revocation import crl
from imdskit.pki.x509 import host_names, parser
from imdskit.verify import pem
from imdskit.verify.aia import LOCATIONS, locations, transport
from imdskit.verify.aia import Target as FetchTarget
from imdskit.verify.bundles import bundle
from imdskit.verify.nonces import NonceIssuer

PACKAGE = Path(backends.__file__).parents[1]


class Disagreement(AssertionError):
    """Raised if two implementations have different results."""


class Target(NamedTuple):
    """One parser.

    Attributes:
        name: name of the target and of its corpus.
        run: function that parses the bytes of an input.
        errors: the errors that it may raise.
        seeds: function that returns inputs to start from.
    """

    name: str
    run: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]
    seeds: Callable[[], Sequence[bytes]]


@cache
def both() -> tuple[Backend, ...]:
    """Return the Python backend and, if the extension is available, the Rust backend."""
    try:
        return backends.get("python"), backends.get("rust")
    except BackendError:
        return (backends.get("python"),)


def agreed(what: str, attempts: Sequence[Callable[[], object]]) -> object:
    """Return the value that all attempts return, or raise the error that all of them raise.

    Errors must agree in type, code, location and stage. Raise :class:`Disagreement` if the attempts differ.
    """
    results: list[tuple[object, ImdskitError | None]] = []
    for attempt in attempts:
        try:
            results.append((attempt(), None))
        except ImdskitError as error:
            results.append(((type(error), error.code, error.location, getattr(error, "stage", None)), error))
    first = results[0]
    for other in results[1:]:
        if other[0] != first[0]:
            raise Disagreement(f"{what}: {first[0]!r} and {other[0]!r}")
    if first[1] is not None:
        raise first[1]
    return first[0]


# Seeds from the test vectors


@cache
def documents() -> tuple[bytes, ...]:
    return tuple(base64.b64decode(case["document"]) for case in CASES if len(case["document"]) < 12_000)


@cache
def messages() -> tuple[bytes, ...]:
    """Return the CMS messages, as DER, of all documents from which one can be decoded."""
    found = []
    for document in documents():
        try:
            found.append(envelope.decode(document, Limits()))
        except VerificationError:
            continue
    return tuple(found)


@cache
def certificates() -> tuple[bytes, ...]:
    found = {base64.b64decode(text): None for case in (SETTING, *CASES) for text in case.get("intermediates", ())}
    for message in messages():
        try:
            found |= {certificate.der: None for certificate in cms.parse(message).certificates}
        except DerError:
            continue
    return tuple(found)


@cache
def revocation_lists() -> tuple[bytes, ...]:
    return tuple({base64.b64decode(text): None for case in CASES for text in case.get("crls", ())})


def as_pem() -> tuple[bytes, ...]:
    def block(der: bytes, label: str) -> bytes:
        return f"-----BEGIN {label}-----\n".encode() + base64.encodebytes(der) + f"-----END {label}-----\n".encode()

    return (
        block(certificates()[0], "CERTIFICATE"),
        b"# two\n" + block(certificates()[1], "CERTIFICATE") + b"\n" + block(certificates()[2], "CERTIFICATE"),
        block(revocation_lists()[0], "X509 CRL"),
    )


@cache
def contents() -> tuple[bytes, ...]:
    found: dict[bytes, None] = {}
    for message in messages():
        try:
            found[cms.parse(message).content or b"{}"] = None
        except DerError:
            continue
    return tuple(found)


def metadata() -> tuple[bytes, ...]:
    given = [json.dumps(Scenario.load(name).given, separators=(",", ":")).encode() for name in ("linux", "windows", "load-balanced")]
    return (*given, b'{"a":[1,2.50,{"b":null}],"\\ud83d\\ude00":"\\n","":true}', b"[[],{}]", b'"leaf"')


def scenarios() -> tuple[bytes, ...]:
    return tuple(
        (PACKAGE / "emulator" / "scenario" / "builtin" / f"{name}.json").read_bytes()
        for name in ("linux", "fleet", "china", "many-devices")
    )


# Functions that the targets run


@cache
def checkers() -> tuple[Checker, ...]:
    return tuple(backend.checker(setup_of({})) for backend in both())


def check(data: bytes) -> object:

    def verdict(checker: Checker) -> object:
        signed = checker.check(data, AT, None)
        return signed.content, signed.claims, signed.label, signed.name, signed.chain

    # The second run must give the same result with warm caches.
    first = agreed("check", [lambda checker=checker: verdict(checker) for checker in checkers()])
    return first == agreed("check, warm", [lambda checker=checker: verdict(checker) for checker in checkers()])


def trust(data: bytes) -> object:
    """Use the bytes as an anchor and as an intermediate."""
    changes = [{"anchors": (data,)}, {"intermediates": (data,)}]
    attempts = [[lambda b=b, change=change: bool(b.checker(setup_of({}, **change))) for b in both()] for change in changes]
    return [agreed("trust", both_of_them) for both_of_them in attempts]


@cache
def revocation_case() -> tuple[bytes, int, tuple[bytes, ...]]:
    """Return an accepted document, the time of the check, and the revocation lists that it needs."""
    case = next(case for case in CASES if len(case.get("crls", ())) > 1 and case["expected"] == "accept")
    return base64.b64decode(case["document"]), case.get("at", AT), tuple(map(base64.b64decode, case["crls"]))


def lists(data: bytes) -> object:
    """Use the bytes as a revocation list, both alone and together with valid lists, and return the verdicts."""
    document, at, good = revocation_case()
    setups = setup_of({}, crls=(data,), require_crl=False), setup_of({}, crls=(data, *good))
    return [agreed("crls", [lambda b=b, setup=setup: b.checker(setup).check(document, at, None).name for b in both()]) for setup in setups]


def document(data: bytes) -> object:
    """Compare the results of all backends for the nodes of a metadata document, as JSON and as
    text. Some of the requested nodes do not exist."""

    def read(backend: Backend) -> tuple[Backend, Document]:
        return backend, backend.document(data)

    made: list[Document] = []

    def made_one(backend: Backend) -> str:
        made.append(read(backend)[1])
        return "made"

    agreed("document", [lambda b=b: made_one(b) for b in both()])
    for path in _paths(strict_json.loads(data, 100_000)):
        for form in ("json", "text"):
            for requested in (path, (*path, "absent")):
                try:
                    agreed(
                        f"select {requested!r} {form}",
                        [lambda one=one, form=form, requested=requested: one.select(requested, form) for one in made],
                    )
                except SelectionError:
                    continue
    return None


def _paths(value: object, path: tuple[str, ...] = (), most: int = 200) -> Iterator[tuple[str, ...]]:
    pending = [(path, value)]
    while pending and most:
        path, value = pending.pop()
        most -= 1
        yield path
        if isinstance(value, dict):
            pending += [((*path, name), item) for name, item in value.items()]
        elif isinstance(value, list):
            pending += [((*path, str(index)), item) for index, item in enumerate(value)]


def bucket(data: bytes) -> object:
    """Create buckets and take tokens. Each group of eight bytes is a number: rate, period and capacity, followed by times."""
    words = [int.from_bytes(data[start : start + 8], "big", signed=True) for start in range(0, len(data) - 7, 8)]
    if len(words) < 3:
        return None
    rate, per, burst = (abs(word) % 2**31 + 1 for word in words[:3])
    buckets = [backend.bucket(rate, per, burst) for backend in both()]
    return [agreed("take", [lambda one=one, now=now: one.take(now) for one in buckets]) for now in words[3:200]]


def bundle_of_three(data: bytes) -> object:
    """Read a bundle folder, whose three files are separated by a line of stars in the input."""
    manifest, _, rest = data.partition(b"\n***\n")
    anchors, _, intermediates = rest.partition(b"\n***\n")
    files = dict(zip(bundle.FILES, (manifest, *(anchors, intermediates) * 2), strict=True))
    return bundle.read(_Folder(files), "bundle")  # type: ignore[arg-type]


class _Folder:
    """The part of Traversable that the reader of bundles uses."""

    def __init__(self, files: dict[str, bytes], name: str = "") -> None:
        self._files = files
        self._name = name

    def __truediv__(self, name: str) -> _Folder:
        return _Folder(self._files, name)

    def open(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._files[self._name])


def bundles() -> tuple[bytes, ...]:
    roots = PACKAGE / "verify" / "roots"
    return (b"\n***\n".join((roots / name).read_bytes() for name in bundle.FILES[:3]),)


def head(data: bytes) -> object:
    """Parse a request head in the same way as the server: first while it arrives, and then as a whole if it is complete."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return framing.refuse_early(data, 0)
    read = framing.parse_head(data[: end + 4])
    if isinstance(read, framing.Head):
        refused = framing.refuse_early(data[: end + 2], 0)
        if refused is not None:
            raise Disagreement(f"refused early ({refused.why}) and yet a head")
        request_target.parse_target(read.target).parameter("api-version")
    return read


def chunked(data: bytes) -> object:
    """Check that a truncated chunked body is not refused before it is complete, and that a complete one stays complete."""
    read = framing.read_chunked(data)
    if isinstance(read, tuple) and not isinstance(read, framing.Refusal):
        body, end = read
        assert framing.read_chunked(data[:end]) == (body, end)
        assert framing.read_chunked(data[: end - 1]) is None
    return read


def target(data: bytes) -> object:
    read = request_target.parse_target(data.decode("latin-1"))
    assert "" not in read.segments
    return read.repeated, read.parameter("api-version")


def answer(data: bytes) -> object:
    """Parse a response. The first three bytes of the input select the status, the media type and the parser."""
    chosen, body = data[:3].ljust(3, b"\x00"), data[3:]
    status = (200, 200, 400, 404, 410, 429, 500, 302, 204)[chosen[0] % 9]
    media_type = ("application/json", "text/plain", "text/html", "")[chosen[1] % 4]
    read = responses.parsed if chosen[2] % 2 else responses.text
    return read(responses.Response(status, media_type, body, "http://169.254.169.254/metadata/instance"))


def nonce(data: bytes) -> object:
    return NonceIssuer([bytes(32)], clock=ManualClock(1_795_000_000)).check(data.decode("utf-8", "replace"), b"order")


def nonces() -> tuple[bytes, ...]:
    issuer = NonceIssuer([bytes(32)], clock=ManualClock(1_795_000_000), random=bytes)
    return issuer.issue(b"order").encode(), issuer.issue().encode(), b""


class _Socket(io.BytesIO):
    """The part of a connected socket that the transport uses."""

    def settimeout(self, seconds: float) -> None:
        assert seconds > 0

    def recv_into(self, buffer: memoryview) -> int:
        return self.readinto(buffer)


def issuer_response(data: bytes) -> object:
    """Parse the response of a server to a request for an issuer's certificate."""
    clock = ManualClock(1_795_000_000)
    limit = 4096
    incoming = transport._Incoming(_Socket(data), limit + transport.HEAD_BYTES, clock, clock.monotonic_ns() + 1)  # type: ignore[arg-type] # _Socket has only a part of the interface
    answer = transport._response(incoming, FetchTarget("authority.example", 80, "/a"), limit)
    assert len(answer.body) <= limit
    return answer


RESPONSES = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\x30\x82\x00\x00",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nab\r\n0\r\n\r\n",
    b"HTTP/1.0 404 Not Found\r\nContent-Type: text/html\r\n\r\n<html>",
)


def host_name(data: bytes) -> object:
    labels = host_names.labels(data.decode("utf-8", "surrogateescape"))
    assert labels is None or (len(labels) > 1 and ".".join(labels).isascii())
    return labels


REQUESTS = (
    b"GET /metadata/instance?api-version=2021-02-01 HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\n\r\n",
    b"POST http://user@[::1]:80/metadata/scheduledevents?a HTTP/1.0\r\nHost: x\r\nContent-Length: 2\r\nConnection: close, x\r\n\r\n{}",
    b"PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n0\r\n\r\n",
    b"CONNECT host:443 HTTP/1.1\r\nHost: host:443\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\nMetadata: true \r\nmetadata:\ttrue\r\n\r\n",
)
CHUNKS = (b"0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", b'a;x="y\\"";z=1\r\n0123456789\r\n00\r\n\r\n', b"ffffffff\r\n")
TARGETS = (b"/metadata/instance/compute/name?api-version=2021-02-01&format=text", b"/metadata//%69nstance%3Fa=b?%FF=%ZZ&&=&A=1&a=2")
FAULTS = (
    b'[{"match": {"category": "instance", "headers": {"user-agent": "py*"}, "source": "10.0.0.0/8"}, "times": 2, "fault": {"status": 429}}]',
    b'[{"fault": {"delay": 1.5}}, {"for": 10, "after": 1, "fault": {"document": "wrong-name"}}]',
    b'{"faults": []}',
)
ANSWERS = (
    b'\x00\x00\x01{"compute":{"name":"a"}}',
    b'\x02\x00\x01{"error":"Bad request. api-version is invalid or was not specified in the request.","newest-versions":["2021-02-01"]}',
    b"\x00\x02\x00<html></html>",
)
ADDRESSES = (b"http://www.microsoft.com/pkiops/certs/a%20b.crt", b"http://cacerts.digicert.com/DigiCertGlobalRootG2.crt", b"http://x@y/")
NAMES = (b"westeurope.metadata.azure.com", b"*.metadata.azure.com", "metadata.az\u212are.com".encode(), b"a..b")

TARGETS_TABLE: tuple[Target, ...] = (
    Target("check", check, (VerificationError,), documents),
    Target("envelope", lambda data: envelope.decode(data, Limits()), (VerificationError,), documents),
    Target("message", cms.parse, (DerError,), messages),
    Target("certificate", parser.parse_certificate, (DerError,), certificates),
    Target("revocation-list", crl.parse_crl, (DerError,), revocation_lists),
    Target("trust", trust, (TrustError,), certificates),
    Target("lists", lists, (TrustError, VerificationError), revocation_lists),
    Target("strict-json", lambda data: strict_json.loads(data, 64), (strict_json.JsonError,), lambda: (*contents(), *metadata())),
    Target("claims", lambda data: claims.parse(data, setup_of({})), (VerificationError,), contents),
    Target("pem", lambda data: pem.certificates(data, "file"), (TrustError,), as_pem),
    Target("pem-lists", lambda data: pem.crls(data, "file"), (TrustError,), as_pem),
    Target("bundle", bundle_of_three, (TrustError,), bundles),
    Target("host-name", host_name, (), lambda: NAMES),
    Target("issuer-address", lambda data: locations.target(data.decode("latin-1"), LOCATIONS), (FetchError,), lambda: ADDRESSES),
    Target("issuer-response", issuer_response, (FetchError,), lambda: RESPONSES),
    Target("nonce", nonce, (FreshnessError,), nonces),
    Target("document", document, (SelectionError,), metadata),
    Target("bucket", bucket, (), lambda: (bytes(range(64)) * 2, b"\x00\x00\x00\x00\x00\x00\x00\x05" * 9)),
    Target("http-head", head, (), lambda: REQUESTS),
    Target("http-chunked", chunked, (), lambda: CHUNKS),
    Target("http-target", target, (), lambda: TARGETS),
    Target("scenario", lambda data: Scenario.parse(data), (ScenarioError,), scenarios),
    Target("faults", fault_script.parse, (ScenarioError,), lambda: FAULTS),
    Target("answer", answer, (ClientError,), lambda: ANSWERS),
)
