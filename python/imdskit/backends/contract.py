"""The seam: what a backend offers, and what crosses it.

Two backends exist: :mod:`imdskit.backends.python` is the specification, the Rust extension gives the same answers faster. Only bytes,
str, int, tuples and the value types of this module cross the seam. A backend knows no HTTP, no names of clouds, and no clock.

**Order of checks** (the first failure is the answer, on every backend): envelope, structure, signature, chain, identity, claims. The
message is parsed to its last byte before any check of meaning. Within a stage the order is that of :class:`imdskit.reasons.Reason`, but
for the chain, where several paths may fail for different reasons: candidates are tried depth first in a fixed order, and the reason of the
first path that failed is reported, where any reason is preferred to ``certificate-signature`` (a certificate of the right name that did not
sign), that to ``untrusted-root``, and that to ``unknown-issuer``; ``budget-spent`` ends the search and is always reported.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, overload

from imdskit import arguments
from imdskit.errors import VerificationError
from imdskit.reasons import Stage

MAX_AGE = 366 * 86_400
"""Largest ``max_age``, in seconds: a year. Documents expire within hours."""

CONTRACT = 4
"""Number of this contract. An extension built for another number is not used."""

MAX_SKEW = 3600
"""Largest ``skew`` that a policy may have, in seconds. Stores of used documents rely on it: no policy accepts a document later than this after its
``expiresOn``."""

Form = Literal["json", "text"]


MAX_JSON_BRACKETS = 256
"""Maximum of ``Limits.json_brackets``. Both backends read text of this depth on any stack; Python's own JSON reader gives up before 1,000."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on hostile input. All are inclusive.

    Raises:
        UsageError: a limit is not a whole number, or out of its range.
    """

    document_bytes: int = 64 * 1024
    """Size of the document as given, before any decoding. 1 to 16 MiB."""
    certificates: int = 16
    """Certificates inside one message. 1 to 1024."""
    json_brackets: int = 64
    """Opening braces and brackets in one JSON text, so also its depth. At most :data:`MAX_JSON_BRACKETS`."""
    path_certificates: int = 8
    """Certificates on one path, signer and anchor included. 1 to 64."""
    work: int = 3000
    """Budget of a search for a path; the unit is one RSA-2048 verification (see ``pki/path/budget.py``). 1 to 1,000,000."""

    def __post_init__(self) -> None:
        arguments.whole(self.document_bytes, "limits.document_bytes", 1, 16 * 1024 * 1024)
        arguments.whole(self.certificates, "limits.certificates", 1, 1024)
        arguments.whole(self.json_brackets, "limits.json_brackets", 1, MAX_JSON_BRACKETS)
        arguments.whole(self.path_certificates, "limits.path_certificates", 1, 64)
        arguments.whole(self.work, "limits.work", 1, 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is demanded of a document, whoever is trusted: :class:`Setup` and the policy of the verifier add to it.

    Attributes:
        limits: bounds on hostile input.
        skew: seconds by which the clocks of signer and verifier may differ, 0 to :data:`MAX_SKEW`.
        max_age: seconds since ``createdOn``, 0 to :data:`MAX_AGE`, or None for no other limit than ``expiresOn``.
        require_nonce: refuse to check without a nonce.
        check_chain: False leaves the whole chain stage out (documentation samples only).
        check_times: False leaves out createdOn, expiresOn and max_age.
        require_vm_id: an empty ``vmId`` is refused.
        allow_common_name: accept the subject's common name where a certificate has no subject alternative name.
        min_rsa_bits: of the signer and of every key in the chain, 512 to 8192.
        require_crl: where any list is given, a certificate below the anchor for which no usable, current list speaks is refused. False accepts
            it; then a list helps only where it can be used, and one that is forged or out of date is as good as none.
    """

    max_age: int | None = None
    skew: int = 120
    require_nonce: bool = False
    check_chain: bool = True
    check_times: bool = True
    require_vm_id: bool = True
    allow_common_name: bool = False
    min_rsa_bits: int = 2048
    require_crl: bool = True
    limits: Limits = field(default_factory=Limits)

    def _check_settings(self, location: str) -> None:
        """Raise UsageError if a setting is of the wrong type or out of range; ``location`` is what the error calls the settings."""

        def of(name: str) -> tuple[object, str]:
            return getattr(self, name), f"{location}.{name}"

        arguments.instance(*of("limits"), Limits)
        arguments.whole(*of("skew"), 0, MAX_SKEW)
        if self.max_age is not None:
            arguments.whole(*of("max_age"), 0, MAX_AGE)
        arguments.whole(*of("min_rsa_bits"), 512, 8192)
        for name in ("require_nonce", "check_chain", "check_times", "require_vm_id", "allow_common_name", "require_crl"):
            arguments.flag(*of(name))


@dataclass(frozen=True, slots=True)
class Setup(Settings):
    """All that a checker must know before it sees a document: the settings, and whom to trust.

    Attributes:
        anchors: trusted certificates, DER.
        intermediates: certificates that may help to build a path, DER. Never trusted by themselves.
        names: accepted signers as (label, domain): the signer bears the domain or a name below it; the label is reported.
        crls: certificate revocation lists, DER; never fetched. None given: revocation is not checked.

    Raises:
        UsageError: a member is of the wrong type or out of range, so that no backend ever sees it.
    """

    anchors: tuple[bytes, ...]
    intermediates: tuple[bytes, ...]
    names: tuple[tuple[str, str], ...]
    crls: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        for name in ("anchors", "intermediates", "crls"):
            arguments.items(getattr(self, name), f"setup.{name}", bytes)
        for index, pair in enumerate(arguments.items(self.names, "setup.names", tuple)):
            if len(pair) != 2 or not all(isinstance(text, str) and text for text in pair):
                raise arguments.mistake(f"setup.names[{index}]", "a pair of label and domain, which are not empty", pair)
        self._check_settings("setup")


@dataclass(frozen=True, slots=True)
class Claims:
    """What the document says, after its signature and signer have been checked.

    Members that the document's api-version does not have are None: ``subscription_id`` before 2019-04-30, ``sku`` before 2019-11-01,
    ``license_type`` before 2020-09-01. Times are Unix seconds.
    """

    vm_id: str
    nonce: str
    created_on: int
    expires_on: int
    plan: tuple[str, str, str] | None
    """(name, product, publisher), each ``""`` where no marketplace plan applies."""
    subscription_id: str | None
    sku: str | None
    license_type: str | None


class Signed(Protocol):
    """A document that passed every check. A backend may make the members when they are asked for."""

    @property
    def content(self) -> bytes:
        """The signed octets, exactly as digested."""

    @property
    def claims(self) -> Claims:
        """The members of the content."""

    @property
    def label(self) -> str:
        """Of the name in ``Setup.names`` that the signer bears."""

    @property
    def name(self) -> str:
        """The DNS name in the signer's certificate that matched."""

    @property
    def chain(self) -> tuple[bytes, ...]:
        """DER certificates, signer first, anchor last; only the signer's if the chain was not checked."""


class SignedDocument(NamedTuple):
    """A :class:`Signed` with all members at hand."""

    content: bytes
    claims: Claims
    label: str
    name: str
    chain: tuple[bytes, ...]


class Outcome(NamedTuple):
    """Result of one check, as ``explain`` reports it. ``error`` is set only if the check failed."""

    check: str
    stage: Stage
    outcome: Literal["pass", "fail", "skip"]
    evidence: str
    source: str
    error: VerificationError | None = None


class PackedDocuments(NamedTuple):
    """Documents one after another in one buffer, as a column of Apache Arrow has them.

    Attributes:
        octets: the buffer, as unsigned bytes. Others may write into it at any time: a backend checks copies, each of which it takes once.
        offsets: where each document begins, and at last where the last one ends: an ``array("q")`` in ascending order.
    """

    octets: memoryview | bytes
    offsets: array[int]


class Columns(NamedTuple):
    """Verdicts by column, in the buffers of Apache Arrow's columnar format: validity as bits, the least significant first; offsets of 32 bits; numbers
    little endian. A row is accepted and has what signed documents have, or refused and has a reason.

    Attributes:
        rows: how many there are.
        accepted: a bit for each.
        reason: an octet each: place in :class:`imdskit.reasons.Reason`; 0 where accepted.
        signer: 32 bits each: place in ``signers``; 0 where refused.
        created_on, expires_on: 64 bits each, Unix seconds; 0 where refused.
        texts: by name (validity, offsets, UTF-8): ``location`` and ``detail`` of refusals; the claims ``vm_id``, ``nonce``, ``plan_name``,
            ``plan_product``, ``plan_publisher``, ``subscription_id``, ``sku``, ``license_type``.
        signers: (label, name, chain) as in :class:`Signed`, in the order in which they occur first.
    """

    rows: int
    accepted: bytes
    reason: bytes
    signer: bytes
    created_on: bytes
    expires_on: bytes
    texts: dict[str, tuple[bytes, bytes, bytes]]
    signers: tuple[tuple[str, str, tuple[bytes, ...]], ...]


class Verdicts(Protocol):
    """Verdicts on many documents, in their order. A backend may make the items when they are asked for."""

    def __len__(self) -> int: ...

    @overload
    def __getitem__(self, key: int, /) -> Signed | VerificationError: ...

    @overload
    def __getitem__(self, key: slice, /) -> Sequence[Signed | VerificationError]: ...

    def __iter__(self) -> Iterator[Signed | VerificationError]: ...

    def columns(self) -> Columns:
        """All of them at once.

        Raises:
            OverflowError: a text adds up to 2 GiB or more.
        """


class Checker(Protocol):
    """Verifies documents under one :class:`Setup`. Safe to share between threads."""

    def check(self, document: bytes, at: int, nonce: str | None) -> Signed:
        """Verify one document.

        Args:
            document: the service's JSON, bare base64, or DER.
            at: Unix seconds at which validity is judged.
            nonce: that the document must carry, or None to accept any.

        Raises:
            VerificationError: the document is refused.
        """

    def check_many(self, documents: Sequence[bytes], at: int | Sequence[int], threads: int | None = None) -> Verdicts:
        """Verify many documents, without nonces; refusals stand in the result, in input order.

        Args:
            documents: as for :meth:`check`.
            at: Unix seconds at which validity is judged, for all or for each.
            threads: to work on, at most; None for as many as there are processors. The Python backend uses one.

        Raises:
            ValueError: there are not as many times as documents.
        """

    def check_column(self, documents: PackedDocuments, at: int | array[int], threads: int | None = None) -> Columns:
        """Verify the documents of a column, and return the verdicts by column.

        Args:
            documents: one after another, each as for :meth:`check`.
            at: Unix seconds at which validity is judged, for all or for each; the latter as an ``array("q")``.
            threads: as for :meth:`check_many`.

        Raises:
            ValueError: the offsets are not ascending places in the buffer, or there are not as many times as documents.
            OverflowError: a text adds up to 2 GiB or more.
        """


class Document(Protocol):
    """A JSON document that is asked often. Immutable."""

    def select(self, path: tuple[str, ...], form: Form) -> bytes:
        """The node at ``path``, rendered as compact JSON or as text.

        ``json``: an object or array is rendered whole; a leaf is refused. ``text``: a leaf is its bare value; an object or array is a
        listing, one child a line, containers with a trailing ``/``.

        Raises:
            SelectionError: ``not-found`` or ``leaf-needs-text``.
        """


class Bucket(Protocol):
    """A token bucket on integers. Safe to share between threads."""

    def take(self, now_ns: int) -> int:
        """Take one token at ``now_ns``, a signed number of 64 bits.

        Returns 0 if it was there, else the nanoseconds until one will be; then nothing was taken.
        """


@dataclass(frozen=True, slots=True)
class Backend:
    """One implementation of the three hot paths.

    Attributes:
        name: ``python`` or ``rust``.
        document: makes a :class:`Document` of JSON bytes; raises SelectionError(``bad-document``).
        bucket: makes a :class:`Bucket` that refills ``rate`` tokens per ``per_ns`` nanoseconds and holds at most ``burst``.
        checker: makes a :class:`Checker` of a :class:`Setup`; raises TrustError if an anchor, intermediate or
            revocation list cannot be parsed.
        native: which of the three run in the extension; the others are those of the Python backend.
        profile: how the extension was compiled, ``release`` or ``debug``; ``python`` where there is none.
        cpu_path: what reckons RSA signatures on this processor: ``pow`` in Python, ``aws-lc``, or ``avx512-ifma``.
    """

    name: str
    document: Callable[[bytes], Document]
    bucket: Callable[[int, int, int], Bucket]
    checker: Callable[[Setup], Checker]
    native: frozenset[str] = frozenset()
    profile: str = "python"
    cpu_path: str = "pow"
