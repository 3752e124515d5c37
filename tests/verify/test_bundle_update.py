"""Updates of a bundle: which certificates are accepted, and that readers find either the old bundle or the new one."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from cryptography import x509 as pyca

from imdskit.backends.contract import Backend
from imdskit.clock import ManualClock
from imdskit.errors import ImdskitError, TrustError, UsageError, VerificationError
from imdskit.reasons import Reason
from imdskit.verify import Policy, Trust, Verifier
from imdskit.verify.bundles import bundle
from imdskit.verify.bundles import update as bundle_update
from imdskit.verify.bundles.bundle import Bundle
from imdskit.verify.bundles.update import MAX_OFFERED, Offered, acceptable, missing_issuers, update

from .azure_chain import AT, Azure, Made, document, key, leaf, make

AZURE = Azure()


def offer(*certificates: Made | bytes) -> list[Offered]:
    return [Offered(one if isinstance(one, bytes) else one.der, f"new.pem[{index}]") for index, one in enumerate(certificates)]


@pytest.fixture
def link(tmp_path: Path) -> Path:
    """Return a link to a bundle with one anchor and the cross-signed root."""
    (tmp_path / "first").mkdir()
    bundle.write(tmp_path / "first", Bundle("2026-11-23", (AZURE.digicert.der,), (AZURE.cross.der,)))
    (tmp_path / "trust").symlink_to("first")
    return tmp_path / "trust"


def folders(link: Path) -> list[str]:
    return sorted(path.name for path in link.parent.iterdir() if path.is_dir() and not path.is_symlink())


# Updates


def test_a_document_below_a_new_authority_is_accepted_after_the_update(link: Path, backend: Backend) -> None:
    new = AZURE.ocsp(18)
    signed = document(leaf(new))
    with pytest.raises(VerificationError, match="unknown-issuer"):
        Verifier(Trust.from_bundle(link), Policy.offline_audit(), backend=backend).verify(signed, at=AT)
    done = update(link, offer(new), AT)
    assert done.added == (new.der,)
    trust = Trust.from_bundle(link)
    assert Verifier(trust, Policy.offline_audit(), backend=backend).verify(signed, at=AT).chain[1] == new.der
    assert (trust.anchors, trust.intermediates, trust.date) == ((AZURE.digicert.der,), (AZURE.cross.der, new.der), "2026-11-30")


def test_the_old_bundle_stays_beside_the_new_one(link: Path) -> None:
    done = update(link, offer(AZURE.ocsp(18)), AT)
    assert os.readlink(link) == done.folder.name
    assert folders(link) == sorted(["first", done.folder.name])
    assert Trust.from_bundle(link.parent / "first").intermediates == (AZURE.cross.der,)
    assert not [path for path in link.parent.iterdir() if path.name.startswith(f".{done.folder.name}")]


def test_new_bundle_is_readable_by_other_users_whatever_the_umask(link: Path) -> None:
    before = os.umask(0o077)
    try:
        folder = update(link, offer(AZURE.ocsp(18)), AT).folder
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}


def test_update_without_new_certificates_writes_nothing(link: Path) -> None:
    new = AZURE.ocsp(18)
    first = update(link, offer(new, new, AZURE.digicert), AT)
    again = update(link, offer(new, AZURE.cross), AT)
    assert (again.added, again.folder, len(folders(link))) == ((), first.folder.resolve(), 2)


def test_path_may_contain_other_offered_certificates(tmp_path: Path) -> None:
    new = AZURE.ocsp(18)
    assert acceptable(offer(new, AZURE.cross), [AZURE.digicert.der], [], AT) == (new.der, AZURE.cross.der)


def test_update_never_sets_an_earlier_date(link: Path) -> None:
    old = make("Old CA", AZURE.digicert, days=(-400, 900))
    update(link, offer(old), AT - 300 * 86_400)
    assert Trust.from_bundle(link).date == "2026-11-23"


def test_update_preserves_signing_and_audit_lists(tmp_path: Path) -> None:
    """If there is no link yet, an update starts from the bundle of this release."""
    update(tmp_path / "trust", [], AT)
    trust, bundled = Trust.from_bundle(tmp_path / "trust"), Trust.bundled()
    assert (trust.anchors, trust.intermediates, trust.date) == (bundled.anchors, bundled.intermediates, bundled.date)
    assert (trust.signing, trust.audit) == (bundled.signing, bundled.audit)


def test_adds_intermediates_of_the_installed_release(link: Path) -> None:
    bundled = Trust.bundled()
    base = Bundle("2026-11-23", bundled.anchors, bundled.intermediates[:5])
    found = {one.der for one in bundle_update.of_release(base, AT)}
    lasting = {d for d in bundled.intermediates if pyca.load_der_x509_certificate(d).not_valid_after_utc.timestamp() > AT}
    assert found == lasting - set(base.intermediates)
    assert bundle_update.of_release(bundle_update.current(link), AT) == (), "none of them leads to this anchor"


# Refused certificates

STRANGER = make("Stranger Root")
FOREIGN = make("Foreign CA", STRANGER)
REFUSED: dict[str, tuple[Made | bytes, str, str]] = {
    "a new root": (STRANGER, "bad-intermediate", "The certificate is self-issued"),
    "a root with the name of an anchor": (
        make("DigiCert Global Root G2", signed_by=key("other")),
        "bad-intermediate",
        "The certificate is self-issued",
    ),
    "below another root": (FOREIGN, "bad-intermediate", "unknown-issuer"),
    "a signer": (leaf(AZURE.cross), "bad-intermediate", "does not belong to an authority"),
    "expired": (make("Late CA", AZURE.digicert, days=(-90, -1)), "bad-intermediate", "expired"),
    "not yet valid": (make("Early CA", AZURE.digicert, days=(1, 90)), "bad-intermediate", "not-yet-valid"),
    "signed by another key": (make("Forged CA", AZURE.digicert, signed_by=key("other")), "bad-intermediate", "certificate-signature"),
    "may not sign certificates": (make("Mute CA", AZURE.digicert, key_usage=False), "bad-intermediate", "key-usage"),
    "below an authority with path length zero": (
        make("Low CA", make("End CA", AZURE.digicert, path_length=0)),
        "bad-intermediate",
        "unknown-issuer",
    ),
    "huge": (make("Huge CA", AZURE.digicert, padding=20_000), "bad-intermediate", "more than 16384 bytes"),
    "not a certificate": (b"0\x03\x02\x01\x07", "bad-trust", "Not a certificate"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_one_bad_certificate_leaves_the_bundle_unchanged(name: str, link: Path) -> None:
    wrong, code, words = REFUSED[name]
    with pytest.raises(TrustError) as refusal:
        update(link, offer(AZURE.ocsp(18), wrong), AT)
    assert refusal.value.code == code
    assert words in refusal.value.message
    assert refusal.value.location.startswith("new.pem[1]")
    assert refusal.value.hint
    assert (os.readlink(link), folders(link)) == ("first", ["first"])


def test_rejects_authority_below_an_issuer_with_path_length_zero() -> None:
    end = make("End CA", AZURE.digicert, path_length=0)
    with pytest.raises(TrustError, match="path-length"):
        acceptable(offer(end, make("Low CA", end)), [AZURE.digicert.der], [], AT)


def test_number_of_offered_certificates_is_limited() -> None:
    many = [Offered(bytes([index]), f"new.pem[{index}]") for index in range(MAX_OFFERED + 1)]
    with pytest.raises(TrustError, match="At most 64 new certificates"):
        acceptable(many, [AZURE.digicert.der], [], AT)


def test_an_anchor_is_never_added(link: Path) -> None:
    """This applies even to the new root, although a cross-signed certificate of the same key is in the bundle."""
    with pytest.raises(TrustError, match="The certificate is self-issued"):
        update(link, offer(AZURE.root), AT)


# Swapping the link


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "trust").mkdir()
    with pytest.raises(UsageError) as refusal:
        update(tmp_path / "trust", [], AT)
    assert f"ln -s trust.1 {tmp_path / 'trust'}" in refusal.value.hint


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda link: Path("nowhere\0"), "bad-argument"),
        (lambda link: link.parent / "absent" / "trust", "bundle-unwritable"),
        (lambda link: link.parent / ("t" * 300), "bundle-unwritable"),
        (lambda link: link.parent / "first", "bad-argument"),
        (lambda link: _pointing(link, "gone"), "bad-bundle"),
        (lambda link: _pointing(link, "trust"), "bad-bundle"),
    ],
    ids=["NUL", "no folder", "long name", "folder", "dangling", "loop"],
)
def test_bad_link_raises_documented_error(link: Path, spoil: Callable[[Path], Path], code: str) -> None:
    with pytest.raises(ImdskitError) as refusal:
        update(spoil(link), offer(AZURE.ocsp(18)), AT)
    assert refusal.value.code == code


def _pointing(link: Path, target: str) -> Path:
    link.unlink()
    link.symlink_to(target)
    return link


@pytest.mark.parametrize("step", ["symlink", "replace", "fsync"])
def test_failed_update_leaves_only_the_old_bundle(link: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(TrustError, match=r"bundle-unwritable: .*No space left"):
        update(link, offer(AZURE.ocsp(18)), AT)
    assert sorted(path.name for path in link.parent.iterdir()) == [".trust.lock", "first", "trust"]
    assert Trust.from_bundle(link).intermediates == (AZURE.cross.der,)


def test_system_without_file_locks_raises_trust_error(link: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(TrustError, match="cannot lock files"):
        update(link, [], AT)


def test_update_waits_a_limited_time_for_another_update(link: Path) -> None:
    clock = ManualClock(AT)
    with (link.parent / ".trust.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(TrustError, match="bundle-busy"):
            update(link, offer(AZURE.ocsp(18)), AT, clock=clock)
        assert clock.now() == AT + bundle_update.WAIT_SECONDS

        class Releasing(ManualClock):
            def sleep(self, seconds: float) -> None:
                fcntl.flock(held, fcntl.LOCK_UN)

        assert update(link, offer(AZURE.ocsp(18)), AT, clock=Releasing(AT)).added


PROGRAM = """
import sys
from pathlib import Path
from imdskit.verify import pem
from imdskit.verify.bundles.update import Offered, update
for path in sys.argv[2:]:
    update(Path(sys.argv[1]), [Offered(der, path) for der in pem.certificates(Path(path).read_bytes(), path)], {at})
"""


def test_concurrent_updates_are_not_lost_and_readers_see_complete_bundles(link: Path, tmp_path: Path) -> None:
    """Four processes add five certificates each while this process reads."""
    new = [make(f"Authority {index}", AZURE.digicert) for index in range(20)]
    paths = []
    for index, one in enumerate(new):
        paths.append(tmp_path / f"{index}.pem")
        paths[-1].write_bytes(one.pem)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    processes = [
        subprocess.Popen([sys.executable, "-c", PROGRAM.format(at=AT), str(link), *map(str, paths[start::4])], env=environment)
        for start in range(4)
    ]
    seen = set()
    while any(process.poll() is None for process in processes):
        seen.add(len(Trust.from_bundle(link).intermediates))
    assert [process.wait(60) for process in processes] == [0] * 4
    assert set(Trust.from_bundle(link).intermediates) == {AZURE.cross.der, *(one.der for one in new)}
    assert seen


def test_a_reader_follows_the_link_once(link: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The link is replaced between reading the manifest and reading the certificates."""
    swapped: list[bool] = []
    content = bundle._content

    def slow(folder: Path, name: str, limit: int, origin: str) -> bytes:
        if name == "intermediates.der" and not swapped:
            swapped.append(True)
            update(link, offer(AZURE.ocsp(18)), AT)
        return content(folder, name, limit, origin)

    monkeypatch.setattr(bundle, "_content", slow)
    assert Trust.from_bundle(link).intermediates == (AZURE.cross.der,)
    assert len(Trust.from_bundle(link).intermediates) == 2


def test_updates_by_threads_of_one_process_wait_for_each_other(link: Path) -> None:
    new = [make(f"Authority {index}", AZURE.digicert) for index in range(6)]
    threads = [threading.Thread(target=update, args=(link, offer(one), AT)) for one in new]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Trust.from_bundle(link).intermediates) == 7


# Documents


class Source:
    """Source of given certificates that counts its calls."""

    def __init__(self, *certificates: Made) -> None:
        self.found = tuple(one.der for one in certificates)
        self.calls: list[bytes] = []

    def known(self) -> tuple[bytes, ...]:
        return ()

    def issuers(self, certificate: bytes, anchors: Sequence[bytes]) -> tuple[bytes, ...]:
        self.calls.append(certificate)
        return self.found

    def keep(self, certificates: Sequence[bytes]) -> None: ...


TRUST = Trust((AZURE.digicert.der,), (AZURE.cross.der,))


def test_requests_the_issuer_of_a_refused_document() -> None:
    new = AZURE.ocsp(18)
    signer, source = leaf(new), Source(new)
    assert missing_issuers(document(signer), TRUST, source, AT) == (new.der,)
    assert source.calls == [signer.der]


def test_drops_certificates_without_a_path_unless_no_other_is_new() -> None:
    """The address of the new authority's issuer may serve a root that is not trusted."""
    new, astray = AZURE.ocsp(18), make("Microsoft TLS RSA Root G2", STRANGER)
    assert missing_issuers(document(leaf(new)), TRUST, Source(new, astray), AT) == (new.der,)
    assert missing_issuers(document(leaf(FOREIGN)), TRUST, Source(FOREIGN, STRANGER), AT) == (FOREIGN.der, STRANGER.der)


def test_no_issuer_is_requested_if_the_chain_is_good() -> None:
    source = Source()
    known = Trust(TRUST.anchors, (AZURE.cross.der, AZURE.ocsp(18).der))
    assert missing_issuers(document(leaf(AZURE.ocsp(18))), Trust(TRUST.anchors, known.intermediates), source, AT) == ()
    assert missing_issuers(document(leaf(AZURE.cross), at=AT - 86_400), TRUST, source, AT) == (), "its claims are old, its chain is good"
    assert source.calls == []


def test_no_issuer_is_requested_if_the_signature_is_bad() -> None:
    source = Source(AZURE.ocsp(18))
    signed = document(leaf(AZURE.ocsp(18)))
    for spoilt, reason in (
        (signed.replace(b"MI", b"!!", 1), Reason.BAD_BASE64),
        (b"x" * 100_000, Reason.TOO_LARGE),
        (_forged(), Reason.BAD_SIGNATURE),
    ):
        with pytest.raises(VerificationError) as refusal:
            missing_issuers(spoilt, TRUST, source, AT)
        assert refusal.value.reason is reason
    assert source.calls == []


def _forged() -> bytes:
    """Return a document signed with another key than that of its certificate."""
    signer = leaf(AZURE.ocsp(18))
    return document(Made(signer.certificate, key("other")))


def test_an_issuer_that_cannot_be_fetched_is_named() -> None:
    new = AZURE.ocsp(18)
    for source in (Source(), Source(AZURE.cross)):
        with pytest.raises(TrustError) as refusal:
            missing_issuers(document(leaf(new, "http://www.microsoft.com/pkiops/certs/18.crt")), TRUST, source, AT)
        assert refusal.value.code == "issuer-not-found"
        assert "'Microsoft TLS G2 RSA CA OCSP 18'" in refusal.value.hint
        assert "'http://www.microsoft.com/pkiops/certs/18.crt'" in refusal.value.hint


def test_fetches_renewed_authority_after_the_known_one_expired() -> None:
    ended, renewed = AZURE.ocsp(18, days=(-300, -1)), AZURE.ocsp(18)
    trust = Trust(TRUST.anchors, (AZURE.cross.der, ended.der))
    assert missing_issuers(document(leaf(renewed)), trust, Source(renewed), AT) == (renewed.der,)
    with pytest.raises(VerificationError, match="expired"):
        missing_issuers(document(leaf(renewed)), trust, Source(ended), AT)


def test_document_with_expired_signer_is_refused_as_expired() -> None:
    with pytest.raises(VerificationError, match="expired"):
        missing_issuers(document(leaf(AZURE.cross, days=(-30, -1))), TRUST, Source(AZURE.cross), AT)
