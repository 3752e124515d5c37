"""The emulator's own certificate authority: root, issuing authority, and the leaf that signs documents.

The certificates have the shape of the genuine ones of 2025 and 2026: the same extensions in the same order with the same criticality, and
a leaf of 180 days. They differ where the truth demands it:

- root and issuing authority say in their names that they are throw-away, with a few digits of their key so that no two are mixed up;
- the leaf has no certificate transparency timestamps (no log has seen it), no Microsoft template and no OCSP responder;
- all keys are RSA-2048, where the genuine authorities have 4096 bits.

What belongs here: which certificates there are, when they are valid, and what of them is published. DER is in
:mod:`imdskit.emulator.certificates`, keys are in :mod:`imdskit.emulator.keys`.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import textwrap
import threading
from datetime import UTC, datetime

from imdskit.clock import Clock
from imdskit.emulator import certificates as x509
from imdskit.emulator.keys import RandomBits, RsaKey, seeded
from imdskit.errors import UsageError

DAY = 86_400
LEAF_LIFE = 180 * DAY
"""As genuine leaves have it since 2025."""
LEAF_PERIOD = 30 * DAY
"""A new leaf is made every so often, so the one in use is never older than this and a day."""
ROOT_YEARS = 25
ISSUING_YEARS = 5

CERTIFICATE_TYPE = "application/pkix-cert"
CRL_TYPE = "application/pkix-crl"
"""Media types of published files (RFC 2585 section 4, RFC 5280 sections 4.2.1.13 and 4.2.2.1)."""

_MICROSOFT_POLICY: tuple[str, str | None] = ("1.3.6.1.4.1.311.76.509.1.1", "http://www.microsoft.com/pkiops/Docs/Repository.htm")
_ORGANISATION_VALIDATED: tuple[str, str | None] = ("2.23.140.1.2.2", None)
_REGION = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class Signer:
    """A leaf certificate and the use of its key.

    Attributes:
        certificate: DER of the leaf.
        issuer: DER of its issuer's Name.
        serial: its serial number.
    """

    __slots__ = ("_key", "certificate", "issuer", "serial")

    def __init__(self, certificate: bytes, issuer: bytes, serial: int, key: RsaKey) -> None:
        self.certificate = certificate
        self.issuer = issuer
        self.serial = serial
        self._key = key

    def sign(self, content: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 signature with SHA-256."""
        return self._key.sign(content, "sha256")


class Authority:
    """A throw-away authority. Safe to share between threads.

    Args:
        clock: says what is valid now.
        base_url: under which the emulator serves :meth:`download`, for instance ``http://127.0.0.1:8080``.
        domain: of the cloud, for instance ``metadata.azure.com``: the common name of the default leaf.
        region: of the default leaf, for instance ``westeurope``.
        seed: the same seed gives the same keys on every machine, and within a calendar year the same root certificate.
            None: new keys from the operating system.

    Making one takes about a second: three keys are generated.

    Attributes:
        root: DER of the root certificate.
        issuing: DER of the issuing authority's certificate.

    Raises:
        UsageError: domain, region or address cannot stand in a certificate.
    """

    def __init__(
        self,
        clock: Clock,
        base_url: str,
        *,
        domain: str = "metadata.azure.com",
        region: str = "westeurope",
        seed: int | None = None,
    ) -> None:
        self._clock = clock
        self._base_url = base_url.rstrip("/")
        self._domain = domain
        self._region = region
        self._seed = seed
        self._lock = threading.Lock()
        self._keys: dict[str, RsaKey] = {}
        self._signers: dict[tuple[str, str], tuple[int, Signer]] = {}

        self._root_key = self._key("root")
        self._issuing_key = self._key("issuing")
        mark = x509.key_identifier(self._root_key).hex()[:8]
        self._names = (f"imdskit-root-{mark}", f"imdskit-issuing-{mark}")
        self._root_name = _authority_name(f"imdskit throw-away root {mark} (for tests only)")
        self._issuing_name = _authority_name(f"imdskit throw-away issuing CA {mark} (for tests only)")
        self._year = datetime.fromtimestamp(clock.now(), UTC).year - 1
        self.root = self._make_root()
        self.issuing = self._make_issuing()
        self.signer()

    @property
    def root_pem(self) -> str:
        """The root alone, as PEM."""
        return _pem(self.root)

    @property
    def issuing_pem(self) -> str:
        """The issuing authority alone, as PEM."""
        return _pem(self.issuing)

    def trust_pem(self) -> str:
        """Root and issuing authority: all that ``openssl cms -verify -purpose any -CAfile`` needs to accept a document."""
        return (
            "# Throw-away authority of an imdskit emulator. For tests only: whoever has its seed can sign as it.\n"
            + self.root_pem
            + self.issuing_pem
        )

    def signer(self, domain: str | None = None, region: str | None = None) -> Signer:
        """The leaf for a cloud's domain and a region, by default those of the authority. Remembered until its period is over.

        Raises:
            UsageError: the domain or region cannot stand in a certificate.
        """
        domain = self._domain if domain is None else domain
        region = (self._region if region is None else region).replace(" ", "").lower()
        if not _REGION.fullmatch(region):
            raise UsageError("bad-argument", f"{region!r} cannot be the region in a certificate's name.")
        period = self._clock.now() // LEAF_PERIOD
        with self._lock:
            made, signer = self._signers.get((domain, region), (None, None))
            if signer is None or made != period:
                signer = self._make_leaf(domain, region, period * LEAF_PERIOD - DAY)
                self._signers[domain, region] = (period, signer)
            return signer

    def download(self, path: str) -> tuple[str, bytes] | None:
        """What the authority publishes at a path of the base address: (media type, DER), or None if there is nothing.

        These are the addresses inside the certificates: ``/pki/NAME.crt`` (certificates) and ``/pki/NAME.crl`` (empty revocation lists).
        """
        root, issuing = self._names
        if path in (f"/pki/{root}.crt", f"/pki/{issuing}.crt"):
            return CERTIFICATE_TYPE, self.root if root in path else self.issuing
        if path not in (f"/pki/{root}.crl", f"/pki/{issuing}.crl"):
            return None
        issuer, key = (self._root_name, self._root_key) if root in path else (self._issuing_name, self._issuing_key)
        this_update = self._clock.now() // LEAF_PERIOD * LEAF_PERIOD - DAY
        return CRL_TYPE, x509.empty_revocation_list(issuer, key, this_update // DAY, this_update, this_update + LEAF_LIFE)

    def _address(self, name: str, ending: str) -> str:
        return f"{self._base_url}/pki/{name}.{ending}"

    def _key(self, purpose: str) -> RsaKey:
        if purpose not in self._keys:
            randbits: RandomBits = secrets.randbits if self._seed is None else seeded(self._seed, purpose)
            self._keys[purpose] = RsaKey.generate(2048, randbits)
        return self._keys[purpose]

    def _make_root(self) -> bytes:
        identifier = x509.key_identifier(self._root_key)
        body = x509.Body(
            serial=_serial(identifier, b"root"),
            issuer=self._root_name,
            not_before=_new_year(self._year),
            not_after=_new_year(self._year + ROOT_YEARS),
            subject=self._root_name,
            key=self._root_key,
            extensions=(
                x509.key_usage(x509.DIGITAL_SIGNATURE, x509.KEY_CERT_SIGN, x509.CRL_SIGN),
                x509.basic_constraints(ca=True),
                x509.subject_key_identifier(identifier),
            ),
        )
        return x509.certificate(body, self._root_key)

    def _make_issuing(self) -> bytes:
        root, _ = self._names
        identifier = x509.key_identifier(self._issuing_key)
        issuer_identifier = x509.key_identifier(self._root_key)
        body = x509.Body(
            serial=_serial(issuer_identifier, identifier),
            issuer=self._root_name,
            not_before=_new_year(self._year),
            not_after=_new_year(self._year + ISSUING_YEARS),
            subject=self._issuing_name,
            key=self._issuing_key,
            extensions=(
                x509.key_usage(x509.DIGITAL_SIGNATURE, x509.KEY_CERT_SIGN, x509.CRL_SIGN),
                x509.subject_key_identifier(identifier),
                x509.certificate_policies(("2.23.140.1.2.1", None), _ORGANISATION_VALIDATED, _MICROSOFT_POLICY),
                x509.extended_key_usage(x509.SERVER_AUTH, x509.CLIENT_AUTH),
                x509.basic_constraints(ca=True, path_length=0),
                x509.authority_key_identifier(issuer_identifier),
                x509.crl_distribution_points(self._address(root, "crl")),
                x509.authority_information_access(self._address(root, "crt")),
            ),
        )
        return x509.certificate(body, self._root_key)

    def _make_leaf(self, domain: str, region: str, not_before: int) -> Signer:
        _, issuing = self._names
        host = f"{region}.{domain}"
        key = self._key(f"leaf {host}")
        issuer_identifier = x509.key_identifier(self._issuing_key)
        serial = _serial(issuer_identifier, f"{host} {not_before}".encode())
        body = x509.Body(
            serial=serial,
            issuer=self._issuing_name,
            not_before=not_before,
            not_after=not_before + LEAF_LIFE,
            subject=x509.name(("C", "US"), ("ST", "WA"), ("L", "Redmond"), ("O", "Microsoft Corporation"), ("CN", domain)),
            key=key,
            extensions=(
                x509.application_policies(x509.CLIENT_AUTH, x509.SERVER_AUTH),
                x509.authority_information_access(self._address(issuing, "crt")),
                x509.subject_key_identifier(x509.key_identifier(key)),
                x509.key_usage(x509.DIGITAL_SIGNATURE, x509.KEY_ENCIPHERMENT),
                x509.subject_alternative_names(host, domain),
                x509.basic_constraints(ca=False),
                x509.crl_distribution_points(self._address(issuing, "crl")),
                x509.certificate_policies(_MICROSOFT_POLICY, _ORGANISATION_VALIDATED),
                x509.authority_key_identifier(issuer_identifier),
                x509.extended_key_usage(x509.CLIENT_AUTH, x509.SERVER_AUTH),
            ),
        )
        return Signer(x509.certificate(body, self._issuing_key), self._issuing_name, serial, key)


def _authority_name(common_name: str) -> bytes:
    return x509.name(("C", "US"), ("O", "imdskit throw-away authority"), ("CN", common_name))


def _serial(issuer: bytes, subject: bytes) -> int:
    """Nineteen octets that begin with 33, as the real authorities write them; unique for an issuer's key and what it signs."""
    return int.from_bytes(b"\x33" + hashlib.sha256(issuer + subject).digest()[:18], "big")


def _new_year(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp())


def _pem(certificate: bytes) -> str:
    """RFC 7468 section 5.1."""
    lines = "\n".join(textwrap.wrap(base64.b64encode(certificate).decode("ascii"), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"
