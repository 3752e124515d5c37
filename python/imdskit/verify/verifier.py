"""The verifier: one call decides whether Azure signed an attested document, for whom, and when."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import repeat
from threading import Lock
from typing import NamedTuple, TypeGuard, cast, overload

from imdskit import arguments, backends
from imdskit.backends.contract import MAX_SKEW, Backend, Checker, Columns, PackedDocuments, Setup, Signed
from imdskit.clock import Clock, SystemClock
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
"""Seconds for which a used document is remembered after any policy could last accept it, because the clocks of several verifiers may differ."""

NONCE_SECONDS = 2 * MAX_LIFETIME
"""Seconds for which a used nonce is remembered at least, before skew and margin. A bound nonce lives for half of it. The other half covers a clock that
runs ahead: no document is accepted by a clock that is further ahead than the life of a document."""

MAX_LEARNED = 64
"""Intermediates that a verifier takes over from accepted paths. Azure has about forty."""


class _Trusting(NamedTuple):
    """What is known of certificates, and the checker that knows it. Replaced as one."""

    setup: Setup
    checker: Checker


LAST_SECOND = 253_402_300_799
"""The end of the year 9999, beyond which no certificate has a time."""


class Verifier(ForkAware):
    """Verifies attested documents under one trust and one policy. Create one and keep it, because it caches signers. Safe to share between
    threads.

    Args:
        trust: anchors and intermediates; those of the four Azure clouds by default.
        policy: what is demanded; required, because only the caller knows whether a nonce was issued. Start with ``Policy.online()``.
        backend: which implementation decides, or its name: ``auto``, ``python`` or ``rust``. The fastest at hand by default. All give the same
            answers.
        clock: where "now" comes from.
        aia: asked for issuers that are not known, such as :class:`imdskit.verify.aia.AiaFetcher`. None by default: then nothing
            here ever uses the network.

    Raises:
        TrustError: a certificate in ``trust`` cannot be used.
        BackendError: the backend that is named cannot be used.
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
        self.trust = Trust.bundled() if trust is None else arguments.instance(trust, "trust", Trust)
        if policy is None:
            raise UsageError("bad-argument", "A Verifier needs a policy; got none.", location="policy", hint=_POLICY_HINT)
        self.policy = arguments.instance(policy, "policy", Policy)
        self._relaxed = self.policy.relaxed
        self.backend = _backend(backend)
        self._decided_by = self.backend.name if "checker" in self.backend.native else "python"
        self._clock = SystemClock() if clock is None else arguments.methods(clock, "clock", "now")
        self._aia = None if aia is None else arguments.methods(aia, "aia", "known", "issuers", "keep")
        self._lock = Lock()
        setup = self.policy.setup(self.trust)
        self._trusting = _Trusting(setup, self.backend.checker(setup))
        if aia is not None:
            self._learn(aia.known())
        self._clouds: dict[str, Cloud] = {cloud.name: cloud for cloud in self.policy.clouds}
        self.watch_forks()

    def renew_in_child(self, prepared: bool) -> None:
        """See :class:`imdskit.fork.ForkAware`."""
        self._lock = Lock()

    def verify(self, document: bytes | str, *, at: int | datetime | None = None, nonce: str | None = None) -> Attestation:
        """Verify one document.

        Args:
            document: the service's JSON, bare base64, or DER.
            at: when validity is judged: Unix seconds or an aware datetime; now by default.
            nonce: that the document must carry.

        Raises:
            VerificationError: the document is refused; ``reason`` and ``stage`` say why. If the document is in another form that can be told, such as
                PEM or UTF-16, ``hint`` names the form and says what to do.
            UsageError: an argument is of the wrong type or out of range.
        """
        second, octets, nonce = self._second(at), _octets(document), _text(nonce)
        try:
            return self._attestation(self._trusting.checker.check(octets, second, nonce), second)
        except VerificationError as refusal:
            verdict = self._check_with_fetched(octets, second, nonce, refusal)
        if isinstance(verdict, VerificationError):
            raise wrong_forms.named(octets, verdict)
        return self._attestation(verdict, second)

    def verify_once(self, document: bytes | str, *, nonce: str | None, store: NonceStore) -> Attestation:
        """Verify one document now, and use it up: of all calls that share a store, one accepts it.

        What is used up is the signed content, however it is wrapped, and the nonce if one is given: a second document that answers the
        same nonce is refused, too. It happens last, so a document that is refused for any other reason can still be used.

        Args:
            document: the service's JSON, bare base64, or DER.
            nonce: that the document must carry; None leaves it to the document alone.
            store: where what was used is remembered.

        Raises:
            VerificationError: the document is refused; ``replayed`` if it, or its nonce, was used before.
            StoreError: the store cannot tell. Do not admit; ask for a new document.
            UsageError: an argument cannot mean anything, or the policy does not look at times: then nothing ends, and nothing
                could be forgotten.
        """
        arguments.methods(store, "store", "consume")
        if not self.policy.check_times:
            raise UsageError(
                "bad-argument",
                "A policy that does not check times cannot be used with a store of used documents.",
                location="policy.check_times",
            )
        attestation = self.verify(document, nonce=nonce)
        # Verifiers with other policies may share the store, so the policy of this one decides nothing here.
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
        """Verify many documents, in order. A refusal is an item of the result: it costs its neighbours nothing.

        Args:
            documents: as for :meth:`verify`. All are in memory: of very many give some thousands at a time.
            at: when validity is judged, as for :meth:`verify`: one time for all documents, or one for each.
            nonces: the nonce that each document must carry, or None for a document that may carry any; None for no nonces at all.
            threads: number of threads to use, at most, 1 to 1024; None for as many as there are processors. The Python backend uses one.

        Raises:
            UsageError: an argument is of the wrong type or out of range, or there are not as many times or nonces as documents. Raised by the call itself,
                before the first result.
        """
        if isinstance(documents, str | bytes | bytearray | memoryview) or not isinstance(documents, Iterable):
            raise arguments.mistake("documents", "an iterable of documents", documents)
        octets = [_octets(document, f"documents[{index}]") for index, document in enumerate(documents)]
        seconds = (
            [self._second(each, f"at[{index}]") for index, each in enumerate(_each(at, "at", octets))] if _is_each(at) else self._second(at)
        )
        expected = (
            None if nonces is None else [_text(nonce, f"nonces[{index}]") for index, nonce in enumerate(_each(nonces, "nonces", octets))]
        )
        return self._verdicts(octets, seconds, expected, arguments.threads(threads))

    def _verdicts(
        self, documents: list[bytes], at: int | list[int], nonces: list[str | None] | None, threads: int | None
    ) -> Iterator[Attestation | VerificationError]:
        found = self._trusting.checker.check_many(documents, at, threads)
        seconds = repeat(at) if isinstance(at, int) else at
        for document, second, nonce, first in zip(documents, seconds, repeat(None) if nonces is None else nonces, found, strict=False):
            verdict: Signed | VerificationError = first
            if nonce is not None and (not isinstance(first, VerificationError) or first.reason is Reason.NONCE_REQUIRED):
                # The nonce is the last check, so this document has passed every other one.
                try:
                    verdict = self._trusting.checker.check(document, second, nonce)
                except VerificationError as refusal:
                    verdict = refusal
            if isinstance(verdict, VerificationError):
                verdict = self._check_with_fetched(document, second, nonce, verdict)
            yield wrong_forms.named(document, verdict) if isinstance(verdict, VerificationError) else self._attestation(verdict, second)

    def verify_columns(
        self, documents: Sequence[bytes] | PackedDocuments, at: int | Sequence[int], *, threads: int | None = None
    ) -> Columns:
        """Verify many documents without an object for each answer. No issuer is fetched.

        Args:
            documents: as for :meth:`verify`, in bytes; or all in one buffer, which spares an object for each.
            at: Unix seconds at which validity is judged, for all or for each.
            threads: as for :meth:`verify_many`.

        Raises:
            UsageError: an argument is of the wrong type, a time is out of range, or there are not as many as documents.
            OverflowError: a claim adds up to 2 GiB or more.
        """
        if isinstance(documents, PackedDocuments):
            times = array("q", self._seconds(at, len(documents.offsets) - 1)) if _is_each(at) else self._second(at)
            return self._trusting.checker.check_column(documents, times, arguments.threads(threads))
        if not isinstance(documents, Sequence) or isinstance(documents, str | bytes | bytearray | memoryview):
            raise arguments.mistake("documents", "a sequence of documents", documents)
        octets = [one if type(one) is bytes else _octets(one, f"documents[{index}]") for index, one in enumerate(documents)]
        seconds = self._seconds(at, len(octets)) if _is_each(at) else self._second(at)
        return self._trusting.checker.check_many(octets, seconds, arguments.threads(threads)).columns()

    def explain(self, document: bytes | str, *, at: int | datetime | None = None, nonce: str | None = None) -> Report:
        """Every check with its outcome. Always made by the Python backend, which is the specification (decision 0004).

        Raises:
            UsageError: as :meth:`verify`.
        """
        second, octets, nonce = self._second(at), _octets(document), _text(nonce)

        def report(setup: Setup) -> Report:
            return Report(backends.explain(setup, octets, second, nonce), second, self.policy.relaxed)

        known = report(self._trusting.setup)
        wider = self._with_fetched(octets, known.error) if known.error is not None else None
        found = known if wider is None else report(wider.setup)
        if found.error is not None:
            wrong_forms.named(octets, found.error)
        return found

    def _check_with_fetched(self, document: bytes, at: int, nonce: str | None, refusal: VerificationError) -> Signed | VerificationError:
        """Once more, if all that is wrong so far is an unknown issuer and it can be found; else ``refusal``."""
        wider = self._with_fetched(document, refusal)
        if wider is None:
            return refusal
        try:
            signed = wider.checker.check(document, at, nonce)
        except VerificationError as second:
            # Still unknown: how far the search came is in the log and concerns nobody who sends documents.
            return refusal if second.reason is Reason.UNKNOWN_ISSUER else second
        assert self._aia is not None
        found = tuple(der for der in signed.chain[1:-1] if der not in self.trust.intermediates)
        self._learn(found)
        self._aia.keep(found)
        return signed

    def _with_fetched(self, document: bytes, refusal: VerificationError) -> _Trusting | None:
        """The order of checks sees to it that a document's signature is good before its issuer can be unknown."""
        if self._aia is None or refusal.reason is not Reason.UNKNOWN_ISSUER:
            return None
        signer = signer_of(document, self.policy.limits)
        fetched = self._aia.issuers(signer, self.trust.anchors) if signer is not None else ()
        return self._with(fetched) if fetched else None

    def _with(self, certificates: Sequence[bytes]) -> _Trusting:
        """What is known by now, and these, if the backend can read them. Another document may have brought them a moment ago."""
        known = self._trusting
        new = tuple(der for der in certificates if der not in known.setup.intermediates)
        if not new:
            return known
        setup = replace(known.setup, intermediates=(*new, *known.setup.intermediates))
        try:
            return _Trusting(setup, self.backend.checker(setup))
        except TrustError:
            return known

    def _learn(self, certificates: Sequence[bytes]) -> None:
        """Take over intermediates of an accepted path, so that the next document needs no fetch."""
        with self._lock:
            room = MAX_LEARNED + len(self.trust.intermediates) - len(self._trusting.setup.intermediates)
            self._trusting = self._with(certificates[: max(room, 0)])

    def _attestation(self, signed: Signed, at: int) -> Attestation:
        return Attestation(signed, self._clouds[signed.label], at, self._decided_by, self._relaxed)

    def _seconds(self, at: Sequence[object], count: int) -> Sequence[int]:
        """Check that there are so many times, and that each is in range."""
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
_OCTETS = (bytes, bytearray, memoryview)


def _backend(given: object) -> Backend:
    if given is None:
        return backends.best()
    return backends.get(given) if isinstance(given, str) else arguments.instance(given, "backend", Backend, "a Backend or its name")


def _octets(document: object, name: str = "document") -> bytes:
    if isinstance(document, str):
        # Half of a surrogate pair cannot be encoded; "?" is no base64 and no JSON, so it is refused with a reason.
        return document.encode("utf-8", "replace")
    if isinstance(document, _OCTETS):
        return bytes(document)
    raise arguments.mistake(name, "bytes or str", document)


def _text(nonce: object, name: str = "nonce") -> str | None:
    return None if nonce is None else arguments.instance(nonce, name, str)


def _is_each(at: object) -> TypeGuard[Sequence[int | datetime]]:
    return isinstance(at, Sequence) and not isinstance(at, str | bytes | bytearray | memoryview)


def _each(values: object, name: str, documents: Sequence[bytes]) -> Sequence[object]:
    """Check that there is one value for each document."""
    if not isinstance(values, Sequence) or isinstance(values, str | bytes | bytearray | memoryview) or len(values) != len(documents):
        raise arguments.mistake(name, f"a sequence with one item for each of the {len(documents)} documents", values)
    return values
