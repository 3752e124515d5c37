"""The emulator's own certificate authority: root, issuing authority, and the leaf that signs
documents.

The certificates resemble genuine certificates of 2025 and 2026. They have the same extensions in
the same order with the same criticality, and the leaf is valid for 180 days. They differ in three
points. In the first two points, an exact copy of a genuine certificate would state something
untrue:

- The names of the root and the issuing authority say that they are for tests only. They contain
  eight digits of the root's key identifier, so that the authorities of two emulators have different
  names.
- The leaf has no certificate transparency timestamps (because it is in no log), no Microsoft
  certificate template and no OCSP responder.
- All keys are RSA-2048. The genuine authorities have 4096-bit keys.

Some deliberate faults of documents need a separate chain, which is created on first use
(:mod:`imdskit.emulator.authority.document_faults`).

This module decides which certificates exist, when they are valid, and which files are published.
:mod:`imdskit.emulator.authority.certificates` writes the DER, and
:mod:`imdskit.emulator.authority.keys` generates the keys.
"""

from __future__ import annotations

import base64
import hashlib
import re
import textwrap
import threading
from dataclasses import dataclass
from datetime import UTC, datetime

from imdskit.clock import Clock
from imdskit.emulator.authority import certificates as x509
from imdskit.emulator.authority.document_faults import DocumentFault
from imdskit.emulator.authority.keys import Keys, RsaKey
from imdskit.errors import UsageError

DAY = 86_400
LEAF_LIFE = 180 * DAY
"""Validity period of a leaf in seconds, the same as that of genuine leaves since 2025."""
LEAF_PERIOD = 30 * DAY
"""Length of a period in seconds. In each period, the authority issues a new leaf.

The validity of a leaf begins one day before its period, so the leaf in use is at most 31 days old.
"""
ROOT_YEARS = 25
ISSUING_YEARS = 5

CERTIFICATE_TYPE = "application/pkix-cert"
CRL_TYPE = "application/pkix-crl"
PEM_TYPE = "application/pem-certificate-chain"
"""Media types of published files (RFC 2585 section 4, RFC 5280 sections 4.2.1.13 and 4.2.2.1, RFC
8555 section 9.1)."""

_MICROSOFT_POLICY: tuple[str, str | None] = ("1.3.6.1.4.1.311.76.509.1.1", "http://www.microsoft.com/pkiops/Docs/Repository.htm")
_ORGANISATION_VALIDATED: tuple[str, str | None] = ("2.23.140.1.2.2", None)
_REGION = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def is_region(location: str) -> bool:
    """Return whether a location is valid as the region in a certificate's name.

    Letter case and spaces are ignored.
    """
    return _REGION.fullmatch(_region_label(location)) is not None


def _region_label(location: str) -> str:
    return location.replace(" ", "").lower()


@dataclass(slots=True)
class Signer:
    """A leaf certificate that can sign with its private key.

    Attributes:
        certificate: the leaf in DER.
        issuer: the issuer's Name in DER.
        serial: the serial number of the leaf.
    """

    certificate: bytes
    issuer: bytes
    serial: int
    _key: RsaKey

    def sign(self, content: bytes) -> bytes:
        """Return the RSASSA-PKCS1-v1_5 signature of ``content`` with SHA-256."""
        return self._key.sign(content, "sha256")


@dataclass(frozen=True, slots=True)
class _CaCertificate:
    """A CA certificate with its private key.

    Attributes:
        name: the subject Name in DER.
        file: name of the published file, without its extension.
        key: the private key of this CA.
        certificate: the certificate in DER.
    """

    name: bytes
    file: str
    key: RsaKey
    certificate: bytes


class Authority:
    """A test-only certificate authority. Safe to share between threads.

    Creating an authority takes about a second, because three keys are generated. The first document
    with each :class:`DocumentFault` can take as long, because some faults need further keys.

    Args:
        clock: the emulator's clock, which determines the validity periods.
        base_url: address at which the emulator serves :meth:`download`, for example
            ``http://127.0.0.1:8080``.
        pki_url: address below which clients find certificates and revocation lists. None means
            ``/pki`` below ``base_url``.
        domain: the cloud's domain, for example ``metadata.azure.com``. It is the common name of the
            leaf that signs by default.
        region: region in the leaf that signs by default, for example ``westeurope``.
        seed: source of the keys. The same seed gives the same keys on every computer, and the same
            root certificate during a calendar year. None means random keys from the operating
            system.
        keys: cache of keys. The authority uses keys that the cache has for its seed, and adds the
            keys that it generates.

    Attributes:
        root: the root certificate in DER.
        issuing: the issuing authority's certificate in DER.

    Raises:
        UsageError: the domain, region or address is not allowed in a certificate.
    """

    def __init__(
        self,
        clock: Clock,
        base_url: str,
        *,
        pki_url: str | None = None,
        domain: str = "metadata.azure.com",
        region: str = "westeurope",
        seed: int | None = None,
        keys: Keys | None = None,
    ) -> None:
        self._clock = clock
        self._pki_url = pki_url or base_url.rstrip("/") + "/pki"
        self._domain = domain
        self._region = region
        self._keys = (keys or Keys()).ring(seed)
        self._lock = threading.Lock()
        self._signers: dict[tuple[str, str, DocumentFault | None], tuple[int, Signer]] = {}
        self._published: dict[str, _CaCertificate] = {}

        self._year = datetime.fromtimestamp(clock.now(), UTC).year - 1
        self._root = self._make_root("root")
        self._issuing = self._make_issuing(self._root, "issuing")
        self._published = {ca.file: ca for ca in (self._root, self._issuing)}
        self.root = self._root.certificate
        self.issuing = self._issuing.certificate
        self.signer()

    @property
    def root_pem(self) -> str:
        """The root certificate in PEM."""
        return _pem(self.root)

    @property
    def issuing_pem(self) -> str:
        """The issuing authority's certificate in PEM."""
        return _pem(self.issuing)

    def trust_pem(self) -> str:
        """Return the certificates of the root and the issuing authority in PEM, as
        ``openssl cms -verify -purpose any -CAfile`` needs them to accept a document."""
        return (
            "# Test-only authority of an imdskit emulator. Anyone who knows its seed can sign as this authority.\n"
            + self.root_pem
            + self.issuing_pem
        )

    def signer(self, domain: str | None = None, region: str | None = None, fault: DocumentFault | None = None) -> Signer:
        """Return the leaf for a cloud's domain and a region.

        It is cached until the current period of :data:`LEAF_PERIOD` seconds ends.

        Args:
            domain: the cloud's domain, by default the domain of the authority.
            region: the region, by default the region of the authority. Letter case and spaces are
                ignored.
            fault: the deliberate fault of the certificate chain, or None.

        Raises:
            UsageError: the domain or region is not allowed in a certificate.
        """
        domain = self._domain if domain is None else domain
        region = _region_label(self._region if region is None else region)
        if not is_region(region):
            raise UsageError("bad-argument", f"The region in a certificate must be 1 to 63 letters, digits or hyphens; got {region!r:.80}.")
        period = self._clock.now() // LEAF_PERIOD
        with self._lock:
            cached_period, signer = self._signers.get((domain, region, fault), (None, None))
        if signer is None or cached_period != period:
            not_before = period * LEAF_PERIOD - DAY - (LEAF_LIFE if fault is DocumentFault.EXPIRED_LEAF else 0)
            issuer = self._issuer(fault)
            key = self._keys.key(f"leaf {region}.{domain}" if issuer is self._issuing else f"{issuer.file} leaf {region}.{domain}")
            signer = self._make_leaf(issuer, key, domain, region, not_before)
            with self._lock:
                self._signers[domain, region, fault] = (period, signer)
        return signer

    def download(self, path: str) -> tuple[str, bytes] | None:
        """Return the published file at a path as (media type, content), or None if the path has no
        file.

        Certificates are at ``/pki/NAME.crt``, and empty revocation lists at ``/pki/NAME.crl``. Both
        are in DER. The issued certificates contain these addresses. Two more files have fixed
        names: ``/pki/root.pem`` contains the root, and ``/pki/trust.pem`` contains the root and
        the issuing authority.
        """
        if path == "/pki/root.pem":
            return PEM_TYPE, self.root_pem.encode("ascii")
        if path == "/pki/trust.pem":
            return PEM_TYPE, self.trust_pem().encode("ascii")
        name, _, ending = path.removeprefix("/pki/").rpartition(".")
        ca = self._published.get(name)
        if ca is None or not path.startswith("/pki/"):
            return None
        if ending == "crt":
            return CERTIFICATE_TYPE, ca.certificate
        if ending != "crl":
            return None
        this_update = self._clock.now() // LEAF_PERIOD * LEAF_PERIOD - DAY
        return CRL_TYPE, x509.empty_revocation_list(ca.name, ca.key, this_update // DAY, this_update, this_update + LEAF_LIFE)

    def _issuer(self, fault: DocumentFault | None) -> _CaCertificate:
        """Return the CA that issues the leaf for this fault. Publish the certificate of this CA,
        except for ``MISSING_INTERMEDIATE``."""
        if fault is None or fault in (DocumentFault.BROKEN_SIGNATURE, DocumentFault.EXPIRED_LEAF):
            return self._issuing
        root = self._make_root("unknown root") if fault is DocumentFault.UNKNOWN_ROOT else self._root
        issuing = self._make_issuing(root, f"issuing {fault}", number="-3" if fault is DocumentFault.MISSING_INTERMEDIATE else "-2")
        published = {} if fault is DocumentFault.MISSING_INTERMEDIATE else {issuing.file: issuing}
        self._published = {**self._published, root.file: root, **published}
        return issuing

    def _address(self, name: str, ending: str) -> str:
        return f"{self._pki_url}/{name}.{ending}"

    def _make_root(self, purpose: str) -> _CaCertificate:
        key = self._keys.key(purpose)
        identifier = x509.key_identifier(key)
        mark = identifier.hex()[:8]
        name = _authority_name(f"imdskit test-only root {mark}")
        body = x509.Body(
            serial=_serial(identifier, b"root"),
            issuer=name,
            not_before=_new_year(self._year),
            not_after=_new_year(self._year + ROOT_YEARS),
            subject=name,
            key=key,
            extensions=(
                x509.key_usage(x509.DIGITAL_SIGNATURE, x509.KEY_CERT_SIGN, x509.CRL_SIGN),
                x509.basic_constraints(ca=True),
                x509.subject_key_identifier(identifier),
            ),
        )
        return _CaCertificate(name, f"imdskit-root-{mark}", key, x509.certificate(body, key))

    def _make_issuing(self, root: _CaCertificate, purpose: str, number: str = "") -> _CaCertificate:
        key = self._keys.key(purpose)
        mark = root.file.removeprefix("imdskit-root-") + number
        name = _authority_name(f"imdskit test-only issuing CA {mark}")
        identifier = x509.key_identifier(key)
        issuer_identifier = x509.key_identifier(root.key)
        body = x509.Body(
            serial=_serial(issuer_identifier, identifier),
            issuer=root.name,
            not_before=_new_year(self._year),
            not_after=_new_year(self._year + ISSUING_YEARS),
            subject=name,
            key=key,
            extensions=(
                x509.key_usage(x509.DIGITAL_SIGNATURE, x509.KEY_CERT_SIGN, x509.CRL_SIGN),
                x509.subject_key_identifier(identifier),
                x509.certificate_policies(("2.23.140.1.2.1", None), _ORGANISATION_VALIDATED, _MICROSOFT_POLICY),
                x509.extended_key_usage(x509.SERVER_AUTH, x509.CLIENT_AUTH),
                x509.basic_constraints(ca=True, path_length=0),
                x509.authority_key_identifier(issuer_identifier),
                x509.crl_distribution_points(self._address(root.file, "crl")),
                x509.authority_information_access(self._address(root.file, "crt")),
            ),
        )
        return _CaCertificate(name, f"imdskit-issuing-{mark}", key, x509.certificate(body, root.key))

    def _make_leaf(self, issuer: _CaCertificate, key: RsaKey, domain: str, region: str, not_before: int) -> Signer:
        host = f"{region}.{domain}"
        issuer_identifier = x509.key_identifier(issuer.key)
        serial = _serial(issuer_identifier, f"{host} {not_before}".encode())
        body = x509.Body(
            serial=serial,
            issuer=issuer.name,
            not_before=not_before,
            not_after=not_before + LEAF_LIFE,
            subject=x509.name(("C", "US"), ("ST", "WA"), ("L", "Redmond"), ("O", "Microsoft Corporation"), ("CN", domain)),
            key=key,
            extensions=(
                x509.application_policies(x509.CLIENT_AUTH, x509.SERVER_AUTH),
                x509.authority_information_access(self._address(issuer.file, "crt")),
                x509.subject_key_identifier(x509.key_identifier(key)),
                x509.key_usage(x509.DIGITAL_SIGNATURE, x509.KEY_ENCIPHERMENT),
                x509.subject_alternative_names(host, domain),
                x509.basic_constraints(ca=False),
                x509.crl_distribution_points(self._address(issuer.file, "crl")),
                x509.certificate_policies(_MICROSOFT_POLICY, _ORGANISATION_VALIDATED),
                x509.authority_key_identifier(issuer_identifier),
                x509.extended_key_usage(x509.CLIENT_AUTH, x509.SERVER_AUTH),
            ),
        )
        return Signer(x509.certificate(body, issuer.key), issuer.name, serial, key)


def _authority_name(common_name: str) -> bytes:
    return x509.name(("C", "US"), ("O", "imdskit test-only authority"), ("CN", common_name))


def _serial(issuer: bytes, subject: bytes) -> int:
    """Return a serial number of 19 bytes that begins with 0x33, as in genuine certificates.

    It is unique per issuer and subject.
    """
    return int.from_bytes(b"\x33" + hashlib.sha256(issuer + subject).digest()[:18], "big")


def _new_year(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp())


def _pem(certificate: bytes) -> str:
    """Return a certificate in PEM (RFC 7468 section 5.1)."""
    lines = "\n".join(textwrap.wrap(base64.b64encode(certificate).decode("ascii"), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"
