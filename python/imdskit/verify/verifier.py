"""One call that decides whether an attested document was signed by Azure, for whom, and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from imdskit import backends
from imdskit.backends.contract import Backend, Signed
from imdskit.backends.python.checker import Checker as PythonChecker
from imdskit.clock import Clock, SystemClock
from imdskit.clouds import Cloud
from imdskit.errors import UsageError, VerificationError
from imdskit.verify.attestation import Attestation
from imdskit.verify.policy import Policy
from imdskit.verify.report import Report
from imdskit.verify.trust import Trust


class Verifier:
    """Verifies attested documents under one trust and one policy. Make one and keep it: it remembers signers. Safe to share between threads.

    Args:
        trust: anchors and intermediates; those of the four Azure clouds by default.
        policy: what is demanded.
        backend: which implementation decides; the fastest at hand by default. All give the same answers.
        clock: where "now" comes from.

    Raises:
        TrustError: a certificate in ``trust`` cannot be used.
    """

    def __init__(
        self, trust: Trust | None = None, policy: Policy | None = None, *, backend: Backend | None = None, clock: Clock | None = None
    ) -> None:
        self.trust = trust or Trust.bundled()
        self.policy = policy or Policy()
        self.backend = backend or backends.best()
        self._clock = clock or SystemClock()
        self._setup = self.policy.setup(self.trust)
        self._checker = self.backend.checker(self._setup)
        self._clouds: dict[str, Cloud] = {cloud.name: cloud for cloud in self.policy.clouds}

    def verify(self, document: bytes | str, at: int | datetime | None = None, nonce: str | None = None) -> Attestation:
        """Verify one document.

        Args:
            document: the service's JSON, bare base64, or DER.
            at: when validity is judged: Unix seconds or an aware datetime; now by default.
            nonce: that the document must carry.

        Raises:
            VerificationError: the document is refused; ``reason`` and ``stage`` say why.
            UsageError: an argument cannot mean anything.
        """
        second = self._second(at)
        signed = self._checker.check(_octets(document), second, _text(nonce))
        return self._attestation(signed, second)

    def verify_many(
        self, documents: Iterable[bytes | str], at: int | datetime | None = None
    ) -> Iterator[Attestation | VerificationError]:
        """Verify many documents at one time, in order. A refusal is an item of the result: it costs its neighbours nothing."""
        second = self._second(at)
        for verdict in self._checker.check_many([_octets(document) for document in documents], second):
            yield verdict if isinstance(verdict, VerificationError) else self._attestation(verdict, second)

    def explain(self, document: bytes | str, at: int | datetime | None = None, nonce: str | None = None) -> Report:
        """Every check with its outcome. Always made by the Python backend, which is the specification (decision 0004)."""
        second = self._second(at)
        checker = PythonChecker(self._setup)
        return Report(checker.explain(_octets(document), second, _text(nonce)), second, self.policy.relaxed)

    def _attestation(self, signed: Signed, at: int) -> Attestation:
        return Attestation(
            claims=signed.claims,
            cloud=self._clouds[signed.label],
            name=signed.name,
            chain=signed.chain,
            content=signed.content,
            at=at,
            backend=self.backend.name,
            relaxed=self.policy.relaxed,
        )

    def _second(self, at: int | datetime | None) -> int:
        if at is None:
            return self._clock.now()
        if isinstance(at, datetime):
            if at.tzinfo is None:
                raise UsageError("bad-argument", "The time has no zone.", location="at", hint="Use datetime(..., tzinfo=timezone.utc).")
            return int(at.timestamp() // 1)
        if isinstance(at, bool) or not isinstance(at, int):
            raise UsageError("bad-argument", "The time is neither whole Unix seconds nor a datetime.", location="at")
        return at


def _octets(document: bytes | str) -> bytes:
    if isinstance(document, str):
        # Half of a surrogate pair cannot be encoded; "?" is no base64 and no JSON, so it is refused with a reason.
        return document.encode("utf-8", "replace")
    if isinstance(document, bytes | bytearray | memoryview):
        return bytes(document)
    raise UsageError("bad-argument", "A document is bytes or str.", location="document")


def _text(nonce: str | None) -> str | None:
    if nonce is not None and not isinstance(nonce, str):
        raise UsageError("bad-argument", "A nonce is a str.", location="nonce")
    return nonce
