"""Adapters for other programs that verify the same documents. Each adapter is a function that
raises an exception for a bad document.

Before any measurement, each adapter must accept a good document and refuse a broken one. If an
adapter fails this check, or its packages are not installed, the bench reports it and skips it. Each
docstring says which checks the other program does not make, because a program with fewer checks has
an advantage.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from subprocess import SubprocessError

import foreign
import libcrypto
from corpus import Chain

from imdskit.pki.signatures.rsa import DIGEST_INFO

Verify = Callable[[bytes], object]


def bare_aws_lc(chain: Chain) -> Verify:
    """Return an adapter for awscrt that verifies one RSA-2048 signature with AWS-LC and does
    nothing else.

    The message is parsed and digested in advance. No verifier that Python calls once per document
    can be faster than this.
    """
    from hashlib import sha256

    from awscrt.crypto import RSA, RSASignatureAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = RSA.new_public_key_from_der_data(chain.leaf.key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1))

    known: dict[bytes, tuple[bytes, bytes]] = {}

    def verify(document: bytes) -> None:
        if document not in known:
            _, content, signature = parts(base64.b64decode(document))
            known[document] = sha256(content).digest(), signature
        if not key.verify(RSASignatureAlgorithm.PKCS1_5_SHA256, *known[document]):
            raise ValueError("bad signature")

    return verify


def bare_pow(chain: Chain, *, whole: bool = False) -> Verify:
    """Return an adapter that raises one signature to the power of the public exponent with ``pow``
    of CPython, and does nothing else.

    The message is parsed, and the expected result (:func:`_block`) is computed in advance. The
    Python backend cannot be faster than this. With ``whole``, the adapter also computes ``pow`` for
    the signatures on the leaf and the intermediate. Without a cache, the Python backend cannot be
    faster than that.
    """
    leaf = chain.leaf.key.public_key().public_numbers()
    path = []
    if whole:
        for issuer, pair in ((chain.intermediate, chain.leaf), (chain.root, chain.intermediate)):
            certificate, numbers = pair.certificate, issuer.key.public_key().public_numbers()
            path.append(
                (_number(certificate.signature), numbers, _block(certificate.signature, "sha384", certificate.tbs_certificate_bytes))
            )
    known: dict[bytes, tuple[int, int]] = {}

    def verify(document: bytes) -> None:
        if document not in known:
            _, content, signature = parts(base64.b64decode(document))
            known[document] = _number(signature), _block(signature, "sha256", content)
        signature_number, expected = known[document]
        for number, key, block in ((signature_number, leaf, expected), *path):
            if pow(number, key.e, key.n) != block:
                raise ValueError("bad signature")

    return verify


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _block(signature: bytes, hash_name: str, message: bytes) -> int:
    """Return the number that a valid signature gives (RFC 8017 section 9.2)."""
    info = DIGEST_INFO[hash_name] + hashlib.new(hash_name, message).digest()
    return _number(b"\x00\x01" + b"\xff" * (len(signature) - len(info) - 3) + b"\x00" + info)


def cryptography_cached(chain: Chain) -> Verify:
    """Return an adapter for pyca/cryptography with a trusted leaf.

    It parses the message with :func:`parts`, compares the leaf with the trusted one, and verifies
    one RSA signature. It checks no path, names, times or claims.
    """
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    key, leaf, scheme, digest = chain.leaf.key.public_key(), chain.leaf.der, padding.PKCS1v15(), hashes.SHA256()

    def verify(document: bytes) -> None:
        certificate, content, signature = parts(base64.b64decode(document))
        if certificate != leaf:
            raise ValueError("another signer")
        key.verify(signature, content, scheme, digest)

    return verify


def cryptography_uncached(chain: Chain) -> Verify:
    """Return an adapter for pyca/cryptography that uses its X.509 verifier, which checks the name
    and the time.

    It parses the message with :func:`parts` and does not check claims.
    """
    from datetime import UTC, datetime

    from corpus import AT
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    store = x509.verification.Store([chain.root.certificate])
    builder = x509.verification.PolicyBuilder().store(store).time(datetime.fromtimestamp(AT, UTC).replace(tzinfo=None))
    verifier, pool = builder.build_server_verifier(x509.DNSName("metadata.azure.com")), [chain.intermediate.certificate]

    def verify(document: bytes) -> None:
        der, content, signature = parts(base64.b64decode(document))
        certificate = x509.load_der_x509_certificate(der)
        certificate.public_key().verify(signature, content, padding.PKCS1v15(), hashes.SHA256())  # type: ignore[union-attr,call-arg]  # the chain has RSA keys only
        verifier.verify(certificate, pool)

    return verify


def pyhanko(chain: Chain) -> Verify:
    """Return an adapter for pyHanko, which verifies the CMS message and the certification path. It
    checks no names and no claims."""
    from datetime import UTC, datetime

    from asn1crypto import cms
    from asn1crypto import x509 as asn1_x509
    from corpus import AT
    from pyhanko.sign.validation.generic_cms import async_validate_cms_signature
    from pyhanko.sign.validation.settings import KeyUsageConstraints
    from pyhanko_certvalidator import ValidationContext

    root, intermediate = (asn1_x509.Certificate.load(pair.der) for pair in (chain.root, chain.intermediate))
    context = ValidationContext(
        trust_roots=[root],
        other_certs=[intermediate],
        moment=datetime.fromtimestamp(AT, UTC),
        allow_fetching=False,
        revocation_mode="soft-fail",
    )

    usage = KeyUsageConstraints(key_usage={"digital_signature"})

    def verify(document: bytes) -> None:
        data = cms.ContentInfo.load(base64.b64decode(document), strict=True)["content"]
        status = asyncio.run(async_validate_cms_signature(data, validation_context=context, key_usage_settings=usage))
        if not (status.intact and status.valid and status.trusted):
            raise ValueError(status.summary())

    return verify


def openssl_process(chain: Chain) -> Verify:
    """Return an adapter that runs ``openssl cms -verify`` for each document, as shell scripts do.

    It verifies the CMS message and the certification path, but no names and no claims.
    """
    import shutil
    import ssl
    import subprocess
    import tempfile
    from pathlib import Path

    from corpus import AT

    program = shutil.which("openssl")
    if program is None:
        raise ImportError(name="the program openssl")
    folder = Path(tempfile.mkdtemp(prefix="imdskit-bench-"))
    # The intermediate is in the same file as the root, because OpenSSL 3.0 uses the certificates of
    # `-certfile` as signers only.
    (folder / "authorities.pem").write_text("".join(ssl.DER_cert_to_PEM_cert(pair.der) for pair in (chain.root, chain.intermediate)))
    command = [program, "cms", "-verify", "-inform", "DER", "-purpose", "any", "-attime", str(AT), "-out", "/dev/null"]
    command += ["-CAfile", str(folder / "authorities.pem")]

    def verify(document: bytes) -> None:
        subprocess.run(command, input=base64.b64decode(document), check=True, capture_output=True)

    return verify


PEERS: dict[str, tuple[Callable[[Chain], Verify], tuple[str, ...]]] = {
    "bare RSA, AWS-LC (awscrt)": (bare_aws_lc, ("awscrt",)),
    "bare pow, CPython": (bare_pow, ()),
    "bare pow, CPython, whole path": (partial(bare_pow, whole=True), ()),
    "cryptography, chain cached": (cryptography_cached, ("cryptography",)),
    "cryptography, chain each time": (cryptography_uncached, ("cryptography",)),
    "openssl cms -verify, one process per document": (openssl_process, ()),
    "CMS_verify of libcrypto": (libcrypto.cms_verify, ("psycopg2-binary",)),
    "pyHanko": (pyhanko, ("pyHanko", "pyhanko-certvalidator", "asn1crypto")),
    **{
        f"{language}, {words}": (partial(program, mode=mode), ())
        for language, program in foreign.LANGUAGES.items()
        for mode, words in (("cached", "chain cached"), ("uncached", "chain each time"))
    },
}
"""Adapters by row name, each with the packages whose versions are reported."""


def ready(chain: Chain, good: bytes) -> tuple[dict[str, Verify], dict[str, str], dict[str, str]]:
    """Return the adapters that work, the versions of their packages, and the reasons why the others
    are skipped."""
    broken = bytearray(base64.b64decode(good))
    broken[-1] ^= 1
    bad = base64.b64encode(bytes(broken))
    found: dict[str, Verify] = {}
    versions: dict[str, str] = {}
    absent: dict[str, str] = {}
    for name, (adapter, packages) in PEERS.items():
        try:
            verify = adapter(chain)
        except ImportError as error:
            absent[name] = f"not installed: {error.name}"
            continue
        except (OSError, SubprocessError) as error:
            absent[name] = f"does not start: {error}"
            continue
        if not accepts(verify, good):
            absent[name] = "refuses a good document"
            continue
        if accepts(verify, bad):
            absent[name] = "accepts a document whose signature was changed"
            continue
        found[name] = verify
        versions.update({package: version(package) for package in packages})
        if name.endswith("libcrypto"):
            versions["libcrypto"] = libcrypto.version()
        if isinstance(verify, foreign.Program):
            versions[name.partition(",")[0]] = verify.version
    return found, versions, absent


def accepts(verify: Verify, document: bytes) -> bool:
    """Return whether the adapter accepts the document."""
    try:
        verify(document)
    except Exception:  # noqa: BLE001  # peers raise exceptions of any type
        return False
    return True


def parts(der: bytes) -> tuple[bytes, bytes, bytes]:
    """Return leaf, content and signature of a message from :mod:`corpus`, without any of the checks
    that a safe parser needs."""
    _, wrapped = _children(der, 0)
    _, _, encapsulated, certificates, signers = _children(der, _first(der, wrapped))
    _, explicit = _children(der, encapsulated)
    _, _, _, _, signature = _children(der, _first(der, signers))
    certificate = _first(der, certificates)
    return der[certificate : _contents(der, certificate)[1]], _content_bytes(der, _first(der, explicit)), _content_bytes(der, signature)


def _contents(der: bytes, position: int) -> tuple[int, int]:
    """Return the start and the end of the contents of the element at ``position``."""
    length, start = der[position + 1], position + 2
    if length >= 0x80:
        size = length - 0x80
        length, start = int.from_bytes(der[start : start + size], "big"), start + size
    return start, start + length


def _content_bytes(der: bytes, position: int) -> bytes:
    start, stop = _contents(der, position)
    return der[start:stop]


def _first(der: bytes, position: int) -> int:
    """Return the position of the first element inside the element at ``position``."""
    return _contents(der, position)[0]


def _children(der: bytes, position: int) -> list[int]:
    """Return the positions of the elements inside the element at ``position``."""
    position, stop = _contents(der, position)
    found = []
    while position < stop:
        found.append(position)
        position = _contents(der, position)[1]
    return found
