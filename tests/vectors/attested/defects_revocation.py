"""Cases with revocation lists (RFC 5280 sections 5 and 6.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import malformed
import message as m
import pki
from case import Case, accept, reject
from imdskit.asn1 import writer as der
from imdskit.emulator.authority import certificates as x509

NUMBER, DELTA, SCOPE, REASON, ISSUER = ("2.5.29.20", "2.5.29.27", "2.5.29.28", "2.5.29.21", "2.5.29.29")
SIGNER, OTHER = 0x1234567890ABCDEF, 0x2B
KEY_COMPROMISE, HOLD, REMOVED = 1, 6, 8
ONLY_USER, ONLY_CA, SOME_REASONS, INDIRECT, ONLY_ATTRIBUTE = 1, 2, 3, 4, 5


def entry(serial: int, reason: int | None = KEY_COMPROMISE, *extensions: bytes) -> bytes:
    """Return the entry of a revoked certificate. If the reason is None, the entry has no reasonCode extension."""
    if reason is not None:
        extensions = (x509.extension(REASON, der.element(0x0A, bytes((reason,)))), *extensions)
    return der.sequence(der.integer(serial), der.time(pki.AT - pki.DAY), der.sequence(*extensions) if extensions else b"")


def scope(*flags: int, name: bytes = b"", reasons: bytes = b"") -> bytes:
    """Return an issuingDistributionPoint with these BOOLEANs set."""
    members = {flag: der.implicit(flag, b"\xff") for flag in flags}
    if reasons:
        members[SOME_REASONS] = der.implicit(SOME_REASONS, reasons)
    return x509.extension(SCOPE, der.sequence(name, *(members[number] for number in sorted(members))), critical=True)


def revocation_list(
    *revoked: bytes,
    issuer: bytes = pki.ISSUING,
    signer: str = "issuing",
    number: int | None = 7,
    this_update: int = pki.AT - pki.DAY,
    next_update: int | None = pki.AT + pki.DAY,
    algorithm: str = pki.SHA384_RSA,
    extensions: Sequence[bytes] = (),
    forged: bool = False,
) -> bytes:
    """Return a CertificateList, built field by field (RFC 5280 section 5.1)."""
    numbers = [x509.extension(NUMBER, der.integer(number))] if number is not None else []
    listed = [x509.authority_key_identifier(x509.key_identifier(pki.key(signer))), *numbers, *extensions]
    return malformed.revocation_list(
        *revoked,
        extensions=listed,
        algorithm=x509.algorithm(algorithm),
        issuer=issuer,
        this_update=der.time(this_update),
        next_update=der.time(next_update) if next_update is not None else b"",
        sign=lambda tbs: pki.sign(b"another list" if forged else tbs, pki.key(signer), pki.HASH_OF[algorithm]),
    )


def of_root(*revoked: bytes, **changes: object) -> bytes:
    return revocation_list(*revoked, issuer=pki.ROOT, signer="root", **changes)  # type: ignore[arg-type]


def cases() -> Iterator[Case]:
    yield from _revoked()
    yield from _contradictions()
    yield from _time_and_signature()
    yield from _scope()
    yield from _extensions()
    yield from _changes()


def _with(*crls: bytes) -> dict[str, object]:
    """Return the lists of a case together with the root's list, which every case needs."""
    return {"crls": (of_root(), *crls)}


def _unknown(id: str, comment: str, *crls: bytes, see: str | None = None) -> Case:
    return reject(f"revocation/{id}", comment, m.signed_data(), "revocation-unknown", see=see, **_with(*crls))


def _revoked() -> Iterator[Case]:
    document = m.signed_data()
    yield accept("revocation/none-revoked", "neither signer nor authority is on its issuer's list", document, **_with(revocation_list()))
    yield accept(
        "revocation/others-revoked", "another certificate of the issuer is revoked", document, **_with(revocation_list(entry(OTHER)))
    )
    yield reject("revocation/signer", "the signer is revoked", document, "revoked", **_with(revocation_list(entry(SIGNER))))
    yield reject(
        "revocation/signer-no-reason",
        "the signer is revoked without a reason code",
        document,
        "revoked",
        **_with(revocation_list(entry(SIGNER, None))),
    )
    yield reject(
        "revocation/signer-held",
        "the signer is on hold (certificateHold)",
        document,
        "revoked",
        **_with(revocation_list(entry(SIGNER, HOLD))),
    )
    yield reject(
        "revocation/authority",
        "the root has revoked the authority",
        document,
        "revoked",
        crls=(of_root(entry(SIGNER)), revocation_list()),
    )
    yield accept(
        "revocation/serial-of-another-issuer",
        "the root has revoked one of its certificates, which has the same serial number as the signer's",
        document,
        crls=(of_root(entry(SIGNER)), revocation_list()),
        intermediates=(pki.issuing(serial=der.integer(OTHER)),),
    )


def _contradictions() -> Iterator[Case]:
    """Yield cases with two lists of one issuer. The newer one counts. If they are equally new, a revocation in either counts."""
    document = m.signed_data()
    clean, revoking = revocation_list(), revocation_list(entry(SIGNER))
    for name, lists in (("clean-first", (clean, revoking)), ("revoking-first", (revoking, clean))):
        yield reject(
            f"revocation/equally-new-{name}",
            "two lists with the same number and time, one of which revokes the signer",
            document,
            "revoked",
            **_with(*lists),
        )
    older = {"this_update": pki.AT - 2 * pki.DAY, "number": 6}
    yield accept(
        "revocation/older-revokes",
        "an older list revokes the signer, but the newest does not",
        document,
        **_with(revocation_list(entry(SIGNER), **older), clean),
    )
    yield reject(
        "revocation/newer-revokes",
        "the newest list revokes the signer, but an older one does not",
        document,
        "revoked",
        **_with(revocation_list(**older), revoking),
    )
    forged = revocation_list(entry(SIGNER), forged=True)
    yield accept(
        "revocation/equally-new-forged",
        "two lists with the same number and time; the one that revokes the signer is forged",
        document,
        **_with(clean, forged),
    )


def _time_and_signature() -> Iterator[Case]:
    at, day = pki.AT, pki.DAY
    yield _unknown("no-list", "there is a list of the root, but none of the authority")
    yield reject(
        "revocation/no-list-of-root",
        "there is a list of the authority, but none of the root",
        m.signed_data(),
        "revocation-unknown",
        crls=(revocation_list(),),
    )
    yield _unknown("expired", "the list's nextUpdate is one second before the check", revocation_list(next_update=at - 1))
    yield accept(
        "revocation/last-second",
        "the list's nextUpdate is the second of the check",
        m.signed_data(),
        **_with(revocation_list(next_update=at)),
    )
    yield _unknown("early", "the list's thisUpdate is one second after the check", revocation_list(this_update=at + 1))
    yield _unknown("no-next-update", "the list has no nextUpdate", revocation_list(next_update=None), see="RFC 5280 5.1.2.5")
    yield _unknown("no-number", "the list has no CRL number", revocation_list(number=None), see="RFC 5280 5.2.3")
    yield reject(
        "revocation/newest-counts",
        "the newest list revokes the signer, but an older list that is also current does not",
        m.signed_data(),
        "revoked",
        **_with(revocation_list(number=6, this_update=at - 2 * day), revocation_list(entry(SIGNER))),
    )
    yield _unknown("forged", "the list's signature is over other data", revocation_list(forged=True))
    yield _unknown(
        "signed-by-signer",
        "the list has the authority's name, but was signed with the key of the document's signer",
        revocation_list(signer="leaf"),
    )
    yield _unknown("sha1", "the list is signed with SHA-1", revocation_list(algorithm=pki.SHA1_RSA))
    own, issuer = pki.key("issuing"), pki.key("root")
    usage = x509.key_usage(x509.DIGITAL_SIGNATURE, x509.KEY_CERT_SIGN)
    yield reject(
        "revocation/no-crl-sign",
        "the authority's key usage has keyCertSign but not cRLSign",
        m.signed_data(),
        "revocation-unknown",
        intermediates=(pki.issuing(extensions=pki.ca_extensions(own, issuer, path_length=0, key_usage=usage)),),
        see="RFC 5280 6.3.3 (f)",
        **_with(revocation_list()),
    )


def _scope() -> Iterator[Case]:
    yield accept(
        "revocation/only-user",
        "the list covers end-entity certificates only",
        m.signed_data(),
        **_with(revocation_list(extensions=[scope(ONLY_USER)])),
    )
    yield _unknown("only-ca", "the list covers CA certificates only", revocation_list(extensions=[scope(ONLY_CA)]))
    yield _unknown("only-attribute", "the list covers attribute certificates only", revocation_list(extensions=[scope(ONLY_ATTRIBUTE)]))
    yield _unknown(
        "some-reasons",
        "the list covers only the reason keyCompromise",
        revocation_list(extensions=[scope(reasons=b"\x06\x40")]),
    )
    point = der.explicit(0, der.explicit(0, der.implicit(6, b"http://vectors.invalid/other.crl")))
    yield _unknown(
        "other-point",
        "the list belongs to a distribution point that the signer's certificate does not contain",
        revocation_list(extensions=[scope(name=point)]),
    )
    yield _unknown(
        "other-issuer", "the authority's key signed a list with another issuer name", revocation_list(issuer=pki.name("Another CA"))
    )
    issuer_of_entry = x509.extension(ISSUER, der.sequence(der.explicit(4, pki.ROOT)), critical=True)
    yield accept(
        "revocation/indirect-other",
        "an indirect list contains the signer's serial number, but for another issuer",
        m.signed_data(),
        **_with(revocation_list(entry(SIGNER, KEY_COMPROMISE, issuer_of_entry), extensions=[scope(INDIRECT)])),
    )
    yield reject(
        "revocation/indirect-own",
        "an indirect list contains the signer's serial number and no other issuer",
        m.signed_data(),
        "revoked",
        **_with(revocation_list(entry(SIGNER), extensions=[scope(INDIRECT)])),
    )


def _extensions() -> Iterator[Case]:
    strange = x509.extension("1.3.6.1.4.1.99999.1", der.null(), critical=True)
    yield _unknown(
        "unknown-critical", "the list has an unknown critical extension", revocation_list(extensions=[strange]), see="PKITS 4.4.9"
    )
    yield _unknown(
        "unknown-critical-entry",
        "an entry of the list has an unknown critical extension",
        revocation_list(entry(OTHER, KEY_COMPROMISE, strange)),
        see="PKITS 4.4.8",
    )
    plain = x509.extension("1.3.6.1.4.1.99999.1", der.null())
    yield accept(
        "revocation/unknown-extension",
        "the list and an entry have unknown extensions that are not critical",
        m.signed_data(),
        **_with(revocation_list(entry(OTHER, KEY_COMPROMISE, plain), extensions=[plain])),
    )


def _changes() -> Iterator[Case]:
    """Yield cases with delta lists. Unless a case says otherwise, they update the list with number 7."""

    def delta(*revoked: bytes, base: int = 7, number: int = 9, age: int = 3600, **changes: object) -> bytes:
        indicator = x509.extension(DELTA, der.integer(base), critical=True)
        return revocation_list(*revoked, number=number, this_update=pki.AT - age, extensions=[indicator], **changes)  # type: ignore[arg-type]

    held = revocation_list(entry(SIGNER, HOLD))
    document = m.signed_data()
    yield accept(
        "revocation/delta-newest",
        "an older delta list adds the signer, but the newest, which contains all changes, does not",
        document,
        **_with(revocation_list(), delta(entry(SIGNER), number=8, age=7200), delta()),
    )
    yield reject(
        "revocation/delta-revokes",
        "a delta list adds the signer",
        document,
        "revoked",
        **_with(revocation_list(), delta(entry(SIGNER))),
    )
    yield accept(
        "revocation/delta-removes",
        "the signer was on hold, and a delta list removes it",
        document,
        **_with(held, delta(entry(SIGNER, REMOVED))),
    )
    yield reject(
        "revocation/delta-of-later",
        "a delta list removes the signer, but it updates a later list",
        document,
        "revoked",
        **_with(held, delta(entry(SIGNER, REMOVED), base=8)),
    )
    yield reject(
        "revocation/delta-expired",
        "a delta list removes the signer, but it has expired",
        document,
        "revoked",
        **_with(held, delta(entry(SIGNER, REMOVED), next_update=pki.AT - 1)),
    )
    yield reject(
        "revocation/delta-forged",
        "a delta list removes the signer, but its signature is over other data",
        document,
        "revoked",
        **_with(held, delta(entry(SIGNER, REMOVED), forged=True)),
    )
    adds, removes = delta(entry(SIGNER)), delta(entry(SIGNER, REMOVED))
    for name, deltas in (("adds-first", (adds, removes)), ("removes-first", (removes, adds))):
        yield reject(
            f"revocation/equally-new-deltas-{name}",
            "two delta lists with the same number and time, one of which adds the signer",
            document,
            "revoked",
            **_with(held, *deltas),
        )
    yield _unknown("delta-alone", "there is a delta list, but not the list that it updates", delta())
