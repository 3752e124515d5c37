"""Examination of trusted certificates, for ``imdskit doctor``.

The examination shows from which authorities a path leads to an anchor, how long this path stays
valid, and for which clouds documents can be verified. It uses only the given certificates. It
fetches nothing and changes nothing.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Literal

from imdskit.clouds import CHINA, CLOUDS, GERMANY, PUBLIC, US_GOVERNMENT, Cloud
from imdskit.pki.x509.certificate import Certificate
from imdskit.reasons import Reason
from imdskit.verify.bundles.authority_path import authority_path
from imdskit.verify.bundles.bundle import SigningAuthority, parsed
from imdskit.verify.trust import Trust

DAY = 86_400
MAX_AGE_DAYS = 180
"""Age in days after which a bundle counts as old. This number is *inferred*, because Azure
documents none: the certificates of signers are valid for about 180 days, and Azure replaces
intermediates without notice."""
State = Literal["good", "ending", "ended", "early", "broken"]
Use = Literal["anchor", "signs", "audit", "path"]

ISSUERS: dict[str, tuple[str, ...]] = {
    PUBLIC.name: ("Microsoft ",),
    US_GOVERNMENT.name: ("Microsoft ",),
    CHINA.name: ("DigiCert ",),
    GERMANY.name: ("D-TRUST ",),
}
"""Maps the name of a cloud to prefixes of common names. If an authority issues certificates for
signers of the cloud, its common name begins with one of these prefixes.

The prefixes for the public cloud come from all genuine documents that have been published. The
prefixes for the other clouds are *inferred* from the authorities that Azure lists for these clouds.
Only this module uses the table. A verifier does not: it builds the chain of a document from the
certificates.
"""


@dataclass(frozen=True, slots=True)
class Authority:
    """State of one certificate of an authority.

    Attributes:
        name: common name of the subject, or the beginning of the subject in hexadecimal.
        fingerprint: SHA-256 of the DER, in hexadecimal.
        anchor: True if the certificate is an anchor.
        not_after: last second of its validity, as Unix time.
        state: ``good``: a path leads from the certificate to an anchor, both now and at the end of
            the examined period. ``ending``: there is a path now, but none at the end of the period.
            ``ended``: the certificate has expired. ``early``: the certificate is not valid yet.
            ``broken``: the certificate is valid, but no path leads from it to an anchor.
        chain: common names of the certificates on the path, from this certificate to the anchor.
            Empty if there is no path now.
        reason: reason why there is no path now or, for ``ending``, at the end of the period. None
            for ``good``.
        use: ``audit``: the certificate is kept only for audits of old documents. ``anchor``: it is
            any other anchor. ``signs``: it is an intermediate of an authority that is known to
            issue certificates for signers. ``path``: it is any other intermediate, which may be
            part of a path.
        evidence: evidence for the use ``signs``; ``""`` for the other uses.
    """

    name: str
    fingerprint: str
    anchor: bool
    not_after: int
    state: State
    chain: tuple[str, ...] = ()
    reason: Reason | None = None
    use: Use = "path"
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of an examination.

    Attributes:
        at: time of the examination in Unix seconds.
        days: length of the examined period in days.
        authorities: the anchors and then the intermediates, in the order of the examined trust.
        clouds: maps the name of each cloud to the common names of those intermediates that could
            issue certificates for its signers and have a path to an anchor.
        advice: recommended actions; empty if there is nothing to do.
    """

    at: int
    days: int
    authorities: tuple[Authority, ...]
    clouds: dict[str, tuple[str, ...]]
    advice: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True if there is nothing to do."""
        return not self.advice


def examine(trust: Trust, at: int, days: int, wanted: Sequence[Cloud] = (PUBLIC,)) -> Finding:
    """Examine all certificates in ``trust``, and return the findings with recommended actions.

    An expired certificate is not a problem, because it may be needed for audits. A certificate in
    the state ``broken`` is a problem. A certificate in the state ``ending`` is a problem, too,
    unless it is kept only for audits, or another certificate with the same name and key is in the
    state ``good``. For each wanted cloud, at least one authority must have a path to an anchor.

    If the trust comes from a bundle, there are two more requirements. The bundle must be at most
    :data:`MAX_AGE_DAYS` days old. For each authority that is known to issue certificates for
    signers, the bundle must contain a certificate that has not expired. These authorities are named
    in the examined bundle and in the bundle of the installed release.

    Args:
        trust: the certificates to examine.
        at: time of the examination in Unix seconds.
        days: length of the period in days.
        wanted: clouds whose documents it must be possible to verify.

    Raises:
        TrustError: a certificate cannot be read.
    """
    anchors = [parsed(der, "anchors") for der in trust.anchors]
    intermediates = [parsed(der, "intermediates") for der in trust.intermediates]
    release = Trust.bundled()
    signing = {one.key: one for one in (*trust.signing, *release.signing)}
    judge = _Judge(anchors, intermediates, at, at + days * DAY, signing, {*trust.audit, *release.audit})
    known = [(certificate, judge.authority(certificate, anchor=True)) for certificate in anchors]
    below = [(certificate, judge.authority(certificate, anchor=False)) for certificate in intermediates]
    lasting = {(c.subject.key, c.spki) for c, authority in (*known, *below) if authority.state == "good"}
    advice = [
        _ADVICE[authority.state].format(name=authority.name, fingerprint=authority.fingerprint[:16], days=days, reason=authority.reason)
        for certificate, authority in (*known, *below)
        if authority.state == "broken"
        or (authority.state == "ending" and authority.use != "audit" and (certificate.subject.key, certificate.spki) not in lasting)
    ]
    if trust.date:
        current = {_key(c) for c, authority in (*known, *below) if authority.state != "ended"}
        advice += [_MISSING.format(name=one.name) for one in signing.values() if one.key not in current]
        age = (at - int(datetime.fromisoformat(trust.date).replace(tzinfo=UTC).timestamp())) // DAY
        if age > MAX_AGE_DAYS:
            advice.append(_OLD.format(date=trust.date, age=age))
    roots = {(c.subject.key, c.spki) for c in anchors}
    issuing = [a for c, a in below if a.state in ("good", "ending") and (c.subject.key, c.spki) not in roots]
    clouds = {}
    for cloud in CLOUDS:
        names = [authority.name for authority in issuing if authority.name.startswith(ISSUERS[cloud.name])]
        clouds[cloud.name] = tuple(dict.fromkeys(names))
        if cloud in wanted and not names:
            advice.append(
                f"No authority that signs for the cloud {cloud.name} has a path to an anchor: add the intermediates of this cloud, or get a newer bundle."
            )
    return Finding(at, days, tuple(authority for _, authority in (*known, *below)), clouds, tuple(advice))


_ADVICE: dict[State, str] = {
    "ending": "{name} ({fingerprint}) expires within {days} days: get a newer bundle, or add the certificate that replaces it (docs/trust.md).",
    "broken": "{name} ({fingerprint}) is valid, but has no path to an anchor ({reason}): add the certificate of its issuer, or remove this one.",
}


_MISSING = (
    "{name} signs documents, but the bundle has no current certificate of this authority: run `imdskit trust update --bundle DIR`, "
    "or get a newer bundle (docs/trust.md)."
)
_OLD = "The bundle of {date} is {age} days old, and Azure replaces intermediates without notice: update imdskit, or the bundle (docs/trust.md)."


@dataclass(frozen=True, slots=True)
class _Judge:
    """Examination of single certificates. ``at`` and ``later`` are the start and the end of the
    examined period in Unix seconds."""

    anchors: list[Certificate]
    intermediates: list[Certificate]
    at: int
    later: int
    signing: Mapping[str, SigningAuthority]
    audit: Container[str]

    def authority(self, certificate: Certificate, *, anchor: bool) -> Authority:
        fingerprint, signs = sha256(certificate.der).hexdigest(), self.signing.get(_key(certificate))
        use: Use = "audit" if fingerprint in self.audit else "anchor" if anchor else "signs" if signs else "path"
        evidence = signs.evidence if signs and use == "signs" else ""
        blank = Authority(certificate.subject.shown, fingerprint, anchor, certificate.not_after, "good", use=use, evidence=evidence)
        if self.at > certificate.not_after:
            return replace(blank, state="ended", reason=Reason.EXPIRED)
        if self.at < certificate.not_before:
            return replace(blank, state="early", reason=Reason.NOT_YET_VALID)
        found = authority_path(certificate, self.anchors, self.intermediates, self.at)
        if isinstance(found, Reason):
            return replace(blank, state="broken", reason=found)
        chain = tuple(one.subject.shown for one in found)
        later = authority_path(certificate, self.anchors, self.intermediates, self.later)
        if isinstance(later, Reason):
            return replace(blank, state="ending", chain=chain, reason=later)
        return replace(blank, chain=chain)


def _key(certificate: Certificate) -> str:
    return sha256(certificate.spki).hexdigest()
