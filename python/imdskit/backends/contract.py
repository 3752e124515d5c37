"""The contract between backends and their callers: the interfaces of a backend and the types of
their arguments and results.

There are two backends. :mod:`imdskit.backends.python` is the specification. The Rust extension
returns the same results faster. Backends and callers exchange only simple values (such as bytes,
str, int and sequences of them), the types of this module, and exceptions. A backend uses neither
HTTP nor a clock, and it does not know the names of the Azure clouds.

**Order of checks.** A checker (:class:`Checker`) verifies documents, and reports the first check
that fails. In every backend, the stages of verification are envelope, structure, signature, chain,
identity and claims, in this order. A checker parses the whole message before it checks any value in
the message. Within a stage, the checks have the order of the members of
:class:`imdskit.reasons.Reason`.

The chain stage is different, because there may be several paths, and each may fail for a different
reason. The checker searches for a valid path depth first, in a fixed order. If there is none, it
reports the reason of the first path that failed, with two exceptions:

- ``certificate-signature``, ``untrusted-root`` and ``unknown-issuer`` are reported only if no path
  failed for another reason. If several of these three occurred, the first one in this list is
  reported.
- ``budget-spent`` ends the search and is always reported.
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
"""Maximum of ``max_age`` in seconds: one year. A genuine document expires after six hours."""

CONTRACT = 4
"""Version of this contract. imdskit does not use a Rust extension that was built for another
version."""

MAX_SKEW = 3600
"""Maximum of ``skew`` in seconds. A policy that checks times therefore never accepts a document
more than an hour after its ``expiresOn``. Stores of used documents rely on this fact when they
delete the record of a document after that time."""

Form = Literal["json", "text"]
"""Form in which :meth:`Document.select` renders a node."""


MAX_JSON_BRACKETS = 256
"""Maximum of ``Limits.json_brackets``. Both backends can parse JSON of this depth even if the
thread has a small stack. Python's JSON parser may fail at depths of slightly less than 1,000."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on input that may come from an attacker. Input that reaches a limit exactly is
    accepted.

    Raises:
        UsageError: a limit is not an integer or is out of range.
    """

    document_bytes: int = 64 * 1024
    """Maximum size in bytes of the document as the caller passed it, before any decoding. The value
    must be from 1 byte to 16 MiB."""
    certificates: int = 16
    """Maximum number of certificates in one message. The value must be from 1 to 1024."""
    json_brackets: int = 64
    """Maximum number of opening braces and brackets in one JSON text. This also limits the depth of
    the JSON. The value must be from 1 to :data:`MAX_JSON_BRACKETS`."""
    path_certificates: int = 8
    """Maximum number of certificates on one path. The signer and the anchor count. The value must
    be from 1 to 64."""
    work: int = 3000
    """Work budget of a search for a path. The unit is one RSA-2048 verification (see
    ``pki/path/budget.py``). The value must be from 1 to 1,000,000."""

    def __post_init__(self) -> None:
        arguments.whole(self.document_bytes, "limits.document_bytes", 1, 16 * 1024 * 1024)
        arguments.whole(self.certificates, "limits.certificates", 1, 1024)
        arguments.whole(self.json_brackets, "limits.json_brackets", 1, MAX_JSON_BRACKETS)
        arguments.whole(self.path_certificates, "limits.path_certificates", 1, 64)
        arguments.whole(self.work, "limits.work", 1, 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Requirements for a document that do not depend on the trusted certificates. :class:`Setup`
    and :class:`imdskit.verify.Policy` are subclasses that add further attributes.

    Attributes:
        limits: limits on hostile input.
        skew: number of seconds by which the clocks of signer and verifier may differ, 0 to
            :data:`MAX_SKEW`.
        max_age: maximum number of seconds since ``createdOn``, 0 to :data:`MAX_AGE`. None means
            that only ``expiresOn`` limits the age.
        require_nonce: if True, a document is refused unless the caller passes a nonce.
        check_chain: False skips the whole chain stage (for samples in documentation only).
        check_times: False skips the checks of ``createdOn``, ``expiresOn`` and ``max_age``.
        require_vm_id: if True, an empty ``vmId`` is refused.
        allow_common_name: if True, and the certificate has no subject alternative name, the
            subject's common name is used as a DNS name.
        min_rsa_bits: minimum size in bits of the RSA keys of the signer and of all other
            certificates on the path, 512 to 8192.
        require_crl: has an effect only if there are revocation lists. If True, each certificate
            below the anchor is refused unless a usable, current list covers it. If False, a
            certificate without such a list is accepted. In this case, forged and outdated lists
            have no effect.
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
        """Raise UsageError if a setting has a wrong type or is out of range. In the error,
        ``location`` and a dot precede the name of the setting."""

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
    """Configuration of a checker: the settings, the trusted certificates and the accepted signers.

    Attributes:
        anchors: trusted certificates as DER.
        intermediates: certificates as DER that may be part of a path. They are not trusted.
        names: accepted signers, as pairs of a label and a domain. A signer is accepted if its
            certificate contains the domain or a DNS name below the domain. :attr:`Signed.label` is
            the label of the pair that matched.
        crls: certificate revocation lists as DER. Backends never fetch lists. If there are none,
            revocation is not checked.

    Raises:
        UsageError: an attribute has a wrong type or is out of range. Backends rely on this check.
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
    """The contents of a document whose signature and signer have been checked.

    An attribute is None if the api-version of the document does not have the corresponding claim.
    ``subscription_id`` exists since api-version 2019-04-30, ``sku`` since 2019-11-01, and
    ``license_type`` since 2020-09-01. Times are Unix seconds.
    """

    vm_id: str
    nonce: str
    created_on: int
    expires_on: int
    plan: tuple[str, str, str] | None
    """Name, product and publisher of the marketplace plan. All three are ``""`` if the machine has
    no plan."""
    subscription_id: str | None
    sku: str | None
    license_type: str | None


class Signed(Protocol):
    """A document that passed every check. A backend may wait until an attribute is read for the
    first time before it creates the value."""

    @property
    def content(self) -> bytes:
        """The signed bytes, unchanged."""

    @property
    def claims(self) -> Claims:
        """The parsed members of the content."""

    @property
    def label(self) -> str:
        """The label of the pair in ``Setup.names`` that the signer matched."""

    @property
    def name(self) -> str:
        """The DNS name in the signer's certificate that matched the domain of this pair."""

    @property
    def chain(self) -> tuple[bytes, ...]:
        """Certificates as DER, from the signer to the anchor. If the chain was not checked, the
        tuple contains only the signer's certificate."""


class SignedDocument(NamedTuple):
    """A :class:`Signed` in which the values of all attributes exist from the beginning."""

    content: bytes
    claims: Claims
    label: str
    name: str
    chain: tuple[bytes, ...]


class Outcome(NamedTuple):
    """Result of one check, as ``explain`` reports it.

    Attributes:
        check: name of the check.
        stage: stage of verification that the check belongs to.
        outcome: ``pass``, ``fail`` or ``skip``. A check is skipped if it could not run or had
            nothing to check.
        evidence: what was found, or why the check failed or was skipped.
        source: standard that defines the rule, or the observation on which the rule is based.
        error: the error of a failed check; otherwise None.
    """

    check: str
    stage: Stage
    outcome: Literal["pass", "fail", "skip"]
    evidence: str
    source: str
    error: VerificationError | None = None


class PackedDocuments(NamedTuple):
    """Documents that are stored one after another in one buffer, as in a column of Apache Arrow.

    Attributes:
        octets: the buffer, as unsigned bytes. A backend copies each document once and checks the
            copy, because another thread may write into the buffer at any time.
        offsets: an ``array("q")`` with the start of each document, in ascending order, followed by
            the end of the last document.
    """

    octets: memoryview | bytes
    offsets: array[int]


class Columns(NamedTuple):
    """Verdicts by column, in the buffers of Apache Arrow's columnar format.

    Bitmaps begin with the least significant bit, offsets have 32 bits, and numbers are little
    endian. A row is either accepted or refused. An accepted row has the values of a signed
    document. A refused row has a reason, a location and a detail.

    Attributes:
        rows: number of rows.
        accepted: one bit for each row.
        reason: one byte for each row, the index of the reason in :class:`imdskit.reasons.Reason`.
            It is 0 if the row is accepted.
        signer: 32 bits for each row, the index of the row's signer in ``signers``. It is 0 if the
            row is refused.
        created_on, expires_on: 64 bits for each row, Unix seconds. They are 0 if the row is
            refused.
        texts: maps the name of a text column to its validity bitmap, its offsets and its UTF-8
            text. ``location`` and ``detail`` have values in refused rows. The other columns can
            have values only in accepted rows: ``vm_id``, ``nonce``, ``plan_name``,
            ``plan_product``, ``plan_publisher``, ``subscription_id``, ``sku`` and ``license_type``.
        signers: the different signers, each as a tuple of label, name and chain as in
            :class:`Signed`. They are in the order of their first occurrence.
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
    """Sequence of verdicts on many documents, in the order of the documents. A backend may wait
    until an item is read for the first time before it creates the item."""

    def __len__(self) -> int: ...

    @overload
    def __getitem__(self, key: int, /) -> Signed | VerificationError: ...

    @overload
    def __getitem__(self, key: slice, /) -> Sequence[Signed | VerificationError]: ...

    def __iter__(self) -> Iterator[Signed | VerificationError]: ...

    def columns(self) -> Columns:
        """Return all verdicts by column.

        Raises:
            OverflowError: the values of a text column have 2 GiB or more in total.
        """


class Checker(Protocol):
    """Verifier of documents for one :class:`Setup`. It is safe to share between threads."""

    def check(self, document: bytes, at: int, nonce: str | None) -> Signed:
        """Verify one document.

        Args:
            document: the JSON response of the metadata service, only the base64 in it, or the DER
                that this base64 encodes.
            at: time as of which the document is verified, in Unix seconds.
            nonce: the nonce that the document must contain, or None to accept any.

        Raises:
            VerificationError: the document is refused.
        """

    def check_many(self, documents: Sequence[bytes], at: int | Sequence[int], threads: int | None = None) -> Verdicts:
        """Verify many documents, each in the same way as :meth:`check` without a nonce. The result
        has one verdict for each document, in the order of the documents. If a document is refused,
        its verdict is the error, and the call continues with the next document.

        Args:
            documents: as for :meth:`check`.
            at: time as of which the documents are verified, in Unix seconds: one time for all
                documents, or a sequence with one for each.
            threads: maximum number of threads. None means one per processor. The Python backend
                always uses one.

        Raises:
            ValueError: the number of times differs from the number of documents.
        """

    def check_column(self, documents: PackedDocuments, at: int | array[int], threads: int | None = None) -> Columns:
        """Verify the documents of a column, each in the same way as :meth:`check` without a nonce,
        and return the verdicts by column.

        Args:
            documents: the documents. Each has a form that :meth:`check` accepts.
            at: time as of which the documents are verified, in Unix seconds: one time for all
                documents, or an ``array("q")`` with one for each.
            threads: as for :meth:`check_many`.

        Raises:
            ValueError: the offsets are not ascending, an offset is outside of the buffer, or the
                number of times differs from the number of documents.
            OverflowError: the values of a text column have 2 GiB or more in total.
        """


class Document(Protocol):
    """Immutable JSON document that is prepared for looking up its nodes many times."""

    def select(self, path: tuple[str, ...], form: Form) -> bytes:
        """Return the node at ``path`` as compact JSON or as text, in UTF-8.

        In the form ``json``, the result is the whole object or array, and a leaf is refused. In the
        form ``text``, the result for a leaf is its value without quotes. The result for an object
        or array is a list with one line for each child, which contains the child's name or index.
        If the child is itself an object or array, a slash follows its name or index.

        Args:
            path: names of members and indexes of array elements, from the root to the node. The
                empty path selects the root.
            form: ``json`` or ``text``.

        Raises:
            SelectionError: ``not-found``: the path does not exist; ``leaf-needs-text``: the node is
                a leaf, and the form is ``json``.
        """


class Bucket(Protocol):
    """Token bucket, which limits the rate of requests. It computes with integers and is safe to
    share between threads."""

    def take(self, now_ns: int) -> int:
        """Take one token at the time ``now_ns``, a signed 64-bit number of nanoseconds.

        Return 0 if a token was available. Otherwise take no token, and return the number of
        nanoseconds until the next token is available.
        """


@dataclass(frozen=True, slots=True)
class Backend:
    """Implementation of documents, token buckets and checkers.

    Attributes:
        name: ``python`` or ``rust``.
        document: creates a :class:`Document` from JSON bytes. Raises SelectionError
            (``bad-document``).
        bucket: creates a :class:`Bucket` that refills ``rate`` tokens per ``per_ns`` nanoseconds
            and has a capacity of ``burst``.
        checker: creates a :class:`Checker` from a :class:`Setup`. Raises TrustError if an anchor,
            intermediate or revocation list cannot be parsed.
        profile: build profile of the extension, ``release`` or ``debug``, or ``python`` for the
            Python backend.
        cpu_path: name of the RSA implementation that is used on this processor: ``pow`` in the
            Python backend, and ``aws-lc`` or ``avx512-ifma`` in the Rust backend.
    """

    name: str
    document: Callable[[bytes], Document]
    bucket: Callable[[int, int, int], Bucket]
    checker: Callable[[Setup], Checker]
    profile: str = "python"
    cpu_path: str = "pow"
