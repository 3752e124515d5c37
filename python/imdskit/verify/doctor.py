"""What a trust is good for on a given day: which authorities lead to an anchor, until when, and which clouds can be verified by them.

What belongs here: looking at certificates that are at hand. Nothing is fetched, and nothing is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal

from imdskit.backends.contract import Limits
from imdskit.backends.python import path, x509
from imdskit.backends.python.certificate import Certificate
from imdskit.backends.python.validation import Inputs
from imdskit.clouds import CHINA, CLOUDS, GERMANY, PUBLIC, US_GOVERNMENT, Cloud
from imdskit.errors import DerError, TrustError, VerificationError
from imdskit.reasons import Reason
from imdskit.verify.trust import Trust

DAY = 86_400
State = Literal["good", "ending", "ended", "early", "broken"]

ISSUERS: dict[str, tuple[str, ...]] = {
    PUBLIC.name: ("Microsoft ",),
    US_GOVERNMENT.name: ("Microsoft ",),
    CHINA.name: ("DigiCert ",),
    GERMANY.name: ("D-TRUST ",),
}
"""How the common names of the authorities begin that sign for each cloud. Public: every genuine document in the public record. The others are
*inferred* from the authorities that Azure lists for them; a document is never judged by this, only by its own chain."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate that may issue for signers, and whether it would be believed.

    Attributes:
        name: common name of the subject, or the Name in hexadecimal.
        fingerprint: SHA-256 of the DER, hexadecimal.
        anchor: it is trusted itself.
        not_after: last Unix second of its own validity.
        state: ``good``: a path leads from it to an anchor; ``ending``: but not at the end of the term looked at; ``ended``, ``early``: its own validity
            is over or has not begun; ``broken``: it is valid, and no path leads from it to an anchor.
        chain: common names from it to the anchor; empty without a path.
        reason: why there is none, or none at the end of the term.
    """

    name: str
    fingerprint: str
    anchor: bool
    not_after: int
    state: State
    chain: tuple[str, ...] = ()
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of a trust at one time.

    Attributes:
        at: Unix seconds.
        days: the term looked at.
        authorities: anchors, then intermediates, each in the order of the trust.
        clouds: by name of the cloud, the intermediates that could sign for it and lead to an anchor.
        advice: what to do; empty if nothing.
    """

    at: int
    days: int
    authorities: tuple[Authority, ...]
    clouds: dict[str, tuple[str, ...]]
    advice: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether there is nothing to do."""
        return not self.advice


def examine(trust: Trust, at: int, days: int, wanted: Sequence[Cloud] = (PUBLIC,)) -> Finding:
    """Look at every certificate of a trust.

    What has ended is not complained of: it is there for audits. An intermediate that ends is, unless another certificate of the same name and key
    leads on.

    Args:
        trust: that is looked at.
        at: Unix seconds.
        days: how far to look ahead.
        wanted: clouds that must be verifiable.

    Raises:
        TrustError: a certificate cannot be read.
    """
    anchors = [_parsed(der, "anchors") for der in trust.anchors]
    intermediates = [_parsed(der, "intermediates") for der in trust.intermediates]
    judge = _Judge(anchors, intermediates, at, at + days * DAY)
    known = [(certificate, judge.authority(certificate, anchor=True)) for certificate in anchors]
    below = [(certificate, judge.authority(certificate, anchor=False)) for certificate in intermediates]
    lasting = {(c.subject.key, c.spki) for c, authority in (*known, *below) if authority.state == "good"}
    advice = [
        _ADVICE[authority.state].format(name=authority.name, fingerprint=authority.fingerprint[:16], days=days, reason=authority.reason)
        for certificate, authority in (*known, *below)
        if authority.state == "broken" or (authority.state == "ending" and (certificate.subject.key, certificate.spki) not in lasting)
    ]
    roots = {(c.subject.key, c.spki) for c in anchors}
    issuing = [a for c, a in below if a.state in ("good", "ending") and (c.subject.key, c.spki) not in roots]
    clouds = {}
    for cloud in CLOUDS:
        names = [authority.name for authority in issuing if authority.name.startswith(ISSUERS[cloud.name])]
        clouds[cloud.name] = tuple(dict.fromkeys(names))
        if cloud in wanted and not names:
            advice.append(
                f"No authority that signs for the cloud {cloud.name} leads to an anchor: give its intermediates, or a newer bundle."
            )
    return Finding(at, days, tuple(authority for _, authority in (*known, *below)), clouds, tuple(advice))


_ADVICE: dict[State, str] = {
    "ending": "{name} ({fingerprint}) ends within {days} days: get a newer bundle, or its successor (docs/trust.md).",
    "broken": "{name} ({fingerprint}) is valid, but leads to no anchor ({reason}): give the certificate above it, or take it out.",
}


class _Judge:
    def __init__(self, anchors: list[Certificate], intermediates: list[Certificate], at: int, later: int) -> None:
        self.anchors, self.intermediates, self.at, self.later = anchors, intermediates, at, later

    def authority(self, certificate: Certificate, *, anchor: bool) -> Authority:
        blank = Authority(_name(certificate), sha256(certificate.der).hexdigest(), anchor, certificate.not_after, "good")
        if self.at > certificate.not_after:
            return replace(blank, state="ended", reason=Reason.EXPIRED)
        if self.at < certificate.not_before:
            return replace(blank, state="early", reason=Reason.NOT_YET_VALID)
        found = self._path(certificate, self.at)
        if isinstance(found, Reason):
            return replace(blank, state="broken", reason=found)
        chain = tuple(_name(one) for one in found)
        later = self._path(certificate, self.later)
        if isinstance(later, Reason):
            return replace(blank, state="ending", chain=chain, reason=later)
        return replace(blank, chain=chain)

    def _path(self, certificate: Certificate, at: int) -> tuple[Certificate, ...] | Reason:
        """From an authority as if it were a signer, but for what only authorities need."""
        inputs = Inputs(at, key_usage=frozenset({"keyCertSign"}), any_purpose=True)
        if certificate.basic_constraints is not None and not certificate.basic_constraints.ca:
            return Reason.NOT_A_CA
        try:
            found = path.build(certificate, anchors=self.anchors, intermediates=self.intermediates, inputs=inputs, limits=Limits())
        except VerificationError as refusal:
            return refusal.reason
        for index, above in enumerate(found[1:], 1):
            # The signer below comes on top of what the search saw (RFC 5280 section 4.2.1.9).
            limit = above.basic_constraints.path_length if above.basic_constraints else None
            if limit is not None and sum(not c.self_issued for c in found[:index]) > limit:
                return Reason.PATH_LENGTH
        return found


def _name(certificate: Certificate) -> str:
    names = certificate.subject.common_names
    return names[-1] if names else certificate.subject.der.hex()[:40]


def _parsed(der: bytes, origin: str) -> Certificate:
    try:
        return x509.parse_certificate(der)
    except DerError as error:
        raise TrustError("bad-trust", f"Not a certificate: {error.message}", location=f"{origin} {error.location}") from None
