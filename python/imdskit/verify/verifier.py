"""Verifier of attested documents. It decides whether Azure signed a document, and returns the
claims in the document, such as the id of the machine."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import repeat
from typing import Any, NamedTuple, TypeGuard, cast, overload

from imdskit import arguments, backends
from imdskit.backends.contract import MAX_SKEW, Backend, Checker, Columns, PackedDocuments, Setup, Signed
from imdskit.clock import LAST_SECOND, Clock, SystemClock
from imdskit.clouds import Cloud
from imdskit.errors import TrustError, UsageError, VerificationError
from imdskit.fork import ForkAware
from imdskit.reasons import Reason
from imdskit.verify.attestation import Attestation
from imdskit.verify.issuers import IssuerSource, signer_of
from imdskit.verify.nonces import MAX_LIFETIME
from imdskit.verify.policy import Policy
from imdskit.verify.report import Report
from imdskit.verify.stores.store import NonceStore
from imdskit.verify.trust import Trust

MARGIN = 600
"""Margin in seconds. A store keeps the record of a used document for this time after the last
moment at which a policy could accept the document.

The margin is needed because verifiers that share a store may have different clocks.
"""

NONCE_SECONDS = 2 * MAX_LIFETIME
"""Minimum time in seconds for which a store keeps the record of a used nonce. :data:`MAX_SKEW` and
:data:`MARGIN` are added to this time.

The maximum lifetime of a nonce of :class:`NonceIssuer` is six hours, and the value is twice this
time. The first half covers the time in which the nonce is valid. The second half is needed because
a verifier whose clock is ahead removes records too early. Such a clock can be ahead by at most six
hours: a verifier whose clock is further ahead refuses every document as expired.
"""

MAX_LEARNED = 64
"""Maximum number of fetched intermediates that a verifier keeps in memory. Azure has about forty
intermediates."""


class _Configured(NamedTuple):
    """Configuration, and the checker that was created from it. The verifier replaces both in a
    single assignment, so that threads always see a matching pair."""

    setup: Setup
    checker: Checker


class Verifier(ForkAware):
    """Verifier of attested documents with one trust and one policy.

    A verifier caches the certificates and paths of signers, so create it once and keep it. It can
    be shared between threads.

    Args:
        trust: anchors and intermediates. By default, the bundled certificates of the four Azure
            clouds are used.
        policy: requirements on a document. There is no default, because only the caller knows
            whether it has issued a nonce. Start with ``Policy.online()``.
        backend: implementation of the checks, or its name: ``auto``, ``python`` or ``rust``. The
            default is the fastest implementation that is available. All of them give the same
            results.
        clock: the source of the current time; the system clock by default.
        aia: source of the certificates of unknown issuers, such as
            :class:`imdskit.verify.aia.AiaFetcher`. By default, there is no source, and the verifier
            never uses the network.

    Attributes:
        trust: trust anchors, intermediates and revocation lists of this verifier.
        policy: policy of this verifier.
        backend: implementation of the checks that this verifier uses.

    Raises:
        TrustError: a certificate or revocation list in ``trust`` cannot be parsed.
        BackendError: the requested backend is not available.
        UsageError: no policy was given, no backend has the given name, or an argument is of the
            wrong type.
    """

    @overload
    def __init__(
        self,
        trust: Trust | None,
        policy: Policy,
        *,
        backend: Backend | str | None = None,
        clock: Clock | None = None,
        aia: IssuerSource | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self,
        trust: Trust | None = None,
        *,
        policy: Policy,
        backend: Backend | str | None = None,
        clock: Clock | None = None,
        aia: IssuerSource | None = None,
    ) -> None: ...

    def __init__(
        self,
        trust: Trust | None = None,
        policy: Policy | None = None,
        *,
        backend: Backend | str | None = None,
        clock: Clock | None = None,
        aia: IssuerSource | None = None,
    ) -> None:
        super().__init__()
        self.trust = Trust.bundled() if trust is None else arguments.instance(trust, "trust", Trust)
        if policy is None:
            raise UsageError("bad-argument", "A Verifier needs a policy; got none.", location="policy", hint=_POLICY_HINT)
        self.policy = arguments.instance(policy, "policy", Policy)
        self._relaxed = self.policy.relaxed
        self.backend = _backend(backend)
        self._clock = SystemClock() if clock is None else arguments.methods(clock, "clock", "now")
        self._aia = None if aia is None else arguments.methods(aia, "aia", "known", "issuers", "keep")
        setup = self.policy.setup(self.trust)
        self._configured = _Configured(setup, self.backend.checker(setup))
        if aia is not None:
            self._learn(aia.known())
        self._clouds: dict[str, Cloud] = {cloud.name: cloud for cloud in self.policy.clouds}
        self.watch_forks()

    def verify(self, document: bytes | str, *, at: int | datetime | None = None, nonce: str | None = None) -> Attestation:
        """Verify one document.

        Args:
            document: the metadata service's JSON, bare base64, or DER.
            at: time as of which the document is verified: Unix seconds, or a datetime with a time
                zone. By default, this is the current time.
            nonce: nonce that the document must contain. None accepts any nonce, unless the policy
                requires one.

        Returns:
            The result, with the verified claims about the machine and the identity of the signer.

        Raises:
            VerificationError: the document is refused. The attributes ``reason`` and ``stage`` of
                the error say why. If imdskit recognizes that the data has a wrong form, such as PEM
                or UTF-16, ``hint`` names this form and says what to do.
            UsageError: an argument is of the wrong type or out of range.
        """
        second, data, nonce = self._second(at), _document_bytes(document), _text(nonce)
        try:
            return self._attestation(self._configured.checker.check(data, second, nonce), second)
        except VerificationError as refusal:
            verdict = self._check_with_fetched(data, second, nonce, refusal)
        if isinstance(verdict, VerificationError):
            raise _with_hint(data, verdict)
        return self._attestation(verdict, second)

    def verify_once(self, document: bytes | str, *, nonce: str | None, store: NonceStore) -> Attestation:
        """Verify one document as of the current time, and mark it as used. Later calls with the
        same document and the same store refuse the document.

        The method marks the signed content as used, so the same content in another encoding is
        refused later. If a nonce is given, the method also marks the nonce as used, so another
        document with this nonce is refused later. The method marks both only after the document has
        passed all other checks. A document that failed one of these checks can therefore still be
        accepted later.

        Args:
            document: the metadata service's JSON, bare base64, or DER.
            nonce: nonce that the document must contain. With None, the document is refused if the
                policy requires a nonce. Otherwise, the nonce in the document is neither checked nor
                marked as used.
            store: store of used documents and nonces.

        Returns:
            The same as :meth:`verify`.

        Raises:
            VerificationError: the document is refused. The reason is ``replayed`` if the document
                or its nonce was used before.
            StoreError: the store cannot determine whether the document was used before. In this
                case, do not admit the machine, and request a new document.
            UsageError: an argument is of the wrong type, or the policy does not check times. If
                times are not checked, documents never expire, so a store could never remove a
                record.
        """
        arguments.methods(store, "store", "consume")
        if not self.policy.check_times:
            raise UsageError(
                "bad-argument",
                "A policy that does not check times cannot be used with a store of used documents.",
                location="policy.check_times",
            )
        attestation = self.verify(document, nonce=nonce)
        # Verifiers with other policies may share the store, so the time for which a record is kept
        # must not depend on this policy.
        document_ends = attestation.claims.expires_on
        used = [("content", attestation.replay_key, document_ends)]
        if nonce is not None:
            nonce_key = sha256(b"imdskit used nonce\x00" + nonce.encode()).digest()
            used.append(("content.nonce", nonce_key, max(document_ends, attestation.at + NONCE_SECONDS)))
        for location, key, ends in used:
            if not store.consume(key, ends + MAX_SKEW + MARGIN):
                raise VerificationError(Reason.REPLAYED, location=location)
        return attestation

    def verify_many(
        self,
        documents: Iterable[bytes | str],
        *,
        at: int | datetime | Sequence[int | datetime] | None = None,
        nonces: Sequence[str | None] | None = None,
        threads: int | None = None,
    ) -> Iterator[Attestation | VerificationError]:
        """Verify many documents. For each document, in order, yield an attestation if it is
        accepted, or the VerificationError if it is refused.

        Args:
            documents: documents as for :meth:`verify`. All of them are kept in memory during the
                call, so split very many documents into batches of some thousands.
            at: time as of which the documents are verified, as for :meth:`verify`: one time for all
                documents, or a sequence with one for each.
            nonces: sequence with one item for each document: the nonce that the document must
                contain, or None as in :meth:`verify`. If there is no sequence, the item is None for
                every document.
            threads: maximum number of threads, at least 1. None means one per processor. At most
                1024 threads are used. The Python backend always uses one.

        Raises:
            UsageError: an argument is of the wrong type or out of range, or the number of times or
                nonces differs from the number of documents. The error is raised when the method is
                called, not when the first result is requested.
        """
        if isinstance(documents, _TEXT) or not isinstance(documents, Iterable):
            raise arguments.mistake("documents", "an iterable of documents", documents)
        data = [_document_bytes(document, f"documents[{index}]") for index, document in enumerate(documents)]
        seconds = (
            [self._second(each, f"at[{index}]") for index, each in enumerate(_each(at, "at", data))] if _is_each(at) else self._second(at)
        )
        expected = (
            None if nonces is None else [_text(nonce, f"nonces[{index}]") for index, nonce in enumerate(_each(nonces, "nonces", data))]
        )
        return self._verdicts(data, seconds, expected, arguments.threads(threads))

    def _verdicts(
        self, documents: list[bytes], at: int | list[int], nonces: list[str | None] | None, threads: int | None
    ) -> Iterator[Attestation | VerificationError]:
        found = self._configured.checker.check_many(documents, at, threads)
        seconds = repeat(at) if isinstance(at, int) else at
        for document, second, nonce, first in zip(documents, seconds, repeat(None) if nonces is None else nonces, found, strict=False):
            verdict: Signed | VerificationError = first
            if nonce is not None and (not isinstance(first, VerificationError) or first.reason is Reason.NONCE_REQUIRED):
                # The nonce is checked last, so this document has passed all other checks.
                try:
                    verdict = self._configured.checker.check(document, second, nonce)
                except VerificationError as refusal:
                    verdict = refusal
            if isinstance(verdict, VerificationError):
                verdict = self._check_with_fetched(document, second, nonce, verdict)
            yield _with_hint(document, verdict) if isinstance(verdict, VerificationError) else self._attestation(verdict, second)

    def verify_columns(
        self, documents: Sequence[bytes] | PackedDocuments, at: int | Sequence[int], *, threads: int | None = None
    ) -> Columns:
        """Verify many documents, and return the results as columns instead of one object per
        document. The method does not fetch unknown issuers, and it does not compare nonces. If the
        policy requires nonces, it refuses every document.

        Args:
            documents: documents in the forms that :meth:`verify` accepts, as a sequence of bytes or
                together in one buffer. With a buffer, no Python object per document is needed.
            at: time as of which the documents are verified, in Unix seconds: one time for all
                documents, or a sequence with one for each.
            threads: see :meth:`verify_many`.

        Raises:
            UsageError: an argument is of the wrong type, a time is out of range, or the number of
                times differs from the number of documents.
            OverflowError: the texts in one column of the result have 2 GiB or more in total.
        """
        if isinstance(documents, PackedDocuments):
            times = array("q", self._seconds(at, len(documents.offsets) - 1)) if _is_each(at) else self._second(at)
            return self._configured.checker.check_column(documents, times, arguments.threads(threads))
        if not _is_each(documents):
            raise arguments.mistake("documents", "a sequence of documents", documents)
        data = [one if type(one) is bytes else _document_bytes(one, f"documents[{index}]") for index, one in enumerate(documents)]
        seconds = self._seconds(at, len(data)) if _is_each(at) else self._second(at)
        return self._configured.checker.check_many(data, seconds, arguments.threads(threads)).columns()

    def explain(self, document: bytes | str, *, at: int | datetime | None = None, nonce: str | None = None) -> Report:
        """Return a report with the outcome of every check. The arguments are those of
        :meth:`verify`.

        The method always uses the Python backend, because the Python backend is the specification
        (decision 0004).

        Raises:
            UsageError: see :meth:`verify`.
        """
        second, data, nonce = self._second(at), _document_bytes(document), _text(nonce)

        def report(setup: Setup) -> Report:
            return Report(backends.explain(setup, data, second, nonce), second, self.policy.relaxed)

        known = report(self._configured.setup)
        wider = self._with_fetched(data, known.error) if known.error is not None else None
        found = known if wider is None else report(wider.setup)
        if found.error is not None:
            _with_hint(data, found.error)
        return found

    def _check_with_fetched(self, document: bytes, at: int, nonce: str | None, refusal: VerificationError) -> Signed | VerificationError:
        """Check a refused document again, if it was refused because of an unknown issuer and the
        issuer can be fetched. Otherwise, return ``refusal``."""
        wider = self._with_fetched(document, refusal)
        if wider is None:
            return refusal
        try:
            signed = wider.checker.check(document, at, nonce)
        except VerificationError as second:
            # An issuer is still unknown. The first error is returned, because the second one would
            # tell the sender of the document which issuers could be fetched.
            return refusal if second.reason is Reason.UNKNOWN_ISSUER else second
        assert self._aia is not None
        found = tuple(der for der in signed.chain[1:-1] if der not in self.trust.intermediates)
        self._learn(found)
        self._aia.keep(found)
        return signed

    def _with_fetched(self, document: bytes, refusal: VerificationError) -> _Configured | None:
        """Return a configuration that also contains the fetched issuers of a refused document, or
        None if no issuer was fetched.

        Issuers are fetched only for documents with a valid signature. This method need not check
        the signature: the checker verifies it before the chain, so a document that is refused
        because of an unknown issuer has a valid signature.
        """
        if self._aia is None or refusal.reason is not Reason.UNKNOWN_ISSUER:
            return None
        signer = signer_of(document, self.policy.limits)
        fetched = self._aia.issuers(signer, self.trust.anchors) if signer is not None else ()
        return self._with(fetched) if fetched else None

    def _with(self, certificates: Sequence[bytes]) -> _Configured:
        """Return a configuration with additional intermediates.

        The result is the current configuration if it already contains all of them, or if the
        backend cannot parse one of them.
        """
        known = self._configured
        new = tuple(der for der in certificates if der not in known.setup.intermediates)
        if not new:
            return known
        setup = replace(known.setup, intermediates=(*new, *known.setup.intermediates))
        try:
            return _Configured(setup, self.backend.checker(setup))
        except TrustError:
            return known

    def _learn(self, certificates: Sequence[bytes]) -> None:
        """Keep fetched intermediates of an accepted path in memory, so that later documents need no
        fetch. Keep at most :data:`MAX_LEARNED`."""
        with self._lock:
            room = MAX_LEARNED + len(self.trust.intermediates) - len(self._configured.setup.intermediates)
            self._configured = self._with(certificates[: max(room, 0)])

    def _attestation(self, signed: Signed, at: int) -> Attestation:
        return Attestation(signed, self._clouds[signed.label], at, self.backend.name, self._relaxed)

    def _seconds(self, at: Sequence[object], count: int) -> Sequence[int]:
        """Return ``at`` after checking that it contains ``count`` times and that each of them is in
        range."""
        if len(at) == count and all(type(second) is int and 0 <= second <= LAST_SECOND for second in at):
            return cast("Sequence[int]", at)
        raise UsageError(
            "bad-argument", "`at` must contain one time for each document, in Unix seconds of the years 1970 to 9999.", location="at"
        )

    def _second(self, at: object, name: str = "at") -> int:
        if at is None:
            at, name = self._clock.now(), "clock"
        elif isinstance(at, datetime):
            if at.utcoffset() is None:
                hint = "Use datetime(..., tzinfo=timezone.utc)."
                raise UsageError("bad-argument", f"`{name}` must have a time zone.", location=name, hint=hint)
            return (at - _EPOCH) // _SECOND
        if type(at) is int and 0 <= at <= LAST_SECOND:
            return at
        raise arguments.mistake(name, "whole Unix seconds of the years 1970 to 9999, or a datetime with a time zone", at)


_POLICY_HINT = "Pass policy=Policy.online() if you issued a nonce for this document, or Policy.offline_audit() for stored documents."
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_BYTES_LIKE = (bytes, bytearray, memoryview)
_TEXT = (str, *_BYTES_LIKE)


def _backend(given: object) -> Backend:
    if given is None:
        return backends.best()
    return backends.get(given) if isinstance(given, str) else arguments.instance(given, "backend", Backend, "a Backend or its name")


def _document_bytes(document: object, name: str = "document") -> bytes:
    if isinstance(document, str):
        # UTF-8 cannot encode a lone surrogate. It is replaced by "?", so that the document is
        # refused with a reason instead of a UnicodeEncodeError.
        return document.encode("utf-8", "replace")
    if isinstance(document, _BYTES_LIKE):
        return bytes(document)
    raise arguments.mistake(name, "bytes or str", document)


def _with_hint(document: bytes, refusal: VerificationError) -> VerificationError:
    from imdskit.verify import wrong_forms  # only refusals need its patterns, whose compilation takes 4 ms

    return wrong_forms.named(document, refusal)


def _text(nonce: object, name: str = "nonce") -> str | None:
    return None if nonce is None else arguments.instance(nonce, name, str)


def _is_each(values: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(values, Sequence) and not isinstance(values, _TEXT)


def _each(values: object, name: str, documents: Sequence[bytes]) -> Sequence[object]:
    """Return ``values`` if it is a sequence with one value for each document, or raise
    UsageError."""
    if not _is_each(values) or len(values) != len(documents):
        raise arguments.mistake(name, f"a sequence with one item for each of the {len(documents)} documents", values)
    return values
