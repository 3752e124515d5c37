"""The verifier: it decides whether Azure signed an attested document, and returns for which machine and when."""

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
from imdskit.verify import wrong_forms
from imdskit.verify.attestation import Attestation
from imdskit.verify.issuers import IssuerSource, signer_of
from imdskit.verify.nonces import MAX_LIFETIME
from imdskit.verify.policy import Policy
from imdskit.verify.report import Report
from imdskit.verify.stores.store import NonceStore
from imdskit.verify.trust import Trust

MARGIN = 600
"""Additional time in seconds for which a used document stays in the store.

The time starts when no policy can accept the document any longer. It covers differences between the clocks of several verifiers.
"""

NONCE_SECONDS = 2 * MAX_LIFETIME
"""Minimum time in seconds for which a used nonce stays in the store, before skew and margin are added.

A bound nonce is valid for at most half of this time. The other half covers a verifier whose clock is ahead. If its clock is ahead by more
than the lifetime of a document, the verifier refuses every document anyway.
"""

MAX_LEARNED = 64
"""Maximum number of fetched intermediates that a verifier keeps in memory. Azure has about forty."""


class _Configured(NamedTuple):
    """Configuration and the checker that was created from it. The verifier always replaces both together, in one assignment."""

    setup: Setup
    checker: Checker


class Verifier(ForkAware):
    """Verifier of attested documents with one trust and one policy.

    Create a verifier once and keep it, because it caches signers. It can be shared between threads.

    Args:
        trust: anchors and intermediates. By default, the bundled certificates of the four Azure clouds are used.
        policy: requirements on a document. There is no default, because only the caller knows whether a nonce was issued. Start with
            ``Policy.online()``.
        backend: the implementation of the checks, or its name: ``auto``, ``python`` or ``rust``. The default is the fastest one that is
            available. All backends give the same results.
        clock: the source of the current time; the system clock by default.
        aia: source of unknown issuers, such as :class:`imdskit.verify.aia.AiaFetcher`. Without it, which is the default, the verifier never
            uses the network.

    Raises:
        TrustError: a certificate in ``trust`` cannot be used.
        BackendError: the requested backend is not available.
        UsageError: there is no policy, there is no backend of that name, or an argument is of the wrong type.
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
            document: the service's JSON, bare base64, or DER.
            at: time for which validity is judged, as Unix seconds or an aware datetime; now by default.
            nonce: the nonce that the document must contain; None if it may contain any.

        Returns:
            The verified statements about the machine, and who signed them.

        Raises:
            VerificationError: the document is refused; ``reason`` and ``stage`` say why. If imdskit recognizes the data as another form of
                a document, such as PEM or UTF-16, ``hint`` names the form and says what to do.
            UsageError: an argument is of the wrong type or out of range.
        """
        second, data, nonce = self._second(at), _document_bytes(document), _text(nonce)
        try:
            return self._attestation(self._configured.checker.check(data, second, nonce), second)
        except VerificationError as refusal:
            verdict = self._check_with_fetched(data, second, nonce, refusal)
        if isinstance(verdict, VerificationError):
            raise wrong_forms.named(data, verdict)
        return self._attestation(verdict, second)

    def verify_once(self, document: bytes | str, *, nonce: str | None, store: NonceStore) -> Attestation:
        """Verify one document now, and mark it as used. Among all calls that share a store, only the first one accepts the document.

        The method marks the signed content as used, so the same content in another encoding is refused as well. If a nonce is given, the
        nonce is marked as used as well, so that a second document with the same nonce is refused. A document is marked only after it has
        passed all other checks. A document that was refused for another reason can therefore still be used later.

        Args:
            document: the service's JSON, bare base64, or DER.
            nonce: the nonce that the document must contain; None if only the document itself is marked as used.
            store: store of used documents and nonces.

        Returns:
            The same as :meth:`verify`.

        Raises:
            VerificationError: the document is refused. The reason is ``replayed`` if the document or its nonce was used before.
            StoreError: the store cannot determine whether the document was used. Do not admit the machine; request a new document.
            UsageError: an argument is of the wrong type, or the policy does not check times. Without times, a store could never remove a
                key.
        """
        arguments.methods(store, "store", "consume")
        if not self.policy.check_times:
            raise UsageError(
                "bad-argument",
                "A policy that does not check times cannot be used with a store of used documents.",
                location="policy.check_times",
            )
        attestation = self.verify(document, nonce=nonce)
        # Verifiers with other policies may share the store, so the time of expiry must not depend on this policy.
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
        """Verify many documents, in order. Yield an attestation for each accepted document, and the VerificationError for each refused one.

        Args:
            documents: documents as for :meth:`verify`. All are kept in memory, so pass very many in batches of some thousands.
            at: time for which validity is judged, as for :meth:`verify`: one time for all documents, or a sequence with one for each.
            nonces: a sequence with one item for each document. The item is the nonce that the document must contain, or None if it may
                contain any nonce. Pass None instead of a sequence if no nonces are to be checked.
            threads: maximum number of threads, 1 to 1024; None for one per processor. The Python backend always uses one.

        Raises:
            UsageError: an argument is of the wrong type or out of range, or the number of times or nonces differs from the number of
                documents. The call itself raises this error, before it yields the first result.
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
                # The check of the nonce is the last one, so this document has passed all others.
                try:
                    verdict = self._configured.checker.check(document, second, nonce)
                except VerificationError as refusal:
                    verdict = refusal
            if isinstance(verdict, VerificationError):
                verdict = self._check_with_fetched(document, second, nonce, verdict)
            yield wrong_forms.named(document, verdict) if isinstance(verdict, VerificationError) else self._attestation(verdict, second)

    def verify_columns(
        self, documents: Sequence[bytes] | PackedDocuments, at: int | Sequence[int], *, threads: int | None = None
    ) -> Columns:
        """Verify many documents without creating an object for each result. The method does not fetch unknown issuers.

        Args:
            documents: documents in the forms that :meth:`verify` accepts. They are passed as a sequence of bytes, or together in one
                buffer, which saves one object per document.
            at: time for which validity is judged, in Unix seconds: one time for all documents, or a sequence with one for each.
            threads: see :meth:`verify_many`.

        Raises:
            UsageError: an argument is of the wrong type, a time is out of range, or the number of times differs from the number of
                documents.
            OverflowError: the texts of one claim exceed 2 GiB in total.
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
        """Return a report with the outcome of every check. It always uses the Python backend, which is the specification (decision 0004).

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
            wrong_forms.named(data, found.error)
        return found

    def _check_with_fetched(self, document: bytes, at: int, nonce: str | None, refusal: VerificationError) -> Signed | VerificationError:
        """Check a refused document again if its issuer was unknown and can be fetched. Otherwise, return ``refusal``."""
        wider = self._with_fetched(document, refusal)
        if wider is None:
            return refusal
        try:
            signed = wider.checker.check(document, at, nonce)
        except VerificationError as second:
            # The issuer is still unknown. Return the first error, because the second one would tell the sender of the document how far the
            # search came. Only the log shows this.
            return refusal if second.reason is Reason.UNKNOWN_ISSUER else second
        assert self._aia is not None
        found = tuple(der for der in signed.chain[1:-1] if der not in self.trust.intermediates)
        self._learn(found)
        self._aia.keep(found)
        return signed

    def _with_fetched(self, document: bytes, refusal: VerificationError) -> _Configured | None:
        """Return a configuration with the fetched issuers of a refused document, or None if there are none.

        The signature is checked before the chain, so a document whose issuer is unknown always has a good signature.
        """
        if self._aia is None or refusal.reason is not Reason.UNKNOWN_ISSUER:
            return None
        signer = signer_of(document, self.policy.limits)
        fetched = self._aia.issuers(signer, self.trust.anchors) if signer is not None else ()
        return self._with(fetched) if fetched else None

    def _with(self, certificates: Sequence[bytes]) -> _Configured:
        """Return a configuration with additional intermediates.

        Return the current configuration if another thread has already added the intermediates, or if the backend cannot parse them.
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
        """Keep intermediates of an accepted path in memory, so that the next document needs no fetch."""
        with self._lock:
            room = MAX_LEARNED + len(self.trust.intermediates) - len(self._configured.setup.intermediates)
            self._configured = self._with(certificates[: max(room, 0)])

    def _attestation(self, signed: Signed, at: int) -> Attestation:
        return Attestation(signed, self._clouds[signed.label], at, self.backend.name, self._relaxed)

    def _seconds(self, at: Sequence[object], count: int) -> Sequence[int]:
        """Return ``at`` after checking that it contains ``count`` times and that each of them is in range."""
        if len(at) == count and all(type(second) is int and 0 <= second <= LAST_SECOND for second in at):
            return cast("Sequence[int]", at)
        raise UsageError("bad-argument", "`at` must have one time from 1970 to 9999 for each document.", location="at")

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
        raise arguments.mistake(name, "whole Unix seconds of the years 1970 to 9999, or a datetime with a zone", at)


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
        # A lone surrogate cannot be encoded. It becomes "?", which is neither base64 nor JSON, so the document is refused with a reason.
        return document.encode("utf-8", "replace")
    if isinstance(document, _BYTES_LIKE):
        return bytes(document)
    raise arguments.mistake(name, "bytes or str", document)


def _text(nonce: object, name: str = "nonce") -> str | None:
    return None if nonce is None else arguments.instance(nonce, name, str)


def _is_each(values: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(values, Sequence) and not isinstance(values, _TEXT)


def _each(values: object, name: str, documents: Sequence[bytes]) -> Sequence[object]:
    """Return ``values`` if it is a sequence with one value for each document, or raise UsageError."""
    if not _is_each(values) or len(values) != len(documents):
        raise arguments.mistake(name, f"a sequence with one item for each of the {len(documents)} documents", values)
    return values
