"""Functions to read, check and write trust bundles.

A trust bundle is a folder with the certificates that a verifier uses. It has a date, and operators
can replace it without installing a new release of imdskit. ``docs/trust.md`` describes the format.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

from imdskit import strict_json
from imdskit.asn1.reader import Reader
from imdskit.errors import DerError, TrustError
from imdskit.pki.signatures import signature
from imdskit.pki.x509 import parser
from imdskit.pki.x509.certificate import Certificate
from imdskit.verify import pem

FORMAT, FORMAT_OF_PEM = "imdskit-trust-bundle/2", "imdskit-trust-bundle/1"
"""Names of the current format, which stores certificates as DER, and of an older format, which
stores them as PEM. imdskit writes only the current format."""
MANIFEST = "bundle.json"
FILES = (MANIFEST, "anchors.der", "intermediates.der", "anchors.pem", "intermediates.pem")
"""Names of all files that a bundle may contain, in either format."""
MAX_MANIFEST_BYTES = 1024 * 1024
_SHA256 = re.compile("[0-9a-f]{64}", re.ASCII)
_HINT = "docs/trust.md describes the format."


class SigningAuthority(NamedTuple):
    """Authority that is known to issue certificates for signers of attested documents.

    Attributes:
        name: common name of the authority.
        key: SHA-256 of the DER of its SubjectPublicKeyInfo, in hexadecimal. It is the same in all
            certificates of the authority.
        evidence: description, for people, of the evidence that the authority issues such
            certificates.
    """

    name: str
    key: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """Content of a valid bundle.

    Attributes:
        date: date of the bundle, ``YYYY-MM-DD``.
        anchors: trusted certificates as DER, in the order of the file.
        intermediates: other certificates as DER, in the order of the file; may be empty.
        signing: authorities that are known to issue certificates for signers. Empty if the bundle
            does not list them.
        audit: SHA-256, in hexadecimal, of those certificates that are kept only for audits of old
            documents. Empty if the bundle does not list them.
    """

    date: str
    anchors: tuple[bytes, ...]
    intermediates: tuple[bytes, ...]
    signing: tuple[SigningAuthority, ...] = ()
    audit: tuple[str, ...] = ()


def read(folder: Traversable, origin: str) -> Bundle:
    """Read and check the bundle in a folder.

    The function checks that every certificate can be parsed, that the files contain exactly the
    certificates that ``bundle.json`` lists, and that every anchor is the self-signed certificate of
    an authority. This proves that the bundle is complete and intact. It does not prove who created
    the bundle, so only trusted users may have write access to the folder.

    Args:
        folder: a :class:`pathlib.Path`, or package data.
        origin: name of the folder in error messages.

    Raises:
        TrustError: ``bad-bundle``: the bundle is damaged; ``bundle-format``: this release does not
            support its format; ``bad-trust``: a certificate cannot be used.
    """
    manifest = _manifest(_content(folder, MANIFEST, MAX_MANIFEST_BYTES, origin), f"{origin}/{MANIFEST}")
    suffix, certificates = ("pem", pem.certificates) if manifest["format"] == FORMAT_OF_PEM else ("der", _certificates)
    found = {}
    for member in ("anchors", "intermediates"):
        name = f"{member}.{suffix}"
        location = f"{origin}/{name}"
        listed = _fingerprints(manifest, member, f"{origin}/{MANIFEST}")
        # If the list is empty, the file is not read, because the parser refuses a PEM file without
        # a certificate.
        ders = certificates(_content(folder, name, pem.MAX_BYTES, origin), location) if listed else ()
        _compare(ders, listed, location)
        for index, der in enumerate(ders):
            _check(der, f"{location}[{index}]", anchor=member == "anchors")
        found[member] = ders
    location = f"{origin}/{MANIFEST}"
    signing, audit = _signing(manifest, location), tuple(_fingerprints({"audit": [], **manifest}, "audit", location))
    return Bundle(_date(manifest, location), found["anchors"], found["intermediates"], signing, audit)


def read_bundled() -> Bundle:
    """Return the bundle that is part of the package."""
    return read(files("imdskit.verify") / "roots", "roots")


def read_folder(path: Path) -> Bundle:
    """Read the bundle at ``path``, which is a folder or a symbolic link to a folder. The link is
    followed only once, so that all files come from the same folder.

    Raises:
        TrustError: see :func:`read`.
    """
    return read(Path(os.path.realpath(path)), str(path))


def write(folder: Path, bundle: Bundle) -> None:
    """Write the files of a bundle into a folder, and flush them to the disk before returning.

    Raises:
        OSError: a file cannot be written.
    """
    manifest = {
        "format": FORMAT,
        "date": bundle.date,
        "anchors": [sha256(der).hexdigest() for der in bundle.anchors],
        "intermediates": [sha256(der).hexdigest() for der in bundle.intermediates],
        "signing": [authority._asdict() for authority in bundle.signing],
        "audit": list(bundle.audit),
    }
    _write(folder / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode("ascii"))
    _write(folder / "anchors.der", b"".join(bundle.anchors))
    _write(folder / "intermediates.der", b"".join(bundle.intermediates))


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _content(folder: Traversable, name: str, limit: int, origin: str) -> bytes:
    try:
        with (folder / name).open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError, KeyError) as failure:
        raise _bad(f"{origin}/{name}", f"The file cannot be read: {getattr(failure, 'strerror', None) or failure}.") from None
    assert isinstance(data, bytes)
    if len(data) > limit:
        raise _bad(f"{origin}/{name}", f"The file has more than {limit} bytes, which is the maximum.")
    return data


def _certificates(data: bytes, location: str) -> tuple[bytes, ...]:
    """Return the certificates in the content of a DER file, in which they follow each other without
    a separator."""
    reader = Reader(data)
    found: list[bytes] = []
    try:
        while reader:
            found.append(reader.element(f"[{len(found)}]"))
    except DerError as error:
        raise TrustError(
            "bad-trust",
            f"The file must contain certificates in DER, one after the other. {error.message}",
            location=f"{location} {error.location}",
        ) from None
    return tuple(found)


def _manifest(data: bytes, location: str) -> dict[str, object]:
    try:
        members = strict_json.loads(data, 64)
    except strict_json.JsonError as error:
        raise _bad(location, f"The file is not strict JSON: {error}.") from None
    if not isinstance(members, dict):
        raise _bad(location, "The file must contain a JSON object.")
    if members.get("format") not in (FORMAT, FORMAT_OF_PEM):
        message = f"The format is {members.get('format')!r}, not {FORMAT!r} or {FORMAT_OF_PEM!r}."
        raise TrustError("bundle-format", message[:200], location=location, hint="A newer imdskit may support it. " + _HINT)
    return members


def _date(manifest: dict[str, object], location: str) -> str:
    text = manifest.get("date")
    if isinstance(text, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError:
            pass
    raise _bad(location, "`date` must be a day in the form YYYY-MM-DD.")


def _fingerprints(manifest: dict[str, object], member: str, location: str) -> list[str]:
    listed = manifest.get(member)
    if not isinstance(listed, list) or not all(isinstance(item, str) and _SHA256.fullmatch(item) for item in listed):
        raise _bad(location, f"`{member}` must be a list of SHA-256 fingerprints in lower-case hexadecimal digits.")
    if len(set(listed)) != len(listed):
        raise _bad(location, f"`{member}` lists a certificate twice.")
    if member == "anchors" and not listed:
        raise _bad(location, "`anchors` must list at least one certificate.")
    return listed


def _signing(manifest: dict[str, object], location: str) -> tuple[SigningAuthority, ...]:
    listed = manifest.get("signing", [])
    if not isinstance(listed, list):
        raise _bad(location, "`signing` must be a list.")
    found = []
    for item in listed:
        name, key, evidence = (item.get(member) if isinstance(item, dict) else None for member in SigningAuthority._fields)
        if not (isinstance(name, str) and isinstance(evidence, str) and isinstance(key, str) and _SHA256.fullmatch(key)):
            raise _bad(
                location, "A member of `signing` must be an object with name, key (SHA-256 in lower-case hexadecimal digits) and evidence."
            )
        found.append(SigningAuthority(name, key, evidence))
    return tuple(found)


def _compare(ders: Iterable[bytes], listed: list[str], location: str) -> None:
    there = [sha256(der).hexdigest() for der in ders]
    if len(set(there)) != len(there):
        raise _bad(location, "The file contains a certificate twice.")
    missing, unlisted = sorted(set(listed) - set(there)), sorted(set(there) - set(listed))
    if missing or unlisted:
        which = f"{missing[0]} is missing" if missing else f"{unlisted[0]} is not listed"
        raise _bad(location, f"The certificates differ from those that {MANIFEST} lists: {which}.")


def _check(der: bytes, location: str, *, anchor: bool) -> None:
    certificate = parsed(der, location)
    basic = certificate.basic_constraints
    if basic is not None and not basic.ca:
        raise _bad(location, "The certificate does not belong to an authority.")
    if anchor and not (
        certificate.self_issued
        and signature.fault(certificate.signature_algorithm, certificate.public_key, certificate.tbs, certificate.signature) is None
    ):
        raise _bad(location, "An anchor must be self-signed, but this certificate is not.")


def parsed(der: bytes, location: str, hint: str = "") -> Certificate:
    """Return the parsed certificate.

    Raises:
        TrustError: ``bad-trust``: the data is not a certificate.
    """
    try:
        return parser.parse_certificate(der)
    except DerError as error:
        raise TrustError("bad-trust", f"Not a certificate: {error.message}", location=f"{location} {error.location}", hint=hint) from None


def day(second: int) -> str:
    """Return the day of a time in Unix seconds, in UTC, in the form of a bundle's date."""
    return datetime.fromtimestamp(second, UTC).date().isoformat()


def _bad(location: str, message: str) -> TrustError:
    return TrustError("bad-bundle", message, location=location, hint=_HINT)
